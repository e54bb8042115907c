"""``lst corpus``: add recordings, speak text, show what a corpus holds."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lst_cli.commands.common import Json, MaxRejectRate, Seed, build_shared, completing, store
from lst_cli.console import print_json, print_table
from lst_cli.errors import UserError

if TYPE_CHECKING:
    from lst_cli.audio.synth import SpokenLine

app = typer.Typer(no_args_is_help=True, help="Corpora of spoken utterances.")

Name = Annotated[str, typer.Option(help="Name of the corpus.")]
Workers = Annotated[int, typer.Option(min=1, help="Files or parts processed in parallel.  \\[default: one per CPU]")]
_CPUS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
_SHOWN = 20
"""Speakers and rejects that ``show`` prints without ``--json``."""


@app.command()
def add(
    ctx: typer.Context,
    source: Annotated[
        str, typer.Argument(help="A folder of audio with transcripts, or a manifest; a path or a URL (s3://…).")
    ],
    name: Name,
    layout: Annotated[
        str | None,
        typer.Option(
            help="folder, manifest, librispeech, mls, librilight, lhotse, huggingface, ljspeech, audiofolder, "
            "commonvoice or vctk.  \\[default: as recognised]"
        ),
    ] = None,
    text: Annotated[bool, typer.Option("--text/--no-text", help="Require transcripts, or use the audio alone.")] = True,
    max_reject_rate: MaxRejectRate = 0.01,
    workers: Workers = _CPUS,
    json: Json = False,
) -> None:
    """Check recordings and make a corpus that points at them; no audio is copied.

    Under torchrun or srun the ranks share the decoding. A killed run resumes.
    """
    from lst_cli.audio.add import AddOptions, SourceOfCorpus
    from lst_cli.storage.bucket_path import path_or_url

    options = AddOptions(
        source=path_or_url(source),
        name=name,
        layout=layout,
        with_text=text,
        max_reject_rate=max_reject_rate,
        workers=workers,
    )
    listed = SourceOfCorpus.read(options)
    build_shared(ctx, listed.plan, listed.share, json=json)


@app.command()
def synth(
    ctx: typer.Context,
    name: Name,
    voice: Annotated[
        list[str],
        typer.Option(
            help="\\[ENGINE:]VOICE\\[#SPEAKER]\\[@PITCH\\[xTEMPO]] (docs/corpus.md). Repeatable: one is drawn per line."
        ),
    ],
    lines: Annotated[Path | None, typer.Argument(help="A text file of lines TEXT or ID<TAB>TEXT.")] = None,
    items: Annotated[
        list[str] | None,
        typer.Option(
            help="TASK:FILE, an evaluation set instead of lines, with prompt and endings as separate utterances; "
            "repeatable."
        ),
    ] = None,
    rate: Annotated[str, typer.Option(help="Speaking rate, or LOW:HIGH to draw one per line.")] = "1",
    noise: Annotated[
        float,
        typer.Option(
            min=0.0, max=2.0, help="Scale of the voices' random variation; with 0, a sentence always sounds the same."
        ),
    ] = 1.0,
    seed: Seed = 0,
    max_reject_rate: MaxRejectRate = 0.01,
    workers: Workers = _CPUS,
    json: Json = False,
) -> None:
    """Speak text with text-to-speech voices (Piper comes with the extra `demo`).

    Under torchrun or srun the ranks share the work. A killed run resumes.
    """
    from lst_cli.audio.synth import SynthOptions, plan_synthesis, read_lines, share_synthesis

    if (lines is None) == (not items):
        raise UserError("lst corpus synth takes one input", expected="either a file of LINES, or --items TASK:FILE")
    options = SynthOptions(
        name=name,
        voices=voice,
        rate=_rates(rate),
        noise=noise,
        seed=seed,
        max_reject_rate=max_reject_rate,
        workers=workers,
    )
    said = _item_lines(items) if items else read_lines(Path(str(lines)))
    build_shared(ctx, partial(plan_synthesis, said, options), partial(share_synthesis, said, options), json=json)


def _rates(text: str) -> tuple[float, float]:
    low, colon, high = text.partition(":")
    try:
        return float(low), float(high if colon else low)
    except ValueError:
        raise UserError(f"--rate {text}: not a speaking rate", expected="a number, or LOW:HIGH") from None


def _item_lines(sets: list[str]) -> list[SpokenLine]:
    """The prompts and endings of evaluation sets; those of one item share voice and rate."""
    from lst_cli.audio.synth import SpokenLine
    from lst_cli.evaluation.tasks import read_items

    spoken: list[SpokenLine] = []
    set_of: dict[str, str] = {}
    for name in sets:
        task, colon, file = name.partition(":")
        if not colon:
            raise UserError(f"--items {name}: not an evaluation set", expected="TASK:FILE, such as storycloze:test.csv")
        for item in read_items(task, Path(file)):
            if item.recorded:
                raise UserError(
                    f"--items {name}: recordings, and no text to speak",
                    fix="use them as they are: 'lst corpus add FOLDER --no-text'",
                )
            if set_of.setdefault(item.id, name) != name:
                raise UserError(
                    f"--items {name}: the item id {item.id} is also in {set_of[item.id]}",
                    fix="synthesise the two sets into separate corpora",
                )
            texts = [item.prompt, *item.endings] if item.prompt else item.endings
            spoken += [SpokenLine(name, text, item.id) for name, text in zip(item.spoken, texts, strict=True)]
    return spoken


@app.command()
def show(
    ctx: typer.Context,
    reference: Annotated[
        str, typer.Argument(help="corpus/NAME, corpus/NAME/VERSION, or a path.", autocompletion=completing("corpus"))
    ],
    json: Json = False,
) -> None:
    """Print hours, utterances, speakers, lengths, and what was rejected and why."""
    from lst_cli.audio.corpus_artifact import CORPUS, Corpus
    from lst_cli.audio.show import describe_corpus

    facts = describe_corpus(Corpus(store(ctx).find(reference, CORPUS)))
    if json:
        print_json(facts)
    else:
        _print(facts)


def _print(facts: dict[str, Any]) -> None:
    seconds = facts["seconds"]
    rows = [
        ("hours", _hours(facts["hours"])),
        ("utterances", f"{facts['utterances']:,} in {facts['files']:,} files"),
        ("with text", f"{facts['with_text']:,} ({facts['words']:,} words)"),
        ("length (s)", " ".join(f"{name} {value:.2f}" for name, value in seconds.items())),
        ("sources", ", ".join(f"{name} ({count:,})" for name, count in facts["sources"].items())),
        ("rates (Hz)", ", ".join(f"{rate} ({count:,})" for rate, count in facts["sample_rates"].items())),
        ("speakers", f"{len(facts['speakers']):,}"),
        ("rejected", f"{len(facts['rejects']):,}"),
    ]
    print_table(facts["reference"], ("", ""), rows)
    most = max((bin["utterances"] for bin in facts["lengths"]), default=1)
    bins = [
        (
            f"{bin['from_s']} to {bin['to_s']} s" if bin["to_s"] else f"over {bin['from_s']} s",
            f"{bin['utterances']:,}",
            _hours(bin["hours"]),
            "█" * round(40 * bin["utterances"] / most),
        )
        for bin in facts["lengths"]
    ]
    print_table("lengths", ("length", "utterances", "hours", ""), bins)
    speakers = [(name, _hours(hours)) for name, hours in facts["speakers"].items()]
    if speakers:
        print_table(_first("speakers", speakers), ("speaker", "hours"), speakers[:_SHOWN])
    rejects = [(reject["id"], reject["reason"]) for reject in facts["rejects"]]
    if rejects:
        print_table(_first("rejected", rejects), ("id", "reason"), rejects[:_SHOWN])


def _hours(hours: float) -> str:
    return f"{hours:,.2f}" if hours >= 1 else f"{hours:.4f}"


def _first(title: str, rows: list[Any]) -> str:
    return f"{title}, the first {_SHOWN} of {len(rows):,}; all with --json" if len(rows) > _SHOWN else title
