"""``lst finetune instruct``: fine-tune a model on dialogues, written and spoken, with loss on the answers only."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lst_cli.artifacts import Artifact, Draft, Request
from lst_cli.distributed.launcher import world_size
from lst_cli.model_artifact.card import WEIGHTS_FILE, ModelCard, read_card
from lst_cli.training.config.dialogue_config import DialogueConfig
from lst_cli.training.examples.tuned_request import check_per_step, tuned_request
from lst_cli.training.finetune_stage import write_tuned

if TYPE_CHECKING:
    from fairseq2.gang import Gangs

    from lst_cli.patching.packed import Document
    from lst_cli.text.speech_codec import SpeechCodec
    from lst_cli.training.engine.job import Job, Validation
    from lst_cli.training.engine.nonfinite_guard import NonfiniteGuard
    from lst_cli.training.engine.stopping import StopRequest
    from lst_cli.training.engine.train_batch import TrainBatch
    from lst_cli.training.examples.epoch_reader import EpochReader, HeldOutReader
    from lst_cli.training.examples.split import ExampleSplit
    from lst_cli.training.metrics.metrics_log import Record
    from lst_cli.training.run.session import Folders

TASK = "instruct"


@dataclass(frozen=True, kw_only=True)
class DialogueInputs:
    """What instruction tuning needs."""

    model: Artifact
    dialogues: Path
    """JSONL of dialogues (:mod:`lst_cli.training.examples.dialogues_file`)."""
    tokens: Artifact | None = None
    """Speech of the utterances that the dialogues name."""


def request_instruct(config: DialogueConfig, inputs: DialogueInputs, name: str) -> Request:
    """The requested model."""
    return tuned_request(config, TASK, inputs.model, "dialogues", inputs.dialogues, inputs.tokens, name)


def make_instruct(config: DialogueConfig, inputs: DialogueInputs, folders: Folders) -> Callable[[Draft], None]:
    """Return the function that trains, and writes the model to a draft."""

    def fill(draft: Draft) -> None:
        write_tuned(draft, inputs.model, folders, TASK, config.budget.steps, partial(_job, config, inputs, folders))

    return fill


def follow_instruct(config: DialogueConfig, inputs: DialogueInputs, folders: Folders) -> None:
    """Train in a process other than the first: it writes no artifact."""
    from lst_cli.training.run.session import train_to_the_end

    train_to_the_end(_job(config, inputs, folders, lambda record: None)[0])


def _job(
    config: DialogueConfig, inputs: DialogueInputs, folders: Folders, show: Callable[[Record], None]
) -> tuple[Job, ModelCard]:
    from lst_cli.training.engine.families import FamilyConfig
    from lst_cli.training.engine.job import Job
    from lst_cli.training.engine.step_reader import batches_of_step

    share = check_per_step("data.answers_per_step", config.data.answers_per_step)
    card = read_card(inputs.model)
    # Tuning patches as inference does.
    card = dataclasses.replace(card, patching=dataclasses.replace(card.patching, strategy=card.cut))
    data = _DialogueData.read(config, inputs, card)
    job = Job(
        config=config,
        family=FamilyConfig(model=card.architecture, vocabulary_size=card.vocabulary.size),
        folders=folders,
        show=show,
        make_reader=data.training_reader,
        accumulate=batches_of_step(share, config.run.micro_batch_size),
        weights=inputs.model.file(WEIGHTS_FILE),
        validation=data.validation() if data.split.held_out else None,
    )
    return job, card


@dataclass(frozen=True, kw_only=True)
class _DialogueData:
    """The answers of a run, as tokens."""

    config: DialogueConfig
    card: ModelCard
    speech: SpeechCodec
    documents: Sequence[Document]
    split: ExampleSplit

    @classmethod
    def read(cls, config: DialogueConfig, inputs: DialogueInputs, card: ModelCard) -> _DialogueData:
        """Read the file, skip what is too long, and hold dialogues out.

        :raises UserError: the file is faulty, or no answer is left to train or to validate on.
        """
        from lst_cli.training.examples.dialogues_file import as_documents, read_dialogues
        from lst_cli.training.examples.sides import SideEncoder, read_spoken
        from lst_cli.training.examples.split import split_examples

        dialogues = read_dialogues(inputs.dialogues, read_spoken(inputs.tokens, inputs.model, card))
        encoder = SideEncoder.of(inputs.model, card, str(inputs.dialogues))
        documents, ids = as_documents(dialogues, encoder)
        split = split_examples(
            ids,
            [len(document.tokens) for document in documents],
            max_tokens=config.data.max_tokens,
            held_out=config.data.held_out,
            source=str(inputs.dialogues),
        )
        return cls(config=config, card=card, speech=encoder.codec, documents=documents, split=split)

    def make_batch(self, gangs: Gangs, chosen: Sequence[int]) -> TrainBatch:
        """A batch of some answers."""
        from zlib import crc32

        from lst_cli.patching.packed import pack_documents
        from lst_cli.training.engine.train_batch import TrainBatch

        documents, card = [self.documents[index] for index in chosen], self.card
        return TrainBatch(
            pack_documents(documents, card.vocabulary, card.patcher, card.cut),
            card.architecture,
            self.speech,
            sequences=chosen,
            sums=[crc32(document.tokens.tobytes()) for document in documents],
            device_type=gangs.dp.device.type,
        )

    def training_reader(self, gangs: Gangs, guard: NonfiniteGuard) -> EpochReader:
        """The steps of the run, for one process."""
        from lst_cli.training.examples.epoch_reader import EpochReader

        return EpochReader(
            partial(self.make_batch, gangs),
            self.split.train,
            per_step=self.config.data.answers_per_step,
            micro_batch_size=self.config.run.micro_batch_size,
            seed=self.config.seed,
            gang=gangs.dp,
            guard=guard,
        )

    def validation(self) -> Validation:
        """The answers of the held-out dialogues."""
        from lst_cli.training.engine.job import Validation

        config, section = self.config, self.config.validation
        share = config.data.answers_per_step // world_size()

        def make_readers(gangs: Gangs, stop: StopRequest) -> Mapping[str, HeldOutReader]:
            from lst_cli.training.examples.epoch_reader import HeldOutReader

            size = min(config.run.micro_batch_size or share, share)
            make = partial(self.make_batch, gangs)
            return {"": HeldOutReader(make, self.split.held_out, size, gang=gangs.dp, stop=stop)}

        return Validation(
            every=section.every, make_readers=make_readers, best=section if section.keep == "best" else None
        )
