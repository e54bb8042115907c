"""The training curve: one JSON line for each logged step, cut back to the checkpoint that a run goes on from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from fairseq2.metrics.recorders import MetricRecorder
from torch import Tensor

from lst_cli.evaluation.stories_in_training import ACCURACY as STORY_ACCURACY
from lst_cli.training.engine.metric_sums import ERROR_RATES, FIGURES
from lst_cli.training.metrics.metrics_log import Line, read_curve, write_curve

REPRODUCIBLE = frozenset(
    {
        *("step", "split", "source", "lr", "grad_norm", "tokens", "positions", "speech_tokens", "flops"),
        *FIGURES,
        *ERROR_RATES,
        *(STORY_ACCURACY, "stories", "aligned_probability"),
    }
)
"""What every run of the same config has alike; the rest depends on the machine and the moment."""

_WHERE = ("step", "split", "source")
"""Of a line: what it tells the figures of."""


class CurveRecorder(MetricRecorder):
    """Appends to a JSONL file, and shows the line to the user."""

    def __init__(
        self,
        path: Path,
        resumed_from: int,
        show: Callable[[Line], None],
        peak_flops: float | None = None,
        also: Sequence[MetricRecorder] = (),
    ) -> None:
        """Write to ``path``, after the lines up to the step that the run goes on from.

        :param peak_flops: operations a second of all devices together, where it is known.
        :param also: take the figures of each line as well.
        """
        kept = [line for line in read_curve(path) if line["step"] <= resumed_from]
        write_curve(path, kept)
        self._stream = path.open("a", encoding="utf-8")
        self._show = show
        self._peak_flops = peak_flops
        self._also = also

    def record_metric_values(self, category: str, values: Mapping[str, object], step_nr: int | None = None) -> None:
        """Write one line; ``category`` is ``train`` or ``valid``."""
        split, _, source = category.partition("/")
        line: Line = {"step": step_nr, "split": split, **({"source": source} if source else {})}
        line.update(_line(values))
        if self._peak_flops and "flops_per_second" in line:
            line["utilisation"] = line["flops_per_second"] / self._peak_flops
        self._stream.write(json.dumps(line) + "\n")
        self._stream.flush()
        for recorder in self._also:
            recorder.record_metric_values(category, {k: v for k, v in line.items() if k not in _WHERE}, step_nr)
        self._show(line)

    def close(self) -> None:
        """Close the file, and whatever else there is."""
        self._stream.close()
        for recorder in self._also:
            recorder.close()


def reproducible(line: Line) -> Line:
    """A line as the artifact keeps it."""
    return {key: value for key, value in line.items() if key in REPRODUCIBLE}


def _line(values: Mapping[str, object]) -> Line:
    """Our names and units for what fairseq2's trainer reports."""
    numbers = {key: float(value) for key, value in values.items() if isinstance(value, (int, float, Tensor))}
    lapse = numbers.get("lapse_time", 0.0)
    out = {key: value for key, value in numbers.items() if key not in _NOT_OURS}
    if "total_time" in numbers:
        out["seconds"] = numbers["total_time"]
    if lapse > 0 and "tokens" in numbers:
        out["tokens_per_second"] = numbers["window_tokens"] / lapse
        out["positions_per_second"] = numbers["window_positions"] / lapse
        out["flops_per_second"] = numbers["window_flops"] / lapse
        out["data_wait_share"] = numbers["data_time"] / lapse
    return {key: round(value) if key in _WHOLE else value for key, value in out.items()}


_NOT_OURS = (
    "data_epoch",
    "data_time",
    "compute_time",
    "lapse_time",
    "total_time",
    "wall_time",
    "window_tokens",
    "window_positions",
    "window_flops",
)
_WHOLE = ("tokens", "positions", "speech_tokens", "flops")
