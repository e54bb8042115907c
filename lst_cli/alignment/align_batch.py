"""The work of ``lst align run`` on one batch: emissions, forced alignment, words in speech tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch

from lst_cli.alignment.characters import character_starts
from lst_cli.alignment.confidence import PlacedWords, place
from lst_cli.alignment.emissions.emitters import Emitter, SmallEmitter
from lst_cli.alignment.emissions.pretrained_ctc import load_pretrained
from lst_cli.alignment.fit.fit_aligner import load_network
from lst_cli.alignment.spans import close_gaps, loudness_db, reach_out, to_frames
from lst_cli.alignment.words import Unalignable, Word, spoken_words
from lst_cli.artifacts import Artifact
from lst_cli.audio.corpus_artifact import Utterance
from lst_cli.distributed.device import pick_device

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


def load_emitter(aligner: Artifact | None, model: str | None, device: str = "auto", local_rank: int = 0) -> Emitter:
    """The small aligner, which runs on the CPU, or the pretrained model.

    :param device: of the pretrained model, as :func:`lst_cli.distributed.device.pick_device` takes it.
    """
    if aligner is not None:
        return SmallEmitter(*load_network(aligner), trust=float(aligner.statistics.get("trust", 1.0)))
    return load_pretrained(str(model), torch.device(pick_device(device, local_rank)))


def align_batch(
    batch: Sequence[tuple[Utterance, NDArray[np.float32]]],
    lengths: Sequence[int],
    emitter: Emitter,
    language: str,
    min_score: float,
) -> Iterator[dict[str, Any]]:
    """Align clips; a row for each, with ``reason`` instead of words where it was rejected.

    :param lengths: speech tokens of each clip.
    """
    emissions = emitter.emit([wave for _, wave in batch])
    for (utterance, wave), tokens, logp_UV in zip(batch, lengths, emissions, strict=True):
        try:
            if not utterance.text:
                raise Unalignable("no transcript")
            words = spoken_words(utterance.text, emitter.letters, language)
            row = align_words(words, wave, logp_UV, emitter, tokens)
            score = row.pop("score")
            if score < min_score:
                raise Unalignable(f"score {score:.2f} is below --min-score {min_score:g}: is the transcript right?")
            yield {"id": utterance.id, **row}
        except Unalignable as reason:
            yield {"id": utterance.id, "reason": str(reason)}


def align_words(
    words: Sequence[Word], wave: NDArray[np.float32], logp_UV: Tensor, emitter: Emitter, tokens: int
) -> dict[str, Any]:
    """Words, starts, ends, scores and starts of characters of one clip, and its ``score`` as a whole.

    :raises Unalignable: the words can't be aligned to the clip.
    """
    placed, starts_W, ends_W = word_edges(words, wave, logp_UV, emitter)
    starts, ends = to_frames(starts_W, ends_W, tokens)
    return {
        "words": [word.text for word in words],
        "starts": starts,
        "ends": ends,
        "scores": (emitter.trust * placed.scores_W).tolist(),
        "char_starts": character_starts(words, placed, starts, ends, emitter),
        "score": emitter.trust * placed.score,
    }


def word_edges(
    words: Sequence[Word], wave: NDArray[np.float32], logp_UV: Tensor, emitter: Emitter
) -> tuple[PlacedWords, NDArray[np.int64], NDArray[np.int64]]:
    """The words of one clip, and the samples at which each begins and ends, short gaps closed.

    :raises Unalignable: the words can't be aligned to the clip.
    """
    placed = place(logp_UV, words, emitter)
    first_W, end_W = placed.first_W, placed.end_W
    if emitter.peaky:
        loudness_U = loudness_db(wave, emitter.hop, emitter.offset, len(logp_UV))
        first_W, end_W = reach_out(first_W, end_W, loudness_U, emitter.hop)
    edges = (emitter.offset + emitter.hop * frame_W for frame_W in (first_W, end_W))
    return (placed, *close_gaps(*edges))
