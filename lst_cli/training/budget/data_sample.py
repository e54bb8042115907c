"""Mean contents of a run's sequences, estimated from a few; and the number of steps that follows from them.

The sample depends on config and shards only, so every process and every restart computes the same numbers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from lst_cli.model.cost import Workload
from lst_cli.patching.packed import PADDING
from lst_cli.patching.strategies import Patcher, PatchingConfig, aligned_probability
from lst_cli.training.config.pretrain_config import PretrainConfig
from lst_cli.training.config.train_config import check, refuse

if TYPE_CHECKING:
    from lst_cli.patching.stream import Rule
    from lst_cli.shards.documents.forms import Source
    from lst_cli.text.speech_codec import SpeechCodec

_SEQUENCES = 64
_POSITIONS = 64 << 12
"""Positions of all sampled sequences at most, or of the only one."""
_STREAMS = 4
_PROBED_STEPS = 1000


@dataclass(frozen=True, kw_only=True)
class SequenceSample:
    """Mean contents of a sequence."""

    tokens: float
    """Before merging: a merged token of a speech BPE counts as its speech tokens."""
    speech_tokens: float
    ids: float
    """Tokens as the model reads them: a merged token counts once."""
    positions: float
    context: float
    """Length of a position's document, in positions."""
    text: float
    """Text tokens and markers."""
    speech_documents: float
    text_documents: float

    def work(self, sequences: int) -> Workload:
        """The workload of this many sequences."""
        return Workload(
            positions=self.positions * sequences,
            tokens=self.ids * sequences,
            context=self.context,
            text=self.text * sequences,
        )

    def mixed(self, other: SequenceSample, share: float) -> SequenceSample:
        """Interpolate: ``share`` is the weight of ``other``."""
        mine, others = dataclasses.asdict(self), dataclasses.asdict(other)
        return SequenceSample(**{name: value + share * (others[name] - value) for name, value in mine.items()})


def aligned_share(config: PretrainConfig) -> float:
    """Share of the run's sequences with aligned patching."""
    probed = np.linspace(0, config.budget.steps - 1, min(config.budget.steps, _PROBED_STEPS))
    return float(np.mean([aligned_probability(config.patching, int(step), config.budget.steps) for step in probed]))


def take_sample(
    config: PretrainConfig, sources: Sequence[Source], speech: SpeechCodec, fitted: Rule | None, share: float
) -> SequenceSample:
    """Sample some sequences, with both kinds of patching if the run mixes them."""
    if config.patching.strategy not in ("mixed", "curriculum"):
        return _sample_of(config, sources, speech, Patcher(config.patching, fitted))
    static, aligned = (
        _sample_of(config, sources, speech, Patcher(dataclasses.replace(config.patching, strategy=cut)))
        for cut in ("static", "aligned")
    )
    return static.mixed(aligned, share)


def _sample_of(
    config: PretrainConfig, sources: Sequence[Source], speech: SpeechCodec, patcher: Patcher
) -> SequenceSample:
    from lst_cli.shards.read.reader import Reader
    from lst_cli.training.budget.flops import workload
    from lst_cli.training.pretrain_inputs import reader_config

    vocabulary = speech.vocabulary
    sequences = max(1, min(_SEQUENCES, _POSITIONS // config.data.positions))
    streams = min(_STREAMS, sequences)
    settings = dataclasses.replace(reader_config(config), global_batch_size=sequences, streams=streams, prefetch=0)
    reader = Reader(settings, sources, vocabulary, patcher, total_steps=config.budget.steps, speech_bpe=speech.bpe)
    (data,) = islice(reader, 1)
    packed = data.packed()
    real_T = packed.document_T != PADDING
    speech_T = real_T & vocabulary.is_speech(packed.tokens_T)
    documents = np.bincount(packed.document_T[real_T])
    has_speech = np.bincount(packed.document_T[speech_T], minlength=len(documents)) > 0
    # A document that spans two sequences counts in the one where it ends.
    ends = packed.document_T[real_T & (packed.tokens_T == vocabulary.eos)]
    lengths = np.bincount(packed.document_P[packed.document_P != PADDING])
    work = workload(float(documents.sum()), lengths, text=float(np.count_nonzero(real_T & ~speech_T)))
    speech_tokens = speech.count(packed.tokens_T[speech_T])
    return SequenceSample(
        tokens=(work.tokens - float(speech_T.sum()) + speech_tokens) / sequences,
        speech_tokens=speech_tokens / sequences,
        ids=work.tokens / sequences,
        positions=work.positions / sequences,
        context=work.context,
        text=work.text / sequences,
        speech_documents=float(has_speech[ends].sum()) / sequences,
        text_documents=float((~has_speech[ends]).sum()) / sequences,
    )


def with_budget(
    config: PretrainConfig, sources: Sequence[Source], speech: SpeechCodec, fitted: Rule | None
) -> PretrainConfig:
    """The config with the number of steps that its budget amounts to.

    With ``budget.mode: data-controlled`` every model reads as many tokens as an LST with static patches of four speech
    tokens reads in ``budget.steps``. A baseline needs more steps for them (Lu et al. 2025, Table 4).
    """
    if config.budget.mode == "compute-controlled":
        return config
    reference = PatchingConfig(strategy="static")
    if config.patching.strategy == reference.strategy and config.patching.size == reference.size:
        return config
    of_reference = _sample_of(config, sources, _unmerged(speech), Patcher(reference))
    own = take_sample(config, sources, speech, fitted, aligned_share(config))
    steps = round(config.budget.steps * of_reference.tokens / own.tokens)
    planned = dataclasses.replace(config, budget=dataclasses.replace(config.budget, steps=steps))
    refuse(check(planned))  # fewer steps may be too few for the warm-up
    return planned


def _unmerged(speech: SpeechCodec) -> SpeechCodec:
    from lst_cli.text.speech_codec import SpeechCodec

    return SpeechCodec(dataclasses.replace(speech.vocabulary, units=speech.units))
