"""Training of the small aligner.

Flat start: for some steps all letters last equally long between the silences, which is wrong everywhere but right on
average. Then every step lays the transcripts over the frames with the network as trained so far
(:mod:`lst_cli.alignment.fit.full_sum`) and moves the network towards that. Legend: B utterances, U frames, V labels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from lst_cli.alignment.emissions.aligner_network import LetterNetwork, new_network, pad
from lst_cli.alignment.emissions.mel import loudness_db
from lst_cli.alignment.emissions.spelling import BLANK
from lst_cli.alignment.fit.aligner_config import AlignerConfig
from lst_cli.alignment.fit.aligner_examples import AlignerExample, batches
from lst_cli.alignment.fit.augment import augment
from lst_cli.alignment.fit.full_sum import occupancy
from lst_cli.console import progress
from lst_cli.errors import LstError

_RAREST = 1e-4
"""Priors are not taken to be smaller than this."""
_FORGET = 0.05
"""Share of the newest batch in the running priors."""
_CLIP = 1.0
_NOISE_DB = 4.0
"""Noise alone is at most this many decibels louder than the softest frames."""
_SLOPE_DB = 6.0
"""Within this many decibels of the threshold, loudness says little about silence."""


def train(examples: Sequence[AlignerExample], config: AlignerConfig) -> tuple[LetterNetwork, dict[str, Any]]:
    """Train a network; the result depends on the examples and the config alone (to rounding).

    :raises LstError: the loss is not finite.
    """
    network = new_network(config.network, config.seed)
    optimizer = torch.optim.AdamW(network.parameters(), betas=(0.9, 0.98), weight_decay=0.01)
    stream = batches([example.seconds for example in examples], config.batch_s, config.seed)
    loss_mean = 0.0
    with progress("train the aligner", config.steps, "steps") as bar:
        for step in range(config.steps):
            epoch, rows = next(stream)
            batch = [examples[row] for row in rows]
            mel_BTM, frames_B = pad(
                [augment(e.power_TM, config.augment, config.seed, epoch, e.id) for e in batch],
            )
            logp_BUV = network(mel_BTM, frames_B)
            with torch.no_grad():
                share_BUV = _targets(step, logp_BUV.detach(), frames_B, batch, network, config)
                _update_prior(network, logp_BUV, frames_B, step)
            loss = -(share_BUV * logp_BUV).sum() / frames_B.sum()
            if not math.isfinite(loss.item()):
                raise LstError(f"training the aligner diverged at step {step}", fix="try --set learning_rate=1e-3")
            for group in optimizer.param_groups:
                group["lr"] = _learning_rate(step, config)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), _CLIP)
            optimizer.step()
            loss_mean += (loss.item() - loss_mean) * max(_FORGET, 1 / (step + 1))
            bar.advance(loss=f"{loss_mean:.3f}")
    return network.eval(), {"loss": loss_mean, "silence_prior": network.log_prior_V[0].exp().item()}


def _learning_rate(step: int, config: AlignerConfig) -> float:
    rise = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    fall = 0.05 + 0.95 * (1 + math.cos(math.pi * step / config.steps)) / 2
    return config.learning_rate * rise * fall


def _targets(
    step: int,
    logp_BUV: Tensor,
    frames_B: Tensor,
    batch: Sequence[AlignerExample],
    network: LetterNetwork,
    config: AlignerConfig,
) -> Tensor:
    """Share of each label in each frame [B, U, V], by the flat start or by the network so far."""
    if step >= config.flat_steps:
        scores_BUV = logp_BUV - config.prior_scale * network.log_prior_V
        for row, (example, frames) in enumerate(zip(batch, frames_B.tolist(), strict=True)):
            scores_BUV[row, :frames, BLANK] += config.anchor * silence(example, frames, config.silence_db)
        return occupancy(scores_BUV, frames_B, [example.spelling for example in batch])
    share_BUV = torch.zeros_like(logp_BUV)
    for row, (example, frames) in enumerate(zip(batch, frames_B.tolist(), strict=True)):
        labels_U = flat_labels(example, frames, config.silence_db)
        share_BUV[row, torch.arange(frames), labels_U] = 1
    return share_BUV


def flat_labels(example: AlignerExample, frames: int, silence_db: float) -> Tensor:
    """A label for each of ``frames`` frames [U]: silence where it is soft, else the letters, equally long each."""
    loud_U = (silence(example, frames, silence_db) < 0).nonzero()[:, 0]
    letters = torch.tensor(example.spelling.labels)
    labels_U = torch.full((frames,), BLANK)
    labels_U[loud_U] = letters[torch.arange(len(loud_U)) * len(letters) // max(1, len(loud_U))]
    return labels_U


def silence(example: AlignerExample, frames: int, silence_db: float) -> Tensor:
    """Evidence of silence in each of ``frames`` frames [U] by loudness alone, from -1 to 1.

    Silence is ``silence_db`` below the loudest frames; in louder noise, frames close to the softest ones.
    """
    db_U = F.interpolate(loudness_db(example.power_TM)[None, None], size=frames, mode="linear")[0, 0]
    softest, loudest = torch.quantile(db_U, torch.tensor([0.05, 0.95]))
    threshold = torch.maximum(loudest - silence_db, softest + _NOISE_DB)
    return torch.tanh((threshold - db_U) / _SLOPE_DB)


def _update_prior(network: LetterNetwork, logp_BUV: Tensor, frames_B: Tensor, step: int) -> None:
    """Follow the mean of the network's own probabilities."""
    live_BU1 = (torch.arange(logp_BUV.shape[1]) < frames_B[:, None])[..., None]
    mean_V = (logp_BUV.exp() * live_BU1).sum(dim=(0, 1)) / frames_B.sum()
    new = max(_FORGET, 1 / (step + 2))
    prior_V = (1 - new) * network.log_prior_V.exp() + new * mean_V
    network.log_prior_V.copy_(prior_V.clamp(min=_RAREST).log())
