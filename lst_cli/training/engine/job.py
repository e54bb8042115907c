"""What a training run is told: the job, and what is held out from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lst_cli.distributed.device import Precision
from lst_cli.training.engine.early_stopping import Patience, over
from lst_cli.training.engine.families import FamilyConfig
from lst_cli.training.engine.story_unit import StoryReader, StoryUnit
from lst_cli.training.engine.validation_unit import ValidationUnit
from lst_cli.training.metrics.metrics_log import Line
from lst_cli.training.run import checkpoints

if TYPE_CHECKING:
    from fairseq2.datasets import DataReader
    from fairseq2.evaluator import EvalUnit
    from fairseq2.gang import Gangs
    from torch import nn

    from lst_cli.evaluation.asr_in_training import TranscriptScorer
    from lst_cli.evaluation.stories_in_training import StoryScorer
    from lst_cli.training.config import train_config as config
    from lst_cli.training.engine.nonfinite_guard import Watch
    from lst_cli.training.engine.stopping import StopRequest
    from lst_cli.training.engine.train_batch import TrainBatch


@dataclass(frozen=True, kw_only=True)
class Validation:
    """What is held out, and when the loss on it is taken."""

    every: int
    """Steps between two validations; a multiple of ``log_every``."""
    make_readers: Callable[[Gangs, StopRequest], Mapping[str, DataReader[TrainBatch]]]
    """By name; a single reader may have the empty name."""
    keep_best: bool = False
    """Save a checkpoint at every validation, and make the model of the one with the lowest metric."""
    metric: str = "loss"
    """What tells the better model; lower is better."""
    transcripts: Mapping[str, TranscriptScorer] = field(default_factory=dict)
    """For readers by their name: error rates beside the loss."""
    patience: int | None = None
    """End the run after so many validations without a better one (only with ``keep_best``)."""
    stories: Mapping[str, StoryScorer] = field(default_factory=dict)
    """Stories to complete, by the source that their lines of the curve name."""

    def units(self, model: nn.Module, gangs: Gangs, stop: StopRequest) -> list[tuple[EvalUnit[Any], DataReader[Any]]]:
        """What fairseq2's validator runs: loss on held-out data, then stories."""
        readers = self.make_readers(gangs, stop)
        losses = [
            (ValidationUnit(model, name or None, self.transcripts.get(name)), read) for name, read in readers.items()
        ]
        stories = [
            (StoryUnit(model, source, scorer), StoryReader(scorer.items, gang=gangs.dp, stop=stop))
            for source, scorer in self.stories.items()
        ]
        return [*losses, *stories]


@dataclass(frozen=True, kw_only=True)
class Job:
    """One training run, with everything resolved."""

    family: FamilyConfig
    make_reader: Callable[[Gangs, Watch], DataReader[TrainBatch]]
    """The batches of one process."""
    steps: int
    seed: int
    precision: Precision
    log_every: int
    optimizer: config.OptimizerSection
    schedule: config.ScheduleSection
    run: config.RunSection
    accumulate: int = 1
    """Batches of a step in each process."""
    work: Path
    """Folder of what a restart needs: checkpoints and the curve."""
    logs: Path
    """Folder of what a user looks at while the run goes on, and later: log files, TensorBoard."""
    show: Callable[[Line], None]
    """Shows a logged line to the user."""
    weights: Path | None = None
    """A safetensors file to begin from; by default fresh weights."""
    validation: Validation | None = None
    """Loss on held-out data now and then; by default none."""
    scheduled: Callable[[int], Mapping[str, float]] = lambda step: {}
    """Figures that a step (counted from 1) has by plan, for the curve: the curriculum's."""

    @property
    def keeps_best(self) -> bool:
        """Whether the model is made of the best checkpoint, instead of the last one."""
        return self.validation is not None and self.validation.keep_best

    @property
    def checkpoint_every(self) -> int:
        """Steps between two checkpoints."""
        if self.validation is not None and self.validation.keep_best:
            return self.validation.every
        return self.run.checkpoint_every

    @property
    def patience(self) -> Patience | None:
        """When to stop before the last step."""
        told = self.validation
        if told is None or told.patience is None:
            return None
        return Patience(metric=told.metric, validations=told.patience)

    def done(self, step: int) -> bool:
        """Whether nothing is left to do after this step, the newest checkpoint's."""
        return step >= self.steps or over(self.patience, self.curve, step)

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.work / checkpoints.FOLDER

    @property
    def order(self) -> Path:
        """Folder of the log of what was trained on."""
        return self.logs / "order"

    @property
    def curve(self) -> Path:
        """The training curve, with timing."""
        return self.work / "curve.jsonl"
