"""Preference pairs as a JSONL file, and as token sequences.

A line is ``{"id": …, "prompt": SIDE, "chosen": SIDE, "rejected": SIDE}``. Chosen and rejected are of one modality; the
prompt may be of the other, or missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lst_cli.errors import UserError
from lst_cli.evaluation.tasks.items import Faults
from lst_cli.evaluation.tasks.tables import read_jsonl
from lst_cli.inference.shared_prompt import Question
from lst_cli.training.examples.sides import SIDE_FORMS, Side, SideEncoder, SideFault, read_side

SIDES = ("prompt", "chosen", "rejected")


@dataclass(frozen=True, kw_only=True)
class PreferencePair:
    """Two continuations of a prompt, the first of which is preferred."""

    id: str
    prompt: Side
    """Empty where whole utterances are compared."""
    chosen: Side
    rejected: Side


def read_pairs_file(path: Path, units: Mapping[str, NDArray[np.uint16]]) -> list[PreferencePair]:
    """The pairs of a file, in its order.

    :param units: speech by utterance id.
    :raises UserError: the file can't be read or has faulty lines; these are named.
    """
    faults = Faults(path)
    pairs: dict[str, PreferencePair] = {}
    for line, row in read_jsonl(path, faults):
        pair = _Line(row, units, line).pair(faults)
        if pair is None:
            continue
        if pair.id in pairs:
            faults.add(line, f"the id {pair.id} is used twice")
        pairs[pair.id] = pair
    faults.raise_any(
        expected=f'{{"id": …, "prompt": SIDE, "chosen": SIDE, "rejected": SIDE}}, where a SIDE is {SIDE_FORMS}',
        fix="mend or remove these lines",
    )
    if not pairs:
        raise UserError(f"{path}: no pairs", expected="at least one line")
    return list(pairs.values())


@dataclass(frozen=True)
class _Line:
    row: Mapping[str, Any]
    units: Mapping[str, NDArray[np.uint16]]
    number: int

    def pair(self, faults: Faults) -> PreferencePair | None:
        """The pair; None with its faults noted where the line holds none."""
        unknown = sorted(set(self.row) - {"id", *SIDES})
        found = {name: self._side(name) for name in SIDES}
        problems = [f"unknown key {name}" for name in unknown]
        problems += [f"{name}: {side.reason}" for name, side in found.items() if isinstance(side, SideFault)]
        if not problems:
            problems = _mismatch(found["chosen"], found["rejected"])
        for problem in problems:
            faults.add(self.number, problem)
        if problems:
            return None
        sides: dict[str, Any] = found
        name = self.row.get("id")
        return PreferencePair(id=str(self.number if name is None else name), **sides)

    def _side(self, name: str) -> Side | SideFault:
        value = self.row.get(name)
        if name == "prompt" and (value is None or (isinstance(value, str) and not value.strip())):
            return ""
        return read_side(value, self.units)


def _mismatch(chosen: Side | SideFault, rejected: Side | SideFault) -> list[str]:
    if isinstance(chosen, str) != isinstance(rejected, str):
        return ["chosen and rejected are of two modalities"]
    if np.array_equal(np.asarray(chosen), np.asarray(rejected)):
        return ["chosen and rejected are the same"]
    return []


def as_questions(pairs: Sequence[PreferencePair], encoder: SideEncoder) -> list[Question]:
    """Token sequences of pairs, laid out as ``lst eval`` lays out a prompt and its endings: chosen, then rejected.

    The end of the document is not part of a continuation, which may be truncated.

    :raises UserError: units that the model's quantizer does not have.
    """
    questions = []
    for pair in pairs:
        prompted, same = len(pair.prompt) > 0, isinstance(pair.prompt, str) == isinstance(pair.chosen, str)
        opening = [encoder.marker(pair.prompt), encoder.tokens(pair.prompt)] if prompted else []
        if not prompted or not same:
            opening.append(encoder.marker(pair.chosen))
        endings = tuple(encoder.tokens(side, continues=prompted) for side in (pair.chosen, pair.rejected))
        questions.append(Question(prompt_T=np.concatenate(opening), endings=endings))
    return questions
