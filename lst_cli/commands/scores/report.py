"""``lst report``: one HTML page of scores, curves, patches, recordings and lineage; or one of the paper's tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lst_cli.artifacts import Artifact
from lst_cli.commands.common import Json, build, completing, store
from lst_cli.console import print_json, say
from lst_cli.errors import UserError

if TYPE_CHECKING:
    from lst_cli.artifacts import Store

PAGE_WORD = "page"
FIG5 = "fig5"

What = Annotated[
    str,
    typer.Argument(
        help="page, or a table or figure of the paper: table3 to table6, table8 to table13, fig1, fig1b, fig4, fig5, "
        "fig6, boundary-noise."
    ),
]
Shards = Annotated[
    str | None,
    typer.Option(help="Speech shards, shards/NAME, for table13 and fig5.", autocompletion=completing("shards")),
]
Scores = Annotated[
    list[str] | None,
    typer.Option(help="scores/NAME; repeatable. Tables keep this order.", autocompletion=completing("scores")),
]
Models = Annotated[
    list[str] | None,
    typer.Option(
        help="model/NAME whose training to show, in addition to the scored models; repeatable.",
        autocompletion=completing("model"),
    ),
]
Alignments = Annotated[
    list[str] | None,
    typer.Option(
        help="alignment/NAME whose patches and recordings to show; repeatable.",
        autocompletion=completing("alignment"),
    ),
]
Transcripts = Annotated[
    list[str] | None,
    typer.Option(
        help="transcripts/NAME of lst eval vocoder, to show with their recordings; repeatable.",
        autocompletion=completing("transcripts"),
    ),
]


def report(
    ctx: typer.Context,
    what: What = PAGE_WORD,
    scores: Scores = None,
    models: Models = None,
    alignment: Alignments = None,
    transcripts: Transcripts = None,
    utterances: Annotated[int, typer.Option(min=0, help="Recordings to show with their words and patches.")] = 6,
    examples: Annotated[int, typer.Option(min=0, help="Benchmark items to show with their recordings.")] = 4,
    spoken: Annotated[int, typer.Option(min=0, help="Synthesised utterances to show for each corpus.")] = 6,
    shards: Shards = None,
    name: Annotated[
        str | None,
        typer.Option(help="Name of the report.  \\[default: report, or the name of the table]", show_default=False),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to copy the files to.")] = None,
    json: Json = False,
) -> None:
    """Write one HTML page with tables, curves, recordings and lineage, and its tables as Markdown and CSV.

    Without --scores, --models, --alignment and --transcripts, it covers the current version of everything in the root.
    With the name of a table or figure of the paper, it writes that one as Markdown, CSV and SVG: our numbers and the
    paper's.
    """
    if what != PAGE_WORD:
        if what == FIG5:
            _figure5(ctx, models or [], shards, name or what, out, json=json)
        else:
            _table(ctx, what, scores or [], shards, name or what, out, json=json)
        return
    from lst_cli.alignment.kinds import ALIGNMENT
    from lst_cli.evaluation.scores import SCORES
    from lst_cli.evaluation.speech.speech_results import TRANSCRIPTS
    from lst_cli.model_artifact.card import MODEL
    from lst_cli.reports.page.report_artifact import FILES, plan_report
    from lst_cli.reports.page.result_rows import json_rows
    from lst_cli.reports.page.subject import Subject, everything
    from lst_cli.reports.report_kind import PAGE

    artifacts = store(ctx)
    if scores or models or alignment or transcripts:
        subject = Subject(
            scores=[artifacts.find(reference, SCORES) for reference in dict.fromkeys(scores or [])],
            models=[artifacts.find(reference, MODEL) for reference in dict.fromkeys(models or [])],
            alignments=[artifacts.find(reference, ALIGNMENT) for reference in dict.fromkeys(alignment or [])],
            transcripts=[artifacts.find(reference, TRANSCRIPTS) for reference in dict.fromkeys(transcripts or [])],
        )
    else:
        subject = everything(artifacts)
    counts = {"utterances": utterances, "examples": examples, "spoken": spoken}
    made = build(ctx, *plan_report(artifacts, subject, name or "report", **counts))
    page = (_copied(made, FILES, out) if out is not None else made.path) / PAGE
    if json:
        print_json({"report": made.reference, "page": str(page), **json_rows(subject.rows(artifacts))})
    else:
        say(f"page: {page}")


def _table(
    ctx: typer.Context,
    what: str,
    scores: list[str],
    shards: str | None,
    name: str,
    out: Path | None,
    *,
    json: bool,
) -> None:
    """Make a table of the paper."""
    from lst_cli.reports.paper.paper_tables import SPECS
    from lst_cli.reports.paper.table_artifact import files_of, plan_table

    if what not in SPECS:
        raise UserError(f"lst report {what}", expected=f"{PAGE_WORD}, {FIG5}, {', '.join(SPECS)}")
    artifacts = store(ctx)
    made = build(ctx, *plan_table(artifacts, what, _inputs(artifacts, what, scores, shards), name))
    _tell(made, what, files_of(what), out, json=json)


def _figure5(
    ctx: typer.Context, models: list[str], shards: str | None, name: str, out: Path | None, *, json: bool
) -> None:
    """Make the figure of word patches."""
    from lst_cli.model_artifact.card import MODEL
    from lst_cli.shards.schema import SHARDS

    if len(models) != 1 or shards is None:
        raise UserError(
            "lst report fig5: needs one model and one set of shards",
            fix="name an LST with --models and speech shards with --shards",
        )
    from lst_cli.reports.paper.figure5 import FILES, plan_figure

    artifacts = store(ctx)
    model, words = artifacts.find(models[0], MODEL), artifacts.find(shards, SHARDS)
    _tell(build(ctx, *plan_figure(model, words, name)), FIG5, FILES, out, json=json)


def _tell(made: Artifact, what: str, files: tuple[str, ...], out: Path | None, *, json: bool) -> None:
    """Copy the files to ``--out`` and print where they are."""
    folder = _copied(made, files, out) if out is not None else made.path
    if json:
        print_json({"report": made.reference, "files": [str(folder / file) for file in files]})
    else:
        say(f"{what}: {folder / files[0]}")


def _inputs(artifacts: Store, what: str, scores: list[str], shards: str | None) -> list[Artifact]:
    from lst_cli.evaluation.scores import SCORES
    from lst_cli.reports.page.subject import everything
    from lst_cli.shards.schema import SHARDS

    if what == "table13":
        if shards is None:
            raise UserError("lst report table13: needs shards to count", fix="name speech shards with --shards")
        return [artifacts.find(shards, SHARDS)]
    if scores:
        return [artifacts.find(reference, SCORES) for reference in dict.fromkeys(scores)]
    return list(everything(artifacts).scores)


def _copied(made: Artifact, files: tuple[str, ...], folder: Path) -> Path:
    """Copy files of a report into a folder; return the folder."""
    import shutil

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise UserError(f"--out {folder}: not a folder", found="a file", fix="give another folder") from None
    for file in files:
        part = folder / f".{file}.part"
        shutil.copyfile(made.file(file), part)
        part.replace(folder / file)
    return folder
