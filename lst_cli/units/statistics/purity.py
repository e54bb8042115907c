"""How well units predict phones: purities and PNMI, by which HuBERT's clusters were chosen.

Legend: T frames, K units, L labels.

Hsu et al. 2021, section 4.3: phone purity is the accuracy of naming each frame's phone from its unit alone, cluster
purity that of naming the unit from the phone, and PNMI the share of the phones' entropy that the units take away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SILENCE = ""
"""The label of frames that no span covers."""


@dataclass(frozen=True)
class Purity:
    """How units and labels go together."""

    phone_purity: float
    cluster_purity: float
    pnmi: float
    frames: int


def label_frames(frames: int, labels: Sequence[str], starts: Sequence[int], ends: Sequence[int]) -> NDArray[np.str_]:
    """The label of each of an utterance's frames, from spans with their end exclusive; silence elsewhere."""
    width = max(1, *(len(label) for label in labels)) if labels else 1
    labels_T = np.full(frames, SILENCE, dtype=f"<U{width}")
    for label, start, end in zip(labels, starts, ends, strict=True):
        labels_T[start:end] = label
    return labels_T


def measure_purity(units_T: NDArray[np.integer], labels_T: NDArray[np.str_]) -> Purity:
    """Purities and PNMI of frames with a unit and a label each; without any frame all are 0."""
    if not len(units_T):
        return Purity(0.0, 0.0, 0.0, 0)
    _, label_T = np.unique(labels_T, return_inverse=True)
    joint_KL = np.zeros((int(units_T.max()) + 1, int(label_T.max()) + 1))
    np.add.at(joint_KL, (units_T, label_T), 1)
    joint_KL /= len(units_T)
    unit_K, label_L = joint_KL.sum(axis=1), joint_KL.sum(axis=0)
    some = joint_KL > 0
    shared = float((joint_KL[some] * np.log(joint_KL[some] / np.outer(unit_K, label_L)[some])).sum())
    entropy = -float((label_L * np.log(label_L)).sum())
    return Purity(
        phone_purity=float(joint_KL.max(axis=1).sum()),
        cluster_purity=float(joint_KL.max(axis=0).sum()),
        pnmi=shared / entropy if entropy > 0 else 0.0,
        frames=len(units_T),
    )
