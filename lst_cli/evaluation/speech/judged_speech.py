"""ASR transcripts of spoken sentences, and their errors against the intended text.

One form for all speech that is scored: the original recordings (the floor: no voice can do better with this evaluator),
audio resynthesised from their own speech tokens (the loss of the vocoder), and speech of a model.

Legend: T samples at 16 kHz.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lst_cli.console import progress
from lst_cli.evaluation.error_rates import Errors, count_errors, normalise, rate
from lst_cli.evaluation.speech.asr_evaluator import Judge, JudgeFiles
from lst_cli.hashing import mix, text_id
from lst_cli.units.frames import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lst_cli.audio.corpus_artifact import Utterance

EXAMPLES = 6
"""Recordings that a result keeps; which ones is drawn by a hash of their ids, so nobody chose them."""

WORST = 20
"""Utterances with most errors that a result lists."""


@dataclass(frozen=True, kw_only=True)
class JudgedUtterance:
    """One utterance."""

    id: str
    reference: str
    transcript: str
    seconds: float
    """Of the audio that was judged."""
    words: Errors
    characters: Errors
    recording_T: NDArray[np.float32] | None
    """The audio that was judged; None where it is not kept, or nothing was said."""


def judge_speech(
    files: JudgeFiles, utterances: Sequence[Utterance], waves: Iterable[NDArray[np.float32]]
) -> list[JudgedUtterance]:
    """Judge one clip for each utterance, in the same order.

    :param waves: samples [T] at 16 kHz of each clip; taken one by one, and only :data:`EXAMPLES` of them are kept.
    """
    judge = Judge(files)
    kept = set(example_ids([utterance.id for utterance in utterances]))
    found = []
    with progress("judging", len(utterances), "utterances") as bar:
        for utterance, wave_T in zip(utterances, waves, strict=True):
            transcript = judge.transcribe(wave_T) if len(wave_T) else ""
            reference = utterance.text or ""
            said, recognised = normalise(reference), normalise(transcript)
            found.append(
                JudgedUtterance(
                    id=utterance.id,
                    reference=reference,
                    transcript=transcript,
                    seconds=len(wave_T) / SAMPLE_RATE,
                    words=count_errors(said, recognised, "words"),
                    characters=count_errors(said, recognised, "characters"),
                    recording_T=wave_T if utterance.id in kept and len(wave_T) else None,
                )
            )
            bar.advance()
    return found


def rates(judged: Sequence[JudgedUtterance]) -> dict[str, Any]:
    """Character and word error rate with intervals, and the worst utterances."""
    cer, wer = rate([each.characters for each in judged]), rate([each.words for each in judged])
    worst = sorted(judged, key=lambda each: (-each.characters.total, each.id))[:WORST]
    return {
        "n": len(judged),
        "n_characters": sum(each.characters.length for each in judged),
        "n_words": sum(each.words.length for each in judged),
        "audio_s": sum(each.seconds for each in judged),
        "character_errors": asdict(cer),
        "word_errors": asdict(wer),
        "worst": [
            {
                "id": each.id,
                "errors": each.characters.total,
                "reference": normalise(each.reference),
                "transcript": normalise(each.transcript),
            }
            for each in worst
            if each.characters.total
        ],
    }


def item(each: JudgedUtterance) -> dict[str, Any]:
    """One utterance as a row of ``items.parquet``."""
    return {
        "id": each.id,
        "reference": each.reference,
        "transcript": each.transcript,
        "seconds": each.seconds,
        "words": each.words.length,
        "word_errors": each.words.total,
        "characters": each.characters.length,
        "character_errors": each.characters.total,
    }


def example_ids(ids: Sequence[str]) -> list[str]:
    """The utterances whose recordings are kept, in their own order."""
    drawn = set(sorted(ids, key=lambda name: int(mix(0, text_id(name))))[:EXAMPLES])
    return [name for name in ids if name in drawn]
