"""``lst corpus synth``: lines of text, spoken by text-to-speech voices."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lst_cli.artifacts import Draft, Request
from lst_cli.audio.add import summarise
from lst_cli.audio.corpus_artifact import CORPUS, write_utterances
from lst_cli.audio.layouts.listing import one_line, read_document
from lst_cli.audio.level import rule_config
from lst_cli.audio.tts.engine import Voice, check_distinct, find_voice
from lst_cli.audio.tts.synthesis_parts import Part, PartResult, Spoken, speak_part
from lst_cli.audio.workers import process_pool
from lst_cli.console import progress
from lst_cli.distributed.launcher import ALONE, Rank
from lst_cli.distributed.shared_work import SharedParts, SharedWork
from lst_cli.errors import LstError, UserError

_CHARACTERS_IN_A_PART = 16_000
"""About 20 minutes of speech: enough lines for sentences to be shared, few enough to lose little in a crash."""

_RATES = (0.25, 4.0)


@dataclass(frozen=True)
class SpokenLine:
    """One utterance to be spoken."""

    id: str
    text: str
    group: str
    """Lines of one group get the same voice and rate (a prompt and its endings)."""


@dataclass(frozen=True, kw_only=True)
class SynthOptions:
    """The options of ``lst corpus synth``."""

    name: str
    voices: Sequence[str]
    """As :func:`lst_cli.audio.tts.engine.find_voice` takes them."""
    rate: tuple[float, float] = (1.0, 1.0)
    """Speaking rates, lowest and highest; 1 is a voice's own."""
    noise: float = 1.0
    """Share of the voices' own random variation."""
    seed: int = 0
    max_reject_rate: float = 0.01
    workers: int = 2
    """Processes that speak, one thread each."""


def read_lines(path: Path) -> list[SpokenLine]:
    """Read ``ID<TAB>TEXT`` lines, or lines of text alone, which get the ids ``line-000001``, … by line number.

    Empty lines are skipped.

    :raises UserError: the file is missing, empty or not UTF-8, only some lines have an id, or ids repeat.
    """
    numbered = [(n, line) for n, line in enumerate(read_document(path).split("\n"), start=1) if line.strip()]
    if not numbered:
        raise UserError(f"{path}: no text in this file", expected="one utterance per line")
    tabbed = ["\t" in line for _, line in numbered]
    if not any(tabbed):
        return [SpokenLine(f"line-{n:06d}", one_line(line), f"line-{n:06d}") for n, line in numbered]
    if not all(tabbed):
        n, line = numbered[tabbed.index(False)]
        raise UserError(
            f"{path}, line {n}: no id",
            found=line[:60],
            expected="ID<TAB>TEXT on every line, or on none",
            fix="give this line an id and a tab",
        )
    seen: dict[str, int] = {}
    lines = []
    for n, line in numbered:
        id, _, text = line.partition("\t")
        if not id.strip() or id in seen:
            before = f"as on line {seen[id]}" if id in seen else "nothing before the tab"
            raise UserError(f"{path}, line {n}: not a unique id", found=f"{id!r}, {before}")
        seen[id] = n
        lines.append(SpokenLine(id, one_line(text), id))
    return lines


def plan_synthesis(
    lines: Sequence[SpokenLine], options: SynthOptions, rank: Rank = ALONE
) -> tuple[Request, Callable[[Draft], None]]:
    """Find the voices, and plan the artifact and its making on rank 0 (or alone).

    :raises UserError: a voice is not there, or an option is out of its range.
    """
    low, high = options.rate
    if not _RATES[0] <= low <= high <= _RATES[1]:
        raise UserError(
            f"--rate {low:g}:{high:g}: not a range of speaking rates",
            expected=f"LOW:HIGH with {_RATES[0]:g} <= LOW <= HIGH <= {_RATES[1]:g}, such as 0.9:1.15",
        )
    voices = _voices(options)
    config = {
        "made_by": "synth",
        "lines": _digest(lines),
        "voices": [dict(voice.identity) for voice in voices],
        "rate": [low, high],
        "noise": options.noise,
        "seed": options.seed,
        "level": rule_config(),
        "characters_in_a_part": _CHARACTERS_IN_A_PART,
    }
    request = Request(kind=CORPUS, name=options.name, config=config)
    return request, lambda draft: synthesise(draft, lines, voices, options, rank)


def share_synthesis(lines: Sequence[SpokenLine], options: SynthOptions, parts: SharedParts) -> None:
    """The work of a rank other than 0: speak parts until none is missing."""
    voices = _voices(options)
    _speak(cut_into_parts(_wanted(lines, voices, options), voices, options, parts.folder), parts, options.workers)


def _voices(options: SynthOptions) -> list[Voice]:
    voices = [find_voice(spec, options.noise) for spec in options.voices]
    check_distinct(voices)
    return voices


def _wanted(lines: Sequence[SpokenLine], voices: Sequence[Voice], options: SynthOptions) -> list[Spoken]:
    """The texts and voices of the lines."""
    drawn = draw_voices(lines, len(voices), options.rate, options.seed)
    return [Spoken(line.text, voice, rate) for line, (voice, rate) in zip(lines, drawn, strict=True)]


def _digest(lines: Sequence[SpokenLine]) -> str:
    import hashlib

    text = json.dumps([[line.id, line.text, line.group] for line in lines], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def draw_voices(
    lines: Sequence[SpokenLine], voices: int, rate: tuple[float, float], seed: int
) -> list[tuple[int, float]]:
    """(voice, rate) of every line, a pure function of the seed and the line's group.

    Rates are drawn evenly from the range and rounded to a twentieth, so that lines share sentences.
    """
    import numpy as np

    from lst_cli.hashing import text_id, uniform

    groups = np.array([text_id(line.group) for line in lines], dtype=np.uint64)
    voice = np.floor(uniform(seed, text_id("synth voice"), groups) * voices).astype(int)
    low, high = rate
    drawn = low + (high - low) * uniform(seed, text_id("synth rate"), groups)
    rates = np.round(np.clip(np.round(drawn * 20) / 20, low, high), 2)
    return list(zip(voice.tolist(), rates.tolist(), strict=True))


def synthesise(
    draft: Draft, lines: Sequence[SpokenLine], voices: Sequence[Voice], options: SynthOptions, rank: Rank
) -> None:
    """Speak every distinct (text, voice, rate) once, in parts, and write the corpus."""
    wanted = _wanted(lines, voices, options)
    parts = cut_into_parts(wanted, voices, options, draft.parts)
    place: dict[Spoken, tuple[PartResult, int, int]] = {}
    _speak(parts, SharedParts(rank, draft.parts), options.workers)
    for part in parts:
        result = part.finished()
        assert result is not None
        draft.take(part.audio)
        offset = 0
        for spoken, samples in zip(part.spoken, result.samples, strict=True):
            place[spoken] = (result, offset, samples)
            offset += samples
    rows: list[dict[str, Any]] = []
    for line, spoken in zip(lines, wanted, strict=True):
        result, offset, samples = place[spoken]
        if not samples:
            draft.reject(line.id, f"the voice produced no sound for {line.text!r}; use words")
            continue
        rows.append(
            {
                "id": line.id,
                "path": result.audio,
                "offset": offset,
                "samples": samples,
                "sample_rate": result.sample_rate,
                "speaker": voices[spoken.voice].label,
                "source": options.name,
                "text": line.text,
            }
        )
    draft.check_rejects(len(lines), options.max_reject_rate)
    write_utterances(draft.path, rows)
    draft.statistics.update(summarise(rows), spoken=len(place))


def cut_into_parts(
    wanted: Sequence[Spoken], voices: Sequence[Voice], options: SynthOptions, folder: Path
) -> list[Part]:
    """Distinct utterances, by voice and rate in order of first occurrence, divided into parts of one audio file each.

    Equal rates stand together because a voice keeps the sentences that it has spoken at a rate.
    """
    from lst_cli.hashing import mix, text_id

    distinct = list(dict.fromkeys(wanted))
    parts: list[Part] = []
    for number, voice in enumerate(voices):
        of_voice = [spoken for spoken in distinct if spoken.voice == number]
        for chunk in _chunks(sorted(of_voice, key=lambda spoken: spoken.rate)):
            audio = folder / f"audio-{len(parts):05d}.flac"
            seed = int(mix(options.seed, text_id("synth noise"), len(parts)))
            parts.append(Part(voice=voice, spoken=tuple(chunk), noise=options.noise, seed=seed, audio=audio))
    return parts


def _chunks(spoken: Sequence[Spoken]) -> Iterator[list[Spoken]]:
    chunk: list[Spoken] = []
    size = 0
    for one in spoken:
        chunk.append(one)
        size += len(one.text)
        if size >= _CHARACTERS_IN_A_PART:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _speak(parts: Sequence[Part], shared: SharedParts, workers: int) -> None:
    """Speak the parts that are not finished yet, together with other ranks."""
    work = SharedWork(parts, shared)
    own = work.own()
    in_processes = min(workers, len(own)) > 1
    with (
        progress("speak", sum(part.size for part in own), "utterances") as bar,
        process_pool(min(workers, len(own))) if in_processes else nullcontext() as pool,
    ):
        for todo in work.rounds(own):
            spoken = _spoken_in(pool, todo) if pool is not None else _spoken_here(work.pending(todo))
            for part in spoken:
                bar.advance(part.size)


def _spoken_here(parts: Iterable[Part]) -> Iterator[Part]:
    for part in parts:
        speak_part(part)
        yield part


def _spoken_in(pool: ProcessPoolExecutor, parts: Sequence[Part]) -> Iterator[Part]:
    futures = {pool.submit(speak_part, part): part for part in parts}
    try:
        for future in as_completed(futures):
            future.result()
            yield futures[future]
    except BrokenProcessPool:
        raise LstError(
            "a synthesis process died",
            found="it was killed, or ran out of memory",
            fix="run the command again: finished parts are kept; use fewer --workers if memory is short",
        ) from None
    finally:
        for future in futures:
            future.cancel()
