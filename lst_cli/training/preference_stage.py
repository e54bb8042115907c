"""``lst finetune dpo``: tune a model on preference pairs against a frozen copy of itself (Rafailov et al. 2023)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lst_cli.artifacts import Artifact, Draft, Request
from lst_cli.config import to_dict
from lst_cli.console import say
from lst_cli.distributed.launcher import world_size
from lst_cli.errors import UserError
from lst_cli.hashing import text_id, uniform
from lst_cli.model_artifact.card import MODEL, WEIGHTS_FILE, ModelCard, load_speech, read_card
from lst_cli.training.config.preference_config import PreferenceConfig
from lst_cli.training.finetune_stage import write_tuned

if TYPE_CHECKING:
    from fairseq2.gang import Gangs

    from lst_cli.inference.shared_prompt import Question
    from lst_cli.training.engine.job import Job, Validation
    from lst_cli.training.engine.nonfinite_guard import NonfiniteGuard
    from lst_cli.training.engine.stopping import StopRequest
    from lst_cli.training.metrics.metrics_log import Record
    from lst_cli.training.preference.pair_batch import PairOnceReader, PairReader, ScoredPairs
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

    @property
    def parents(self) -> dict[str, Artifact]:
        """By role, as the model's manifest names them."""
        return {"model": self.model, **({"tokens": self.tokens} if self.tokens is not None else {})}


def request_preference(config: PreferenceConfig, inputs: PreferenceInputs, name: str) -> Request:
    """The requested model. The section ``run`` is not part of its identity."""
    from lst_cli.evaluation.scores import file_sum

    identity: dict[str, Any] = to_dict(config)
    del identity["run"]
    before = str(inputs.model.config.get("task", "pretrain")).split(",")
    # A model that could transcribe or speak still can.
    identity["task"] = ",".join([*(task for task in before if task not in ("pretrain", TASK)), TASK])
    identity |= {"pairs_file": inputs.pairs.name, "pairs_sha256": file_sum(inputs.pairs)}
    return Request(kind=MODEL, name=name, config=identity, parents=inputs.parents)


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

    if config.data.pairs_per_step % world_size():
        raise UserError(
            f"data.pairs_per_step: {config.data.pairs_per_step} can't be divided among {world_size()} processes",
            fix="change data.pairs_per_step, which makes another model, or the number of processes",
        )
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
        accumulate=batches_of_step(config.data.pairs_per_step // world_size(), config.run.micro_batch_size),
        weights=inputs.model.file(WEIGHTS_FILE),
        validation=data.validation() if data.held_out else None,
    )
    return job, card


@dataclass(frozen=True, kw_only=True)
class _PairData:
    """The pairs of a run, as tokens."""

    config: PreferenceConfig
    model: Artifact
    card: ModelCard
    questions: Sequence[Question]
    train: Sequence[int]
    held_out: Sequence[int]
    work: Path

    @classmethod
    def read(cls, config: PreferenceConfig, inputs: PreferenceInputs, card: ModelCard, work: Path) -> _PairData:
        """Read the file, skip what is too long, and hold pairs out.

        :raises UserError: the file is faulty, or no pair is left to train or to validate on.
        """
        from lst_cli.inference.speech_tokens import check_quantizer, read_units
        from lst_cli.text.tokenizer import TextTokenizer
        from lst_cli.training.preference.pairs_file import as_questions, read_pairs_file

        if inputs.tokens is not None:
            check_quantizer(inputs.tokens, card.quantizer["fingerprint"], inputs.model.reference)
        pairs = read_pairs_file(inputs.pairs, read_units(inputs.tokens) if inputs.tokens is not None else {})
        tokenizer = TextTokenizer.from_file(inputs.model.file(card.tokenizer_file))
        speech = load_speech(inputs.model.path, card, inputs.model.reference)
        questions = as_questions(pairs, tokenizer, speech, str(inputs.pairs))
        long = [_length(question) > config.data.max_tokens for question in questions]
        if any(long):
            say(f"{sum(long)} of {len(pairs)} pairs are longer than data.max_tokens and are skipped")
        kept = [(pair.id, question) for pair, question, skip in zip(pairs, questions, long, strict=True) if not skip]
        draws = [float(uniform(0, text_id(name))) for name, _ in kept]
        held = [index for index, draw in enumerate(draws) if draw < config.data.held_out]
        train = [index for index in range(len(kept)) if index not in set(held)]
        if not train or (config.data.held_out and not held):
            raise UserError(
                f"{inputs.pairs}: too few pairs",
                found=f"{len(train)} to train on and {len(held)} held out; {sum(long)} longer than data.max_tokens",
                expected="at least one of each",
                fix="give more pairs, change data.held_out, or train without validation: "
                "--set data.held_out=0 --set validation.keep=last",
            )
        return cls(
            config=config,
            model=inputs.model,
            card=card,
            questions=[question for _, question in kept],
            train=train,
            held_out=held,
            work=work,
        )

    def scored(self, gangs: Gangs) -> ScoredPairs:
        """With the reference's log-probabilities."""
        from lst_cli.training.preference.pair_batch import ScoredPairs
        from lst_cli.training.preference.reference import reference_log_probs

        return ScoredPairs(
            questions=self.questions,
            reference_P2=reference_log_probs(self.model, self.questions, self.work, gangs),
            card=self.card,
            speech=load_speech(self.model.path, self.card, self.model.reference),
        )

    def training_reader(self, gangs: Gangs, guard: NonfiniteGuard) -> PairReader:
        """The steps of the run, for one process."""
        from lst_cli.training.preference.pair_batch import PairReader

        return PairReader(
            self.scored(gangs),
            self.train,
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
        size = min(config.run.micro_batch_size or share, share)

        def batches() -> Iterator[Sequence[int]]:
            return (self.held_out[first : first + size] for first in range(0, len(self.held_out), size))

        def make_readers(gangs: Gangs, stop: StopRequest) -> Mapping[str, PairOnceReader]:
            from lst_cli.training.preference.pair_batch import PairOnceReader

            return {"": PairOnceReader(self.scored(gangs), read=batches, most=None, gang=gangs.dp, stop=stop)}

        return Validation(
            every=section.every,
            make_readers=make_readers,
            best=section if section.keep == "best" else None,
            make_unit=partial(PreferenceValidationUnit, beta=config.beta),
        )


def _length(question: Question) -> int:
    return len(question.prompt_T) + max(map(len, question.endings))
