"""Training curves: which lines there are, and which panels show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lst_cli.artifacts import Artifact
from lst_cli.reports.budget import read_metrics

QUANTITIES: Mapping[str, str] = {
    "speech_bits_per_second": "speech, bits a second",
    "loss_text_with_speech": "text beside speech, nats a token",
    "loss_text_only": "text alone, nats a token",
    "patch_length": "speech tokens a patch",
}
"""Figure of a log line → title of its panel."""

STORIES = "stories "
"""Before the task and direction of stories that were completed while a model was trained."""

AXES: Mapping[str, str] = {"step": "steps", "positions": "positions"}
"""Figure of a log line that a panel runs over → its name."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One model's curve in one panel."""

    label: str
    colour: int
    """Number of the model; the same in every figure of the page."""
    x: list[float]
    y: list[float]
    valid: bool = False
    """Measured on held-out data beside the training curve; drawn dotted."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One quantity of all models, over one axis."""

    quantity: str
    axis: str
    lines: list[Line]


@dataclass(frozen=True, kw_only=True)
class Curves:
    """The panels of models that were trained in the same way."""

    task: str
    """``pretrain``, ``asr``, …"""
    labels: list[tuple[str, int]]
    """Label and colour of each model."""
    panels: list[Panel]

    def over(self, axis: str) -> list[Panel]:
        """The panels of one axis."""
        return [panel for panel in self.panels if panel.axis == axis]


def training_task(model: Artifact) -> str:
    """What a model was trained for, as its config says."""
    return str(model.config.get("task", "pretrain"))


def read_curves(models: Sequence[Artifact], labels: Mapping[str, str]) -> list[Curves]:
    """The curves of models, one set of panels for each training task; models without a curve are left out.

    :param labels: label of each model by fingerprint; its place there is its colour.
    :raises UserError: a curve is damaged.
    """
    colours = {fingerprint: number for number, fingerprint in enumerate(labels)}
    groups: dict[str, list[tuple[Artifact, list[dict[str, Any]]]]] = {}
    for model in sorted(models, key=lambda model: (training_task(model) != "pretrain", colours[model.fingerprint])):
        lines = with_stories(read_metrics(model))
        if lines:
            groups.setdefault(training_task(model), []).append((model, lines))
    return [
        Curves(
            task=task,
            labels=[(labels[model.fingerprint], colours[model.fingerprint]) for model, _ in members],
            panels=_panels(members, labels, colours),
        )
        for task, members in groups.items()
    ]


def with_stories(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines of a curve, with what panels need: a quantity for each kind of stories, and positions everywhere."""
    positions = {line["step"]: line["positions"] for line in lines if "positions" in line}
    found = []
    for line in lines:
        more = {"positions": positions[line["step"]]} if line["step"] in positions else {}
        if "story_accuracy" in line:
            more[f"{STORIES}{line['source']}"] = line["story_accuracy"]
        found.append({**line, **more})
    return found


def _stories(members: Sequence[tuple[Artifact, list[dict[str, Any]]]]) -> list[str]:
    return sorted({key for _, lines in members for line in lines for key in line if key.startswith(STORIES)})


def title(quantity: str) -> str:
    """What a panel is called."""
    if quantity.startswith(STORIES):
        return f"{quantity.removeprefix(STORIES)}, accuracy"
    return QUANTITIES[quantity]


def _panels(
    members: Sequence[tuple[Artifact, list[dict[str, Any]]]], labels: Mapping[str, str], colours: Mapping[str, int]
) -> list[Panel]:
    panels = []
    for axis in AXES:
        for quantity in (*QUANTITIES, *_stories(members)):
            lines = [
                line
                for model, points in members
                for line in _lines(points, axis, quantity, labels[model.fingerprint], colours[model.fingerprint])
            ]
            if lines:
                panels.append(Panel(quantity=quantity, axis=axis, lines=lines))
    return panels


def _lines(points: Sequence[Mapping[str, Any]], axis: str, quantity: str, label: str, colour: int) -> list[Line]:
    """The line of training and, where there is one, of held-out data. A line needs two points."""
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
            lines.append(Line(label=label, colour=colour, x=list(x), y=list(y), valid=dotted))
    return lines
