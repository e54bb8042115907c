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

from lst_cli.inference.shared_prompt import Question
from lst_cli.training.examples.examples_file import read_examples
from lst_cli.training.examples.sides import Side, SideEncoder, SideFault, read_side

SIDES = ("prompt", "chosen", "rejected")


@dataclass(frozen=True, kw_only=True)
class PreferencePair:
    """A preferred and a rejected continuation of a prompt."""

    id: str
    prompt: Side
    """Empty if whole utterances are compared."""
    chosen: Side
    rejected: Side


def read_pairs_file(path: Path, units: Mapping[str, NDArray[np.uint16]]) -> list[PreferencePair]:
    """The pairs of a file, in its order.

    :param units: speech by utterance id.
    :raises UserError: the file can't be read or has faulty lines; these are named.
    """

    def parse(name: str, row: Mapping[str, Any]) -> PreferencePair | list[str]:
        sides: dict[str, Any] = {key: read_side(row.get(key), units) for key in SIDES}
        prompt = row.get("prompt")
        if prompt is None or (isinstance(prompt, str) and not prompt.strip()):
            sides["prompt"] = ""
        problems = [f"{key}: {side.reason}" for key, side in sides.items() if isinstance(side, SideFault)]
        return problems or _mismatch(sides["chosen"], sides["rejected"]) or PreferencePair(id=name, **sides)

    form = '{"id": …, "prompt": SIDE, "chosen": SIDE, "rejected": SIDE}'
    return read_examples(path, SIDES, parse, form=form, what="pairs")


def _mismatch(chosen: Side, rejected: Side) -> list[str]:
    if isinstance(chosen, str) != isinstance(rejected, str):
        return ["chosen and rejected differ in modality"]
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
