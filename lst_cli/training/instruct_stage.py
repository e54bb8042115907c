"""``lst finetune instruct``: fine-tune a model on dialogues, written and spoken, with loss on the answers only."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lst_cli.training.config.dialogue_config import DialogueConfig
from lst_cli.training.examples_stage import ExampleInputs, ExampleSet, ExampleTask

if TYPE_CHECKING:
    from fairseq2.gang import Gangs

    from lst_cli.model_artifact.card import ModelCard
    from lst_cli.patching.packed import Document
    from lst_cli.text.speech_codec import SpeechCodec
    from lst_cli.training.engine.train_batch import TrainBatch


def _read(config: DialogueConfig, inputs: ExampleInputs, card: ModelCard, work: Path) -> ExampleSet:
    """The answers of the dialogues."""
    from lst_cli.training.engine.train_unit import SpeechTextUnit
    from lst_cli.training.engine.validation_unit import ValidationUnit
    from lst_cli.training.examples.dialogues_file import as_documents, read_dialogues
    from lst_cli.training.examples.sides import SideEncoder, read_spoken
    from lst_cli.training.examples.split import split_examples

    dialogues = read_dialogues(inputs.file, read_spoken(inputs.tokens, inputs.model, card))
    encoder = SideEncoder.of(inputs.model, card, str(inputs.file))
    documents, ids = as_documents(dialogues, encoder)
    split = split_examples(
        ids,
        [len(document.tokens) for document in documents],
        max_tokens=config.data.max_tokens,
        held_out=config.data.held_out,
        source=str(inputs.file),
    )
    return ExampleSet(
        split=split,
        make_batch=lambda gangs: partial(_make_batch, card, encoder.codec, documents, gangs),
        make_unit=SpeechTextUnit,
        make_validation_unit=ValidationUnit,
    )


def _make_batch(
    card: ModelCard, speech: SpeechCodec, documents: Sequence[Document], gangs: Gangs, chosen: Sequence[int]
) -> TrainBatch:
    """A batch of some answers."""
    from zlib import crc32

    from lst_cli.patching.packed import pack_documents
    from lst_cli.training.engine.train_batch import TrainBatch

    some = [documents[index] for index in chosen]
    return TrainBatch(
        pack_documents(some, card.vocabulary, card.patcher, card.cut),
        card.architecture,
        speech,
        sequences=chosen,
        sums=[crc32(document.tokens.tobytes()) for document in some],
        device_type=gangs.dp.device.type,
    )


INSTRUCT = ExampleTask[DialogueConfig](name="instruct", holds="dialogues", per_step="answers_per_step", read=_read)
"""JSONL of dialogues (:mod:`lst_cli.training.examples.dialogues_file`)."""
