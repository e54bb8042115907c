"""Speech tokens to text: ``<s> units <t>`` and then the likeliest text, until the end (Lu et al. 2025, section 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lst_cli.inference.beam import beam_search
from lst_cli.inference.generate import ROWS, Continuation, Prompt, generate
from lst_cli.inference.listen import Segment, Unheard
from lst_cli.units.quantizer import Quantizer, tokenize_waveforms

if TYPE_CHECKING:
    from lst_cli.text.speech_codec import SpeechCodec
    from lst_cli.training.model_artifact import LoadedModel

LIMIT_PER_UNIT = 1.0
LIMIT_BESIDE = 16
"""A transcript is cut off at this many tokens and so many per unit: four times what fast speech has in letters."""


SEGMENTS_PER_ROW = 4
"""Segments that are gathered for each row of a batch, so that segments of like length share a batch."""


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """What was heard."""

    text: str
    """On one line, words with one space between."""
    log_prob: float
    """Of text and end, given the speech."""
    pieces: int
    """Text tokens, without the end."""
    ended: bool
    """False where the text was cut off: such a model does not transcribe, or the speech is none."""


def asr_prompt(speech: SpeechCodec, units: NDArray[np.integer]) -> Prompt:
    """The prompt that asks for a transcript."""
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
    :param on_done: is told each clip's index and transcript when it is complete.
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


@dataclass(kw_only=True)
class Heard:
    """A clip with what was heard in each of its segments."""

    clip: str
    segments: list[tuple[float, float, Transcript]] = field(default_factory=list)
    """Start and end in seconds, and the transcript."""
    problem: str | None = None
    """Why the clip, or its rest, could not be heard."""

    @property
    def text(self) -> str:
        """The transcript of the whole clip."""
        return " ".join(transcript.text for _, _, transcript in self.segments if transcript.text)

    @property
    def seconds(self) -> float:
        """Seconds that were heard."""
        return self.segments[-1][1] if self.segments else 0.0


def transcribe_segments(
    loaded: LoadedModel, found: Iterable[Segment | Unheard], *, rows: int = ROWS, beams: int = 1
) -> Iterator[Heard]:
    """Transcribe segments, and put them together to clips in their order."""
    quantizer: Quantizer | None = None
    waiting = iter(found)
    open_clip: Heard | None = None
    while group := list(islice(waiting, SEGMENTS_PER_ROW * rows)):
        waves = [each for each in group if isinstance(each, Segment) and each.wave_T is not None]
        if waves and quantizer is None:
            quantizer = Quantizer.load(loaded.quantizer_file, loaded.device.type)
        units = _units(group, quantizer)
        transcripts = iter(transcribe_units(loaded, units, rows=rows, beams=beams))
        for each in group:
            open_clip = open_clip or Heard(clip=each.clip)
            if isinstance(each, Unheard):
                open_clip.problem = each.reason
            else:
                open_clip.segments.append((each.start_s, each.end_s, next(transcripts)))
            if isinstance(each, Unheard) or each.last:
                yield open_clip
                open_clip = None


def _units(group: Sequence[Segment | Unheard], quantizer: Quantizer | None) -> list[NDArray[np.uint16]]:
    """Speech tokens of the group's segments, in order."""
    heard = [each for each in group if isinstance(each, Segment)]
    waves = [each.wave_T for each in heard if each.wave_T is not None]
    tokenized = iter(tokenize_waveforms(quantizer, waves) if quantizer is not None and waves else [])
    return [each.units if each.units is not None else next(tokenized) for each in heard]
