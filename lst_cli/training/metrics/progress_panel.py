"""What a user sees of a run while it trains: a live panel on a terminal, otherwise a plain line now and then."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lst_cli.console import on_terminal, progress
from lst_cli.training.metrics.metrics_log import Line

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
"""Rows of the panel: the figure of the loss, and what it is of."""

_RATES = {
    "positions_per_second": ("positions/s", "{:,.0f}"),
    "tokens_per_second": ("tokens/s", "{:,.0f}"),
    "utilisation": ("utilisation", "{:.1%}"),
    "data_wait_share": ("waiting for data", "{:.1%}"),
    "speech_bits_per_second": ("bits/s of speech", "{:,.1f}"),
    "patch_length": ("patch length", "{:.2f}"),
    "aligned_probability": ("curriculum", "{:.0%} aligned"),
    "grad_norm": ("gradient norm", "{:.3g}"),
    "lr": ("learning rate", "{:.3g}"),
}
_VALID = {"loss": "loss {:.4g}", "wer": "WER {:.1%}", "cer": "CER {:.1%}", "story_accuracy": "{:.1%} right"}


class Show:
    """Shows logged lines as they come; use it as a context."""

    def __init__(self, what: str, steps: int, begun: int = 0, console: Console | None = None) -> None:
        """Show a run.

        :param what: its title.
        :param steps: its last step.
        :param begun: steps that earlier starts have done: they took no time of this one.
        :param console: a terminal; by default standard error, where that is one.
        """
        live = on_terminal() or console is not None
        self._shown: _Panel | _Lines = _Panel(what, steps, console) if live else _Lines(what, steps, begun)

    def __enter__(self) -> Show:
        self._shown.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self._shown.stop()

    def __call__(self, line: Line) -> None:
        """Show a line."""
        self._shown.show(line)


class _Lines:
    """A plain line every ten seconds."""

    def __init__(self, what: str, steps: int, begun: int) -> None:
        self._context = progress(what, steps, "steps", done=begun)
        self._at = begun

    def start(self) -> None:
        self._bar = self._context.__enter__()

    def stop(self) -> None:
        self._context.__exit__(None, None, None)

    def show(self, line: Line) -> None:
        if line["split"] == "valid":
            self._bar.advance(0, **{_source(line): ", ".join(_held_out(line)).replace(" ", "_")})
            return
        fields = {key: f"{line[key]:.4g}" for key in ("loss", "accuracy", "tokens_per_second") if key in line}
        self._bar.advance(line["step"] - self._at, **fields)
        self._at = line["step"]


class _Panel:
    """The last line of training, and the last one of each validation, with the time that is left."""

    def __init__(self, what: str, steps: int, console: Console | None) -> None:
        self._what = what
        self._steps = steps
        self._console = console
        self._start = time.monotonic()
        self._first: tuple[int, float] | None = None
        self._line: Line = {}
        self._valid: dict[str, Line] = {}
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

    def show(self, line: Line) -> None:
        if line["split"] == "valid":
            self._valid[_source(line)] = line
        else:
            self._line = line
            # The first steps compile and warm up: what is left is told from those after them.
            self._first = self._first or (line["step"], time.monotonic())
        if self._live is not None:
            self._live.refresh()

    def _drawn(self) -> RenderableType:
        from rich.columns import Columns
        from rich.console import Group
        from rich.panel import Panel

        if not self._line:
            return Panel("starting", title=self._what, subtitle=self._times(), expand=False)
        parts: list[RenderableType] = [self._bar(), Columns([self._losses(), self._rates()], padding=(0, 4))]
        if self._valid:
            parts.append(self._held_out())
        return Panel(Group(*parts), title=self._what, subtitle=self._times(), expand=False)

    def _bar(self) -> RenderableType:
        from rich.columns import Columns
        from rich.progress_bar import ProgressBar
        from rich.text import Text

        step = self._line["step"]
        bar = ProgressBar(total=self._steps, completed=step, width=40)
        return Columns([bar, Text(f"step {step:,} of {self._steps:,}")])

    def _times(self) -> str:
        now = time.monotonic()
        gone = f"{_clock(now - self._start)} gone"
        if self._first is None or not self._line or self._line["step"] == self._first[0]:
            return gone
        step, since = self._first
        left = (now - since) * (self._steps - self._line["step"]) / (self._line["step"] - step)
        return f"{gone}, about {_clock(left)} left"

    def _losses(self) -> RenderableType:
        table = _table("", "loss", "accuracy")
        for key, name in _LOSSES.items():
            if key in self._line:
                accuracy = self._line.get(key.replace("loss", "accuracy"))
                table.add_row(name, f"{self._line[key]:.4f}", "" if accuracy is None else f"{accuracy:.1%}")
        return table

    def _rates(self) -> RenderableType:
        table = _table("", "")
        for key, (name, form) in _RATES.items():
            if key in self._line:
                table.add_row(name, form.format(self._line[key]))
        return table

    def _held_out(self) -> RenderableType:
        table = _table("held out", "", "at step")
        for source, line in self._valid.items():
            table.add_row(source, ", ".join(_held_out(line)), f"{line['step']:,}")
        return table


def _table(*columns: str) -> Table:
    from rich.table import Table

    table = Table(box=None, show_header=any(columns), pad_edge=False, padding=(0, 2, 0, 0))
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    return table


def _source(line: Mapping[str, Any]) -> str:
    return str(line.get("source", "valid"))


def _held_out(line: Mapping[str, Any]) -> Iterator[str]:
    return (form.format(line[key]) for key, form in _VALID.items() if key in line)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
