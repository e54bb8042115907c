"""Training examples of the aligner: transcribed speech of one or several corpora, read once and kept in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from lst_cli.alignment.emissions.aligner_network import frames_out
from lst_cli.alignment.emissions.mel import mel_power
from lst_cli.alignment.emissions.spelling import LETTERS, Spelling, spell
from lst_cli.alignment.fit.aligner_config import AlignerConfig
from lst_cli.alignment.words import Unalignable, Word, spoken_words
from lst_cli.audio.corpus_artifact import Corpus, Utterance
from lst_cli.audio.decode import read_utterances
from lst_cli.console import progress
from lst_cli.errors import UserError
from lst_cli.hashing import mix, permutation, text_id

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

_HELD_OUT_OF = 20
_MOST_HELD_OUT = 50
_POOL = 64
"""Utterances that are sorted by length together, so that a batch holds little padding."""


@dataclass(frozen=True)
class AlignerExample:
    """One utterance."""

    id: int
    """For random draws; copies of an utterance have different ids."""
    seconds: float
    power_TM: Tensor
    words: Sequence[Word]

    @cached_property
    def spelling(self) -> Spelling:
        """The labels of its words."""
        return spell(self.words)


def read_examples(
    corpora: Sequence[Corpus], config: AlignerConfig, reject: Callable[[str, str], None]
) -> tuple[list[list[AlignerExample]], int]:
    """Read the speech to train on.

    :param reject: is called with the id of each utterance that can't be trained on, and the reason.
    :return: the examples of each corpus, and the number of utterances considered.
    :raises UserError: a corpus has no transcripts.
    """
    chosen = [choose(corpus, config.max_hours / len(corpora), config.seed) for corpus in corpora]
    found: list[list[AlignerExample]] = []
    with progress("read speech", sum(map(len, chosen)), "utterances") as bar:
        for number, utterances in enumerate(chosen):
            examples = []
            for utterance, wave_S in read_utterances(
                utterances, on_error=lambda utterance, error: reject(utterance.id, str(error))
            ):
                bar.advance()
                try:
                    examples.append(_example(utterance, wave_S, number, config))
                except Unalignable as reason:
                    reject(utterance.id, str(reason))
            found.append(examples)
    return found, sum(map(len, chosen))


def choose(corpus: Corpus, hours: float, seed: int) -> list[Utterance]:
    """All utterances of a corpus, or a random part of this many hours, in the corpus's order."""
    if not any(utterance.text for utterance in corpus):
        raise UserError(
            f"{corpus.artifact.reference}: no transcripts",
            expected="utterances whose words are known",
            fix="train on a corpus with transcripts, or add it again with them",
        )
    ids = np.array([text_id(id) for id in corpus.ids], dtype=np.uint64)
    order = np.argsort(mix(seed, ids), kind="stable")
    kept = set(order[: 1 + int(np.searchsorted(np.cumsum(corpus.seconds[order]), hours * 3600))].tolist())
    return [utterance for row, utterance in enumerate(corpus) if row in kept]


def _example(utterance: Utterance, wave_S: NDArray[np.float32], corpus: int, config: AlignerConfig) -> AlignerExample:
    if utterance.text is None:
        raise Unalignable("no transcript")
    words = spoken_words(utterance.text, LETTERS)
    power_TM = mel_power(wave_S, config.network.bands)
    # Distorted speech can be faster than this, and its letters need a frame each even then.
    letters = len(spell(words).labels)
    if letters > frames_out(int(len(power_TM) / config.augment.speed)):
        raise Unalignable(f"{letters} letters in {utterance.seconds:.2f} s: more than can be spoken")
    return AlignerExample(text_id(f"{corpus}/{utterance.id}"), utterance.seconds, power_TM, words)


def hold_out(
    corpora: Sequence[Sequence[AlignerExample]], seed: int
) -> tuple[list[list[AlignerExample]], list[AlignerExample]]:
    """Keep a twentieth of the utterances, one to fifty of them, to check the network on; drawn by a hash of their ids.

    :return: the training examples of each corpus, and the held-out ones.
    """
    count = sum(map(len, corpora))
    most = min(_MOST_HELD_OUT, max(1, count // _HELD_OUT_OF), count - 1)
    drawn = sorted((e for examples in corpora for e in examples), key=lambda e: int(mix(seed, np.uint64(e.id))))
    held_out = drawn[: max(0, most)]
    ids = {e.id for e in held_out}
    return [[e for e in examples if e.id not in ids] for examples in corpora], held_out


def repeat_small(corpora: Sequence[Sequence[AlignerExample]], least_share: float) -> list[AlignerExample]:
    """All examples in one list; a corpus with less than ``least_share`` of the speech is repeated."""
    seconds = [sum(example.seconds for example in examples) for examples in corpora]
    result: list[AlignerExample] = []
    for examples, own in zip(corpora, seconds, strict=True):
        times = max(1, ceil(least_share * sum(seconds) / own)) if own else 0
        for copy in range(times):
            result += [replace(e, id=int(mix(copy, np.uint64(e.id)))) for e in examples] if copy else examples
    return result


def batches(seconds_N: Sequence[float], batch_s: float, seed: int) -> Iterator[tuple[int, list[int]]]:
    """Endless: epoch, and the indices of some utterances of about the same length, ``batch_s`` with padding.

    A pure function of the seed. Every utterance occurs once per epoch.
    """
    epoch = 0
    while True:
        order = permutation(len(seconds_N), seed, epoch).tolist()
        cut: list[list[int]] = []
        for start in range(0, len(order), _POOL):
            pool = sorted(order[start : start + _POOL], key=lambda index: seconds_N[index])
            batch: list[int] = []
            for index in pool:
                if batch and (len(batch) + 1) * seconds_N[index] > batch_s:
                    cut.append(batch)
                    batch = []
                batch.append(index)
            cut.append(batch)
        for position in permutation(len(cut), seed, epoch, 1).tolist():
            yield epoch, cut[position]
        epoch += 1
