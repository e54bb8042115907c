"""``lst finetune``: fine-tune a model for speech tasks, or on preference pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lst_cli.commands.common import Json, completing, store
from lst_cli.commands.models.pretrain import Fresh, Name, Set, make_or_follow
from lst_cli.errors import UserError

Tasks = Annotated[
    str,
    typer.Argument(
        metavar="TASKS",
        help="asr (transcribe), tts (speak), asr,tts for both in one model, or dpo (preference pairs).",
    ),
]
Config = Annotated[Path, typer.Argument(help="YAML file; 'lst config show finetune' (or dpo) prints a template.")]
Model = Annotated[
    str,
    typer.Option(help="The model to fine-tune: model/NAME, a baseline or an LST.", autocompletion=completing("model")),
]
Shards = Annotated[
    list[str] | None,
    typer.Option(
        help="For asr and tts: speech shards with words, shards/NAME; repeatable.",
        autocompletion=completing("shards"),
    ),
]
Pairs = Annotated[
    Path | None, typer.Option(help="For dpo: JSONL of a prompt, a chosen and a rejected continuation each.")
]
PairTokens = Annotated[
    str | None,
    typer.Option(
        help="For dpo: tokens/NAME with the utterances that the pairs name.", autocompletion=completing("tokens")
    ),
]


def finetune(
    ctx: typer.Context,
    tasks: Tasks,
    config: Config,
    model: Model,
    name: Name,
    shards: Shards = None,
    pairs: Pairs = None,
    tokens: PairTokens = None,
    set_: Set = None,
    fresh: Fresh = False,
    json: Json = False,
) -> None:
    """Fine-tune a model for speech recognition, synthesis or both, or on preference pairs (DPO).

    The same command resumes after a crash.
    """
    if tasks.strip() == "dpo":
        if pairs is None or shards:
            raise UserError("lst finetune dpo reads preference pairs", expected="--pairs FILE, and no --shards")
        _finetune_dpo(ctx, config, model, name, pairs, tokens, set_ or [], fresh=fresh, json=json)
        return
    from lst_cli.config import load_config
    from lst_cli.model_artifact.card import MODEL
    from lst_cli.shards.schema import SHARDS
    from lst_cli.training import finetune_stage as stage
    from lst_cli.training.config.finetune_config import FinetuneConfig, resolve
    from lst_cli.training.run.session import Folders

    chosen = stage.parse_tasks(tasks)
    if not shards or pairs is not None or tokens is not None:
        raise UserError(f"lst finetune {tasks} reads speech shards", expected="--shards, and no --pairs or --tokens")
    resolved = resolve(load_config(FinetuneConfig, config, set_ or []), chosen)
    artifacts = store(ctx)
    inputs = stage.FinetuneInputs(
        tasks=chosen,
        model=artifacts.find(model, MODEL),
        shards=[artifacts.find(reference, SHARDS) for reference in shards],
    )
    request = stage.request(resolved, inputs, name)
    folders = Folders.of(artifacts, request)
    make = stage.make(resolved, inputs, folders)
    make_or_follow(
        ctx,
        request,
        make,
        lambda: stage.follow(resolved, inputs, folders),
        fresh=fresh,
        json=json,
        device=resolved.run.device,
    )


def _finetune_dpo(
    ctx: typer.Context,
    config: Path,
    model: str,
    name: str,
    pairs: Path,
    tokens: str | None,
    sets: list[str],
    *,
    fresh: bool,
    json: bool,
) -> None:
    from lst_cli.config import load_config
    from lst_cli.model_artifact.card import MODEL
    from lst_cli.training import preference_stage as stage
    from lst_cli.training.config.preference_config import PreferenceConfig, resolve_preference
    from lst_cli.training.run.session import Folders
    from lst_cli.units.tokens import TOKENS

    resolved = resolve_preference(load_config(PreferenceConfig, config, sets))
    artifacts = store(ctx)
    inputs = stage.PreferenceInputs(
        model=artifacts.find(model, MODEL),
        pairs=pairs,
        tokens=artifacts.find(tokens, TOKENS) if tokens is not None else None,
    )
    request = stage.request_preference(resolved, inputs, name)
    folders = Folders.of(artifacts, request)
    make_or_follow(
        ctx,
        request,
        stage.make_preference(resolved, inputs, folders),
        lambda: stage.follow_preference(resolved, inputs, folders),
        fresh=fresh,
        json=json,
        device=resolved.run.device,
    )
