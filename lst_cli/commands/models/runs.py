"""``lst runs``: list, show, plot and compare training runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lst_cli.commands.common import Json, build, store
from lst_cli.console import print_json, print_table, say

if TYPE_CHECKING:
    from lst_cli.training.run.run_list import TrainingRun

app = typer.Typer(no_args_is_help=True, help="List, show, plot and compare training runs.")

Page = Annotated[
    Path | None, typer.Option(help="HTML file for the plots.  \\[default: in ROOT/runs/NAME/VERSION]", dir_okay=False)
]
Reference = Annotated[str, typer.Argument(help="NAME or NAME/VERSION, as in 'lst runs ls'.")]


@app.command("ls")
def ls(ctx: typer.Context, json: Json = False) -> None:
    """List all runs with their state: running, done, stopped or failed."""
    from lst_cli.training.run.run_list import runs

    found = runs(store(ctx))
    if json:
        print_json([run.to_json() for run in found])
        return
    columns = ("run", "task", "state", "step", "loss", "speech", "text", "positions/s", "last change (UTC)")
    print_table("", columns, [_row(run) for run in found])
    for run in found:
        if run.why:
            say(f"{run.label}: {run.why}")


@app.command()
def show(ctx: typer.Context, run: Reference, page: Page = None, json: Json = False) -> None:
    """Show a run's config and metrics log, and plot its curves."""
    from lst_cli.training.run.run_list import find_run, runs, settings

    found = find_run(runs(store(ctx)), run)
    if json:
        print_json({**found.to_json(), "settings": dict(settings(found)), "records": list(found.records)})
        return
    state = f"{found.state}, step {found.step:,} of {found.steps:,}" + (f": {found.why}" if found.why else "")
    print_table(f"{found.label} ({state})", ("setting", "value"), [(key, value) for key, value in settings(found)])
    print_table("", *_summary(found))
    _write(page or _folder(ctx, found) / "curves.html", [found])


@app.command()
def compare(
    ctx: typer.Context,
    first: Reference,
    second: Reference,
    page: Page = None,
    json: Json = False,
) -> None:
    """Compare two runs: differing settings, figures, and plots over steps and over tokens.

    Figures are compared at the last step that is in both metrics logs.
    """
    from lst_cli.training.run.run_list import FIGURES, find_run, last_in_common, runs
    from lst_cli.training.run.unfinished import differences

    all_runs = runs(store(ctx))
    a, b = find_run(all_runs, first), find_run(all_runs, second)
    differing = [
        (key.removeprefix("config.").removeprefix("parents."), old, new)
        for key, old, new in differences(a.identity, b.identity)
    ]
    step = last_in_common(a, b)
    common = [] if step is None else [run.training[step] for run in (a, b)]
    at = {key: [record.get(key) for record in common] for key in FIGURES if any(key in record for record in common)}
    if json:
        changed = {key: [old, new] for key, old, new in differing}
        print_json(
            {"a": a.to_json(), "b": b.to_json(), "differences": changed, "in_common": {"step": step, "figures": at}}
        )
        return
    print_table("differing settings", ("setting", a.label, b.label), differing)
    ours, theirs = a.to_json(), b.to_json()
    figures = [(key, _number(ours[key]), _number(theirs[key])) for key in ours if key not in _NO_FIGURE]
    if step is None:
        say("the metrics logs have no step in common: only the last records are compared")
    elif any(step != max(run.training) for run in (a, b)):
        rows = [(key, *map(_number, values)) for key, values in at.items()]
        print_table(f"at step {step:,}, the last that both metrics logs have", ("figure", a.label, b.label), rows)
    print_table("last record of each run", ("figure", a.label, b.label), figures)
    _write(page or _folder(ctx, a) / f"against-{b.name}-{b.version}.html", [a, b])


@app.command()
def model(
    ctx: typer.Context,
    run: Reference,
    step: Annotated[int, typer.Option(min=1, help="The step: a multiple of run.keep_every.")],
    name: Annotated[str, typer.Option(help="Name of the new model.")],
    json: Json = False,
) -> None:
    """Export the checkpoint of a given step of a finished run as a model artifact."""
    from lst_cli.errors import UserError
    from lst_cli.model_artifact.card import MODEL
    from lst_cli.training.run.run_list import find_run, runs
    from lst_cli.training.run.snapshots import make_snapshot, snapshot_request

    artifacts = store(ctx)
    found = find_run(runs(artifacts), run)
    if found.state != "done":
        raise UserError(
            f"{found.label}: the run is not finished",
            found=found.state,
            fix="wait until it is finished: its checkpoints are kept",
        )
    whole = artifacts.find(f"{MODEL.name}/{found.label}", MODEL)
    build(ctx, snapshot_request(artifacts, whole, step, name), make_snapshot(artifacts, whole, step), json=json)


_NO_FIGURE = ("name", "version", "why", "when")


def _row(run: TrainingRun) -> tuple[Any, ...]:
    return (
        run.label,
        run.task,
        run.state,
        f"{run.step:,}/{run.steps:,}",
        *(_number(run.last(key)) for key in ("loss", "loss_speech", "loss_text_only", "positions_per_second")),
        run.when,
    )


def _summary(run: TrainingRun) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Five training records, evenly spaced."""
    records = list(run.training.values())
    chosen = sorted({round(part * (len(records) - 1) / 4) for part in range(5)}) if records else []
    keys = ("step", "tokens", "loss", "loss_speech", "loss_text_with_speech", "loss_text_only", "grad_norm", "lr")
    rates = ("positions_per_second", "data_wait_share", "padding_share", "mfu")
    shown = [key for key in (*keys, *rates) if any(key in record for record in records)]
    rows = [tuple(_number(records[number].get(key)) for key in shown) for number in chosen]
    return tuple(key.replace("_", " ") for key in shown), rows


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else "" if value is None else str(value)


def _folder(ctx: typer.Context, run: TrainingRun) -> Path:
    return store(ctx).root / "runs" / run.name / run.version


def _write(path: Path, shown: Sequence[TrainingRun]) -> None:
    from lst_cli.artifacts.parquet import write_bytes_atomic
    from lst_cli.reports.pages.runs_page import render

    if not any(run.records for run in shown):
        say("the metrics log is still empty: nothing was plotted")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes_atomic(path, render(shown).encode())
    say(f"plots: {path}")
