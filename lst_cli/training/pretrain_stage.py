"""``lst pretrain``: from shards to a ``model`` artifact."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lst_cli.artifacts import Draft, Request
from lst_cli.config import to_dict
from lst_cli.distributed.launcher import world_size
from lst_cli.model_artifact.card import MODEL, ModelCard
from lst_cli.model_artifact.save import part_entry, quantizer_entry
from lst_cli.renamed_keys import with_former_keys
from lst_cli.training.config.pretrain_config import PretrainConfig
from lst_cli.training.config.train_config import check_shares, resolve_model
from lst_cli.training.pretrain_inputs import PretrainInputs, open_sources, open_validation, reader_config

if TYPE_CHECKING:
    from fairseq2.gang import Gangs

    from lst_cli.evaluation.stories_in_training import StoryScorer
    from lst_cli.model.model_config import ModelConfig
    from lst_cli.patching.packed import Packed
    from lst_cli.shards.documents.forms import Source
    from lst_cli.text.speech_codec import SpeechCodec
    from lst_cli.text.vocabulary import Vocabulary
    from lst_cli.training.engine.job import Job, Validation
    from lst_cli.training.engine.nonfinite_guard import NonfiniteGuard
    from lst_cli.training.engine.step_reader import StepReader
    from lst_cli.training.engine.stopping import StopRequest
    from lst_cli.training.engine.validation_unit import OnceReader
    from lst_cli.training.init.initial_model import InitialModel
    from lst_cli.training.run.session import Folders


def request(config: PretrainConfig, inputs: PretrainInputs, name: str) -> Request:
    """The requested model. The section ``run`` is not part of its identity."""
    identity: dict[str, Any] = to_dict(config)
    del identity["run"]
    if not inputs.validates:
        del identity["validation"]
    if inputs.stories is not None:
        identity["stories"] = dict(inputs.stories.identity)
    if inputs.init is not None:
        identity["init"] = inputs.init.identity
    identity["task"] = "pretrain"
    identity["model"] = {"architecture": config.model.architecture, "config": to_dict(resolve_model(config.model))}
    hashed = with_former_keys(identity)
    return Request(kind=MODEL, name=name, config=identity, hashed=hashed, parents=inputs.parents)


def make(config: PretrainConfig, inputs: PretrainInputs, folders: Folders) -> Callable[[Draft], None]:
    """Return the function that trains, and writes the model to a draft."""

    def fill(draft: Draft) -> None:
        from lst_cli.training.budget.data_sample import with_budget
        from lst_cli.training.metrics.progress_panel import ProgressDisplay
        from lst_cli.training.run.session import train_to_the_end, write_model
        from lst_cli.training.run.unfinished import noted

        sources, speech = open_sources(config, inputs)
        planned = with_budget(config, sources, speech, inputs.fitted_rule)
        with ProgressDisplay(f"pretrain {config.model.architecture}", planned.budget.steps, folders.last_step) as show:
            job = _job(planned, inputs, sources, speech, folders, show)
            if inputs.init is not None:
                _write_initial(config, inputs.init, speech.vocabulary, folders)
            with noted(folders.request, folders.work, job.steps):
                train_to_the_end(job)
        write_model(
            draft,
            job,
            _card(config, inputs, speech),
            tokenizer=inputs.tokenizer_file,
            quantizer=inputs.centroids_file,
            speech_bpe=inputs.speech_bpe_file,
        )

    return fill


def follow(config: PretrainConfig, inputs: PretrainInputs, folders: Folders) -> None:
    """Train in a process other than the first: it writes no artifact."""
    from lst_cli.training.budget.data_sample import with_budget
    from lst_cli.training.run.session import train_to_the_end

    sources, speech = open_sources(config, inputs)
    planned = with_budget(config, sources, speech, inputs.fitted_rule)
    train_to_the_end(_job(planned, inputs, sources, speech, folders, show=lambda record: None))


def _initial_file(folders: Folders) -> Path:
    """Initial weights, read by the first process if there is no checkpoint yet."""
    return folders.work / "initial.safetensors"


def _write_initial(config: PretrainConfig, source: InitialModel, vocabulary: Vocabulary, folders: Folders) -> None:
    """Write the initial weights, and print which came from where."""
    from safetensors.torch import save_file

    from lst_cli.artifacts.parquet import atomic_path
    from lst_cli.console import print_table
    from lst_cli.model_artifact.save import apart
    from lst_cli.training.init.initial_model import table_rows

    path = _initial_file(folders)
    if path.is_file():
        return
    weights, table = source.weights(resolve_model(config.model), vocabulary, config.seed)
    print_table(f"weights of {source.name}", ("here", "there", "numbers", ""), table_rows(table))
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as unfinished:
        save_file(apart(weights), unfinished)


def _card(config: PretrainConfig, inputs: PretrainInputs, speech: SpeechCodec) -> ModelCard:
    return ModelCard(
        architecture=resolve_model(config.model),
        vocabulary=speech.vocabulary,
        patching=config.patching,
        patching_rule=part_entry(inputs.patching_rule) if inputs.patching_rule is not None else None,
        fitted=inputs.fitted_rule,
        quantizer=quantizer_entry(inputs.quantizer),
        speech_bpe=part_entry(inputs.speech_bpe) if inputs.speech_bpe is not None else None,
        tokenizer_file=inputs.tokenizer_file.name,
    )


def _job(
    config: PretrainConfig,
    inputs: PretrainInputs,
    sources: Sequence[Source],
    speech: SpeechCodec,
    folders: Folders,
    show: Callable[[dict[str, Any]], None],
) -> Job:
    from lst_cli.training.engine.families import FamilyConfig
    from lst_cli.training.engine.job import Job
    from lst_cli.training.engine.step_reader import batches_of_step

    check_shares(config.data.global_batch_size, config.data.streams)
    family = FamilyConfig(model=resolve_model(config.model), vocabulary_size=speech.vocabulary.size)
    share = config.data.global_batch_size // world_size()

    def make_reader(gangs: Gangs, guard: NonfiniteGuard) -> StepReader:
        from lst_cli.patching.strategies import Patcher
        from lst_cli.training.engine.step_reader import read_steps

        return read_steps(
            config,
            reader_config(config),
            sources,
            Patcher(config.patching, inputs.fitted_rule),
            family.model,
            speech,
            sequences=share,
            gang=gangs.dp,
            guard=guard,
        )

    return Job(
        config=config,
        family=family,
        folders=folders,
        show=show,
        make_reader=make_reader,
        accumulate=batches_of_step(share, config.run.micro_batch_size),
        weights=_initial_file(folders) if inputs.init is not None else None,
        validation=_validation(config, inputs, family.model, speech, share) if inputs.validates else None,
        scheduled=partial(_scheduled, config),
    )


def _scheduled(config: PretrainConfig, step: int) -> dict[str, float]:
    """The curriculum's probability of aligned patching at a step (counted from 1)."""
    from lst_cli.patching.strategies import aligned_probability

    if config.patching.strategy not in ("mixed", "curriculum"):
        return {}
    return {"aligned_probability": aligned_probability(config.patching, step - 1, config.budget.steps)}


def _validation(
    config: PretrainConfig, inputs: PretrainInputs, model: ModelConfig, speech: SpeechCodec, share: int
) -> Validation:
    from lst_cli.training.engine.job import Validation

    sources = open_validation(config, inputs)
    per_batch = min(config.run.micro_batch_size or share, share)

    def read(source: Source) -> Iterator[Packed]:
        from lst_cli.patching.strategies import Patcher
        from lst_cli.shards.read.once import read_once

        return read_once(
            source,
            reader_config(config),
            speech.vocabulary,
            Patcher(config.patching, inputs.fitted_rule),
            micro_batch_size=per_batch,
            speech_bpe=speech.bpe,
        )

    def make_readers(gangs: Gangs, stop: StopRequest) -> Mapping[str, OnceReader]:
        from lst_cli.training.engine.train_batch import TrainBatch
        from lst_cli.training.engine.validation_unit import OnceReader

        return {
            source.name: OnceReader(
                partial(read, source),
                partial(TrainBatch, config=model, speech=speech, device_type=gangs.dp.device.type),
                most=-(-config.validation.sequences // per_batch),
                gang=gangs.dp,
                stop=stop,
            )
            for source in sources
        }

    scorers: Mapping[str, StoryScorer] = {}
    if inputs.stories is not None:
        from lst_cli.evaluation.stories_in_training import story_scorers

        card = _card(config, inputs, speech)
        scorers = story_scorers(inputs.stories, card, speech, inputs.tokenizer_file, config.validation.stories)
    return Validation(every=config.validation.every, make_readers=make_readers, stories=scorers)
