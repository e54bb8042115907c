"""``lst finetune``: fine-tune a model for speech tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lst_cli.commands.common import Json, completing, store
from lst_cli.commands.models.pretrain import Fresh, Name, Set, make_or_follow

Tasks = Annotated[
    str,
    typer.Argument(metavar="TASKS", help="asr (transcribe), tts (speak), or asr,tts for both in one model."),
]
Config = Annotated[Path, typer.Argument(help="YAML file; 'lst config show finetune' prints a template.")]
Model = Annotated[
    str,
    typer.Option(help="The model to fine-tune: model/NAME, a baseline or an LST.", autocompletion=completing("model")),
]
Shards = Annotated[
    list[str],
    typer.Option(help="Speech shards with words: shards/NAME; repeatable.", autocompletion=completing("shards")),
]


def finetune(
    ctx: typer.Context,
    tasks: Tasks,
    config: Config,
    model: Model,
    shards: Shards,
    name: Name,
    set_: Set = None,
    fresh: Fresh = False,
    json: Json = False,
) -> None:
    """Fine-tune a model for speech recognition, synthesis or both. The same command resumes after a crash."""
    from lst_cli.config import load_config
    from lst_cli.model_artifact.card import MODEL
    from lst_cli.shards.schema import SHARDS
    from lst_cli.training import finetune_stage as stage
    from lst_cli.training.config.finetune_config import FinetuneConfig, resolve
    from lst_cli.training.run.session import Folders

    chosen = stage.parse_tasks(tasks)
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
