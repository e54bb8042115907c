"""Log-probabilities of continuations: how likely a model finds each ending of a prompt.

Questions are packed without padding, longest first; endings share their prompt's keys and values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from lst_cli.finite import check_finite_outputs

if TYPE_CHECKING:
    from lst_cli.inference.shared_prompt import Question
    from lst_cli.model_artifact.card import LoadedModel

TOKENS_PER_BATCH = {"cpu": 2048, "cuda": 32768}
"""Tokens in a batch, by kind of device; a longer question is a batch by itself."""


def log_probabilities(loaded: LoadedModel, questions: Sequence[Question]) -> Iterator[tuple[int, list[float]]]:
    """The sum of each ending's log-probabilities, for each question as it gets done.

    :yields: index of a question, and one sum (natural logarithm) for each of its endings.
    """
    import torch

    from lst_cli.inference.shared_prompt import score

    for batch in batches(questions, TOKENS_PER_BATCH[loaded.device.type]):
        with torch.inference_mode():
            sums = score(loaded.model, loaded.card, [questions[index] for index in batch], loaded.device)
        check_finite_outputs(sums, "log-probabilities")
        place = 0
        for index in batch:
            count = len(questions[index].endings)
            yield index, sums[place : place + count]
            place += count


def batches(questions: Sequence[Question], budget: int) -> Iterator[list[int]]:
    """Indices of the questions, longest first, in batches of at most ``budget`` tokens (or one question)."""
    size = [len(question.prompt_T) + sum(map(len, question.endings)) for question in questions]
    batch: list[int] = []
    tokens = 0
    for index in sorted(range(len(questions)), key=lambda index: (-size[index], index)):
        if batch and tokens + size[index] > budget:
            yield batch
            batch, tokens = [], 0
        batch.append(index)
        tokens += size[index]
    if batch:
        yield batch
