"""The paper's numbers, as they stand beside ours: always in a table of their own (Lu et al. 2025, v2).

They are of models of a billion parameters, trained on some 10,000 times the speech of the tiny recipe. Only the
shape can be compared: which model is ahead of which, and by how much.
"""

from __future__ import annotations

SOURCE = "Lu et al. 2025, arXiv 2510.06195 v2"

BASELINE = "none"
"""Patching of the baseline, in the keys of this module."""

MODELS = {
    "none": "Base",
    "bpe": "BPE",
    "static": "LST static",
    "aligned": "LST aligned",
    "mixed": "LST mixed",
    "curriculum": "LST curriculum",
}
"""Patching strategy → the paper's name of the model."""

TASKS = {"hellaswag": "HellaSwag", "storycloze": "StoryCloze", "topicstorycloze": "TopicStoryCloze"}

_TASKS = ("hellaswag", "storycloze", "topicstorycloze")
_TABLE_3 = {
    "none": ((39.0, 47.0), (59.1, 67.8), (87.5, 95.7)),
    "bpe": ((38.0, 47.5), (58.0, 66.4), (87.0, 93.5)),
    "static": ((44.3, 51.1), (60.5, 70.3), (87.7, 96.2)),
    "aligned": ((42.7, 51.7), (60.4, 70.4), (86.6, 95.7)),
    "mixed": ((44.3, 51.9), (61.4, 70.8), (88.0, 95.9)),
    "curriculum": ((45.5, 52.2), (61.2, 71.6), (87.9, 96.1)),
}

TABLE_3: dict[tuple[str, str, str], float] = {
    (strategy, task, direction): value / 100
    for strategy, rows in _TABLE_3.items()
    for task, values in zip(_TASKS, rows, strict=True)
    for direction, value in zip(("s-s", "t-t"), values, strict=True)
}
"""(patching strategy, task, direction) → accuracy of the 1B model, compute-controlled."""

TABLE_5 = (
    ("Base", "1k", 1.40, 2.02),
    ("Base", "2k", 0.447, 0.732),
    ("Base", "4k", 0.207, 0.424),
    ("LST", "1k", 0.068, 0.104),
    ("LST", "2k", 0.060, 0.133),
)
"""ASR: model, fine-tuning steps, word error rate on LibriSpeech test-clean and test-other."""

PATCH_MEANS = {"words": 5.8, "silences": 3.7, "words with silence": 9.4}
"""Mean speech tokens of an aligned patch (section 3.1): sil sep. (words, silences) and sil merged."""


def gain(strategy: str, task: str, direction: str) -> float | None:
    """What the paper's model of this patching gains over its baseline; None where Table 3 has no such cell."""
    ours, base = (TABLE_3.get((name, task, direction)) for name in (strategy, BASELINE))
    return None if ours is None or base is None else ours - base
