"""Training examples of a vocoder: units of utterances with their targets, mel frames or samples.

Legend: U units, T samples, R rows of a target.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from lst_cli.artifacts.parquet import read_parquet, write_parquet
from lst_cli.audio.decode import read_utterances
from lst_cli.distributed.row_units import WorkUnit
from lst_cli.distributed.shared_work import SharedParts, SharedWork
from lst_cli.errors import UserError
from lst_cli.hashing import text_id, uniform
from lst_cli.units.frames import RATE_HZ, SAMPLE_RATE, n_frames
from lst_cli.units.tokenize.assemble import drop_rejecting_parts
from lst_cli.units.tokenize.work_units import divide

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lst_cli.audio.corpus_artifact import Corpus, Utterance

UNNAMED = "unnamed"
"""The speaker of utterances without a speaker in the corpus."""

_DRAW, _HOLD_OUT = 1, 2

_PART_SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("reason", pa.string()),
        ("dtype", pa.string()),
        ("shape", pa.list_(pa.int64())),
        ("target", pa.binary()),
    ]
)
"""A part file: for each utterance its target, or why it has none."""


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


class SharedExamples:
    """The examples of some utterances, which ranks make in work units of audio."""

    def __init__(
        self,
        utterances: Sequence[Utterance],
        units: dict[str, NDArray[np.uint16]],
        target: Callable[[Tensor, int], Tensor],
        parts: SharedParts,
    ) -> None:
        """Divide the work.

        :param target: makes the target of samples [T] and a number of units.
        """
        self._utterances, self._units, self._target = utterances, units, target
        samples_U = np.array([round(utterance.seconds * SAMPLE_RATE) for utterance in utterances], np.int64)
        self._shared = SharedWork(divide(samples_U), parts)

    def run(self) -> None:
        """Make this rank's examples, then help with those still missing."""
        drop_rejecting_parts(self._shared.parts)
        self._shared.run(self._make, write_parquet, what="read speech", counted="utterances")

    def examples(self, reject: Callable[[str, str], None]) -> list[VocoderExample]:
        """All examples, in the order of the utterances.

        Utterances without units, with units of other audio, or that can't be read are rejected.
        """
        found = []
        for path in self._shared.paths:
            table = read_parquet(path)
            for row in table.to_pylist():
                utterance = self._utterances[row["row"]]
                if row["reason"] is not None:
                    reject(utterance.id, row["reason"])
                    continue
                target_R = np.frombuffer(bytearray(row["target"]), np.dtype(row["dtype"])).reshape(row["shape"])
                found.append(
                    VocoderExample(
                        id=utterance.id,
                        speaker=utterance.speaker or UNNAMED,
                        units_U=torch.from_numpy(self._units[utterance.id].astype(np.int64)),
                        target_R=torch.from_numpy(target_R),
                    )
                )
        return found

    def _make(self, unit: WorkUnit) -> pa.Table:
        rows = list(range(unit.start, unit.stop))
        made: dict[int, dict[str, Any]] = {}
        known = {self._utterances[row].id: row for row in rows if self._utterances[row].id in self._units}
        made.update({row: {"reason": "no speech tokens"} for row in rows if row not in known.values()})

        def unreadable(utterance: Utterance, error: UserError) -> None:
            made[known[utterance.id]] = {"reason": str(error)}

        for utterance, wave_T in read_utterances(
            map(self._utterances.__getitem__, known.values()), on_error=unreadable
        ):
            units = len(self._units[utterance.id])
            problem = _problem(wave_T, units)
            if problem is not None:
                made[known[utterance.id]] = {"reason": problem}
            else:
                target_R = self._target(torch.from_numpy(wave_T), units).numpy()
                about = {"dtype": str(target_R.dtype), "shape": list(target_R.shape)}
                made[known[utterance.id]] = {**about, "target": target_R.tobytes()}
        return pa.Table.from_pylist([{"row": row, **made[row]} for row in rows], schema=_PART_SCHEMA)


def _problem(wave_T: NDArray[np.float32], units: int) -> str | None:
    """Why an utterance can't be an example; None if it can."""
    if units != n_frames(len(wave_T)):
        return f"{units} speech tokens for {len(wave_T) / SAMPLE_RATE:.2f} s of audio"
    if not np.isfinite(wave_T).all():
        return "samples are not finite numbers"
    return None


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
            "no utterance is left to train the vocoder on",
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
    """The first units of an example, and the corresponding rows of its target."""
    first = round(place * max(0, len(example.units_U) - length))
    units_U = example.units_U[first : first + length]
    per_unit = len(example.target_R) // len(example.units_U)
    return units_U, example.target_R[first * per_unit : (first + len(units_U)) * per_unit]
