"""Writes the metrics log; a resumed run first removes the records after its checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from fairseq2.metrics.recorders import MetricRecorder
from torch import Tensor

from lst_cli.evaluation.stories_in_training import ACCURACY as STORY_ACCURACY
from lst_cli.training.metrics.metric_sums import ERROR_RATES, FIGURES, PREFERENCES
from lst_cli.training.metrics.metrics_log import Record, read_metrics_log, write_metrics_log

REPRODUCIBLE = frozenset(
    {
        *("step", "split", "source", "lr", "grad_norm", "tokens", "positions", "speech_tokens", "flops"),
        *FIGURES,
        *ERROR_RATES,
        *PREFERENCES,
        *(STORY_ACCURACY, "stories", "aligned_probability"),
    }
)
"""Figures that are equal in every run of a config; the others depend on the machine."""

_WHERE = ("step", "split", "source")
"""Keys of a record that say what its figures are of."""


class MetricsRecorder(MetricRecorder):
    """Appends to the metrics log, and shows each record to the user."""

    def __init__(
        self,
        path: Path,
        resumed_from: int,
        show: Callable[[Record], None],
        peak_flops: float | None = None,
        also: Sequence[MetricRecorder] = (),
    ) -> None:
        """Write to ``path``, after the records up to the step to resume from.

        :param peak_flops: peak FLOPs per second of all devices together, if known; for MFU.
        :param also: other recorders, which get the same figures.
        """
        kept = [record for record in read_metrics_log(path) if record["step"] <= resumed_from]
        write_metrics_log(path, kept)
        self._stream = path.open("a", encoding="utf-8")
        self._show = show
        self._peak_flops = peak_flops
        self._also = also

    def record_metric_values(self, category: str, values: Mapping[str, object], step_nr: int | None = None) -> None:
        """Write one record; ``category`` is ``train``, ``valid`` or ``valid/SOURCE``."""
        split, _, source = category.partition("/")
        record: Record = {"step": step_nr, "split": split, **({"source": source} if source else {})}
        record.update(_record(values))
        if self._peak_flops and "flops_per_second" in record:
            record["mfu"] = record["flops_per_second"] / self._peak_flops
        self._stream.write(json.dumps(record) + "\n")
        self._stream.flush()
        for recorder in self._also:
            recorder.record_metric_values(category, {k: v for k, v in record.items() if k not in _WHERE}, step_nr)
        self._show(record)

    def close(self) -> None:
        """Close the file and the other recorders."""
        self._stream.close()
        for recorder in self._also:
            recorder.close()


def reproducible(record: Record) -> Record:
    """A record as the artifact has it."""
    return {key: value for key, value in record.items() if key in REPRODUCIBLE}


def _record(values: Mapping[str, object]) -> Record:
    """The figures of fairseq2's trainer, under lst's names and in its units."""
    numbers = {key: float(value) for key, value in values.items() if isinstance(value, (int, float, Tensor))}
    lapse = numbers.get("lapse_time", 0.0)
    out = {key: value for key, value in numbers.items() if key not in _DROPPED}
    if "total_time" in numbers:
        out["seconds"] = numbers["total_time"]
    if lapse > 0 and "tokens" in numbers:
        out["tokens_per_second"] = numbers["window_tokens"] / lapse
        out["positions_per_second"] = numbers["window_positions"] / lapse
        out["flops_per_second"] = numbers["window_flops"] / lapse
        out["data_wait_share"] = numbers["data_time"] / lapse
    return {key: round(value) if key in _INTEGERS else value for key, value in out.items()}


_DROPPED = (
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
_INTEGERS = ("tokens", "positions", "speech_tokens", "flops")
