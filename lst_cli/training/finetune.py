"""``lst finetune``: a model learns to transcribe (ASR) or to speak (TTS), with loss on the answer only."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lst_cli.artifacts import Artifact, Draft, Request
from lst_cli.config import to_dict
from lst_cli.training.finetune_config import FinetuneConfig
from lst_cli.training.model_artifact import (
    MODEL,
    QUANTIZER_FILE,
    SPEECH_BPE_FILE,
    TOKENIZER_FILE,
    WEIGHTS_FILE,
    ModelCard,
    load_speech,
    read_card,
)
from lst_cli.training.processes import check_shares, world_size

if TYPE_CHECKING:
    from fairseq2.gang import Gangs

    from lst_cli.patching.packed import Packed
    from lst_cli.patching.strategies import PatchingConfig
    from lst_cli.shards.forms import Source, Split
    from lst_cli.text.speech_codec import SpeechCodec
    from lst_cli.training.curve import Line
    from lst_cli.training.data import StepReader
    from lst_cli.training.recipe import Job, Validation
    from lst_cli.training.session import Folders
    from lst_cli.training.stopping import StopRequest
    from lst_cli.training.validation import OnceReader
    from lst_cli.training.watch import Watch

Task = Literal["asr", "tts"]


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What is fine-tuned on what."""

    task: Task
    model: Artifact
    shards: Sequence[Artifact]

    @property
    def parents(self) -> dict[str, Artifact]:
        """By role, as the model's manifest names them."""
        roles = {"model": self.model}
        for number, artifact in enumerate(self.shards):
            roles["shards" if number == 0 else f"shards_{number + 1}"] = artifact
        return roles


def request(config: FinetuneConfig, inputs: Inputs, name: str) -> Request:
    """The model that is asked for. How the work is done (``run``) is no part of it."""
    identity: dict[str, Any] = to_dict(config)
    del identity["run"]
    identity["task"] = inputs.task
    return Request(kind=MODEL, name=name, config=identity, parents=inputs.parents)


def make(config: FinetuneConfig, inputs: Inputs, folders: Folders) -> Callable[[Draft], None]:
    """The function that fills the draft: trains, and writes the model."""

    def fill(draft: Draft) -> None:
        from lst_cli.training.session import Show, train_to_the_end, write_model
        from lst_cli.training.unfinished import note

        with Show(f"finetune {inputs.task}", config.budget.steps) as show:
            job, card = _job(config, inputs, folders, show)
            note(folders.request, folders.work)
            train_to_the_end(job)
        base = inputs.model
        write_model(
            draft,
            job,
            card,
            tokenizer=base.file(TOKENIZER_FILE),
            quantizer=base.file(QUANTIZER_FILE),
            speech_bpe=base.file(SPEECH_BPE_FILE) if card.speech_bpe is not None else None,
        )

    return fill


def follow(config: FinetuneConfig, inputs: Inputs, folders: Folders) -> None:
    """Train in a process that is not the first one: it writes no artifact."""
    from lst_cli.training.session import train_to_the_end

    train_to_the_end(_job(config, inputs, folders, show=lambda line: None)[0])


def _job(
    config: FinetuneConfig, inputs: Inputs, folders: Folders, show: Callable[[Line], None]
) -> tuple[Job, ModelCard]:
    from lst_cli.training.data import batches_of_step
    from lst_cli.training.families import FamilyConfig
    from lst_cli.training.session import make_job

    check_shares(config.data.sequences_per_step, config.data.streams)
    card = read_card(inputs.model)
    card = dataclasses.replace(card, patching=_static(card.patching))
    speech = load_speech(inputs.model.path, card, inputs.model.reference)
    share = config.data.sequences_per_step // world_size()

    def make_reader(gangs: Gangs, watch: Watch) -> StepReader:
        return _training_reader(config, inputs, card, speech, gangs, watch, share)

    job = make_job(
        config,
        FamilyConfig(model=card.architecture, vocabulary_size=card.vocabulary.size),
        folders,
        show,
        make_reader,
        accumulate=batches_of_step(share, config.run.sequences_per_batch),
        weights=inputs.model.file(WEIGHTS_FILE),
        validation=_validation(config, inputs, card, speech, share) if config.data.held_out else None,
    )
    return job, card


def _static(patching: PatchingConfig) -> PatchingConfig:
    """Fine-tuning cuts as inference does."""
    return patching if patching.strategy == "none" else dataclasses.replace(patching, strategy="static")


def _source(config: FinetuneConfig, inputs: Inputs, split: Split) -> Source:
    from lst_cli.shards.forms import Source
    from lst_cli.shards.shard_set import ShardSet

    shards = ShardSet.of(*inputs.shards, skip_corrupt=config.run.skip_corrupt)
    return Source(inputs.task, shards, form=inputs.task, held_out=config.data.held_out, split=split)


def _training_reader(
    config: FinetuneConfig,
    inputs: Inputs,
    card: ModelCard,
    speech: SpeechCodec,
    gangs: Gangs,
    watch: Watch,
    share: int,
) -> StepReader:
    from lst_cli.shards.reader import Reader, ReaderConfig
    from lst_cli.training.data import StepReader

    data = config.data
    reader = Reader(
        ReaderConfig(
            positions=data.positions,
            sequences_per_step=data.sequences_per_step,
            streams=data.streams,
            whole_documents=True,
            seed=config.seed,
            prefetch=config.run.prefetch,
            skip_corrupt=config.run.skip_corrupt,
        ),
        [_source(config, inputs, "train")],
        card.vocabulary,
        card.patching,
        total_steps=config.budget.steps,
        speech_bpe=speech.bpe,
        rank=gangs.dp.rank,
        world_size=gangs.dp.size,
    )
    return StepReader(
        reader,
        card.architecture,
        speech,
        sequences=share,
        sequences_per_batch=config.run.sequences_per_batch,
        gang=gangs.dp,
        watch=watch,
    )


def _validation(
    config: FinetuneConfig, inputs: Inputs, card: ModelCard, speech: SpeechCodec, share: int
) -> Validation:
    from lst_cli.training.recipe import Validation

    def read() -> Iterator[Packed]:
        from lst_cli.shards.once import read_once
        from lst_cli.shards.reader import ReaderConfig

        return read_once(
            _source(config, inputs, "held_out"),
            ReaderConfig(positions=config.data.positions, whole_documents=True),
            card.vocabulary,
            card.patching,
            sequences_per_batch=min(config.run.sequences_per_batch or share, share),
            speech_bpe=speech.bpe,
        )

    def make_readers(gangs: Gangs, stop: StopRequest) -> Mapping[str, OnceReader]:
        from lst_cli.training.validation import OnceReader

        reader = OnceReader(
            read,
            card.architecture,
            speech,
            most=None,
            every=config.validation.every,
            gang=gangs.dp,
            stop=stop,
        )
        return {"": reader}

    return Validation(
        every=config.validation.every, make_readers=make_readers, keep_best=config.validation.keep == "best"
    )
