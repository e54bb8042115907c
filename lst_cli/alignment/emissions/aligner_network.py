"""The small aligner: log-mel frames in, letters at 50 Hz out.

A stack of convolutions that sees 0.5 s to either side: enough for the sounds around a letter, too little to put a
letter anywhere but where it is spoken. Legend: B utterances, T frames in (100 Hz), U frames out (50 Hz), M mel bands,
D width, V labels.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lst_cli.alignment.emissions.mel import MEL_HOP
from lst_cli.alignment.emissions.spelling import N_LABELS
from lst_cli.alignment.fit.aligner_config import AlignerNetworkConfig
from lst_cli.hashing import text_id, uniform

FRAME_HOP = 2 * MEL_HOP
"""Samples from one output frame to the next: 20 ms."""

FRAME_OFFSET = -MEL_HOP
"""Sample at which the stretch of output frame 0 begins: the frame is centred on sample 0 of the clip."""


class LetterNetwork(nn.Module):
    """Letters at 50 Hz, and how frequent each letter is (``log_prior_V``)."""

    log_prior_V: Tensor

    def __init__(self, config: AlignerNetworkConfig) -> None:
        super().__init__()
        width, kernel = config.width, config.kernel
        self.first = nn.Conv1d(config.bands, width, 5, stride=2, padding=2)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(width, width, kernel, padding=kernel // 2) for _ in range(config.layers)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(config.layers))
        self.last_norm = nn.LayerNorm(width)
        self.letters = nn.Linear(width, N_LABELS)
        self.register_buffer("log_prior_V", torch.empty(N_LABELS))

    def forward(self, mel_BTM: Tensor, frames_B: Tensor) -> Tensor:
        """Log-probabilities [B, U, V]; ``frames_B`` output frames of each row are speech, the rest is padding.

        Padding does not reach the frames before it.
        """
        x_BUD = self.first(mel_BTM.transpose(1, 2)).transpose(1, 2)
        inside_BU1 = (torch.arange(x_BUD.shape[1], device=x_BUD.device) < frames_B[:, None])[..., None]
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            inside_BDU = (norm(x_BUD) * inside_BU1).transpose(1, 2)
            x_BUD = x_BUD + F.relu(convolution(inside_BDU)).transpose(1, 2)
        return F.log_softmax(self.letters(self.last_norm(x_BUD)), dim=-1)


def frames_out(frames_in: int) -> int:
    """Output frames for a number of mel frames."""
    return (frames_in + 1) // 2


def pad(mels: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Stack spectrograms [T, M] of several lengths to [B, T, M], with the output frames of each."""
    frames_B = torch.tensor([frames_out(len(mel_TM)) for mel_TM in mels])
    return nn.utils.rnn.pad_sequence(mels, batch_first=True), frames_B


def new_network(config: AlignerNetworkConfig, seed: int) -> LetterNetwork:
    """A network whose weights are a pure function of the seed."""
    with torch.device("meta"):
        network = LetterNetwork(config)
    network.to_empty(device="cpu")
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if weight.dim() > 1:
                bound = weight[0].numel() ** -0.5
                draws = uniform(seed, np.uint64(text_id(name)), np.arange(weight.numel()))
                weight.copy_(torch.from_numpy((2 * draws - 1) * bound).view_as(weight))
            else:
                weight.fill_(1.0 if "norm" in name and name.endswith("weight") else 0.0)
        network.log_prior_V.fill_(-float(np.log(N_LABELS)))
    return network


@torch.inference_mode()
def emission(network: LetterNetwork, mels: list[Tensor], prior_scale: float) -> list[Tensor]:
    """Log-probabilities over priors, normalised again, [U, V] of each normalised spectrogram [T, M]."""
    mel_BTM, frames_B = pad(mels)
    scores_BUV = torch.log_softmax(network(mel_BTM, frames_B) - prior_scale * network.log_prior_V, dim=-1)
    return [scores_UV[:frames] for scores_UV, frames in zip(scores_BUV, frames_B.tolist(), strict=True)]
