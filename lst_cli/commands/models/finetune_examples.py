"""``lst finetune dpo`` and ``lst finetune instruct``: fine-tune on a JSONL file of examples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import typer

from lst_cli.commands.common import store
from lst_cli.commands.models.pretrain import make_or_follow


@dataclass(frozen=True, kw_only=True)
class ExamplesCall:
    """What both commands are given."""

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
    from lst_cli.model_artifact.card import MODEL
    from lst_cli.training import preference_stage as stage
    from lst_cli.training.config.preference_config import PreferenceConfig, resolve_preference
    from lst_cli.training.run.session import Folders
    from lst_cli.units.tokens import TOKENS

    config = resolve_preference(load_config(PreferenceConfig, call.config, call.sets))
    artifacts = store(call.ctx)
    tokens = artifacts.find(call.tokens, TOKENS) if call.tokens is not None else None
    inputs = stage.PreferenceInputs(model=artifacts.find(call.model, MODEL), pairs=call.file, tokens=tokens)
    request = stage.request_preference(config, inputs, call.name)
    folders = Folders.of(artifacts, request)
    make_or_follow(
        call.ctx,
        request,
        stage.make_preference(config, inputs, folders),
        lambda: stage.follow_preference(config, inputs, folders),
        fresh=call.fresh,
        json=call.json,
        device=config.run.device,
    )


def finetune_instruct(call: ExamplesCall) -> None:
    """Tune a model on dialogues."""
    from lst_cli.config import load_config
    from lst_cli.model_artifact.card import MODEL
    from lst_cli.training import instruct_stage as stage
    from lst_cli.training.config.dialogue_config import DialogueConfig, resolve_dialogue
    from lst_cli.training.run.session import Folders
    from lst_cli.units.tokens import TOKENS

    config = resolve_dialogue(load_config(DialogueConfig, call.config, call.sets))
    artifacts = store(call.ctx)
    tokens = artifacts.find(call.tokens, TOKENS) if call.tokens is not None else None
    inputs = stage.DialogueInputs(model=artifacts.find(call.model, MODEL), dialogues=call.file, tokens=tokens)
    request = stage.request_instruct(config, inputs, call.name)
    folders = Folders.of(artifacts, request)
    make_or_follow(
        call.ctx,
        request,
        stage.make_instruct(config, inputs, folders),
        lambda: stage.follow_instruct(config, inputs, folders),
        fresh=call.fresh,
        json=call.json,
        device=config.run.device,
    )
