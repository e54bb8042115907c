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


TABLE_4 = {
    "baseline": (None, 0.402, 0.496),
    "bpe": (0.082, 0.394, 0.484),
    "static": (0.193, 0.443, 0.511),
    "curriculum": (0.197, 0.455, 0.522),
}
"""Row → compute saved, HellaSwag S->S and T->T; 1B, data-controlled."""

TABLE_5_TTS = {"baseline": (0.141, 0.151), "curriculum": (0.141, 0.162)}
"""Row → character error rate of what is heard in the speech, after 20k steps, on test-clean and test-other."""

TABLE_5_UNITS = {"baseline": 1.0, "curriculum": 0.25}
"""Row → positions of the global transformer for a speech token, heard (ASR) or made (TTS)."""

TABLE_6 = {
    "static": 0.405,
    "static6": 0.394,
    "static9": 0.372,
    "aligned": 0.399,
    "aligned-merged": 0.385,
    "curriculum": 0.413,
    "curriculum-merged": 0.403,
}
"""Row → HellaSwag S->S."""

TABLE_8 = {
    ("baseline", "1B"): (0.368, 0.471),
    ("curriculum", "1B"): (0.413, 0.492),
    ("baseline", "7B"): (0.420, 0.548),
    ("curriculum", "7B"): (0.442, 0.553),
}
"""(row, size) → HellaSwag S->S and T->T."""

TABLE_9 = {"baseline": (0.365, 0.0022), "static": (0.409, 0.0067), "curriculum": (0.414, 0.0013)}
"""Row → HellaSwag S->S: mean and standard deviation of three runs."""

TABLE_10 = {"aligned": 0.400, "aligned-piece": 0.392, "curriculum": 0.415, "curriculum-piece": 0.413}
"""Row → HellaSwag S->S; patches of words and of text pieces."""

TABLE_12 = {"baseline": (0.725, 0.589), "curriculum": (0.728, 0.590)}
"""Row → sWUGGY and sBLIMP."""

TABLE_13 = {"baseline": (0.77, 0.23, 2.00, 3.00), "static": (0.19, 0.23, 2.00, 2.42)}
"""Row → units of speech, of text beside it, of text data, and in all, for the same data."""

FIGURE_4 = {
    ("baseline", "420M"): 0.284,
    ("curriculum", "420M"): 0.292,
    ("baseline", "1.8B"): 0.353,
    ("curriculum", "1.8B"): 0.390,
}
"""(row, size) → HellaSwag S->S, compute-optimal training."""

FIGURE_5_WITHIN, FIGURE_5_BETWEEN, FIGURE_5_SILHOUETTE = 0.87, 0.43, (0.65, 0.68)
"""Embeddings of word patches: cosine within and between words, and the silhouette, which is given as a range."""

BOUNDARY_NOISE_COST = 0.01
"""A.11: what moving aligned boundaries by 20 to 40 ms costs at most, about, with pure aligned patching."""
