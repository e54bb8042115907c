"""Preference pairs as a JSONL file, and as token sequences.

A line is ``{"id": …, "prompt": SIDE, "chosen": SIDE, "rejected": SIDE}``. A side is a text, ``{"utterance": ID}`` of a
tokens artifact, or ``{"units": [3, 14, …]}``. Chosen and rejected are of one modality; the prompt may be of the other,
or missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lst_cli.errors import UserError
from lst_cli.evaluation.tasks.items import Faults
from lst_cli.evaluation.tasks.tables import read_jsonl
from lst_cli.inference.shared_prompt import Question

if TYPE_CHECKING:
    from lst_cli.text.speech_codec import SpeechCodec
    from lst_cli.text.tokenizer import TextTokenizer

Side = str | NDArray[np.uint16]
"""A text, or units of speech."""

SIDES = ("prompt", "chosen", "rejected")

_LARGEST_UNIT = (1 << 16) - 1


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
        expected='{"id": …, "prompt": SIDE, "chosen": SIDE, "rejected": SIDE}, where a SIDE is a text, '
        '{"utterance": ID} or {"units": [3, 14, …]}',
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
        problems += [f"{name}: {side.reason}" for name, side in found.items() if isinstance(side, _Fault)]
        if not problems:
            problems = _mismatch(found["chosen"], found["rejected"])
        for problem in problems:
            faults.add(self.number, problem)
        if problems:
            return None
        sides: dict[str, Any] = found
        name = self.row.get("id")
        return PreferencePair(id=str(self.number if name is None else name), **sides)

    def _side(self, name: str) -> Side | _Fault:
        value = self.row.get(name)
        if value is None and name == "prompt":
            return ""
        if isinstance(value, str):
            text = value.strip()
            return text if text or name == "prompt" else _Fault("an empty text")
        if isinstance(value, dict) and set(value) == {"utterance"}:
            spoken = self.units.get(str(value["utterance"]))
            if spoken is None:
                return _Fault(f"no utterance {value['utterance']} in --tokens")
            return spoken if len(spoken) else _Fault("an utterance without speech tokens")
        if isinstance(value, dict) and set(value) == {"units"}:
            return _listed(value["units"])
        return _Fault("missing" if value is None else 'neither a text, {"utterance": …} nor {"units": …}')


@dataclass(frozen=True)
class _Fault:
    reason: str


def _listed(units: Any) -> Side | _Fault:
    whole = (
        isinstance(units, list) and units and all(type(unit) is int and 0 <= unit <= _LARGEST_UNIT for unit in units)
    )
    return np.array(units, np.uint16) if whole else _Fault("units is not a list of whole numbers from 0")


def _mismatch(chosen: Side | _Fault, rejected: Side | _Fault) -> list[str]:
    if isinstance(chosen, str) != isinstance(rejected, str):
        return ["chosen and rejected are of two modalities"]
    if np.array_equal(np.asarray(chosen), np.asarray(rejected)):
        return ["chosen and rejected are the same"]
    return []


def as_questions(
    pairs: Sequence[PreferencePair], tokenizer: TextTokenizer, codec: SpeechCodec, source: str
) -> list[Question]:
    """Token sequences of pairs, laid out as ``lst eval`` lays out a prompt and its endings: chosen, then rejected.

    The end of the document is not part of a continuation, which may be truncated.

    :param source: what errors call the pairs.
    :raises UserError: units that the model's quantizer does not have.
    """

    def tokens(side: Side, *, continues: bool = False) -> NDArray[np.int32]:
        if isinstance(side, str):
            return np.asarray(tokenizer.encode(side, continues=continues), dtype=np.int32)
        if int(side.max()) >= codec.units:
            raise UserError(
                f"{source}: not tokens of the model's quantizer",
                found=f"unit {int(side.max())}",
                expected=f"units below {codec.units}",
            )
        return codec.encode(side)

    def marker(side: Side) -> NDArray[np.int32]:
        vocabulary = codec.vocabulary
        return np.array([vocabulary.t_marker if isinstance(side, str) else vocabulary.s_marker], dtype=np.int32)

    questions = []
    for pair in pairs:
        prompted, same = len(pair.prompt) > 0, isinstance(pair.prompt, str) == isinstance(pair.chosen, str)
        opening = [marker(pair.prompt), tokens(pair.prompt)] if prompted else []
        if not prompted or not same:
            opening.append(marker(pair.chosen))
        endings = tuple(tokens(side, continues=prompted) for side in (pair.chosen, pair.rejected))
        questions.append(Question(prompt_T=np.concatenate(opening), endings=endings))
    return questions
