"""Draw the masks of docs/model.md from the code that makes them: ``python docs/pictures/draw_masks.py``."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np

from lst_cli.model.layout import Rows, closed_patches, patch_tokens
from lst_cli.patching.packed import Document, pack_documents
from lst_cli.patching.strategies import Patcher, PatchingConfig
from lst_cli.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary(pieces=100, units=501)
LABELS = {VOCABULARY.t_marker: "<t>", VOCABULARY.s_marker: "<s>", VOCABULARY.eos: "</s>"}


def dense(bounds, keys: int) -> np.ndarray:
    """A mask as a picture."""
    low, high = bounds
    key = np.arange(keys)
    return (key >= low[:, None]) & (key <= high[:, None])


def main() -> None:
    """Two documents: one that is interleaved, one of text."""
    t, s, end = VOCABULARY.t_marker, VOCABULARY.s_marker, VOCABULARY.eos
    unit = VOCABULARY.speech_start
    documents = [
        Document(tokens=np.array([t, 11, 12, s, *(unit + np.array([7, 7, 8, 3, 5, 5])), t, 13, end])),
        Document(tokens=np.array([t, 14, 15, end])),
    ]
    packed = pack_documents(documents, VOCABULARY, Patcher(PatchingConfig(size=4)), "static")
    rows_T, rows_P = Rows.of(packed.document_T), Rows.of(packed.document_P)
    tokens, positions = len(packed.tokens_T), len(packed.document_P)
    names = [LABELS.get(int(i), "unit" if i >= unit else "text") for i in packed.tokens_T]
    panels = [
        ("tokens to tokens\n(encoder and decoder, window 8)", dense(rows_T.causal(8), tokens), "token", "token"),
        (
            "patch encoder: patch to tokens\n(own patch)",
            dense(patch_tokens(packed, rows_P, 1, 1), tokens),
            "token",
            "patch",
        ),
        ("global transformer:\npatch to patches", dense(rows_P.causal(), positions), "patch", "patch"),
        (
            "patch decoder: token to closed patches\n(all of its document)",
            dense(closed_patches(packed, rows_P, 512, 1), positions),
            "patch",
            "token",
        ),
    ]
    plt.rcParams["svg.hashsalt"] = "lst"
    plt.rcParams["svg.fonttype"] = "none"
    figure, axes = plt.subplots(1, 4, figsize=(15, 4.6), layout="constrained")
    for axis, (title, mask, keys, queries) in zip(axes, panels, strict=True):
        axis.imshow(mask, cmap="Blues", vmin=0, vmax=1.4, interpolation="nearest", aspect="auto")
        axis.set_title(title, fontsize=11)
        axis.set(xlabel=f"sees {keys}", ylabel=queries)
        axis.set_xticks(np.arange(mask.shape[1] + 1) - 0.5, [], minor=True)
        axis.set_yticks(np.arange(mask.shape[0] + 1) - 0.5, [], minor=True)
        axis.grid(which="minor", color="0.8", linewidth=0.6)
        axis.tick_params(which="both", length=0)
        first = [names[int(i)] for i in np.flatnonzero(np.diff(packed.patch_T, prepend=-1))]
        for ticks, labels in ((axis.set_xticks, keys), (axis.set_yticks, queries)):
            shown = names if labels == "token" else [f"{name}…" if name == "unit" else name for name in first]
            ticks(range(len(shown)), shown, fontsize=7, **({"rotation": 90} if ticks == axis.set_xticks else {}))
    figure.savefig(Path(__file__).with_name("masks.svg"), metadata={"Date": None}, facecolor="white")


if __name__ == "__main__":
    main()
