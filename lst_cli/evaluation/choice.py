"""Scoring a model on a multiple-choice task by likelihood (Lu et al. 2025, section 5).

Legend: E endings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lst_cli.evaluation.directions import build_questions
from lst_cli.evaluation.metrics import ACCURACIES, Interval, credit, normalised, wilson
from lst_cli.evaluation.tasks import Item, Task

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from lst_cli.inference.shared_prompt import Question
    from lst_cli.model_artifact.card import LoadedModel
    from lst_cli.text.speech_codec import SpeechCodec

SCORER_VERSION = 1
"""Incremented when the same model and items would get other scores; part of every result."""


@dataclass(frozen=True, kw_only=True)
class ItemScore:
    """How a model scored the endings of one item in one direction."""

    item: Item
    direction: str
    log_probs_E: list[float]
    """Sum of the natural log-probabilities of each ending's tokens."""
    tokens_E: list[int]
    """Text tokens, or speech tokens before a speech BPE merges them: durations, the same for every model."""

    @property
    def compared(self) -> dict[str, list[float]]:
        """The values that each accuracy compares."""
        texts = self.item.endings if self.direction.endswith("t") else None
        return normalised(self.log_probs_E, self.tokens_E, texts)

    def credit(self, metric: str) -> float:
        """1 where the right ending scores highest, a part of it for a tie, else 0."""
        return credit(self.compared[metric], self.item.label)


def primary_metric(task: Task, direction: str) -> str:
    """The headline metric: per token for spoken endings, as in the harness for written ones."""
    return task.text_metric if direction.endswith("t") else "accuracy_per_token"


def score_items(
    loaded: LoadedModel,
    items: Sequence[Item],
    direction: str,
    units: Mapping[str, NDArray[np.integer]],
    on_item: Callable[[], object] = lambda: None,
) -> list[ItemScore]:
    """Score every item in one direction, in the items' order.

    :param on_item: is called for each item that is done.
    """
    from lst_cli.inference.likelihood import log_probabilities

    questions = build_questions(items, direction, loaded.tokenizer, loaded.speech, units)
    sums: dict[int, list[float]] = {}
    for index, log_probs in log_probabilities(loaded, questions):
        sums[index] = log_probs
        on_item()
    return item_scores(loaded.speech, items, direction, questions, sums)


def item_scores(
    speech: SpeechCodec,
    items: Sequence[Item],
    direction: str,
    questions: Sequence[Question],
    sums: Mapping[int, list[float]],
) -> list[ItemScore]:
    """The scores of all items, in their order.

    :param questions: the items as token sequences.
    :param sums: log-probability of each ending of each item, by the item's place.
    """
    return [
        ItemScore(
            item=item,
            direction=direction,
            log_probs_E=sums[index],
            tokens_E=[_tokens(speech, ending) for ending in questions[index].endings],
        )
        for index, item in enumerate(items)
    ]


def _tokens(speech: SpeechCodec, ending_T: NDArray[np.integer]) -> int:
    """Tokens of an ending; it is of one modality, but for its end where that is scored."""
    spoken = speech.count(ending_T)
    return spoken + int(ending_T[-1] == speech.vocabulary.eos) if spoken else len(ending_T)


def summarise(task: Task, scores: Sequence[ItemScore]) -> dict[str, Any]:
    """One row of the result: the scores of all items in one direction."""
    direction = scores[0].direction
    accuracies = {metric: asdict(_accuracy(scores, metric)) for metric in ACCURACIES if metric in scores[0].compared}
    primary = primary_metric(task, direction)
    headline = accuracies[primary]
    row = {
        "direction": direction,
        "metric": primary,
        "n": len(_groups(scores)),
        "accuracy": headline["value"],
        "low": headline["low"],
        "high": headline["high"],
        "chance": sum(1 / len(score.item.endings) for score in scores) / len(scores),
        "accuracies": accuracies,
    }
    categories = sorted({score.item.category for score in scores})
    if len(categories) > 1:
        parts = {name: [score for score in scores if score.item.category == name] for name in categories}
        row["categories"] = {
            name: {"n": len(_groups(part)), **asdict(_accuracy(part, primary))} for name, part in parts.items()
        }
    return row


def _groups(scores: Sequence[ItemScore]) -> dict[str, list[ItemScore]]:
    """Items that count as one, by group."""
    groups: dict[str, list[ItemScore]] = {}
    for score in scores:
        groups.setdefault(score.item.group or score.item.id, []).append(score)
    return groups


def _accuracy(scores: Sequence[ItemScore], metric: str) -> Interval:
    """The mean over groups of their items' mean credit, with its interval over the groups."""
    groups = _groups(scores)
    right = sum(sum(score.credit(metric) for score in group) / len(group) for group in groups.values())
    return wilson(min(right, len(groups)), len(groups))


def items_table(task: Task, scores: Sequence[ItemScore]) -> pa.Table:
    """All items as a table: enough to recompute every accuracy, and to see which items were missed."""
    import pyarrow as pa

    rows = []
    for score in scores:
        primary = primary_metric(task, score.direction)
        compared = score.compared[primary]
        rows.append(
            {
                "id": score.item.id,
                "group": score.item.group or score.item.id,
                "direction": score.direction,
                "label": score.item.label,
                "answer": compared.index(max(compared)),
                "credit": score.credit(primary),
                "log_probs": score.log_probs_E,
                "tokens": score.tokens_E,
                "chars": [len(ending) for ending in score.item.endings],
                "bytes": [len(ending.encode()) for ending in score.item.endings],
                "prompt": score.item.prompt,
                "endings": list(score.item.endings),
                "utterances": list(score.item.spoken) if "s" in score.direction else [],
            }
        )
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("group", pa.string()),
            ("direction", pa.string()),
            ("label", pa.int32()),
            ("answer", pa.int32()),
            ("credit", pa.float64()),
            ("log_probs", pa.list_(pa.float64())),
            ("tokens", pa.list_(pa.int32())),
            ("chars", pa.list_(pa.int32())),
            ("bytes", pa.list_(pa.int32())),
            ("prompt", pa.string()),
            ("endings", pa.list_(pa.string())),
            ("utterances", pa.list_(pa.string())),
        ]
    )
    return pa.Table.from_pylist(rows, schema=schema)
