"""Training curves from metrics logs: which lines there are, and which panels show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lst_cli.artifacts import Artifact
from lst_cli.reports.training_budget import read_metrics

QUANTITIES: Mapping[str, str] = {
    "speech_bits_per_second": "speech, bits per second",
    "loss_text_with_speech": "interleaved text, nats per token",
    "loss_text_only": "text data, nats per token",
    "patch_length": "speech tokens per patch",
    "lr": "learning rate",
}
"""Key of a record of the metrics log → title of its panel."""

STORIES = "stories "
"""Prefix of the task and direction of an in-training story evaluation."""

RUN_QUANTITIES: Mapping[str, str] = {
    "loss": "loss, nats per token",
    **QUANTITIES,
    "aligned_share": "share of sequences with aligned patches",
    "grad_norm": "gradient norm",
    "positions_per_second": "positions per second",
    "data_wait_share": "share of time spent waiting for data",
    "mfu": "MFU",
}
"""The same for the page of runs: with the throughput."""

AXES: Mapping[str, str] = {"step": "steps", "positions": "positions"}
"""Key of a record that a panel has as its x axis → its name."""

RUN_AXES: Mapping[str, str] = {"step": "steps", "tokens": "tokens"}
"""The same for the page of runs: over equal steps, or over equal data."""


@dataclass(frozen=True, kw_only=True)
class CurveLine:
    """One model's curve in one panel."""

    label: str
    colour: int
    """Number of the model; the same in every figure of the page."""
    x: list[float]
    y: list[float]
    valid: bool = False
    """Measured on held-out data; drawn dotted."""


@dataclass(frozen=True, kw_only=True)
class DrawnRun:
    """The metrics log of a model, and how it is drawn."""

    label: str
    colour: int
    points: Sequence[Mapping[str, Any]]
    """From :func:`with_stories`."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One quantity of all models, over one axis."""

    quantity: str
    axis: str
    lines: list[CurveLine]


@dataclass(frozen=True, kw_only=True)
class Curves:
    """The panels of models with the same training task."""

    task: str
    """``pretrain``, ``asr``, …"""
    labels: list[tuple[str, int]]
    """Label and colour of each model."""
    panels: list[Panel]

    def over(self, axis: str) -> list[Panel]:
        """The panels over one of :data:`AXES`."""
        return [panel for panel in self.panels if panel.axis == axis]


def training_task(model: Artifact) -> str:
    """The training task of a model, from its config."""
    return str(model.config.get("task", "pretrain"))


def read_curves(models: Sequence[Artifact], labels: Mapping[str, str]) -> list[Curves]:
    """The curves of models, one set of panels for each training task; models without a metrics log are skipped.

    :param labels: label of each model by fingerprint; its place there is its colour.
    :raises UserError: a metrics log is damaged.
    """
    colours = {fingerprint: number for number, fingerprint in enumerate(labels)}
    groups: dict[str, list[DrawnRun]] = {}
    for model in sorted(models, key=lambda model: (training_task(model) != "pretrain", colours[model.fingerprint])):
        lines = with_stories(read_metrics(model))
        if lines:
            drawn = DrawnRun(label=labels[model.fingerprint], colour=colours[model.fingerprint], points=lines)
            groups.setdefault(training_task(model), []).append(drawn)
    return [
        Curves(
            task=task,
            labels=[(drawn.label, drawn.colour) for drawn in members],
            panels=panels_of(members, QUANTITIES, AXES),
        )
        for task, members in groups.items()
    ]


def with_stories(lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The records with what panels need: a quantity for each story evaluation, and every axis in every record."""
    axes = ("positions", "tokens")
    reached = {line["step"]: {key: line[key] for key in axes if key in line} for line in lines if "tokens" in line}
    found = []
    for line in lines:
        more = dict(reached.get(line["step"], {}))
        if "story_accuracy" in line:
            more[f"{STORIES}{line['source']}"] = line["story_accuracy"]
        found.append({**line, **more})
    return found


def title(quantity: str) -> str:
    """The title of a quantity's panel, with its unit.

    :param quantity: a key of :data:`RUN_QUANTITIES`, or begins with :data:`STORIES`.
    """
    if quantity.startswith(STORIES):
        return f"{quantity.removeprefix(STORIES)}, accuracy"
    return RUN_QUANTITIES[quantity]


def panels_of(curves: Sequence[DrawnRun], quantities: Iterable[str], axes: Iterable[str]) -> list[Panel]:
    """Panels of these quantities, and of all stories, over each axis; none where no curve has the quantity."""
    stories = {key for curve in curves for point in curve.points for key in point if key.startswith(STORIES)}
    chosen = [*quantities, *sorted(stories)]
    panels = []
    for axis in axes:
        for quantity in chosen:
            lines = [
                line for curve in curves for line in _lines(curve.points, axis, quantity, curve.label, curve.colour)
            ]
            if lines:
                panels.append(Panel(quantity=quantity, axis=axis, lines=lines))
    return panels


def _lines(points: Sequence[Mapping[str, Any]], axis: str, quantity: str, label: str, colour: int) -> list[CurveLine]:
    """The lines of training data and of held-out data, where they have two points or more."""
    lines = []
    for split in ("train", "valid"):
        chosen = [
            (point[axis], point[quantity])
            for point in points
            if point.get("split", "train") == split and axis in point and quantity in point
        ]
        if len(chosen) > 1:
            x, y = zip(*chosen, strict=True)
            dotted = split == "valid" and not quantity.startswith(STORIES)
            lines.append(CurveLine(label=label, colour=colour, x=list(x), y=list(y), valid=dotted))
    return lines
