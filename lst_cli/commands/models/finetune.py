"""``lst finetune``: fine-tune a model for speech tasks, on preference pairs, or on dialogues."""

from __future__ import annotations

from collections.abc import Mapping
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
        help="asr (transcribe), tts (speak), asr,tts for both in one model, dpo (preference pairs), or instruct "
        "(dialogues).",
    ),
]
Config = Annotated[
    Path, typer.Argument(help="YAML config; 'lst config show finetune' (or dpo, instruct) prints a template.")
]
Model = Annotated[
    str,
    typer.Option(help="Model to fine-tune: model/NAME, a baseline or an LST.", autocompletion=completing("model")),
]
Shards = Annotated[
    list[str] | None,
    typer.Option(
        help="For asr and tts: speech shards with words, shards/NAME; repeatable.",
        autocompletion=completing("shards"),
    ),
]
Pairs = Annotated[
    Path | None, typer.Option(help="For dpo: JSONL file of preference pairs: prompt, chosen and rejected continuation.")
]
Dialogues = Annotated[
    Path | None, typer.Option(help="For instruct: JSONL file of dialogues with written or spoken turns.")
]
ExampleTokens = Annotated[
    str | None,
    typer.Option(
        help="For dpo and instruct: tokens/NAME with the utterances that the file refers to.",
        autocompletion=completing("tokens"),
    ),
]

_FILE_OPTIONS = {"dpo": "--pairs", "instruct": "--dialogues"}
"""Tasks that learn from a file of examples, and the option that names it."""


def finetune(
    ctx: typer.Context,
    tasks: Tasks,
    config: Config,
    model: Model,
    name: Name,
    shards: Shards = None,
    pairs: Pairs = None,
    dialogues: Dialogues = None,
    tokens: ExampleTokens = None,
    set_: Set = None,
    fresh: Fresh = False,
    json: Json = False,
) -> None:
    """Fine-tune a model for speech recognition, synthesis or both, on preference pairs (DPO), or on dialogues.

    The same command resumes after a crash.
    """
    task = tasks.strip()
    _check_inputs(task, {"--shards": shards, "--pairs": pairs, "--dialogues": dialogues, "--tokens": tokens})
    if task in _FILE_OPTIONS:
        from lst_cli.commands.models.finetune_examples import ExamplesCall, finetune_dpo, finetune_instruct

        file = pairs or dialogues
        assert file is not None
        sets = set_ or []
        call = ExamplesCall(
            ctx=ctx, config=config, model=model, name=name, file=file, tokens=tokens, sets=sets, fresh=fresh, json=json
        )
        (finetune_dpo if task == "dpo" else finetune_instruct)(call)
        return
    from lst_cli.artifacts.bucket import find_anywhere
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
        shards=[find_anywhere(artifacts, reference, SHARDS) for reference in shards or []],
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


def _check_inputs(task: str, given: Mapping[str, object]) -> None:
    """Check that the inputs are those of the task.

    :param given: the value of each option that names an input.
    :raises UserError: the task's own input is missing, or another task's is given.
    """
    needed = _FILE_OPTIONS.get(task, "--shards")
    allowed = (needed, "--tokens") if task in _FILE_OPTIONS else (needed,)
    others = [option for option, value in given.items() if value and option not in allowed]
    if not given[needed] or others:
        raise UserError(
            f"lst finetune {task} needs {needed}",
            found=f"also {', '.join(others)}" if others else f"no {needed}",
            expected=f"{needed} and none of the other tasks' inputs",
        )
