"""One training run for the recipe: the resolved config, and what the stages add to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lst_cli.training.engine.early_stopping import Patience, has_stopped_early
from lst_cli.training.engine.families import FamilyConfig
from lst_cli.training.engine.story_unit import StoryReader, StoryUnit
from lst_cli.training.engine.train_unit import SpeechTextUnit
from lst_cli.training.engine.validation_unit import ValidationUnit
from lst_cli.training.metrics.metrics_log import WORKING_FILE, Record
from lst_cli.training.run import checkpoints

if TYPE_CHECKING:
    from fairseq2.datasets import DataReader
    from fairseq2.evaluator import EvalUnit
    from fairseq2.gang import Gangs
    from torch import nn

    from lst_cli.evaluation.asr_in_training import TranscriptScorer
    from lst_cli.evaluation.stories_in_training import StoryScorer
    from lst_cli.training.config.finetune_config import FinetuneValidationSection
    from lst_cli.training.config.train_config import TrainConfig
    from lst_cli.training.engine.nonfinite_guard import NonfiniteGuard
    from lst_cli.training.engine.stopping import StopRequest
    from lst_cli.training.engine.train_batch import TrainBatch
    from lst_cli.training.run.session import Folders


@dataclass(frozen=True, kw_only=True)
class Validation:
    """The validation data, and when to validate."""

    every: int
    """Steps between two validations; a multiple of ``log_every``."""
    make_readers: Callable[[Gangs, StopRequest], Mapping[str, DataReader[TrainBatch]]]
    """Readers of held-out data, by name; a single reader may have the empty name."""
    best: FinetuneValidationSection | None = None
    """How to choose the checkpoint that becomes the model; by default, the last one."""
    transcripts: Mapping[str, TranscriptScorer] = field(default_factory=dict)
    """Adds error rates to the loss of the readers with these names."""
    stories: Mapping[str, StoryScorer] = field(default_factory=dict)
    """Story completion, by the source that its records in the metrics log name."""
    make_unit: Callable[[nn.Module, str | None, TranscriptScorer | None], EvalUnit[Any]] = ValidationUnit
    """The measures on the batches of the readers."""

    def units(self, model: nn.Module, gangs: Gangs, stop: StopRequest) -> list[tuple[EvalUnit[Any], DataReader[Any]]]:
        """The validation units for fairseq2: loss on held-out data, then stories."""
        readers = self.make_readers(gangs, stop)
        losses = [
            (self.make_unit(model, name or None, self.transcripts.get(name)), read) for name, read in readers.items()
        ]
        stories = [
            (StoryUnit(model, source, scorer), StoryReader(scorer.items, gang=gangs.dp, stop=stop))
            for source, scorer in self.stories.items()
        ]
        return [*losses, *stories]


@dataclass(frozen=True, kw_only=True)
class Job:
    """One training run."""

    config: TrainConfig
    """Resolved: ``budget.steps`` is the number of steps to train."""
    family: FamilyConfig
    folders: Folders
    make_reader: Callable[[Gangs, NonfiniteGuard], DataReader[TrainBatch]]
    """Makes the reader of one process."""
    make_unit: Callable[..., SpeechTextUnit] = SpeechTextUnit
    """The train unit of a step; takes the arguments of :class:`SpeechTextUnit`."""
    accumulate: int = 1
    """Micro-batches of a step in each process."""
    show: Callable[[Record], None]
    """Shows a record of the metrics log to the user."""
    weights: Path | None = None
    """A safetensors file with the initial weights; by default they are random."""
    validation: Validation | None = None
    """By default, none."""
    scheduled: Callable[[int], Mapping[str, float]] = lambda step: {}
    """Scheduled values of a step (counted from 1) for the metrics log: the curriculum's."""

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.config.budget.steps

    @property
    def best(self) -> FinetuneValidationSection | None:
        """How the best checkpoint is chosen; None if the last one becomes the model."""
        return self.validation.best if self.validation is not None else None

    @property
    def checkpoint_every(self) -> int:
        """Steps between two checkpoints."""
        return self.config.run.checkpoint_every if self.best is None else self.best.every

    @property
    def patience(self) -> Patience | None:
        """When to stop before the last step."""
        if self.best is None or self.best.patience is None:
            return None
        return Patience(metric=self.best.metric, validations=self.best.patience)

    def done(self, step: int) -> bool:
        """Whether training is complete at this step, that of the newest checkpoint."""
        return step >= self.steps or has_stopped_early(self.patience, self.metrics_log, step)

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.folders.work / checkpoints.FOLDER

    @property
    def batch_log(self) -> Path:
        """Folder of the log of trained batches (``run.log_batches``)."""
        return self.folders.logs / "batches"

    @property
    def metrics_log(self) -> Path:
        """The metrics log of the unfinished run, with timing."""
        return self.folders.work / WORKING_FILE
