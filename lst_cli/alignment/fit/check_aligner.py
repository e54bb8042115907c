"""Whether a fitted aligner works: its scores on training speech and on held-out speech."""

from __future__ import annotations

from collections.abc import Sequence

from lst_cli.alignment.confidence import place
from lst_cli.alignment.emissions.aligner_network import LetterNetwork, emission
from lst_cli.alignment.emissions.emitters import SmallEmitter
from lst_cli.alignment.emissions.mel import log_mel, normalise
from lst_cli.alignment.fit.aligner_config import AlignerConfig
from lst_cli.alignment.fit.aligner_examples import AlignerExample
from lst_cli.alignment.words import Unalignable
from lst_cli.console import warn
from lst_cli.errors import LstError

_CHECKED = 50
"""Examples of the training speech that are looked at."""
_LEAST_SCORE = 0.1
"""Below this the right transcripts of the training speech are hardly better than decoys."""
_FAMILIAR_SCORE = 0.3
"""Below this on held-out speech, boundaries are off more often than right (docs/align.md)."""
ENOUGH_MINUTES = 10.0
"""Less speech than this is often too little for an aligner."""


def check_learned(
    network: LetterNetwork,
    examples: Sequence[AlignerExample],
    held_out: Sequence[AlignerExample],
    config: AlignerConfig,
) -> dict[str, float]:
    """Score the transcripts of training and held-out speech, and warn of too little.

    :param examples: the training examples, each once.
    :return: both scores, the minutes of training speech, and ``trust``, the ratio of the scores: what scores of the
        training speech must be multiplied by to mean what they mean on other speech.
    :raises LstError: the network hardly distinguishes correct transcripts from decoys.
    """
    score = _mean_score(network, examples[:: max(1, len(examples) // _CHECKED)], config)
    held_out_score = _mean_score(network, held_out, config)
    if score < _LEAST_SCORE:
        raise LstError(
            "the aligner did not learn to align the speech",
            found=f"score {score:.2f} for the correct transcripts; decoys score 0",
            expected=f"at least {_LEAST_SCORE:g}",
            fix="check that the transcripts match the audio; try more speech, --set steps=400, or another --seed",
        )
    minutes = sum(example.seconds for example in examples) / 60
    if held_out_score < _FAMILIAR_SCORE:
        warn(
            f"the aligner scores {score:.2f} on the speech it was trained on and {held_out_score:.2f} on "
            f"{len(held_out)} held-out utterances: it has memorised its training speech, and its boundaries are often "
            "wrong; train it on more speech, of this voice or any other"
        )
    elif minutes < ENOUGH_MINUTES:
        warn(
            f"the aligner was fitted on {minutes:.1f} minutes of speech: {ENOUGH_MINUTES:g} or more are better; "
            "check some utterances with 'lst align show', or its boundaries with 'lst align fit --check'"
        )
    trust = min(1.0, max(0.0, held_out_score) / score)
    return {"score": score, "held_out_score": held_out_score, "trust": trust, "minutes": minutes}


def _mean_score(network: LetterNetwork, examples: Sequence[AlignerExample], config: AlignerConfig) -> float:
    speller = SmallEmitter(network, config)
    scores = []
    for example in examples:
        logp_UV = emission(network, [normalise(log_mel(example.power_TM))], config.prior_scale)[0]
        try:
            scores.append(place(logp_UV, example.words, speller).score)
        except Unalignable:
            continue
    return sum(scores) / len(scores) if scores else 0.0
