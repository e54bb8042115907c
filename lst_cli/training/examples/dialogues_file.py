"""Instruction data as a JSONL file of dialogues, and as token sequences.

A line is ``{"id": …, "turns": [SIDE, SIDE, …]}``: question and answer in turn, each written or spoken. Every answer
makes a document of its own: all turns before it, each opened by its marker, then the answer and the end of the
document, on which alone there is loss. So a model is trained on what it is asked for in inference, and learns to stop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lst_cli.errors import UserError
from lst_cli.evaluation.tasks.items import Faults
from lst_cli.evaluation.tasks.tables import read_jsonl
from lst_cli.patching.packed import Document
from lst_cli.training.examples.sides import SIDE_FORMS, Side, SideEncoder, SideFault, read_side


@dataclass(frozen=True, kw_only=True)
class Dialogue:
    """Questions and answers in turn, a question first."""

    id: str
    turns: tuple[Side, ...]


def read_dialogues(path: Path, units: Mapping[str, NDArray[np.uint16]]) -> list[Dialogue]:
    """The dialogues of a file, in its order.

    :param units: speech by utterance id.
    :raises UserError: the file can't be read or has faulty lines; these are named.
    """
    faults = Faults(path)
    found: dict[str, Dialogue] = {}
    for line, row in read_jsonl(path, faults):
        turns = row.get("turns")
        problems = [f"unknown key {name}" for name in sorted(set(row) - {"id", "turns"})]
        if not isinstance(turns, list) or not turns or len(turns) % 2:
            problems.append("turns is not a list of questions and answers in turn")
        sides = [read_side(turn, units) for turn in turns] if not problems and isinstance(turns, list) else []
        problems += [f"turn {n}: {side.reason}" for n, side in enumerate(sides, 1) if isinstance(side, SideFault)]
        name = str(line if row.get("id") is None else row["id"])
        if name in found:
            problems.append(f"the id {name} is used twice")
        for problem in problems:
            faults.add(line, problem)
        whole = tuple(side for side in sides if not isinstance(side, SideFault))
        if not problems:
            found[name] = Dialogue(id=name, turns=whole)
    faults.raise_any(
        expected=f'{{"id": …, "turns": [SIDE, SIDE, …]}}, where a SIDE is {SIDE_FORMS}',
        fix="mend or remove these lines",
    )
    if not found:
        raise UserError(f"{path}: no dialogues", expected="at least one line")
    return list(found.values())


def as_documents(dialogues: Sequence[Dialogue], encoder: SideEncoder) -> tuple[list[Document], list[str]]:
    """A document for each answer, with loss on the answer and its end, and the id of its dialogue.

    :raises UserError: units that the model's quantizer does not have.
    """
    end = np.array([encoder.codec.vocabulary.eos], dtype=np.int32)
    documents, ids = [], []
    for dialogue in dialogues:
        pieces = [np.concatenate([encoder.marker(turn), encoder.tokens(turn)]) for turn in dialogue.turns]
        for answer in range(1, len(pieces), 2):
            tokens = np.concatenate([*pieces[: answer + 1], end])
            # The answer's marker is part of the prompt.
            documents.append(Document(tokens=tokens, loss_from=len(tokens) - len(pieces[answer])))
            ids.append(dialogue.id)
    return documents, ids
