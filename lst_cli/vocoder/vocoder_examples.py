"""Training examples of a vocoder: units of utterances with their targets, mel frames or samples.

Legend: U units, T samples, R rows of a target.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from lst_cli.audio.decode import read_utterances
from lst_cli.console import progress
from lst_cli.errors import UserError
from lst_cli.hashing import text_id, uniform
from lst_cli.units.frames import RATE_HZ, SAMPLE_RATE, n_frames

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lst_cli.audio.corpus_artifact import Corpus, Utterance

UNNAMED = "unnamed"
"""The speaker of utterances whose corpus names none."""

_DRAW, _HOLD_OUT = 1, 2


@dataclass(frozen=True, kw_only=True)
class VocoderExample:
    """One utterance."""

    id: str
    speaker: str
    units_U: Tensor
    target_R: Tensor
    """Log-mel frames [J, M] or samples [T]: as many rows for each unit."""


def chosen_utterances(corpus: Corpus, max_minutes: float, seed: int) -> list[Utterance]:
    """Utterances to read, in the corpus's order: all, or about that many minutes chosen by a hash of the ids."""
    total_s = float(corpus.seconds.sum())
    share = 60 * max_minutes / max(total_s, 1e-9)
    return [u for u in corpus if share >= 1 or float(uniform(seed, _DRAW, np.uint64(text_id(u.id)))) < share]


def read_examples(
    utterances: Sequence[Utterance],
    units: dict[str, NDArray[np.uint16]],
    target: Callable[[Tensor, int], Tensor],
    reject: Callable[[str, str], None],
) -> list[VocoderExample]:
    """The examples of some utterances.

    Those without units, with units of other audio, or that can't be read are rejected.

    :param target: makes the target of samples [T] and a number of units.
    """
    known = []
    for utterance in utterances:
        if utterance.id in units:
            known.append(utterance)
        else:
            reject(utterance.id, "no speech tokens")
    found = []
    waves = read_utterances(known, on_error=lambda utterance, error: reject(utterance.id, str(error)))
    with progress("read speech", len(known), "utterances") as bar:
        for utterance, wave_T in waves:
            bar.advance()
            units_U = units[utterance.id]
            if len(units_U) != n_frames(len(wave_T)):
                reject(utterance.id, f"{len(units_U)} speech tokens for {len(wave_T) / SAMPLE_RATE:.2f} s of audio")
            elif not np.isfinite(wave_T).all():
                reject(utterance.id, "samples that are not finite numbers")
            else:
                found.append(
                    VocoderExample(
                        id=utterance.id,
                        speaker=utterance.speaker or UNNAMED,
                        units_U=torch.from_numpy(units_U.astype(np.int64)),
                        target_R=target(torch.from_numpy(wave_T), len(units_U)),
                    )
                )
    return found


def split(
    examples: Sequence[VocoderExample], share: float, seed: int
) -> tuple[list[VocoderExample], list[VocoderExample]]:
    """Examples to learn from, and those held out.

    :raises UserError: nothing is left to learn from.
    """
    held = [float(uniform(seed, _HOLD_OUT, np.uint64(text_id(e.id)))) < share for e in examples]
    training = [e for e, out in zip(examples, held, strict=True) if not out]
    if not training:
        raise UserError(
            "no utterance is left to fit the vocoder on",
            found=f"{len(examples)} utterances, all held out",
            fix="give a larger corpus, or --set held_out=0",
        )
    return training, [e for e, out in zip(examples, held, strict=True) if out]


def speakers_of(examples: Sequence[VocoderExample]) -> list[str]:
    """All speakers by name, the one with most speech first: the default voice."""
    seconds: dict[str, float] = {}
    for example in examples:
        seconds[example.speaker] = seconds.get(example.speaker, 0.0) + len(example.units_U) / RATE_HZ
    return sorted(seconds, key=lambda name: (-seconds[name], name))


def draw_segments(count: int, batch: int, step: int, seed: int) -> list[tuple[int, float]]:
    """The examples of a step by number, each with the place of its segment, from 0 (first) to 1 (last)."""
    draws_B = uniform(seed, step, np.arange(batch), 0)
    places_B = uniform(seed, step, np.arange(batch), 1)
    return list(zip((draws_B * count).astype(np.int64).tolist(), places_B.tolist(), strict=True))


def segment(example: VocoderExample, place: float, length: int) -> tuple[Tensor, Tensor]:
    """So many units of an example at most, and the rows of its target that belong to them."""
    first = round(place * max(0, len(example.units_U) - length))
    units_U = example.units_U[first : first + length]
    per_unit = len(example.target_R) // len(example.units_U)
    return units_U, example.target_R[first * per_unit : (first + len(units_U)) * per_unit]
