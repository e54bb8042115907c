"""Data and compute of the models of a row in training."""

from __future__ import annotations

from collections.abc import Sequence

from lst_cli.artifacts import Artifact
from lst_cli.reports.paper.match_rows import ScoredModel
from lst_cli.reports.training_budget import read_budget, read_metrics


def training_flops(model: Artifact) -> float | None:
    """FLOPs of the whole training; None if the metrics log does not have them."""
    lines = [line for line in read_metrics(model) if line.get("split", "train") == "train" and "flops" in line]
    return float(lines[-1]["flops"]) if lines else None


def trained(models: Sequence[ScoredModel]) -> dict[str, float | None]:
    """Data and compute of the models of one row in training, averaged over seeds; None if not recorded.

    By ``parameters``, ``steps``, ``positions``, ``tokens``, ``speech_tokens``, ``flops``, and ``seconds`` of wall time.
    """
    budgets = [read_budget(each.model) for each in models]
    figures = {
        name: [float(value) for budget in budgets if (value := getattr(budget, name)) is not None]
        for name in ("parameters", "steps", "positions", "tokens", "speech_tokens")
    }
    figures["flops"] = [flops for each in models if (flops := training_flops(each.model)) is not None]
    timings = [each.model.statistics.get("timing", {}) for each in models]
    figures["seconds"] = [float(timing["seconds"]) for timing in timings if timing.get("seconds")]
    return {name: sum(values) / len(values) if values else None for name, values in figures.items()}
