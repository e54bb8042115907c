"""Progress of a training run: a live panel on a terminal, otherwise a plain line every ten seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lst_cli.console import on_terminal, progress
from lst_cli.training.metrics.metrics_log import Record

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live
    from rich.table import Table

_LOSSES = {
    "loss_speech": "speech tokens",
    "loss_text_with_speech": "text after speech",
    "loss_text_only": "text only",
    "loss": "all",
}
"""Rows of the panel: the figure, and the tokens that its loss is over."""

_RATES = {
    "positions_per_second": ("positions/s", "{:,.0f}"),
    "tokens_per_second": ("tokens/s", "{:,.0f}"),
    "mfu": ("MFU", "{:.1%}"),
    "data_wait_share": ("waiting for data", "{:.1%}"),
    "speech_bits_per_second": ("bits/s of speech", "{:,.1f}"),
    "patch_length": ("patch length", "{:.2f}"),
    "aligned_probability": ("curriculum", "{:.0%} aligned"),
    "grad_norm": ("gradient norm", "{:.3g}"),
    "lr": ("learning rate", "{:.3g}"),
}
_VALID = {"loss": "loss {:.4g}", "wer": "WER {:.1%}", "cer": "CER {:.1%}", "story_accuracy": "accuracy {:.1%}"}


class ProgressDisplay:
    """Shows the records of the metrics log live; a context manager."""

    def __init__(self, what: str, steps: int, begun: int = 0, console: Console | None = None) -> None:
        """Show a run.

        :param what: its title.
        :param steps: its last step.
        :param begun: the step that it is resumed from, which the time estimate excludes.
        :param console: a terminal; by default standard error, if that is one.
        """
        live = on_terminal() or console is not None
        self._shown: _Panel | _Lines = _Panel(what, steps, console) if live else _Lines(what, steps, begun)

    def __enter__(self) -> ProgressDisplay:
        self._shown.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self._shown.stop()

    def __call__(self, record: Record) -> None:
        """Show a record."""
        self._shown.show(record)


class _Lines:
    """A plain line every ten seconds."""

    def __init__(self, what: str, steps: int, begun: int) -> None:
        self._context = progress(what, steps, "steps", done=begun)
        self._at = begun

    def start(self) -> None:
        self._bar = self._context.__enter__()

    def stop(self) -> None:
        self._context.__exit__(None, None, None)

    def show(self, record: Record) -> None:
        if record["split"] == "valid":
            self._bar.advance(0, **{_source(record): ", ".join(_held_out(record)).replace(" ", "_")})
            return
        fields = {key: f"{record[key]:.4g}" for key in ("loss", "accuracy", "tokens_per_second") if key in record}
        self._bar.advance(record["step"] - self._at, **fields)
        self._at = record["step"]


class _Panel:
    """The last training record and the last validations, with elapsed and remaining time."""

    def __init__(self, what: str, steps: int, console: Console | None) -> None:
        self._what = what
        self._steps = steps
        self._console = console
        self._start = time.monotonic()
        self._first: tuple[int, float] | None = None
        self._record: Record = {}
        self._valid: dict[str, Record] = {}
        self._live: Live | None = None

    def start(self) -> None:
        from rich.console import Console
        from rich.live import Live

        console = self._console or Console(stderr=True)
        self._live = Live(get_renderable=self._drawn, console=console, refresh_per_second=2)
        self._live.start()

    def stop(self) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, record: Record) -> None:
        if record["split"] == "valid":
            self._valid[_source(record)] = record
        else:
            self._record = record
            # The first steps compile and warm up, so the remaining time is estimated from later ones.
            self._first = self._first or (record["step"], time.monotonic())
        if self._live is not None:
            self._live.refresh()

    def _drawn(self) -> RenderableType:
        from rich.columns import Columns
        from rich.console import Group
        from rich.panel import Panel

        if not self._record:
            return Panel("starting", title=self._what, subtitle=self._times(), expand=False)
        parts: list[RenderableType] = [self._bar(), Columns([self._losses(), self._rates()], padding=(0, 4))]
        if self._valid:
            parts.append(self._held_out())
        return Panel(Group(*parts), title=self._what, subtitle=self._times(), expand=False)

    def _bar(self) -> RenderableType:
        from rich.columns import Columns
        from rich.progress_bar import ProgressBar
        from rich.text import Text

        step = self._record["step"]
        bar = ProgressBar(total=self._steps, completed=step, width=40)
        return Columns([bar, Text(f"step {step:,} of {self._steps:,}")])

    def _times(self) -> str:
        now = time.monotonic()
        elapsed = f"{_clock(now - self._start)} elapsed"
        if self._first is None or not self._record or self._record["step"] == self._first[0]:
            return elapsed
        step, since = self._first
        left = (now - since) * (self._steps - self._record["step"]) / (self._record["step"] - step)
        return f"{elapsed}, about {_clock(left)} left"

    def _losses(self) -> RenderableType:
        table = _table("", "loss", "accuracy")
        for key, name in _LOSSES.items():
            if key in self._record:
                accuracy = self._record.get(key.replace("loss", "accuracy"))
                table.add_row(name, f"{self._record[key]:.4f}", "" if accuracy is None else f"{accuracy:.1%}")
        return table

    def _rates(self) -> RenderableType:
        table = _table("", "")
        for key, (name, form) in _RATES.items():
            if key in self._record:
                table.add_row(name, form.format(self._record[key]))
        return table

    def _held_out(self) -> RenderableType:
        table = _table("held out", "", "at step")
        for source, record in self._valid.items():
            table.add_row(source, ", ".join(_held_out(record)), f"{record['step']:,}")
        return table


def _table(*columns: str) -> Table:
    from rich.table import Table

    table = Table(box=None, show_header=any(columns), pad_edge=False, padding=(0, 2, 0, 0))
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    return table


def _source(record: Mapping[str, Any]) -> str:
    return str(record.get("source", "valid"))


def _held_out(record: Mapping[str, Any]) -> Iterator[str]:
    return (form.format(record[key]) for key, form in _VALID.items() if key in record)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
