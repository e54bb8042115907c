"""``lst vocoder fit`` in the form hifigan: from units and samples to an artifact like that of an imported vocoder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from lst_cli.artifacts import Draft
from lst_cli.artifacts.parquet import write_bytes_atomic
from lst_cli.console import warn
from lst_cli.errors import UserError
from lst_cli.units.frames import FRAME_SAMPLES, RATE_HZ, SAMPLE_RATE
from lst_cli.vocoder.files import save_hifigan
from lst_cli.vocoder.hifigan.train_hifigan import PCM, Fitting, fit_hifigan, held_out_mel, segment_units
from lst_cli.vocoder.hifigan.unit_hifigan import GENERATOR_KEYS
from lst_cli.vocoder.vocoder_config import HifiGanConfig, VocoderConfig
from lst_cli.vocoder.vocoder_examples import VocoderExample, speakers_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

METRICS_FILE = "metrics.jsonl"


def pcm(wave_T: Tensor, units: int) -> Tensor:
    """Samples of whole units in 16 bits; beyond the clip's end there is silence."""
    fitted_T = F.pad(wave_T, (0, units * FRAME_SAMPLES - len(wave_T)))
    return (fitted_T * PCM).round().clamp(-PCM, PCM - 1).to(torch.int16)


def make_hifigan(
    draft: Draft,
    config: VocoderConfig,
    training: Sequence[VocoderExample],
    held_out: Sequence[VocoderExample],
    *,
    quantizer: Mapping[str, str],
    units: int,
    device: str,
) -> None:
    """Fit a unit HiFi-GAN and write it.

    :param quantizer: ``reference`` and ``fingerprint``.
    :raises UserError: no utterance is as long as a segment.
    """
    long = _long_enough(training, config.hifigan)
    speakers = speakers_of(long)
    published = generator_config(config.hifigan, units, len(speakers))
    fitting = Fitting(published, config, device)
    fit_hifigan(fitting, long, speakers, config.seed, draft.parts)
    error = held_out_mel(fitting, held_out, speakers)
    save_hifigan(draft.path, fitting.generator, published, quantizer, speakers)
    lines = "".join(json.dumps(line) + "\n" for line in fitting.curve)
    write_bytes_atomic(draft.path / METRICS_FILE, lines.encode())
    draft.statistics.update(
        **{f"{name}_loss": value for name, value in fitting.curve[-1].items() if name != "step"},
        **({"held_out_mel_loss": error} if error is not None else {}),
        too_short=len(training) - len(long),
        utterances=len(long) + len(held_out),
        minutes=sum(len(example.units_U) for example in (*long, *held_out)) / RATE_HZ / 60,
        speakers=len(speakers),
        parameters=sum(weight.numel() for weight in fitting.generator.parameters()),
    )


def generator_config(config: HifiGanConfig, units: int, speakers: int) -> dict[str, Any]:
    """The generator's config under the published names; one speaker needs no embedding."""
    return {
        "num_embeddings": units,
        "embedding_dim": config.embedding_dim,
        "sampling_rate": SAMPLE_RATE,
        **{key: getattr(config, key) for key in GENERATOR_KEYS},
        "num_speakers": speakers if speakers > 1 else 0,
    }


def _long_enough(examples: Sequence[VocoderExample], config: HifiGanConfig) -> list[VocoderExample]:
    """The examples that are at least one segment long."""
    length = segment_units(config)
    long = [example for example in examples if len(example.units_U) >= length]
    if not long:
        raise UserError(
            "no utterance is as long as a segment",
            found=f"{max(len(example.units_U) for example in examples) / RATE_HZ:.2f} s at most",
            expected=f"{length / RATE_HZ:.2f} s",
            fix="use shorter segments: --set hifigan.segment_s=…",
        )
    if len(long) < len(examples):
        warn(f"{len(examples) - len(long)} utterances are shorter than a segment and are skipped")
    return long
