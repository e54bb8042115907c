"""The paper's numbers, shown next to ours, always in a separate table (Lu et al. 2025, v2).

They are of models of a billion parameters, trained on some 10,000 times the speech of the tiny recipe. Only the
shape can be compared: which model is ahead of which, and by how much.

Accuracies are written as the paper prints them, ``S→S/T→T`` in percent, and become shares of one.
"""

from __future__ import annotations

SOURCE = "Lu et al. 2025, arXiv 2510.06195 v2"

BASELINE = "none"
"""Patching of the baseline, in the keys of :data:`MODELS` and :data:`TABLE_3`."""

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

Numbers = tuple[float | None, ...]
"""One row of a table: a number for each column, None if the paper has none."""


def _pairs(*printed: str) -> Numbers:
    """``39.0/47.0`` for each task; ``-`` for a number that the paper does not give."""
    return tuple(None if each == "-" else float(each) / 100 for pair in printed for each in pair.split("/"))


_TABLE_3: dict[str, Numbers] = {
    "none": _pairs("39.0/47.0", "59.1/67.8", "87.5/95.7"),
    "bpe": _pairs("38.0/47.5", "58.0/66.4", "87.0/93.5"),
    "static": _pairs("44.3/51.1", "60.5/70.3", "87.7/96.2"),
    "aligned": _pairs("42.7/51.7", "60.4/70.4", "86.6/95.7"),
    "mixed": _pairs("44.3/51.9", "61.4/70.8", "88.0/95.9"),
    "curriculum": _pairs("45.5/52.2", "61.2/71.6", "87.9/96.1"),
}

TABLE_3: dict[tuple[str, str, str], float] = {
    (strategy, task, direction): value
    for strategy, row in _TABLE_3.items()
    for (task, direction), value in zip(
        [(task, direction) for task in TASKS for direction in ("s-s", "t-t")], row, strict=True
    )
    if value is not None
}
"""(patching strategy, task, direction) → accuracy of the 1B model, compute-controlled."""

TABLE_4_SAVED: dict[str, float | None] = {"baseline": None, "bpe": 0.082, "static": 0.193, "curriculum": 0.197}
"""Row → share of the baseline's compute that it saves on the same data."""

TABLE_4: dict[str, Numbers] = {
    "baseline": _pairs("40.2/49.6", "60.2/69.1", "87.5/95.2"),
    "bpe": _pairs("39.4/48.4", "58.3/66.3", "86.5/93.9"),
    "static": _pairs("44.3/51.1", "60.5/70.3", "87.7/96.2"),
    "curriculum": _pairs("45.5/52.2", "61.2/71.6", "87.9/96.1"),
}
"""Row → HellaSwag, StoryCloze, TopicStoryCloze; 1B, data-controlled. The LST rows are those of Table 3."""

TABLE_5 = (
    ("Base", "1k", 1.40, 2.02),
    ("Base", "2k", 0.447, 0.732),
    ("Base", "4k", 0.207, 0.424),
    ("LST", "1k", 0.068, 0.104),
    ("LST", "2k", 0.060, 0.133),
)
"""ASR: model, fine-tuning steps, word error rate on LibriSpeech test-clean and test-other."""

TABLE_5_TTS = {"baseline": (0.141, 0.151), "curriculum": (0.141, 0.162)}
"""Row → character error rate of the ASR transcript after 20k steps, on test-clean and test-other."""

TABLE_5_UNITS = {"baseline": 1.0, "curriculum": 0.25}
"""Row → positions of the global transformer for a speech token of the prompt (ASR) or of the output (TTS)."""

PATCH_MEANS = {"words": 5.8, "silences": 3.7, "words with silence": 9.4}
"""Mean speech tokens of an aligned patch (section 3.1): sil sep. (words, silences) and sil merged."""

TABLE_6: dict[str, Numbers] = {
    "static": _pairs("40.5/48.8", "58.2/69.4", "86.2/95.1"),
    "curriculum": _pairs("41.3/49.2", "58.6/67.8", "86.6/95.4"),
    "curriculum-merged": _pairs("40.3/48.9", "58.7/68.9", "86.8/95.4"),
    "aligned": _pairs("39.9/49.3", "60.3/69.9", "85.7/95.3"),
    "static6": _pairs("39.4/49.2", "58.7/69.6", "84.9/94.9"),
    "static9": _pairs("37.2/49.4", "57.5/69.7", "84.7/95.9"),
    "aligned-merged": _pairs("38.5/49.0", "58.8/69.7", "86.9/96.0"),
}
"""Row → HellaSwag, StoryCloze, TopicStoryCloze."""

TABLE_8: dict[tuple[str, str], Numbers] = {
    ("baseline", "1B"): _pairs("36.8/47.1"),
    ("curriculum", "1B"): _pairs("41.3/49.2"),
    ("baseline", "7B"): _pairs("42.0/54.8"),
    ("curriculum", "7B"): _pairs("44.2/55.3"),
}
"""(row, size) → HellaSwag."""

TABLE_9: dict[str, Numbers] = {
    "baseline": _pairs("36.5/46.3", "58.3/66.6", "86.3/93.9"),
    "static": _pairs("40.9/48.5", "58.5/69.4", "86.6/95.1"),
    "curriculum": _pairs("41.4/49.1", "59.2/69.5", "87.1/95.6"),
}
"""Row → HellaSwag, StoryCloze, TopicStoryCloze: means of three runs."""

TABLE_9_STD: dict[str, Numbers] = {
    "baseline": _pairs("0.22/0.78", "0.21/1.56", "0.52/1.44"),
    "static": _pairs("0.67/0.37", "0.50/0.11", "0.52/0.19"),
    "curriculum": _pairs("0.13/0.06", "0.68/1.56", "0.45/0.45"),
}
"""Their standard deviations."""

TABLE_10: dict[str, Numbers] = {
    "aligned": _pairs("40.0/49.9", "59.4/68.6", "84.8/94.6"),
    "aligned-piece": _pairs("39.2/50.1", "55.6/69.1", "79.6/95.6"),
    "curriculum": _pairs("41.5/49.5", "57.9/68.9", "86.8/95.1"),
    "curriculum-piece": _pairs("41.3/48.6", "59.1/67.1", "86.5/95.4"),
}
"""Row → HellaSwag, StoryCloze, TopicStoryCloze; patches of words and of BPE text tokens, speech to text 1:4."""

TABLE_11: dict[str, Numbers] = {
    "baseline": _pairs("58.0/59.1", "78.4/87.5"),
    "curriculum": _pairs("60.8/61.2", "79.5/87.9"),
}
"""Row → S→S: StoryCloze in its original recordings and the paper's, TopicStoryCloze likewise."""

TABLE_12: dict[str, Numbers] = {"baseline": (0.725, 0.589), "curriculum": (0.728, 0.590)}
"""Row → sWUGGY and sBLIMP."""

TABLE_13: dict[str, tuple[float, ...]] = {"baseline": (0.77, 0.23, 2.00, 3.00), "static": (0.19, 0.23, 2.00, 2.42)}
"""Row → positions of speech, of interleaved text, of text data, and in all, for the same data."""

FIGURE_1A: dict[str, Numbers] = {"baseline": _pairs("39.0/47.0"), "curriculum": _pairs("45.5/52.2")}
"""Row → HellaSwag where the curves end, after 500k steps; compute-controlled."""

FIGURE_1B: dict[str, Numbers] = {"baseline": _pairs("40.2/49.6"), "curriculum": _pairs("45.5/52.2")}
"""Row → HellaSwag where the curves end, after some 330 B tokens; data-controlled."""

FIGURE_4: dict[tuple[str, str], Numbers] = {
    ("baseline", "420M"): _pairs("28.4/31.1"),
    ("curriculum", "420M"): _pairs("29.2/31.6"),
    ("baseline", "1.8B"): _pairs("35.3/45.7"),
    ("curriculum", "1.8B"): _pairs("39.0/46.3"),
}
"""(row, size) → HellaSwag, compute-optimal training."""

FIGURE_6: dict[tuple[str, int], Numbers] = {
    ("curriculum", 3): _pairs("40.2/-"),
    ("baseline", 2): _pairs("36.8/47.1"),
    ("curriculum", 2): _pairs("41.3/49.7"),
    ("baseline", 1): _pairs("37.0/45.4"),
    ("curriculum", 1): _pairs("41.2/47.2"),
}
"""(row, tokens of text data for each of speech data) → HellaSwag, the values that are known to us."""

FIGURE_5_WITHIN, FIGURE_5_BETWEEN, FIGURE_5_SILHOUETTE = 0.87, 0.43, (0.65, 0.68)
"""Embeddings of word patches: cosine within and between words, and the silhouette, which is given as a range."""


def gain(strategy: str, task: str, direction: str) -> float | None:
    """The gain of the paper's model of this patching over its baseline; None if Table 3 has no such cell."""
    ours, base = (TABLE_3.get((name, task, direction)) for name in (strategy, BASELINE))
    return None if ours is None or base is None else ours - base
