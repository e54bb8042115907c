"""What a model read in training, and its training curve. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lst_cli.artifacts import Artifact
from lst_cli.errors import UserError
from lst_cli.json_text import parse_json

METRICS_FILE = "metrics.jsonl"


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a model read in training; None where its artifact does not say."""

    steps: int | None = None
    chosen_step: int | None = None
    """The step whose weights were kept: where training watched held-out data, not always the last one."""
    positions: int | None = None
    """Global positions (Lu et al. 2025, A.3: units)."""
    tokens: int | None = None
    """Speech tokens and text tokens."""
    speech_tokens: int | None = None
    parameters: int | None = None


def read_metrics(model: Artifact) -> list[dict[str, Any]]:
    """The training curve of a model artifact, one dict for each logged line; empty where it has none.

    :raises UserError: a line is damaged.
    """
    if not any(record.path == METRICS_FILE for record in model.files):
        return []
    path = model.file(METRICS_FILE)
    lines = []
    for number, text in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        try:
            line = parse_json(text)
            lines.append({**line, "step": int(line["step"])})
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{path}, line {number}: not a line of a training curve",
                found=f"{type(error).__name__}: {error}",
                fix=f"'lst artifact verify {model.reference}' tells whether the artifact is whole",
            ) from None
    return lines


def read_budget(model: Artifact) -> Budget:
    """What a model read, from its statistics and the last line of its training curve."""
    lines = [line for line in read_metrics(model) if line.get("split", "train") == "train"]
    last = lines[-1] if lines else {}

    def figure(name: str, *also: str) -> int | None:
        for key in (name, *also):
            value = model.statistics.get(key, last.get(key))
            if value is not None:
                return int(value)
        return None

    return Budget(
        steps=figure("steps", "step"),
        chosen_step=figure("chosen_step"),
        positions=figure("positions"),
        tokens=figure("tokens"),
        speech_tokens=figure("speech_tokens"),
        parameters=figure("parameters"),
    )
