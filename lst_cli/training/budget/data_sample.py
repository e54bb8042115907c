"""What a sequence of a run holds on average, from a few of them; and the number of steps that follows.

The sample depends on config and shards only, so every process and every restart comes to the same numbers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from lst_cli.patching.packed import PADDING
from lst_cli.patching.strategies import PatchingConfig, aligned_probability
from lst_cli.training.config.pretrain_config import PretrainConfig
from lst_cli.training.config.train_config import check, refuse

if TYPE_CHECKING:
    from lst_cli.shards.documents.forms import Source
    from lst_cli.text.speech_codec import SpeechCodec

_SEQUENCES = 64
_STREAMS = 4
_PROBED_STEPS = 1000


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What a sequence holds on average."""

    tokens: float
    """As read: a piece of a speech BPE counts as its speech tokens."""
    speech_tokens: float
    ids: float
    """Tokens as the model takes them: a piece counts once."""
    positions: float
    context: float
    """Positions of a position's document."""
    speech_documents: float
    text_documents: float

    def mixed(self, other: Sample, share: float) -> Sample:
        """The mean of this one and a share of the other."""
        mine, others = dataclasses.asdict(self), dataclasses.asdict(other)
        return Sample(**{name: value + share * (others[name] - value) for name, value in mine.items()})


def aligned_share(config: PretrainConfig) -> float:
    """Share of all sequences of the run that are cut by alignment."""
    probed = np.linspace(0, config.budget.steps - 1, min(config.budget.steps, _PROBED_STEPS))
    return float(np.mean([aligned_probability(config.patching, int(step), config.budget.steps) for step in probed]))


def take_sample(config: PretrainConfig, sources: Sequence[Source], speech: SpeechCodec, share: float) -> Sample:
    """Some sequences, cut both ways where the run cuts both ways."""
    if config.patching.strategy in ("none", "static", "aligned"):
        return _sample_of(config, sources, speech, config.patching)
    static, aligned = (
        _sample_of(config, sources, speech, dataclasses.replace(config.patching, strategy=cut))
        for cut in ("static", "aligned")
    )
    return static.mixed(aligned, share)


def _sample_of(
    config: PretrainConfig, sources: Sequence[Source], speech: SpeechCodec, patching: PatchingConfig
) -> Sample:
    from lst_cli.shards.read.reader import Reader
    from lst_cli.training.budget.flops import workload
    from lst_cli.training.pretrain_inputs import reader_config

    vocabulary = speech.vocabulary
    settings = dataclasses.replace(reader_config(config), global_batch_size=_SEQUENCES, streams=_STREAMS, prefetch=0)
    reader = Reader(settings, sources, vocabulary, patching, total_steps=config.budget.steps, speech_bpe=speech.bpe)
    (data,) = islice(reader, 1)
    packed = data.packed()
    real_T = packed.document_T != PADDING
    speech_T = real_T & vocabulary.is_speech(packed.tokens_T)
    documents = np.bincount(packed.document_T[real_T])
    has_speech = np.bincount(packed.document_T[speech_T], minlength=len(documents)) > 0
    # A document that is cut by the end of a sequence counts where it ends.
    ends = packed.document_T[real_T & (packed.tokens_T == vocabulary.eos)]
    lengths = np.bincount(packed.document_P[packed.document_P != PADDING])
    work = workload(float(documents.sum()), lengths)
    speech_tokens = speech.count(packed.tokens_T[speech_T])
    return Sample(
        tokens=(work.tokens - float(speech_T.sum()) + speech_tokens) / _SEQUENCES,
        speech_tokens=speech_tokens / _SEQUENCES,
        ids=work.tokens / _SEQUENCES,
        positions=work.positions / _SEQUENCES,
        context=work.context,
        speech_documents=float(has_speech[ends].sum()) / _SEQUENCES,
        text_documents=float((~has_speech[ends]).sum()) / _SEQUENCES,
    )


def with_budget(config: PretrainConfig, sources: Sequence[Source], speech: SpeechCodec) -> PretrainConfig:
    """The config with the steps that its budget comes to.

    With ``budget.mode: data-controlled`` every model reads as many tokens as an LST with static patches of four speech
    tokens reads in ``budget.steps``. A baseline needs more steps for them (Lu et al. 2025, Table 4).
    """
    if config.budget.mode == "compute-controlled":
        return config
    reference = PatchingConfig(strategy="static")
    if config.patching.strategy == reference.strategy and config.patching.size == reference.size:
        return config
    of_reference = _sample_of(config, sources, _unmerged(speech), reference)
    own = take_sample(config, sources, speech, aligned_share(config))
    steps = round(config.budget.steps * of_reference.tokens / own.tokens)
    planned = dataclasses.replace(config, budget=dataclasses.replace(config.budget, steps=steps))
    refuse(check(planned))  # fewer steps may be too few for the warm-up
    return planned


def _unmerged(speech: SpeechCodec) -> SpeechCodec:
    from lst_cli.text.speech_codec import SpeechCodec
    from lst_cli.text.vocabulary import Vocabulary

    return SpeechCodec(Vocabulary(pieces=speech.vocabulary.pieces, units=speech.units))
