"""Sums that training steps add to, and the figures computed from them.

One vector of named sums is one metric: adding to it costs a single tensor operation a step.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor
from torcheval.metrics import Metric

from lst_cli.model.batch import TargetModality
from lst_cli.units.frames import RATE_HZ

MODALITIES = {
    TargetModality.SPEECH: "speech",
    TargetModality.TEXT_WITH_SPEECH: "text_with_speech",
    TargetModality.TEXT_ONLY: "text_only",
}
"""Modality to its name in metrics."""

COUNTS = (
    *("tokens", "positions", "speech_tokens", "speech_patches", "predicted_speech_tokens"),
    *("aligned", "sequences", "flops", "padding"),
)
"""Counts of a batch, known before the model runs."""

SUMS = tuple(f"{what}_{name}" for name in MODALITIES.values() for what in ("nll", "correct", "targets")) + COUNTS
"""Every sum, in the order of the vector."""

FIGURES = (
    *("loss", "accuracy", "speech_bits_per_second", "patch_length", "aligned_share", "padding_share"),
    *(f"{what}_{name}" for name in MODALITIES.values() for what in ("loss", "accuracy")),
)
"""Every name that :func:`figures` may give."""

ERROR_RATES = ("wer", "cer")
"""Names of the error rates that a validation may add."""

PREFERENCES = (
    *("preference_loss", "preference_accuracy", "preference_margin", "chosen_reward", "rejected_reward"),
    "reference_drift",
)
"""Means over preference pairs: the loss; the share of pairs whose chosen continuation has the higher reward; the
difference of the rewards, and both of them (``beta`` times the log-ratio to the reference); and how far a token's
log-probability is from the reference's, in nats."""

WINDOW = "window"
"""Metric over the steps since the last log record."""

TOTAL = "total_sums"
"""Metric since the start of the run; fairseq2's trainer keeps metrics of this prefix, and checkpoints them."""


class Tally(Metric[Tensor]):
    """Sums of :data:`SUMS`, in double precision."""

    sums: Tensor

    def __init__(self, *, device: torch.device | None = None) -> None:
        super().__init__(device=device)
        self._add_state("sums", torch.zeros(len(SUMS), dtype=torch.float64, device=self.device))

    @torch.inference_mode()
    def update(self, sums: Tensor) -> Tally:
        """Add a vector of :data:`SUMS`."""
        self.sums += sums
        return self

    @torch.inference_mode()
    def compute(self) -> Tensor:
        """The sums so far."""
        return self.sums

    @torch.inference_mode()
    def merge_state(self, metrics: Iterable[Tally]) -> Tally:
        """Add what other processes have."""
        for metric in metrics:
            self.sums += metric.sums.to(self.device)
        return self


@torch.no_grad()
def sums_by_modality(nll_T: Tensor, correct_T: Tensor, counts_T: Tensor, modality_T: Tensor) -> Tensor:
    """Negative log-likelihood, right guesses and number of targets, for each modality: the head of the vector.

    :param counts_T: whether each token has a target.
    """
    values_T3 = torch.stack((nll_T.double(), correct_T.double(), counts_T.double()), dim=1)
    kinds = torch.arange(len(MODALITIES), device=modality_T.device)
    member_TM = (modality_T[:, None] == kinds) & counts_T[:, None]
    return torch.where(member_TM[:, :, None], values_T3[:, None, :], 0.0).sum(0).flatten()


def figures(sums: Mapping[str, float]) -> dict[str, float]:
    """The figures of a log record. Modalities without targets are omitted."""
    names = list(MODALITIES.values())
    targets = sum(sums[f"targets_{name}"] for name in names)
    if not targets:
        return {}
    out = {"loss": sum(sums[f"nll_{name}"] for name in names) / targets}
    out["accuracy"] = sum(sums[f"correct_{name}"] for name in names) / targets
    for name in names:
        if n := sums[f"targets_{name}"]:
            out[f"loss_{name}"] = sums[f"nll_{name}"] / n
            out[f"accuracy_{name}"] = sums[f"correct_{name}"] / n
    if n := sums["predicted_speech_tokens"]:
        # Of a second, not of a piece: so models with and without a speech BPE can be compared.
        out["speech_bits_per_second"] = sums["nll_speech"] / n / math.log(2) * RATE_HZ
    if sums["speech_patches"]:
        out["patch_length"] = sums["speech_tokens"] / sums["speech_patches"]
    if sums["sequences"]:
        out["aligned_share"] = sums["aligned"] / sums["sequences"]
    if places := sums["positions"] + sums["padding"]:
        out["padding_share"] = sums["padding"] / places
    return out


def named(sums: Tensor) -> dict[str, float]:
    """The vector as numbers by name."""
    return dict(zip(SUMS, sums.tolist(), strict=True))
