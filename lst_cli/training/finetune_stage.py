"""``lst finetune``: fine-tune a model for ASR, TTS or both, with loss on the answer only."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, get_args

from lst_cli.artifacts import Artifact, Draft, Request
from lst_cli.config import to_dict
from lst_cli.distributed.launcher import world_size
from lst_cli.errors import UserError
from lst_cli.model_artifact.card import (
    MODEL,
    QUANTIZER_FILE,
    SPEECH_BPE_FILE,
    WEIGHTS_FILE,
    ModelCard,
    load_speech,
    read_card,
)
from lst_cli.renamed_keys import with_former_keys
from lst_cli.training.config.finetune_config import FinetuneConfig
from lst_cli.training.config.train_config import check_shares

if TYPE_CHECKING:
    from fairseq2.gang import Gangs

    from lst_cli.patching.packed import Packed
    from lst_cli.shards.documents.forms import Source, Split
    from lst_cli.text.speech_codec import SpeechCodec
    from lst_cli.training.engine.job import Job, Validation
    from lst_cli.training.engine.nonfinite_guard import NonfiniteGuard
    from lst_cli.training.engine.step_reader import StepReader
    from lst_cli.training.engine.stopping import StopRequest
    from lst_cli.training.engine.validation_unit import OnceReader
    from lst_cli.training.metrics.metrics_log import Record
    from lst_cli.training.run.session import Folders

SpeechTask = Literal["asr", "tts"]


def parse_tasks(text: str) -> tuple[SpeechTask, ...]:
    """Parse ``asr``, ``tts`` or ``asr,tts``, in any order.

    :raises UserError: it is something else.
    """
    names = [name.strip() for name in text.split(",")]
    tasks = tuple(task for task in get_args(SpeechTask) if task in names)
    if len(tasks) != len(names):
        raise UserError(f"TASKS {text}: unknown tasks", expected="asr, tts, or asr,tts for both")
    return tasks


@dataclass(frozen=True, kw_only=True)
class FinetuneInputs:
    """The artifacts of a fine-tuning run."""

    tasks: Sequence[SpeechTask]
    model: Artifact
    shards: Sequence[Artifact]

    @property
    def task(self) -> str:
        """The tasks, as the command line has them."""
        return ",".join(self.tasks)

    @property
    def parents(self) -> dict[str, Artifact]:
        """By role, as the model's manifest names them."""
        roles = {"model": self.model}
        for number, artifact in enumerate(self.shards):
            roles["shards" if number == 0 else f"shards_{number + 1}"] = artifact
        return roles


def request(config: FinetuneConfig, inputs: FinetuneInputs, name: str) -> Request:
    """The requested model. The section ``run`` is not part of its identity."""
    identity: dict[str, Any] = to_dict(config)
    del identity["run"]
    identity["task"] = inputs.task
    hashed = with_former_keys(identity)
    return Request(kind=MODEL, name=name, config=identity, hashed=hashed, parents=inputs.parents)


def make(config: FinetuneConfig, inputs: FinetuneInputs, folders: Folders) -> Callable[[Draft], None]:
    """Return the function that trains, and writes the model to a draft."""

    def fill(draft: Draft) -> None:
        write_tuned(
            draft, inputs.model, folders, inputs.task, config.budget.steps, partial(_job, config, inputs, folders)
        )

    return fill


def write_tuned(
    draft: Draft,
    base: Artifact,
    folders: Folders,
    task: str,
    steps: int,
    make_job: Callable[[Callable[[Record], None]], tuple[Job, ModelCard]],
) -> None:
    """Train in the first process, and write a model with tokenizer and quantizer of the one it began from.

    :param make_job: the run and the model's card, given what shows the records of the metrics log.
    """
    from lst_cli.training.metrics.progress_panel import ProgressDisplay
    from lst_cli.training.run.session import train_to_the_end, write_model
    from lst_cli.training.run.unfinished import noted

    with ProgressDisplay(f"finetune {task}", steps, folders.last_step) as show:
        job, card = make_job(show)
        with noted(folders.request, folders.work, job.steps):
            train_to_the_end(job)
    write_model(
        draft,
        job,
        card,
        tokenizer=base.file(card.tokenizer_file),
        quantizer=base.file(QUANTIZER_FILE),
        speech_bpe=base.file(SPEECH_BPE_FILE) if card.speech_bpe is not None else None,
    )


def follow(config: FinetuneConfig, inputs: FinetuneInputs, folders: Folders) -> None:
    """Train in a process other than the first: it writes no artifact."""
    from lst_cli.training.run.session import train_to_the_end

    train_to_the_end(_job(config, inputs, folders, show=lambda record: None)[0])


def _job(
    config: FinetuneConfig, inputs: FinetuneInputs, folders: Folders, show: Callable[[Record], None]
) -> tuple[Job, ModelCard]:
    from lst_cli.training.engine.families import FamilyConfig
    from lst_cli.training.engine.job import Job
    from lst_cli.training.engine.step_reader import batches_of_step

    check_shares(config.data.global_batch_size, config.data.streams)
    card = read_card(inputs.model)
    # Fine-tuning patches as inference does.
    card = dataclasses.replace(card, patching=dataclasses.replace(card.patching, strategy=card.cut))
    speech = load_speech(inputs.model.path, card, inputs.model.reference)
    share = config.data.global_batch_size // world_size()

    def make_reader(gangs: Gangs, guard: NonfiniteGuard) -> StepReader:
        return _training_reader(config, inputs, card, speech, gangs, guard, share)

    job = Job(
        config=config,
        family=FamilyConfig(model=card.architecture, vocabulary_size=card.vocabulary.size),
        folders=folders,
        show=show,
        make_reader=make_reader,
        accumulate=batches_of_step(share, config.run.micro_batch_size),
        weights=inputs.model.file(WEIGHTS_FILE),
        validation=_validation(config, inputs, card, speech, share) if config.data.held_out else None,
    )
    return job, card


def _sources(config: FinetuneConfig, inputs: FinetuneInputs, split: Split) -> list[Source]:
    """The same utterances, in the form of each task."""
    from lst_cli.shards.documents.forms import Source
    from lst_cli.shards.documents.held_out import held_out_share
    from lst_cli.shards.shard_set import ShardSet

    skip = config.run.skip_corrupt
    shards = ShardSet.of(*inputs.shards, skip_corrupt=skip, cache_gib=config.run.cache_gib)
    held_out = held_out_share(shards, config.data.held_out, skip_corrupt=skip)
    weights: dict[SpeechTask, float] = {"asr": config.data.asr_weight, "tts": config.data.tts_weight}
    return [
        Source(task, shards, weight=weights[task], form=task, held_out=held_out, split=split) for task in inputs.tasks
    ]


def _training_reader(
    config: FinetuneConfig,
    inputs: FinetuneInputs,
    card: ModelCard,
    speech: SpeechCodec,
    gangs: Gangs,
    guard: NonfiniteGuard,
    share: int,
) -> StepReader:
    from lst_cli.shards.read.reader import ReaderConfig
    from lst_cli.training.engine.step_reader import read_steps

    data = config.data
    reading = ReaderConfig(
        positions=data.positions,
        global_batch_size=data.global_batch_size,
        streams=data.streams,
        whole_documents=True,
        seed=config.seed,
        prefetch=config.run.prefetch,
        skip_corrupt=config.run.skip_corrupt,
    )
    return read_steps(
        config,
        reading,
        _sources(config, inputs, "train"),
        card.patcher,
        card.architecture,
        speech,
        sequences=share,
        gang=gangs.dp,
        guard=guard,
    )


def _validation(
    config: FinetuneConfig, inputs: FinetuneInputs, card: ModelCard, speech: SpeechCodec, share: int
) -> Validation:
    from lst_cli.training.engine.job import Validation

    section = config.validation
    # A single task needs no name in the metrics log.
    names = {task: task if len(inputs.tasks) > 1 else "" for task in inputs.tasks}

    def read(source: Source) -> Iterator[Packed]:
        from lst_cli.shards.read.once import read_once
        from lst_cli.shards.read.reader import ReaderConfig

        return read_once(
            source,
            ReaderConfig(positions=config.data.positions, whole_documents=True),
            card.vocabulary,
            card.patcher,
            micro_batch_size=min(config.run.micro_batch_size or share, share),
            speech_bpe=speech.bpe,
        )

    def make_readers(gangs: Gangs, stop: StopRequest) -> Mapping[str, OnceReader]:
        from lst_cli.training.engine.train_batch import TrainBatch
        from lst_cli.training.engine.validation_unit import OnceReader

        sources = _sources(config, inputs, "held_out")
        for source in sources:
            _check_readable(next(read(source), None), source, config.data.positions)
        return {
            names[task]: OnceReader(
                partial(read, source),
                partial(TrainBatch, config=card.architecture, speech=speech, device_type=gangs.dp.device.type),
                most=None,
                gang=gangs.dp,
                stop=stop,
            )
            for task, source in zip(inputs.tasks, sources, strict=True)
        }

    transcripts = {}
    if section.metric != "loss":
        from lst_cli.evaluation.asr_in_training import TranscriptScorer

        transcripts[names["asr"]] = TranscriptScorer(inputs.model, card)
    return Validation(
        every=section.every,
        make_readers=make_readers,
        best=section if section.keep == "best" else None,
        transcripts=transcripts,
    )


def _check_readable(first: Packed | None, source: Source, positions: int) -> None:
    """Refuse to train when validation would have nothing to read.

    :param first: the first batch of the held-out utterances.
    """
    if first is None:
        raise UserError(
            f"data.held_out: no held-out utterance can be read as {source.form}",
            found=f"all are longer than data.positions ({positions}), or lack words or speech",
            expected="at least one to validate on",
            fix="raise data.positions or data.held_out, or train without validation: "
            "--set data.held_out=0 --set validation.keep=last",
        )
