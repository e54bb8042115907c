"""What the judge hears in spoken sentences, and how far that is from what was to be said.

One form for all that is judged: the original recordings (the floor: no voice can do better by this judge), audio made
again of their own speech tokens (what the vocoder loses), and what a model said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lst_cli.artifacts import Kind
from lst_cli.console import progress
from lst_cli.evaluation.error_rates import Errors, count_errors, normalise, rate
from lst_cli.hashing import mix, text_id

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from lst_cli.evaluation.judge import Judge

TRANSCRIPTS = Kind("transcripts", 1)
"""What a judge hears in a corpus, or in its audio made again by a vocoder: ``scores.json``, ``items.parquet`` and a
few recordings, as in ``scores``."""

EXAMPLES = 6
"""Recordings that a result keeps; which ones is drawn by a hash of their ids, so nobody chose them."""

AUDIO_FOLDER = "audio"
WORST = 20


@dataclass(frozen=True, kw_only=True)
class Heard:
    """One utterance."""

    id: str
    reference: str
    transcript: str
    seconds: float
    """Of the audio that was judged."""
    words: Errors
    characters: Errors


def hear(judge: Judge, clips: Iterable[tuple[str, str, NDArray[np.float32]]], total: int) -> list[Heard]:
    """Judge clips: id, what was to be said, samples at 16 kHz."""
    found = []
    with progress("judging", total, "utterances") as bar:
        for name, reference, wave_T in clips:
            transcript = judge.hear(wave_T) if len(wave_T) else ""
            said, heard = normalise(reference), normalise(transcript)
            found.append(
                Heard(
                    id=name,
                    reference=reference,
                    transcript=transcript,
                    seconds=len(wave_T) / 16_000,
                    words=count_errors(said, heard, "words"),
                    characters=count_errors(said, heard, "characters"),
                )
            )
            bar.advance()
    return found


def rates(heard: Sequence[Heard]) -> dict[str, Any]:
    """Character and word error rate with intervals, and the worst utterances."""
    cer, wer = rate([each.characters for each in heard]), rate([each.words for each in heard])
    worst = sorted(heard, key=lambda each: (-each.characters.total, each.id))[:WORST]
    return {
        "n": len(heard),
        "n_characters": sum(each.characters.length for each in heard),
        "n_words": sum(each.words.length for each in heard),
        "audio_s": sum(each.seconds for each in heard),
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


def item(each: Heard) -> dict[str, Any]:
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


def keep_audio(folder: Path, waves: Mapping[str, NDArray[np.float32]]) -> dict[str, str]:
    """Write recordings at 16 kHz as FLAC; the file of each id, relative to ``folder``."""
    import soundfile

    from lst_cli.artifacts.parquet import atomic_path

    files = {}
    for number, (name, wave_T) in enumerate(waves.items()):
        files[name] = f"{AUDIO_FOLDER}/{number:02d}.flac"
        with atomic_path(folder / files[name]) as temporary:
            soundfile.write(temporary, wave_T, 16_000, format="FLAC", subtype="PCM_16")
    return files
