"""``lst finetune dpo``: tune a model on preference pairs against a frozen copy of itself (Rafailov et al. 2023)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lst_cli.artifacts import Artifact, Draft, Request
from lst_cli.distributed.launcher import world_size
from lst_cli.model_artifact.card import WEIGHTS_FILE, ModelCard, load_speech, read_card
from lst_cli.training.config.preference_config import PreferenceConfig
from lst_cli.training.examples.tuned_request import check_per_step, tuned_request
from lst_cli.training.finetune_stage import write_tuned

if TYPE_CHECKING:
    from fairseq2.gang import Gangs

    from lst_cli.inference.shared_prompt import Question
    from lst_cli.training.engine.job import Job, Validation
    from lst_cli.training.engine.nonfinite_guard import NonfiniteGuard
    from lst_cli.training.engine.stopping import StopRequest
    from lst_cli.training.examples.epoch_reader import EpochReader, HeldOutReader, MakeBatch
    from lst_cli.training.examples.split import ExampleSplit
    from lst_cli.training.metrics.metrics_log import Record
    from lst_cli.training.run.session import Folders

TASK = "dpo"


@dataclass(frozen=True, kw_only=True)
class PreferenceInputs:
    """What preference tuning needs."""

    model: Artifact
    pairs: Path
    """JSONL of pairs (:mod:`lst_cli.training.preference.pairs_file`)."""
    tokens: Artifact | None = None
    """Speech of the utterances that the pairs name."""


def request_preference(config: PreferenceConfig, inputs: PreferenceInputs, name: str) -> Request:
    """The requested model."""
    return tuned_request(config, TASK, inputs.model, "pairs", inputs.pairs, inputs.tokens, name)


def make_preference(config: PreferenceConfig, inputs: PreferenceInputs, folders: Folders) -> Callable[[Draft], None]:
    """Return the function that trains, and writes the model to a draft."""

    def fill(draft: Draft) -> None:
        write_tuned(draft, inputs.model, folders, TASK, config.budget.steps, partial(_job, config, inputs, folders))

    return fill


def follow_preference(config: PreferenceConfig, inputs: PreferenceInputs, folders: Folders) -> None:
    """Train in a process other than the first: it writes no artifact."""
    from lst_cli.training.run.session import train_to_the_end

    train_to_the_end(_job(config, inputs, folders, lambda record: None)[0])


def _job(
    config: PreferenceConfig, inputs: PreferenceInputs, folders: Folders, show: Callable[[Record], None]
) -> tuple[Job, ModelCard]:
    from lst_cli.training.engine.families import FamilyConfig
    from lst_cli.training.engine.job import Job
    from lst_cli.training.engine.step_reader import batches_of_step
    from lst_cli.training.preference.preference_unit import PreferenceUnit

    share = check_per_step("data.pairs_per_step", config.data.pairs_per_step)
    card = read_card(inputs.model)
    # Tuning patches as inference does.
    card = dataclasses.replace(card, patching=dataclasses.replace(card.patching, strategy=card.cut))
    data = _PairData.read(config, inputs, card, folders.work)
    job = Job(
        config=config,
        family=FamilyConfig(model=card.architecture, vocabulary_size=card.vocabulary.size),
        folders=folders,
        show=show,
        make_reader=data.training_reader,
        make_unit=partial(PreferenceUnit, beta=config.beta),
        accumulate=batches_of_step(share, config.run.micro_batch_size),
        weights=inputs.model.file(WEIGHTS_FILE),
        validation=data.validation() if data.split.held_out else None,
    )
    return job, card


@dataclass(frozen=True, kw_only=True)
class _PairData:
    """The pairs of a run, as tokens."""

    config: PreferenceConfig
    model: Artifact
    card: ModelCard
    questions: Sequence[Question]
    split: ExampleSplit
    work: Path

    @classmethod
    def read(cls, config: PreferenceConfig, inputs: PreferenceInputs, card: ModelCard, work: Path) -> _PairData:
        """Read the file, skip what is too long, and hold pairs out.

        :raises UserError: the file is faulty, or no pair is left to train or to validate on.
        """
        from lst_cli.training.examples.sides import SideEncoder, read_spoken
        from lst_cli.training.examples.split import split_examples
        from lst_cli.training.preference.pairs_file import as_questions, read_pairs_file

        pairs = read_pairs_file(inputs.pairs, read_spoken(inputs.tokens, inputs.model, card))
        questions = as_questions(pairs, SideEncoder.of(inputs.model, card, str(inputs.pairs)))
        split = split_examples(
            [pair.id for pair in pairs],
            [len(question.prompt_T) + max(map(len, question.endings)) for question in questions],
            max_tokens=config.data.max_tokens,
            held_out=config.data.held_out,
            source=str(inputs.pairs),
        )
        return cls(config=config, model=inputs.model, card=card, questions=questions, split=split, work=work)

    def make_batch(self, gangs: Gangs) -> MakeBatch:
        """What makes batches of pairs, with the reference's log-probabilities."""
        from lst_cli.training.preference.pair_batch import PairBatch, ScoredPairs
        from lst_cli.training.preference.reference import reference_log_probs

        pairs = ScoredPairs(
            questions=self.questions,
            reference_P2=reference_log_probs(self.model, self.questions, self.work, gangs),
            card=self.card,
            speech=load_speech(self.model.path, self.card, self.model.reference),
        )
        return partial(PairBatch, pairs, device_type=gangs.dp.device.type)

    def training_reader(self, gangs: Gangs, guard: NonfiniteGuard) -> EpochReader:
        """The steps of the run, for one process."""
        from lst_cli.training.examples.epoch_reader import EpochReader

        return EpochReader(
            self.make_batch(gangs),
            self.split.train,
            per_step=self.config.data.pairs_per_step,
            micro_batch_size=self.config.run.micro_batch_size,
            seed=self.config.seed,
            gang=gangs.dp,
            guard=guard,
        )

    def validation(self) -> Validation:
        """The held-out pairs, in batches of fixed pairs."""
        from lst_cli.training.engine.job import Validation
        from lst_cli.training.preference.preference_unit import PreferenceValidationUnit

        config, section = self.config, self.config.validation
        share = config.data.pairs_per_step // world_size()

        def make_readers(gangs: Gangs, stop: StopRequest) -> Mapping[str, HeldOutReader]:
            from lst_cli.training.examples.epoch_reader import HeldOutReader

            size = min(config.run.micro_batch_size or share, share)
            return {"": HeldOutReader(self.make_batch(gangs), self.split.held_out, size, gang=gangs.dp, stop=stop)}

        return Validation(
            every=section.every,
            make_readers=make_readers,
            best=section if section.keep == "best" else None,
            make_unit=partial(PreferenceValidationUnit, beta=config.beta),
        )
