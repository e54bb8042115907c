"""Instruction data as a JSONL file of dialogues, and as token sequences.

A line is ``{"id": …, "turns": [SIDE, SIDE, …]}``: alternating questions and answers, each written or spoken. Each
answer makes one document: all turns before it, each after its marker, then the answer and the end of the document.
Only the answer and the end have a loss, so training has the prompts of inference, and the model learns to stop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lst_cli.patching.packed import Document
from lst_cli.training.examples.examples_file import read_examples
from lst_cli.training.examples.sides import Side, SideEncoder, SideFault, read_side


@dataclass(frozen=True, kw_only=True)
class Dialogue:
    """Alternating questions and answers, a question first."""

    id: str
    turns: tuple[Side, ...]


def read_dialogues(path: Path, units: Mapping[str, NDArray[np.uint16]]) -> list[Dialogue]:
    """The dialogues of a file, in its order.

    :param units: speech by utterance id.
    :raises UserError: the file can't be read or has faulty lines; these are named.
    """

    def parse(name: str, row: Mapping[str, Any]) -> Dialogue | list[str]:
        turns = row.get("turns")
        if not isinstance(turns, list) or not turns or len(turns) % 2:
            return ["turns is not a list of alternating questions and answers"]
        sides = [read_side(turn, units) for turn in turns]
        problems = [f"turn {n}: {side.reason}" for n, side in enumerate(sides, 1) if isinstance(side, SideFault)]
        return problems or Dialogue(id=name, turns=tuple(side for side in sides if not isinstance(side, SideFault)))

    return read_examples(path, ["turns"], parse, form='{"id": …, "turns": [SIDE, SIDE, …]}', what="dialogues")


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
