"""Stories for a model in training: the tasks, items and scores of ``lst eval``, for the training curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lst_cli.artifacts import Artifact
from lst_cli.errors import UserError
from lst_cli.evaluation.choice import primary_metric, score_items
from lst_cli.evaluation.directions import check_prompts, check_spoken
from lst_cli.evaluation.scores import file_sum
from lst_cli.evaluation.tasks import TASKS, Item, Task, read_items
from lst_cli.training.model_artifact import LoadedModel, ModelCard
from lst_cli.training.stories import Scorer, Stories

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from lst_cli.text.speech_codec import SpeechCodec
    from lst_cli.text.tokenizer import TextTokenizer


def read_stories(arguments: Sequence[str], tokens: Artifact | None) -> Stories:
    """What ``--stories`` names.

    :param arguments: ``TASK:FILE`` each.
    :param tokens: with them, speech follows speech as well as text text.
    :raises UserError: an unknown task, a faulty file, or recordings without text.
    """
    found: dict[str, list[Item]] = {}
    files: dict[str, str] = {}
    for argument in arguments:
        task, colon, name = argument.partition(":")
        if task not in TASKS or not colon or task in found:
            raise UserError(
                f"--stories {argument}",
                found=f"task {task!r}" + (" a second time" if task in found else ""),
                expected=f"TASK:FILE, each task once; tasks: {', '.join(sorted(TASKS))}",
            )
        found[task] = read_items(task, Path(name))
        check_prompts(found[task], ["t-t"])  # always among the directions, so there has to be text
        files[task] = file_sum(Path(name))

    def make_scorers(card: ModelCard, speech: SpeechCodec, tokenizer: Path, most: int) -> dict[str, Scorer]:
        return _scorers(found, tokens, card, speech, tokenizer, most)

    return Stories(identity=files, tokens=tokens, make_scorers=make_scorers)


def _scorers(
    found: Mapping[str, Sequence[Item]],
    tokens: Artifact | None,
    card: ModelCard,
    speech: SpeechCodec,
    tokenizer: Path,
    most: int,
) -> dict[str, Scorer]:
    from lst_cli.inference.speech_tokens import check_quantizer, read_units
    from lst_cli.text.tokenizer import TextTokenizer

    chosen = {task: _evenly(items, most) for task, items in found.items()}
    units: dict[str, NDArray[np.uint16]] = {}
    if tokens is not None:
        check_quantizer(tokens, card.quantizer["fingerprint"], "the model")
        units = read_units(tokens, {name for items in chosen.values() for item in items for name in item.spoken})
        for items in chosen.values():
            check_spoken(items, units, tokens.reference, speech.units)
    text = TextTokenizer.from_file(tokenizer)
    return {
        f"{task}-{direction}": _StoryScorer(TASKS[task], items, direction, units, card, speech, text, tokenizer.parent)
        for task, items in chosen.items()
        for direction in (("s-s", "t-t") if tokens is not None else ("t-t",))
    }


def _evenly(items: Sequence[Item], most: int) -> list[Item]:
    """At most so many items, from all over the file."""
    count = min(most, len(items))
    return [items[number * len(items) // count] for number in range(count)]


@dataclass(frozen=True)
class _StoryScorer:
    """Scores items of one task in one direction."""

    task: Task
    stories: Sequence[Item]
    direction: str
    units: Mapping[str, NDArray[np.integer]]
    card: ModelCard
    speech: SpeechCodec
    tokenizer: TextTokenizer
    folder: Path

    @property
    def items(self) -> int:
        """Number of stories."""
        return len(self.stories)

    def __call__(self, model: nn.Module, items: range) -> list[float]:
        """Credits of some stories."""
        from lst_cli.model.model import SpeechTextModel

        assert isinstance(model, SpeechTextModel)
        loaded = LoadedModel(
            model=model,
            card=self.card,
            tokenizer=self.tokenizer,
            speech=self.speech,
            folder=self.folder,
            device=next(model.parameters()).device,
        )
        metric = primary_metric(self.task, self.direction)
        chosen = [self.stories[number] for number in items]
        return [score.credit(metric) for score in score_items(loaded, chosen, self.direction, self.units)]
