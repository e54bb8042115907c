"""Training on a JSONL file of examples: ``lst finetune dpo`` and ``lst finetune instruct``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from lst_cli.artifacts import Artifact, Draft, Request
from lst_cli.distributed.launcher import world_size
from lst_cli.model_artifact.card import WEIGHTS_FILE, ModelCard, read_card
from lst_cli.training.config.dialogue_config import DialogueConfig
from lst_cli.training.config.preference_config import PreferenceConfig
from lst_cli.training.examples.tuned_request import check_per_step, tuned_request
from lst_cli.training.finetune_stage import write_tuned

if TYPE_CHECKING:
    from fairseq2.gang import Gangs

    from lst_cli.training.engine.job import Job, Validation
    from lst_cli.training.engine.nonfinite_guard import NonfiniteGuard
    from lst_cli.training.engine.stopping import StopRequest
    from lst_cli.training.examples.epoch_reader import EpochReader, HeldOutReader, MakeBatch
    from lst_cli.training.examples.split import ExampleSplit
    from lst_cli.training.metrics.metrics_log import Record
    from lst_cli.training.run.session import Folders

Config = TypeVar("Config", DialogueConfig, PreferenceConfig)


@dataclass(frozen=True, kw_only=True)
class ExampleInputs:
    """The inputs of tuning on examples."""

    model: Artifact
    file: Path
    """JSONL of examples."""
    tokens: Artifact | None = None
    """Speech of the utterances that the examples name."""


@dataclass(frozen=True, kw_only=True)
class ExampleSet:
    """The examples of a run, as tokens."""

    split: ExampleSplit
    make_batch: Callable[[Gangs], MakeBatch]
    """Makes batches of chosen examples on a process's device."""
    make_unit: Callable[..., Any]
    """The train unit of a step."""
    make_validation_unit: Callable[..., Any]
    """The measures on a held-out batch."""


@dataclass(frozen=True, kw_only=True)
class ExampleTask(Generic[Config]):
    """One way to tune on examples."""

    name: str
    """The task of the tuned model."""
    holds: str
    """The contents of the file; the key of its checksum in the request."""
    per_step: str
    """The key of the data section with the number of examples in a step."""
    read: Callable[[Config, ExampleInputs, ModelCard, Path], ExampleSet]
    """Reads the file, skips examples that are too long and holds some out; gets the run's working folder.

    Raises UserError if the file is faulty, or no example is left to train or to validate on.
    """

    def request(self, config: Config, inputs: ExampleInputs, name: str) -> Request:
        """The requested model."""
        return tuned_request(config, self.name, inputs.model, self.holds, inputs.file, inputs.tokens, name)

    def make(self, config: Config, inputs: ExampleInputs, folders: Folders) -> Callable[[Draft], None]:
        """Return the function that trains, and writes the model to a draft."""

        def fill(draft: Draft) -> None:
            job = partial(self._job, config, inputs, folders)
            write_tuned(draft, inputs.model, folders, self.name, config.budget.steps, job)

        return fill

    def follow(self, config: Config, inputs: ExampleInputs, folders: Folders) -> None:
        """Train in a process other than the first: it writes no artifact."""
        from lst_cli.training.run.session import train_to_the_end

        train_to_the_end(self._job(config, inputs, folders, lambda record: None)[0])

    def _job(
        self, config: Config, inputs: ExampleInputs, folders: Folders, show: Callable[[Record], None]
    ) -> tuple[Job, ModelCard]:
        from lst_cli.training.engine.families import FamilyConfig
        from lst_cli.training.engine.job import Job
        from lst_cli.training.engine.step_reader import batches_of_step

        per_step = int(getattr(config.data, self.per_step))
        share = check_per_step(f"data.{self.per_step}", per_step)
        card = read_card(inputs.model)
        # Tuning patches as inference does.
        card = dataclasses.replace(card, patching=dataclasses.replace(card.patching, strategy=card.cut))
        examples = self.read(config, inputs, card, folders.work)

        def make_reader(gangs: Gangs, guard: NonfiniteGuard) -> EpochReader:
            from lst_cli.training.examples.epoch_reader import EpochReader

            return EpochReader(
                examples.make_batch(gangs),
                examples.split.train,
                per_step=per_step,
                micro_batch_size=config.run.micro_batch_size,
                seed=config.seed,
                gang=gangs.dp,
                guard=guard,
            )

        job = Job(
            config=config,
            family=FamilyConfig(model=card.architecture, vocabulary_size=card.vocabulary.size),
            folders=folders,
            show=show,
            make_reader=make_reader,
            make_unit=examples.make_unit,
            accumulate=batches_of_step(share, config.run.micro_batch_size),
            weights=inputs.model.file(WEIGHTS_FILE),
            validation=_validation(config, examples, per_step // world_size()) if examples.split.held_out else None,
        )
        return job, card


def _validation(config: DialogueConfig | PreferenceConfig, examples: ExampleSet, share: int) -> Validation:
    """The held-out examples, in batches of fixed examples."""
    from lst_cli.training.engine.job import Validation

    section = config.validation

    def make_readers(gangs: Gangs, stop: StopRequest) -> Mapping[str, HeldOutReader]:
        from lst_cli.training.examples.epoch_reader import HeldOutReader

        size = min(config.run.micro_batch_size or share, share)
        return {"": HeldOutReader(examples.make_batch(gangs), examples.split.held_out, size, gang=gangs.dp, stop=stop)}

    return Validation(
        every=section.every,
        make_readers=make_readers,
        best=section if section.keep == "best" else None,
        make_unit=examples.make_validation_unit,
    )
