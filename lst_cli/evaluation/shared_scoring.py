"""Scoring that several processes share, and that resumes after a kill.

The items of each direction are divided into chunks, longest first; a finished chunk is a file in the draft's ``parts``
folder. Ranks take every n-th chunk, then help with what is missing. Chunks depend on the items alone, so the scores are
the same for any number of ranks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lst_cli.artifacts.parquet import write_bytes_atomic
from lst_cli.console import progress
from lst_cli.distributed.shared_work import SharedParts, SharedWork
from lst_cli.evaluation.aligned_items import with_words
from lst_cli.evaluation.choice import ItemScore, item_scores
from lst_cli.evaluation.directions import build_questions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lst_cli.evaluation.ablation import Ablation
    from lst_cli.evaluation.tasks import Item
    from lst_cli.inference.shared_prompt import Question
    from lst_cli.model_artifact.card import LoadedModel

CHUNK_TOKENS = 1 << 18
"""Tokens in a chunk: some batches of a GPU, and the most that a killed process has to repeat."""


@dataclass(frozen=True)
class ScoreChunk:
    """Some items in one direction."""

    direction: str
    number: int
    items: tuple[int, ...]
    """Places in the list of items."""

    @property
    def size(self) -> int:
        """Items."""
        return len(self.items)

    @property
    def file_name(self) -> str:
        """Its part file."""
        return f"{self.direction}-{self.number:06d}.json"


def divide(direction: str, questions: Sequence[Question], budget: int) -> list[ScoreChunk]:
    """Cut questions into chunks of at most ``budget`` tokens (or one question), longest first."""
    from lst_cli.inference.likelihood import batches

    return [ScoreChunk(direction, number, tuple(items)) for number, items in enumerate(batches(questions, budget))]


class SharedScoring:
    """One rank's part in scoring all items in all directions."""

    def __init__(
        self,
        loaded: LoadedModel,
        items: Sequence[Item],
        directions: Sequence[str],
        units: Mapping[str, NDArray[np.integer]],
        parts: SharedParts,
        ablation: Ablation | None = None,
        *,
        with_end: bool = False,
        words: Mapping[str, NDArray[np.int32]] | None = None,
    ) -> None:
        """Divide the work.

        :param with_end: see :func:`~lst_cli.evaluation.directions.build_questions`.
        :param words: of each utterance, to cut speech into aligned patches
            (:func:`~lst_cli.evaluation.aligned_items.read_words`).
        """
        self._loaded, self._items = loaded, items
        self._questions = {
            direction: build_questions(items, direction, loaded.tokenizer, loaded.speech, units, with_end=with_end)
            for direction in directions
        }
        if words is not None:
            self._questions = {
                direction: with_words(questions, items, direction, words)
                for direction, questions in self._questions.items()
            }
        if ablation is not None:
            self._questions = {key: ablation.of_questions(questions) for key, questions in self._questions.items()}
        chunks = [
            chunk
            for direction, questions in self._questions.items()
            for chunk in divide(direction, questions, CHUNK_TOKENS)
        ]
        self._shared = SharedWork(chunks, parts)
        self.scored = 0
        """Items that this process has scored, counted once per direction."""

    def run(self) -> None:
        """Score this rank's chunks, then help with those still missing."""
        own = self._shared.own()
        with progress("score", sum(chunk.size for chunk in own), "items") as bar:
            for todo in self._shared.rounds(own):
                for chunk in self._shared.pending(todo):
                    self._score(chunk, bar.advance)

    def scores(self) -> dict[str, list[ItemScore]]:
        """All items in each direction, in their order; every chunk is finished."""
        sums: dict[str, dict[int, list[float]]] = {direction: {} for direction in self._questions}
        for chunk in self._shared.units:
            rows = json.loads(self._shared.path(chunk).read_bytes())
            sums[chunk.direction].update(zip(chunk.items, rows, strict=True))
        speech = self._loaded.speech
        return {
            direction: item_scores(speech, self._items, direction, questions, sums[direction])
            for direction, questions in self._questions.items()
        }

    def _score(self, chunk: ScoreChunk, on_item: Callable[[], object]) -> None:
        from lst_cli.inference.likelihood import log_probabilities

        questions = self._questions[chunk.direction]
        rows: dict[int, list[float]] = {}
        for index, sums in log_probabilities(self._loaded, [questions[item] for item in chunk.items]):
            rows[index] = sums
            on_item()
        self.scored += len(rows)
        if self._shared.parts.finished():
            return
        text = json.dumps([rows[index] for index in range(len(rows))], allow_nan=False)
        with self._shared.parts.in_use():
            write_bytes_atomic(self._shared.path(chunk), text.encode())
