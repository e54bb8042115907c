"""Word and character error rate of a model's transcripts (Lu et al. 2025, section 5 and Table 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lst_cli.artifacts.parquet import read_parquet, write_parquet
from lst_cli.distributed.row_units import WorkUnit, divide_rows
from lst_cli.distributed.shared_work import SharedParts, SharedWork
from lst_cli.evaluation.error_rates import Errors, count_errors, normalise, rate
from lst_cli.evaluation.scores import context_ratio
from lst_cli.inference.transcription import Transcript, asr_prompt, transcribe_units
from lst_cli.patching.packed import Document, pack_documents
from lst_cli.units.frames import RATE_HZ

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from lst_cli.model_artifact.card import LoadedModel

WORST = 20
"""Utterances with most errors that the result lists."""

_LEAST_TOKENS, _MOST_TOKENS = 2500, 100_000
"""Speech tokens in a work unit, by the number of all: from 100 s of speech, for ranks to share even a small corpus."""

_PROMPT_COST = 25
"""Counted for each utterance on top of its tokens: its transcript has an end even if it has no words."""

_SECONDS = b"lst_seconds"


@dataclass(frozen=True, kw_only=True)
class Recognised:
    """One utterance, its reference and its transcript."""

    id: str
    reference: str
    transcript: Transcript
    units: int
    context: int
    """Positions of the global transformer that the prompt takes: the context units of Table 5."""
    words: Errors
    characters: Errors


class SharedTranscription:
    """One rank's part in transcribing every utterance that has a reference."""

    def __init__(
        self,
        loaded: LoadedModel,
        units: Mapping[str, NDArray[np.integer]],
        references: Mapping[str, str],
        parts: SharedParts,
        *,
        rows: int,
        beams: int,
    ) -> None:
        """Divide the work: utterances of similar length share a work unit, longest first."""
        import numpy as np

        self._loaded, self._units, self._references = loaded, units, references
        self._rows, self._beams = rows, beams
        self._ids = [name for name in units if name in references]
        self._order = sorted(range(len(self._ids)), key=lambda row: (-len(units[self._ids[row]]), row))
        cost = np.array([len(units[self._ids[row]]) + _PROMPT_COST for row in self._order], np.int64)
        self._shared = SharedWork(divide_rows(cost, _LEAST_TOKENS, _MOST_TOKENS), parts)

    def run(self) -> None:
        """Transcribe this rank's work units, then help with those still missing."""
        self._shared.run(self._transcribe, write_parquet, what="transcribing", counted="utterances")

    def recognised(self) -> tuple[list[Recognised], float]:
        """All utterances in their order, with their errors; and the wall time of all ranks together."""
        found: dict[int, Recognised] = {}
        seconds = 0.0
        for path in self._shared.paths:
            table = read_parquet(path)
            seconds += float(table.schema.metadata[_SECONDS])
            for row in table.to_pylist():
                number = self._order[len(found)]
                name = self._ids[number]
                found[number] = _compare(
                    self._loaded, name, self._references[name], Transcript(**row), self._units[name]
                )
        return [found[number] for number in range(len(found))], seconds

    def _transcribe(self, unit: WorkUnit) -> pa.Table:
        import time

        import pyarrow as pa

        start = time.monotonic()
        clips = [self._units[self._ids[row]] for row in self._order[unit.start : unit.stop]]
        transcripts = transcribe_units(self._loaded, clips, rows=self._rows, beams=self._beams)
        table = pa.Table.from_pylist([asdict(transcript) for transcript in transcripts])
        return table.replace_schema_metadata({_SECONDS: repr(time.monotonic() - start)})


def _compare(
    loaded: LoadedModel, name: str, reference: str, transcript: Transcript, units: NDArray[np.integer]
) -> Recognised:
    said, recognised = normalise(reference), normalise(transcript.text)
    prompt = asr_prompt(loaded.speech, units)
    card = loaded.card
    packed = pack_documents([Document(tokens=prompt.tokens)], card.vocabulary, card.patcher, card.cut)
    return Recognised(
        id=name,
        reference=reference,
        transcript=transcript,
        units=len(units),
        context=len(packed.document_P),
        words=count_errors(said, recognised, "words"),
        characters=count_errors(said, recognised, "characters"),
    )


def summarise(recognised: Sequence[Recognised]) -> dict[str, Any]:
    """The rates over all utterances, their parts, and the worst utterances."""
    words = [each.words for each in recognised]
    characters = [each.characters for each in recognised]
    wer, cer = rate(words), rate(characters)
    worst = sorted(recognised, key=lambda each: (-each.words.total, each.id))[:WORST]
    return {
        "n": len(recognised),
        "n_words": sum(each.length for each in words),
        "wer": wer.value,
        "low": wer.low,
        "high": wer.high,
        "cer": asdict(cer),
        "words": _parts(words),
        "characters": _parts(characters),
        "empty": _empty(recognised),
        "not_ended": sum(not each.transcript.ended for each in recognised),
        "speech_tokens": sum(each.units for each in recognised),
        "context_positions": sum(each.context for each in recognised),
        "context_ratio": context_ratio(
            sum(each.context for each in recognised), sum(each.units for each in recognised), len(recognised)
        ),
        "worst": [
            {
                "id": each.id,
                "errors": each.words.total,
                "words": each.words.length,
                "reference": normalise(each.reference),
                "transcript": normalise(each.transcript.text),
            }
            for each in worst
            if each.words.total
        ],
    }


def _empty(recognised: Sequence[Recognised]) -> dict[str, Any]:
    """Transcripts of utterances whose reference has no words; all of their words are insertions."""
    empty = [each for each in recognised if not each.words.length]
    return {
        "n": len(empty),
        "with_text": sum(each.words.insertions > 0 for each in empty),
        "inserted_words": sum(each.words.insertions for each in empty),
        "audio_s": sum(each.units for each in empty) / RATE_HZ,
    }


def _parts(errors: Sequence[Errors]) -> dict[str, int]:
    return {name: sum(getattr(each, name) for each in errors) for name in ("substitutions", "deletions", "insertions")}


def items_table(recognised: Sequence[Recognised]) -> pa.Table:
    """All utterances as a table."""
    import pyarrow as pa

    rows = [
        {
            "id": each.id,
            "reference": each.reference,
            "transcript": each.transcript.text,
            "words": each.words.length,
            "substitutions": each.words.substitutions,
            "deletions": each.words.deletions,
            "insertions": each.words.insertions,
            "characters": each.characters.length,
            "character_errors": each.characters.total,
            "units": each.units,
            "pieces": each.transcript.pieces,
            "ended": each.transcript.ended,
            "log_prob": each.transcript.log_prob,
        }
        for each in recognised
    ]
    text, count = pa.string(), pa.int32()
    kinds = {"id": text, "reference": text, "transcript": text, "ended": pa.bool_(), "log_prob": pa.float64()}
    return pa.Table.from_pylist(rows, schema=pa.schema([(name, kinds.get(name, count)) for name in rows[0]]))
