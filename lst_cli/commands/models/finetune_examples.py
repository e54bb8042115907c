"""``lst finetune dpo`` and ``lst finetune instruct``: fine-tune on a JSONL file of examples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lst_cli.commands.common import store
from lst_cli.commands.models.pretrain import make_or_follow

if TYPE_CHECKING:
    from lst_cli.training.examples_stage import Config, ExampleTask


@dataclass(frozen=True, kw_only=True)
class ExamplesCall:
    """The arguments of both commands."""

    ctx: typer.Context
    config: Path
    model: str
    name: str
    file: Path
    tokens: str | None
    sets: list[str]
    fresh: bool
    json: bool


def finetune_dpo(call: ExamplesCall) -> None:
    """Tune a model on preference pairs."""
    from lst_cli.config import load_config
    from lst_cli.training.config.preference_config import PreferenceConfig, resolve_preference
    from lst_cli.training.preference_stage import DPO

    _finetune(call, DPO, resolve_preference(load_config(PreferenceConfig, call.config, call.sets)))


def finetune_instruct(call: ExamplesCall) -> None:
    """Tune a model on dialogues."""
    from lst_cli.config import load_config
    from lst_cli.training.config.dialogue_config import DialogueConfig, resolve_dialogue
    from lst_cli.training.instruct_stage import INSTRUCT

    _finetune(call, INSTRUCT, resolve_dialogue(load_config(DialogueConfig, call.config, call.sets)))


def _finetune(call: ExamplesCall, task: ExampleTask[Config], config: Config) -> None:
    from lst_cli.model_artifact.card import MODEL
    from lst_cli.training.examples_stage import ExampleInputs
    from lst_cli.training.run.session import Folders
    from lst_cli.units.tokens import TOKENS

    artifacts = store(call.ctx)
    tokens = artifacts.find(call.tokens, TOKENS) if call.tokens is not None else None
    inputs = ExampleInputs(model=artifacts.find(call.model, MODEL), file=call.file, tokens=tokens)
    request = task.request(config, inputs, call.name)
    folders = Folders.of(artifacts, request)
    make_or_follow(
        call.ctx,
        request,
        task.make(config, inputs, folders),
        lambda: task.follow(config, inputs, folders),
        fresh=call.fresh,
        json=call.json,
        device=config.run.device,
    )
