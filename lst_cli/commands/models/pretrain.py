"""``lst pretrain``: pretrain a model on shards."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lst_cli.commands.common import Json, build, completing, store
from lst_cli.console import print_json, print_table, warn

if TYPE_CHECKING:
    from lst_cli.artifacts import Draft, Request, Store
    from lst_cli.evaluation.stories_in_training import Stories
    from lst_cli.training.budget.machine import Machine
    from lst_cli.training.config.pretrain_config import PretrainConfig
    from lst_cli.training.pretrain_inputs import PretrainInputs

_DATA = "Data"
_MODEL = "Model"
_VALIDATION = "Validation"
_DRY_RUN = "Dry run"

Name = Annotated[str, typer.Option(help="Name of the model.")]
Config = Annotated[Path, typer.Argument(help="YAML config; 'lst config show pretrain' prints a template.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="Change a key of the config: KEY=VALUE, as in budget.steps=500.")
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Discard an unfinished run with this name and another config.")]
Shards = Annotated[
    list[str],
    typer.Option(
        help="Speech shards: shards/NAME, or URL/shards/NAME in a bucket; repeatable.",
        rich_help_panel=_DATA,
        autocompletion=completing("shards"),
    ),
]
TextShards = Annotated[
    list[str] | None,
    typer.Option(
        help="Text shards: shards/NAME, or URL/shards/NAME in a bucket; repeatable.",
        rich_help_panel=_DATA,
        autocompletion=completing("shards"),
    ),
]
Tokenizer = Annotated[
    str | None,
    typer.Option(
        help="text_tokenizer/NAME.  \\[default: that of the shards]",
        rich_help_panel=_DATA,
        autocompletion=completing("text_tokenizer"),
    ),
]
Quantizer = Annotated[
    str | None,
    typer.Option(
        help="quantizer/NAME.  \\[default: that of the speech shards]",
        rich_help_panel=_DATA,
        autocompletion=completing("quantizer"),
    ),
]
SpeechBpe = Annotated[
    str | None,
    typer.Option(
        help="speech_bpe/NAME: merge speech tokens, for a baseline (the BPE SpeechLLM).",
        rich_help_panel=_MODEL,
        autocompletion=completing("speech_bpe"),
    ),
]
PatchingRule = Annotated[
    str | None,
    typer.Option(
        help="patching_rule/NAME, for patching.strategy hazard or entropy.",
        rich_help_panel=_MODEL,
        autocompletion=completing("patching_rule"),
    ),
]
Init = Annotated[
    str | None,
    typer.Option(
        help="Start from model/NAME, an exported folder, or a text model: its folder or Hub name.",
        rich_help_panel=_MODEL,
        autocompletion=completing("model"),
    ),
]
ValidShards = Annotated[
    list[str] | None,
    typer.Option(
        help="Held-out speech or text shards: shards/NAME or URL; repeatable.",
        rich_help_panel=_VALIDATION,
        autocompletion=completing("shards"),
    ),
]
StoryFiles = Annotated[
    list[str] | None,
    typer.Option(
        help="Benchmark to score at every validation: TASK:FILE, as for 'lst eval'; repeatable.",
        rich_help_panel=_VALIDATION,
    ),
]
StoryTokens = Annotated[
    str | None,
    typer.Option(
        help="tokens/NAME of the spoken items, to score S->S as well.",
        rich_help_panel=_VALIDATION,
        autocompletion=completing("tokens"),
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Estimate data, FLOPs, memory and time of the run, without training.",
        rich_help_panel=_DRY_RUN,
    ),
]
Gpu = Annotated[
    str,
    typer.Option(
        help="GPU model for the estimates of memory and time, such as H100 or 'A100 40GB'.", rich_help_panel=_DRY_RUN
    ),
]
Gpus = Annotated[int, typer.Option(min=1, help="Number of GPUs.", rich_help_panel=_DRY_RUN)]
GpusPerNode = Annotated[
    int, typer.Option(min=1, help="GPUs per node, within which run.hsdp shards.", rich_help_panel=_DRY_RUN)
]
Mfu = Annotated[
    float,
    typer.Option(min=0.01, max=1.0, help="Assumed MFU (model FLOPs utilisation).", rich_help_panel=_DRY_RUN),
]


def pretrain(
    ctx: typer.Context,
    config: Config,
    shards: Shards,
    name: Name,
    set_: Set = None,
    fresh: Fresh = False,
    json: Json = False,
    text_shards: TextShards = None,
    tokenizer: Tokenizer = None,
    quantizer: Quantizer = None,
    speech_bpe: SpeechBpe = None,
    patching_rule: PatchingRule = None,
    init: Init = None,
    valid_shards: ValidShards = None,
    stories: StoryFiles = None,
    stories_tokens: StoryTokens = None,
    dry_run: DryRun = False,
    gpu: Gpu = "H100",
    gpus: Gpus = 1,
    gpus_per_node: GpusPerNode = 8,
    mfu: Mfu = 0.4,
) -> None:
    """Pretrain a baseline or an LST. The same command resumes after a crash.

    Under torchrun or srun, run this command on every rank.
    """
    from lst_cli.config import load_config
    from lst_cli.training import pretrain_stage as stage
    from lst_cli.training.config.pretrain_config import PretrainConfig, resolve
    from lst_cli.training.init.initial_model import find_initial
    from lst_cli.training.pretrain_inputs import check_inputs
    from lst_cli.training.run.session import Folders

    artifacts = store(ctx)
    loaded = load_config(PretrainConfig, config, set_ or [])
    source = find_initial(artifacts, init) if init is not None else None
    if source is not None:
        loaded = dataclasses.replace(loaded, model=source.section(loaded.model))
    resolved = resolve(loaded)
    inputs = dataclasses.replace(
        _find_inputs(artifacts, shards, text_shards, valid_shards, tokenizer, quantizer, speech_bpe, patching_rule),
        stories=_read_stories(artifacts, stories, stories_tokens),
        init=source,
    )
    check_inputs(resolved, inputs)
    if dry_run:
        from lst_cli.training.budget.machine import Machine

        machine = Machine(gpu=gpu, gpus=gpus, mfu=mfu, per_node=gpus_per_node)
        _print_plan(resolved, inputs, machine, json=json)
        return
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


def make_or_follow(
    ctx: typer.Context,
    request: Request,
    make: Callable[[Draft], None],
    follow: Callable[[], None],
    *,
    fresh: bool,
    json: bool,
    device: str,
) -> None:
    """Train: the first process makes the model, the others only take part."""
    from lst_cli.distributed.device import pick_device
    from lst_cli.distributed.launcher import rank
    from lst_cli.training.run.unfinished import check_unchanged

    pick_device(device, option="run.device")
    artifacts = store(ctx)
    if rank() == 0:
        check_unchanged(artifacts, request, fresh=fresh)
        build(ctx, request, make, json=json)
    elif artifacts.existing(request) is None:
        if not fresh:
            check_unchanged(artifacts, request, fresh=False)  # don't wait for a first process that refuses the config
        follow()


def _find_inputs(
    artifacts: Store,
    shards: list[str],
    text_shards: list[str] | None,
    valid_shards: list[str] | None,
    tokenizer: str | None,
    quantizer: str | None,
    speech_bpe: str | None,
    patching_rule: str | None,
) -> PretrainInputs:
    """The artifacts that are named, and those inherited from the shards."""
    from lst_cli.artifacts.bucket import find_anywhere
    from lst_cli.patching_rules.rule_artifact import PATCHING_RULE
    from lst_cli.shards.schema import SHARDS
    from lst_cli.text.speech_bpe import SPEECH_BPE
    from lst_cli.text.tokenizer import TEXT_TOKENIZER
    from lst_cli.training.inherited import check_same_units, named_or_inherited
    from lst_cli.training.pretrain_inputs import PretrainInputs
    from lst_cli.units.quantizer.codebook import QUANTIZER

    speech = [find_anywhere(artifacts, reference, SHARDS) for reference in shards]
    inputs = PretrainInputs(
        speech=speech,
        text=[find_anywhere(artifacts, reference, SHARDS) for reference in text_shards or []],
        valid=[find_anywhere(artifacts, reference, SHARDS) for reference in valid_shards or []],
        tokenizer=named_or_inherited(artifacts, tokenizer, TEXT_TOKENIZER, speech, "--tokenizer"),
        quantizer=named_or_inherited(artifacts, quantizer, QUANTIZER, speech, "--quantizer"),
        speech_bpe=artifacts.find(speech_bpe, SPEECH_BPE) if speech_bpe is not None else None,
        patching_rule=artifacts.find(patching_rule, PATCHING_RULE) if patching_rule is not None else None,
    )
    if inputs.speech_bpe is not None:
        check_same_units(artifacts, inputs.speech_bpe, inputs.quantizer, "--speech-bpe", "lst shards bpe")
    if inputs.patching_rule is not None:
        check_same_units(artifacts, inputs.patching_rule, inputs.quantizer, "--patching-rule", "lst patching fit")
    return inputs


def _read_stories(artifacts: Store, stories: list[str] | None, tokens: str | None) -> Stories | None:
    from lst_cli.errors import UserError

    if not stories:
        if tokens is not None:
            raise UserError("--stories-tokens without --stories", fix="add --stories TASK:FILE")
        return None
    from lst_cli.evaluation.stories_in_training import read_stories
    from lst_cli.units.tokens import TOKENS

    return read_stories(stories, artifacts.find(tokens, TOKENS) if tokens is not None else None)


def _print_plan(config: PretrainConfig, inputs: PretrainInputs, machine: Machine, *, json: bool) -> None:
    from lst_cli.training.budget.dry_run import make_plan, rows
    from lst_cli.training.pretrain_inputs import open_sources, open_validation

    sources, speech = open_sources(config, inputs)
    held_out = len({source.name for source in open_validation(config, inputs)})
    plan = make_plan(
        config,
        sources,
        speech,
        inputs.fitted_rule,
        machine,
        initial=inputs.init is not None,
        validation=held_out,
    )
    for warning in plan.warnings:
        warn(warning)
    if json:
        print_json({**dataclasses.asdict(plan), "machine": dataclasses.asdict(machine)})
    else:
        print_table("", ("", ""), rows(plan, machine))
