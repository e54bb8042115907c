"""Fitting the network of the mel form: mean absolute error of log-mel frames, on segments of speech.

A step's segments are a pure function of seed and step, so resuming from a saved state gives the same weights as an
uninterrupted run. Legend: B segments, U units, J mel frames, M mel bands.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from lst_cli.artifacts.parquet import atomic_path
from lst_cli.console import progress, say
from lst_cli.errors import LstError
from lst_cli.units.frames import RATE_HZ
from lst_cli.vocoder.mel.unit_to_mel import UnitToMel
from lst_cli.vocoder.vocoder_config import VocoderConfig
from lst_cli.vocoder.vocoder_examples import VocoderExample, draw_segments, segment

STATE_FILE = "state.pt"
_CLIP = 1.0
_FORGET = 0.02
"""Share of the newest step in the running loss."""


def train(
    network: UnitToMel,
    examples: Sequence[VocoderExample],
    speakers: Sequence[str],
    config: VocoderConfig,
    parts: Path,
    device: str,
) -> dict[str, Any]:
    """Fit the network in place; it resumes from the state in ``parts`` if there is one.

    :return: the last loss.
    :raises LstError: the loss is not finite.
    """
    network.to(device)
    optimizer = torch.optim.AdamW(network.parameters(), betas=(0.9, 0.98), weight_decay=0.01)
    number = {name: index for index, name in enumerate(speakers)}
    first, loss_mean = _resume(network, optimizer, parts / STATE_FILE, device)
    length = max(1, round(config.segment_s * RATE_HZ))
    with progress("fit the vocoder", config.steps - first, "steps") as bar:
        for step in range(first, config.steps):
            chosen = draw_segments(len(examples), config.batch, step, config.seed)
            rows = [segment(examples[index], place, length) for index, place in chosen]
            speaker_B = torch.tensor([number[examples[index].speaker] for index, _ in chosen])
            loss = _loss(network, rows, speaker_B.to(device))
            value = loss.item()
            if not math.isfinite(value):
                raise LstError(f"fitting the vocoder diverged at step {step}", fix="try --set learning_rate=5e-4")
            for group in optimizer.param_groups:
                group["lr"] = _learning_rate(step, config)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), _CLIP)
            optimizer.step()
            loss_mean += (value - loss_mean) * max(_FORGET, 1 / (step + 1))
            bar.advance(loss=f"{loss_mean:.3f}")
            if (step + 1) % config.save_every == 0 and step + 1 < config.steps:
                _save(network, optimizer, step + 1, loss_mean, parts / STATE_FILE)
    network.eval()
    return {"loss": loss_mean}


@torch.no_grad()
def held_out_loss(network: UnitToMel, examples: Sequence[VocoderExample], speakers: Sequence[str]) -> float | None:
    """Mean absolute error of whole held-out utterances, in standard deviations of each band; None without any."""
    total = frames = 0.0
    for example in examples:
        if example.speaker not in speakers:
            continue
        mel_JM = network.log_mel(example.units_U, speakers.index(example.speaker)).cpu()
        error_JM = (mel_JM - example.target_R.float()).abs() / network.scale_M.cpu()
        total += float(error_JM.mean(dim=1).sum())
        frames += len(error_JM)
    return total / frames if frames else None


def _loss(network: UnitToMel, rows: Sequence[tuple[Tensor, Tensor]], speaker_B: Tensor) -> Tensor:
    device = speaker_B.device
    units_BU = pad_sequence([units_U for units_U, _ in rows], batch_first=True).to(device)
    mel_BJM = pad_sequence([mel_JM for _, mel_JM in rows], batch_first=True).float().to(device)
    length_B = torch.tensor([len(units_U) for units_U, _ in rows], device=device)
    wanted_BJM = (mel_BJM - network.mean_M) / network.scale_M
    error_BJ = F.l1_loss(network(units_BU, speaker_B, length_B), wanted_BJM, reduction="none").mean(dim=2)
    inside_BJ = torch.arange(error_BJ.shape[1], device=device) < (length_B * network.frames_per_unit)[:, None]
    return (error_BJ * inside_BJ).sum() / inside_BJ.sum()


def _learning_rate(step: int, config: VocoderConfig) -> float:
    rise = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    return config.learning_rate * rise * (1 + math.cos(math.pi * step / config.steps)) / 2


def _save(network: UnitToMel, optimizer: torch.optim.Optimizer, step: int, loss: float, path: Path) -> None:
    state = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "step": step, "loss": loss}
    with atomic_path(path) as temporary:
        torch.save(state, temporary)


def _resume(network: UnitToMel, optimizer: torch.optim.Optimizer, path: Path, device: str) -> tuple[int, float]:
    """Resume from a saved state: the next step, and the running loss."""
    if not path.is_file():
        return 0, 0.0
    state = torch.load(path, map_location=device, weights_only=True)
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    say(f"resuming after step {state['step']}")
    return int(state["step"]), float(state["loss"])
