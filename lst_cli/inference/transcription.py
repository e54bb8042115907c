"""Speech tokens to text: ``<s> units <t>`` and then the likeliest text, until the end (Lu et al. 2025, section 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lst_cli.inference.audio_input import Segment, UnreadableClip
from lst_cli.inference.beam import beam_search
from lst_cli.inference.generate import ROWS, Continuation, Prompt, generate
from lst_cli.inference.segmentation import has_sound
from lst_cli.units.quantizer.quantize import Quantizer, tokenize_waveforms

if TYPE_CHECKING:
    from lst_cli.alignment.imports.timed import TimedWord
    from lst_cli.inference.word_times import WordTimer
    from lst_cli.model_artifact.card import LoadedModel
    from lst_cli.text.speech_codec import SpeechCodec

LIMIT_PER_UNIT = 1.0
LIMIT_BESIDE = 16
"""A transcript is truncated at this many tokens plus this many per unit: four times the letters of fast speech."""

SEGMENTS_PER_ROW = 4
"""Segments that are gathered for each row of a batch, so that segments of like length share a batch."""

GATHERED_S = 600
"""Seconds of segments that are gathered at most: bounds memory, and the time between two signs of progress."""


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """The text of one segment."""

    text: str
    """On one line, words with one space between."""
    log_prob: float
    """Log-probability of text and end, given the speech."""
    pieces: int
    """Text tokens, without the end."""
    ended: bool
    """False if the text was truncated: the model was not fine-tuned for ASR, or the audio is not speech."""


def asr_prompt(speech: SpeechCodec, units: NDArray[np.integer]) -> Prompt:
    """The prompt for a transcript."""
    markers = speech.vocabulary
    return Prompt(
        tokens=np.concatenate([[markers.s_marker], speech.encode(units), [markers.t_marker]]).astype(np.int32),
        limit=int(LIMIT_PER_UNIT * len(units)) + LIMIT_BESIDE,
    )


def transcribe_units(
    loaded: LoadedModel,
    clips: Sequence[NDArray[np.integer]],
    *,
    rows: int = ROWS,
    beams: int = 1,
    on_done: Callable[[int, Transcript], None] | None = None,
) -> list[Transcript]:
    """Transcribe clips of speech tokens.

    :param beams: hypotheses of a beam search; 1 takes the likeliest token each time.
    :param on_done: is called with each clip's index and transcript when it is complete.
    """

    def transcript(continuation: Continuation) -> Transcript:
        return Transcript(
            text=" ".join(loaded.tokenizer.decode(continuation.tokens).split()),
            log_prob=continuation.log_prob,
            pieces=len(continuation.tokens),
            ended=continuation.ended,
        )

    def tell(index: int, continuation: Continuation) -> None:
        if on_done is not None:
            on_done(index, transcript(continuation))

    prompts = [asr_prompt(loaded.speech, units) for units in clips]
    if beams > 1:
        done = beam_search(loaded, prompts, "text", beams=beams, rows=rows, on_done=tell)
    else:
        done = generate(loaded, prompts, "text", rows=rows, on_done=tell)
    return [transcript(continuation) for continuation in done]


@dataclass(frozen=True, kw_only=True)
class TranscribedSegment:
    """A segment and its transcript."""

    start_s: float
    end_s: float
    transcript: Transcript
    soundless: bool = False
    """It has no sound: its text is empty, and the model was not run."""
    words: list[TimedWord] | None = None
    """In seconds of the clip; None if no times were requested, or the words can't be aligned."""


@dataclass(kw_only=True)
class TranscribedClip:
    """A clip and the transcripts of its segments."""

    clip: str
    segments: list[TranscribedSegment] = field(default_factory=list)
    problem: str | None = None
    """Why the clip, or the rest of it, could not be read."""

    @property
    def text(self) -> str:
        """The transcript of the whole clip."""
        return " ".join(each.transcript.text for each in self.segments if each.transcript.text)

    @property
    def seconds(self) -> float:
        """Seconds that were transcribed."""
        return self.segments[-1].end_s if self.segments else 0.0


SOUNDLESS = Transcript(text="", log_prob=0.0, pieces=0, ended=True)


def transcribe_segments(
    loaded: LoadedModel,
    found: Iterable[Segment | UnreadableClip],
    *,
    rows: int = ROWS,
    beams: int = 1,
    timer: WordTimer | None = None,
    on_transcribed: Callable[[float], None] | None = None,
) -> Iterator[TranscribedClip]:
    """Transcribe segments, and put them together to clips in their order.

    :param timer: adds the times of words; the segments must have sound.
    :param on_transcribed: is called with the seconds of each segment when it is done.
    """
    transcriber = _Transcriber(loaded, rows, beams, timer)
    open_clip: TranscribedClip | None = None
    for group in _groups(found, SEGMENTS_PER_ROW * rows):
        transcribed = iter(transcriber.transcribe([each for each in group if isinstance(each, Segment)]))
        for each in group:
            open_clip = open_clip or TranscribedClip(clip=each.clip)
            if isinstance(each, UnreadableClip):
                open_clip.problem = each.reason
            else:
                open_clip.segments.append(next(transcribed))
                if on_transcribed is not None:
                    on_transcribed(each.end_s - each.start_s)
            if isinstance(each, UnreadableClip) or each.last:
                yield open_clip
                open_clip = None


def _groups(found: Iterable[Segment | UnreadableClip], most: int) -> Iterator[list[Segment | UnreadableClip]]:
    """Neighbours, up to ``most`` or :data:`GATHERED_S` of them."""
    group: list[Segment | UnreadableClip] = []
    seconds = 0.0
    for each in found:
        group.append(each)
        seconds += each.end_s - each.start_s if isinstance(each, Segment) else 0.0
        if len(group) == most or seconds >= GATHERED_S:
            yield group
            group, seconds = [], 0.0
    if group:
        yield group


class _Transcriber:
    """Transcribes segments. The quantizer is loaded with the first one that has sound."""

    def __init__(self, loaded: LoadedModel, rows: int, beams: int, timer: WordTimer | None) -> None:
        self._loaded = loaded
        self._rows = rows
        self._beams = beams
        self._timer = timer
        self._quantizer: Quantizer | None = None

    def transcribe(self, group: Sequence[Segment]) -> list[TranscribedSegment]:
        """Transcribe segments; those without sound have no text."""
        sounding = [each for each in group if each.wave_T is None or has_sound(each.wave_T)]
        transcripts = transcribe_units(self._loaded, self._units(sounding), rows=self._rows, beams=self._beams)
        words = self._words(sounding, transcripts)
        done = {
            id(each): TranscribedSegment(start_s=each.start_s, end_s=each.end_s, transcript=transcript, words=times)
            for each, transcript, times in zip(sounding, transcripts, words, strict=True)
        }
        return [
            done.get(id(each))
            or TranscribedSegment(
                start_s=each.start_s, end_s=each.end_s, transcript=SOUNDLESS, soundless=True, words=[]
            )
            for each in group
        ]

    def _units(self, segments: Sequence[Segment]) -> list[NDArray[np.uint16]]:
        """Speech tokens of each segment."""
        waves = [each.wave_T for each in segments if each.wave_T is not None]
        if waves and self._quantizer is None:
            self._quantizer = Quantizer.load(self._loaded.quantizer_file, str(self._loaded.device))
        tokenized = iter(tokenize_waveforms(self._quantizer, waves) if self._quantizer is not None and waves else [])
        return [each.units if each.units is not None else next(tokenized) for each in segments]

    def _words(
        self, segments: Sequence[Segment], transcripts: Sequence[Transcript]
    ) -> Sequence[list[TimedWord] | None]:
        if self._timer is None:
            return [None] * len(segments)
        return self._timer.times(
            [each.wave_T for each in segments if each.wave_T is not None],
            [transcript.text for transcript in transcripts],
            [each.start_s for each in segments],
        )
