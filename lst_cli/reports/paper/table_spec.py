"""The form of a table: its rows, the facts that make a model a row, its columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lst_cli.evaluation.scores import ScoredWith

Measure = Literal["accuracy", "wer", "cer", "saved", "positions", "context", "generation"]

PARTS = ("other", "original")
"""Ends of corpus names that name a part of a task's data: LibriSpeech's test-other, the original recordings of a
benchmark (Lu et al. 2025, Table 11)."""


@dataclass(frozen=True, kw_only=True)
class TableColumn:
    """One measured quantity."""

    label: str
    measure: Measure = "accuracy"
    task: str = ""
    direction: str = ""
    part: str = ""
    """One of :data:`PARTS`, or empty for the usual data. A column of a part that no model was scored on is dropped."""

    def is_about(self, result: Mapping[str, Any]) -> bool:
        """Whether a result is of this column's task and part."""
        return bool(result.get("task") == self.task and part_of(result) == self.part)

    @property
    def compared(self) -> bool:
        """Whether the difference of two rows means something."""
        return self.measure in ("accuracy", "wer", "cer")

    @property
    def is_share(self) -> bool:
        """Whether it is given in percent."""
        return self.measure in ("accuracy", "wer", "cer", "saved")

    def text(self, value: float) -> str:
        """A number of this column."""
        return f"{100 * value:.1f}%" if self.is_share else f"{value:.2f}"


@dataclass(frozen=True, kw_only=True)
class TableLine:
    """One row: the models that belong to it, over all seeds, and the paper's numbers."""

    row: str
    """Name of the row in recipes/rows.mk."""
    label: str
    facts: Mapping[str, Any]
    """Facts of its models (:class:`lst_cli.reports.paper.model_facts.Facts`) that differ from the usual ones."""
    rank: int | None = None
    """Which of the sizes (or of the numbers of training steps) that were scored, from the smallest."""
    scored_with: ScoredWith = "static"
    """The paper scores pure aligned models with aligned patches, all others with static ones."""
    noise_ms: float = 0.0
    """How far the word boundaries of the spoken items were moved for the scores, in milliseconds."""
    paper: Sequence[float | None] = ()
    paper_std: Sequence[float | None] = ()


@dataclass(frozen=True, kw_only=True)
class TableSpec:
    """A table."""

    name: str
    title: str
    about: str
    """The comparison in one or two sentences, and the source of the paper's numbers."""
    columns: Sequence[TableColumn]
    lines: Sequence[TableLine]
    against: Mapping[str, str] = field(default_factory=dict)
    """Line → line that it is compared with, by label."""
    ranked: Literal["", "shape", "steps", "tuned_steps"] = ""
    """Which fact :attr:`TableLine.rank` counts."""
    over: Literal["", "parameters", "flops", "tokens"] = ""
    """Drawn as curves over this figure of the training; else as a table."""


def part_of(result: Mapping[str, Any]) -> str:
    """The part of a task's data that a result is of, by the corpus of the recordings; empty for the usual one."""
    spoken = result.get("spoken") or {}
    _, _, name = str(result.get("corpus") or spoken.get("reference", "")).partition("/")
    return next((part for part in PARTS if name.partition("/")[0].endswith(part)), "")


def noise_of(result: Mapping[str, Any]) -> float:
    """How far the word boundaries of a result's spoken items were moved, in milliseconds."""
    return float(result.get("noise_ms", 0.0))


ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "baseline": ("Base", {"kind": "baseline"}),
    "bpe": ("BPE", {"kind": "bpe"}),
    "static": ("LST static", {"kind": "static"}),
    "static6": ("LST static, 6 tokens", {"kind": "static", "size": 6}),
    "static9": ("LST static, 9 tokens", {"kind": "static", "size": 9}),
    "aligned": ("LST aligned", {"kind": "aligned"}),
    "aligned-merged": ("LST aligned, sil merged", {"kind": "aligned", "silence": "merged"}),
    "aligned-piece": ("LST BPE-aligned", {"kind": "aligned", "spans": "piece"}),
    "mixed": ("LST mixed", {"kind": "mixed"}),
    "curriculum": ("LST curriculum", {"kind": "curriculum"}),
    "curriculum-merged": ("LST curriculum, sil merged", {"kind": "curriculum", "silence": "merged"}),
    "curriculum-piece": ("LST BPE curriculum", {"kind": "curriculum", "spans": "piece"}),
}
"""Row of recipes/rows.mk → label, facts."""
