"""Stories for a model in training: the tasks, items and scores of ``lst eval``, for the training curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lst_cli.artifacts import Artifact
from lst_cli.errors import UserError
from lst_cli.evaluation.choice import primary_metric, score_items
from lst_cli.evaluation.directions import check_prompts, check_spoken
from lst_cli.evaluation.scores import file_sum
from lst_cli.evaluation.tasks import TASKS, Item, Task, read_items
from lst_cli.model_artifact.card import LoadedModel, ModelCard

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from lst_cli.text.speech_codec import SpeechCodec
    from lst_cli.text.tokenizer import TextTokenizer

ACCURACY = "story_accuracy"
"""Key of the metrics log: the share of stories whose correct ending is the likeliest."""


@dataclass(frozen=True, kw_only=True)
class Stories:
    """The stories of a run (Lu et al. 2025, Fig. 1)."""

    items: Mapping[str, Sequence[Item]]
    """By task."""
    identity: Mapping[str, Any]
    """Tasks, and checksums of their files: part of the run's identity, as its curve holds the accuracies."""
    tokens: Artifact | None
    """Their speech tokens; without any they are scored in text only."""


def read_stories(arguments: Sequence[str], tokens: Artifact | None) -> Stories:
    """The benchmarks of ``--stories``.

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

    return Stories(items=found, identity=files, tokens=tokens)


def story_scorers(
    stories: Stories, card: ModelCard, speech: SpeechCodec, tokenizer: Path, most: int
) -> dict[str, StoryScorer]:
    """Scorers by the source that their records of the metrics log name, as ``storycloze-s-s``.

    :param tokenizer: the text tokenizer's file.
    :param most: items of a task at most.
    :raises UserError: the stories' speech tokens are of another quantizer, or some are missing.
    """
    from lst_cli.inference.speech_tokens import check_quantizer, read_units
    from lst_cli.text.tokenizer import TextTokenizer

    chosen = {task: _evenly(items, most) for task, items in stories.items.items()}
    tokens = stories.tokens
    units: dict[str, NDArray[np.uint16]] = {}
    if tokens is not None:
        check_quantizer(tokens, card.quantizer["fingerprint"], "the model")
        units = read_units(tokens, {name for items in chosen.values() for item in items for name in item.spoken})
        for items in chosen.values():
            check_spoken(items, units, tokens.reference, speech.units)
    text = TextTokenizer.from_file(tokenizer)
    return {
        f"{task}-{direction}": StoryScorer(TASKS[task], items, direction, units, card, speech, text, tokenizer.parent)
        for task, items in chosen.items()
        for direction in (("s-s", "t-t") if tokens is not None else ("t-t",))
    }


def _evenly(items: Sequence[Item], most: int) -> list[Item]:
    """At most this many items, spread over the file."""
    count = min(most, len(items))
    return [items[number * len(items) // count] for number in range(count)]


@dataclass(frozen=True)
class StoryScorer:
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
        """1 for each right answer, a share of it for a tie, else 0.

        :param model: a whole copy, not wrapped, on its device.
        :param items: which stories.
        """
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
