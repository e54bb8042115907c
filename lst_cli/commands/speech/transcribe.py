"""``lst transcribe``: speech to text."""

from __future__ import annotations

import hashlib
import math
import time
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lst_cli.commands.common import Device, Json, completing, store
from lst_cli.console import print_json, print_line, progress, say, warn
from lst_cli.errors import UserError

if TYPE_CHECKING:
    from lst_cli.artifacts import Store
    from lst_cli.console import Progress
    from lst_cli.inference.transcription import TranscribedClip, TranscribedSegment
    from lst_cli.inference.word_times import WordTimer

Format = Literal["text", "srt", "vtt", "textgrid"]
SUFFIXES = {"text": "txt", "srt": "srt", "vtt": "vtt", "textgrid": "TextGrid"}
SHOWN_PROBLEMS = 5
LONGEST_FILE_NAME = 140
"""Bytes of UTF-8, without the ending: a file system allows 255, some of which the temporary name needs."""
LONGEST_SEGMENT_S = 86_400.0


Aligner = Annotated[
    str | None,
    typer.Option(
        help="Word times by forced alignment: aligner/NAME, or a CTC model by name or folder.",
        autocompletion=completing("aligner"),
    ),
]
Inputs = Annotated[
    list[str],
    typer.Argument(
        help="Audio files, folders, manifests (.tsv, .jsonl, .parquet), corpus or tokens artifacts, or - for "
        "standard input.",
        autocompletion=completing("corpus", "tokens"),
    ),
]
Language = Annotated[str | None, typer.Option(help="With --aligner: language of spoken numbers.  \\[default: en]")]
Output = Annotated[Path | None, typer.Option(help="Folder for one file per clip, instead of standard output.")]
SegmentS = Annotated[
    float,
    typer.Option(
        min=1.0,
        max=LONGEST_SEGMENT_S,
        help="Split longer audio at its quietest points into segments of at most this many seconds.",
    ),
]


def transcribe(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(help="model/NAME, fine-tuned for ASR.", autocompletion=completing("model"))],
    inputs: Inputs,
    format: Annotated[Format, typer.Option(help="What to write.")] = "text",
    output: Output = None,
    aligner: Aligner = None,
    language: Language = None,
    segment_s: SegmentS = 30.0,
    beams: Annotated[int, typer.Option(min=1, help="Beam size; 1 is greedy decoding.")] = 1,
    rows: Annotated[int, typer.Option(min=1, help="Hypotheses decoded in one batch.")] = 32,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Transcribe speech with a model that was fine-tuned for ASR."""
    from lst_cli.distributed.device import pick_device
    from lst_cli.inference.audio_input import is_one_file, segments
    from lst_cli.inference.transcription import transcribe_segments
    from lst_cli.model_artifact.capabilities import check_task
    from lst_cli.model_artifact.card import MODEL, load_model

    alone = is_one_file(inputs)
    if math.isnan(segment_s):  # the range of the option lets it pass
        raise UserError(f"--segment-s {segment_s}", expected=f"seconds, 1 to {LONGEST_SEGMENT_S:,.0f}")
    _check_options(format, output, aligner, language, to_stdout=alone or json)
    place = store(ctx)
    artifact = place.find(model, MODEL)
    check_task(artifact, "asr")
    loaded = load_model(artifact, pick_device(device))
    timer = _timer(place, aligner, language)
    files = None if output is None else _Files(output, format)
    clips: list[TranscribedClip] = []
    with progress("transcribing", unit="s of speech") as bar:
        pace = _Pace(bar)
        found = segments(inputs, place, segment_s, with_audio=timer is not None)
        for clip in transcribe_segments(loaded, found, rows=rows, beams=beams, timer=timer, on_transcribed=pace.add):
            clips.append(clip)
            if files is not None and clip.segments:
                files.write(clip)
            elif not json and clip.segments:
                named = format == "text" and not alone
                print_line(f"{one_cell(clip.clip)}\t{clip.text}\n" if named else _text(clip, format), end="")
    figures = pace.figures()
    if json:
        summary = {"model": artifact.reference, "aligner": aligner, "clips": [_as_dict(clip) for clip in clips]}
        print_json({**summary, **figures})
    _report(clips, figures, timed=timer is not None)


def _check_options(
    format: Format, output: Path | None, aligner: str | None, language: str | None, *, to_stdout: bool
) -> None:
    if format != "text" and output is None and not to_stdout:
        raise UserError(
            f"--format {format} writes one file per clip",
            found="several clips and no --output",
            fix="give a folder with --output, or one file",
        )
    if language is not None and aligner is None:
        raise UserError(f"--language {language} is used for word times only", found="no --aligner")


def _timer(place: Store, aligner: str | None, language: str | None) -> WordTimer | None:
    from lst_cli.inference.word_times import WordTimer

    return None if aligner is None else WordTimer.load(aligner, place, language or "en")


class _Pace:
    """How much was transcribed, and how fast; shown as it grows."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._start = time.monotonic()
        self._audio_s = 0.0

    def add(self, more: float) -> None:
        """Some more seconds of speech have been transcribed."""
        self._audio_s += more
        factor = self.figures()["real_time_factor"]
        self._bar.advance(more, real_time_factor="-" if factor is None else f"{factor:.2f}")

    def figures(self) -> dict[str, Any]:
        """Seconds of speech, of work, and their ratio: None before anything was transcribed."""
        took = time.monotonic() - self._start
        factor = took / self._audio_s if self._audio_s else None
        return {"audio_s": self._audio_s, "seconds": took, "real_time_factor": factor}


class _Files:
    """One file for each clip, in a folder."""

    def __init__(self, folder: Path, format: Format) -> None:
        self._folder = folder
        self._format: Format = format
        self._names: set[str] = set()

    def write(self, clip: TranscribedClip) -> None:
        """Write a clip's file; a name that is taken already gets a number."""
        from lst_cli.artifacts.parquet import write_bytes_atomic

        plain = file_name(clip.clip)
        if len(clip.clip.encode(errors="replace")) > LONGEST_FILE_NAME:
            warn(f"the file of {one_cell(clip.clip)} is called {plain}.{SUFFIXES[self._format]}: its name is too long")
        name, number = plain, 1
        while name in self._names:
            number += 1
            name = f"{plain}-{number}"
        self._names.add(name)
        path = self._folder / f"{name}.{SUFFIXES[self._format]}"
        write_bytes_atomic(path, _text(clip, self._format).encode())


def file_name(clip: str) -> str:
    """The name of a clip's file without its ending: slashes and control characters replaced, shortened if too long."""
    plain = "stdin" if clip == "-" else clip.strip("/").replace("/", "_")
    plain = "".join("_" if unicodedata.category(char) in ("Cc", "Cs") else char for char in plain).lstrip(".") or "clip"
    data = plain.encode()
    if len(data) <= LONGEST_FILE_NAME:
        return plain
    start = data[: LONGEST_FILE_NAME - 9].decode(errors="ignore")
    return f"{start}-{hashlib.sha256(clip.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def one_cell(name: str) -> str:
    """A clip's name as a cell of tab-separated lines: tabs, line breaks and other control characters are escaped."""
    return "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char) in ("Cc", "Cs") else char for char in name
    )


def _text(clip: TranscribedClip, format: Format) -> str:
    """A clip's transcript in the format."""
    from lst_cli.alignment.imports.textgrid import write_textgrid
    from lst_cli.inference.subtitles import srt, vtt

    if format == "text":
        return f"{clip.text}\n"
    if format == "textgrid":
        tiers = {"segments": [(each.start_s, each.end_s, each.transcript.text) for each in clip.segments]}
        words = [word for each in clip.segments for word in each.words or ()]
        if any(each.words is not None for each in clip.segments):
            tiers["words"] = [(word.start_s, word.end_s, word.text) for word in words]
        return write_textgrid(tiers, clip.seconds)
    cues = [cue for each in clip.segments for cue in _cues(each)]
    return srt(cues) if format == "srt" else vtt(cues)


def _cues(segment: TranscribedSegment) -> list[tuple[float, float, str]]:
    """Subtitles of a segment: by its words, where their times are known."""
    from lst_cli.inference.subtitles import cues_of_words

    if segment.words is None:
        return [(segment.start_s, segment.end_s, segment.transcript.text)]
    return list(cues_of_words(segment.words))


def _as_dict(clip: TranscribedClip) -> dict[str, Any]:
    return {
        "clip": clip.clip,
        "text": clip.text,
        "seconds": clip.seconds,
        "problem": clip.problem,
        "segments": [_segment_as_dict(segment) for segment in clip.segments],
    }


def _segment_as_dict(segment: TranscribedSegment) -> dict[str, Any]:
    words = segment.words
    return {
        "start_s": segment.start_s,
        "end_s": segment.end_s,
        "text": segment.transcript.text,
        "log_prob": segment.transcript.log_prob,
        "ended": segment.transcript.ended,
        "soundless": segment.soundless,
        "words": None
        if words is None
        else [
            {"word": word.text, "start_s": round(word.start_s, 3), "end_s": round(word.end_s, 3), "score": word.score}
            for word in words
        ],
    }


def _report(clips: list[TranscribedClip], figures: dict[str, Any], *, timed: bool) -> None:
    """Report the speed, warn of incomplete transcripts, and fail if clips could not be read."""
    if figures["real_time_factor"] is not None:
        summary = f"transcribed {figures['audio_s']:,.1f} s of speech in {figures['seconds']:,.1f} s"
        say(f"{summary} (real-time factor {figures['real_time_factor']:.3f})")
    cut = [clip.clip for clip in clips if not all(each.transcript.ended for each in clip.segments)]
    if cut:
        warn(
            f"the text of {len(cut)} clips was truncated ({_some(cut)}): the model did not end it; "
            "was it fine-tuned on speech like this, of this length?"
        )
    soundless = [clip.clip for clip in clips if any(each.soundless for each in clip.segments)]
    if soundless:
        warn(f"{len(soundless)} clips have silent segments ({_some(soundless)}): they get no text")
    untimed = [clip.clip for clip in clips if any(each.words is None for each in clip.segments)]
    if timed and untimed:
        warn(f"the words of {len(untimed)} clips can't be aligned ({_some(untimed)}): they get no word times")
    bad = [clip for clip in clips if clip.problem is not None]
    if bad:
        raise UserError(
            f"{len(bad)} of {len(clips)} clips could not be transcribed",
            found=_some([_named(clip.clip, str(clip.problem)) for clip in bad], "; "),
            expected="audio that libsndfile reads, with finite samples",
            fix="correct or remove these files; all others were transcribed",
        )


def _named(clip: str, problem: str) -> str:
    """A problem with the clip's name, which messages about files begin with already."""
    name = one_cell(clip)
    return one_cell(problem) if problem.startswith((clip, name)) or f"/{clip}" in problem else f"{name}: {problem}"


def _some(names: list[str], between: str = ", ") -> str:
    more = f" and {len(names) - SHOWN_PROBLEMS} more" if len(names) > SHOWN_PROBLEMS else ""
    return between.join(names[:SHOWN_PROBLEMS]) + more
