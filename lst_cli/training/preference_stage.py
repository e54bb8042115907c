"""``lst finetune dpo``: tune a model on preference pairs against a frozen copy of itself (Rafailov et al. 2023)."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lst_cli.training.config.preference_config import PreferenceConfig
from lst_cli.training.examples_stage import ExampleInputs, ExampleSet, ExampleTask

if TYPE_CHECKING:
    from fairseq2.gang import Gangs

    from lst_cli.model_artifact.card import ModelCard
    from lst_cli.training.examples.epoch_reader import MakeBatch


def _read(config: PreferenceConfig, inputs: ExampleInputs, card: ModelCard, work: Path) -> ExampleSet:
    """The pairs, with the reference's log-probabilities."""
    from lst_cli.model_artifact.card import load_speech
    from lst_cli.training.examples.sides import SideEncoder, read_spoken
    from lst_cli.training.examples.split import split_examples
    from lst_cli.training.preference.pair_batch import PairBatch, ScoredPairs
    from lst_cli.training.preference.pairs_file import as_questions, read_pairs_file
    from lst_cli.training.preference.preference_unit import PreferenceUnit, PreferenceValidationUnit
    from lst_cli.training.preference.reference import reference_log_probs

    model = inputs.model
    pairs = read_pairs_file(inputs.file, read_spoken(inputs.tokens, model, card))
    questions = as_questions(pairs, SideEncoder.of(model, card, str(inputs.file)))
    split = split_examples(
        [pair.id for pair in pairs],
        [len(question.prompt_T) + max(map(len, question.endings)) for question in questions],
        max_tokens=config.data.max_tokens,
        held_out=config.data.held_out,
        source=str(inputs.file),
    )

    def make_batch(gangs: Gangs) -> MakeBatch:
        scored = ScoredPairs(
            questions=questions,
            reference_P2=reference_log_probs(model, questions, work, gangs),
            card=card,
            speech=load_speech(model.path, card, model.reference),
        )
        return partial(PairBatch, scored, device_type=gangs.dp.device.type)

    return ExampleSet(
        split=split,
        make_batch=make_batch,
        make_unit=partial(PreferenceUnit, beta=config.beta),
        make_validation_unit=partial(PreferenceValidationUnit, beta=config.beta),
    )


DPO = ExampleTask[PreferenceConfig](name="dpo", holds="pairs", per_step="pairs_per_step", read=_read)
"""JSONL of pairs (:mod:`lst_cli.training.preference.pairs_file`)."""
