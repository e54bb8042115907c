"""ASR transcripts of spoken sentences, and their errors against the intended text.

One procedure for all speech that is scored: the original recordings (the floor: no voice can do better with this
evaluator), audio resynthesised from their own speech tokens (the loss of the vocoder), and speech of a model.

Legend: T samples at 16 kHz.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lst_cli.artifacts.parquet import read_parquet, write_parquet
from lst_cli.distributed.row_units import WorkUnit, divide_rows
from lst_cli.distributed.shared_work import SharedParts, SharedWork
from lst_cli.evaluation.error_rates import Errors, count_errors, normalise, rate
from lst_cli.evaluation.speech.asr_evaluator import AsrEvaluator, EvaluatorFiles
from lst_cli.hashing import mix, text_id
from lst_cli.units.frames import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from lst_cli.audio.corpus_artifact import Utterance

EXAMPLES = 6
"""Number of recordings in a result; they are chosen by a hash of their ids."""

WORST = 20
"""How many utterances with the most errors a result lists."""

_LEAST_CLIPS, _MOST_CLIPS = 16, 256
"""Utterances in a work unit, by the number of all."""

_SECONDS = b"lst_seconds"


@dataclass(frozen=True, kw_only=True)
class EvaluatedUtterance:
    """One utterance."""

    id: str
    reference: str
    transcript: str
    seconds: float
    """Length of the evaluated audio."""
    words: Errors
    characters: Errors
    recording_T: NDArray[np.float32] | None
    """The evaluated audio; None if it is not kept or empty."""


@dataclass(frozen=True, kw_only=True)
class SpokenClips:
    """The audio of consecutive utterances."""

    waves: Sequence[NDArray[np.float32]]
    """Samples [T] at 16 kHz of each clip; empty if nothing was said."""
    columns: Sequence[Mapping[str, Any]]
    """Further measures of each clip."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Wall time by purpose."""


class SharedEvaluation:
    """One rank's share of speaking and transcribing one clip for each utterance."""

    def __init__(
        self,
        files: EvaluatorFiles,
        utterances: Sequence[Utterance],
        speak: Callable[[WorkUnit], SpokenClips],
        parts: SharedParts,
    ) -> None:
        """Divide the work.

        :param speak: makes the clips of the utterances ``[start, stop)``.
        """
        import numpy as np

        self._files, self._utterances, self._speak = files, utterances, speak
        self._kept = set(example_ids([utterance.id for utterance in utterances]))
        ones = np.ones(len(utterances), np.int64)
        self._shared = SharedWork(divide_rows(ones, _LEAST_CLIPS, _MOST_CLIPS), parts)

    def run(self) -> None:
        """Speak and transcribe this rank's work units, then help with those still missing."""
        self._shared.run(self._evaluate_unit, write_parquet, what="transcribing", counted="utterances")

    def results(self) -> tuple[list[EvaluatedUtterance], list[dict[str, Any]], dict[str, float]]:
        """All utterances in their order, further measures of each, and the wall time summed over ranks."""
        import numpy as np

        found: list[EvaluatedUtterance] = []
        columns: list[dict[str, Any]] = []
        seconds: dict[str, float] = {}
        for path in self._shared.paths:
            table = read_parquet(path)
            for name, value in json.loads(table.schema.metadata[_SECONDS]).items():
                seconds[name] = seconds.get(name, 0.0) + value
            for row in table.to_pylist():
                reference = self._utterances[len(found)].text or ""
                said, recognised = normalise(reference), normalise(row["transcript"])
                recording = row["recording"]
                found.append(
                    EvaluatedUtterance(
                        id=row["id"],
                        reference=reference,
                        transcript=row["transcript"],
                        seconds=row["seconds"],
                        words=count_errors(said, recognised, "words"),
                        characters=count_errors(said, recognised, "characters"),
                        recording_T=np.frombuffer(recording, np.float32) if recording is not None else None,
                    )
                )
                columns.append(json.loads(row["columns"]))
        return found, columns, seconds

    def _evaluate_unit(self, unit: WorkUnit) -> pa.Table:
        import numpy as np
        import pyarrow as pa

        spoken = self._speak(unit)
        rows = [
            {
                "id": utterance.id,
                "transcript": self._evaluator.transcribe(wave_T) if len(wave_T) else "",
                "seconds": len(wave_T) / SAMPLE_RATE,
                "recording": wave_T.astype(np.float32).tobytes() if self._keeps(utterance, wave_T) else None,
                "columns": json.dumps(more, allow_nan=False),
            }
            for utterance, wave_T, more in zip(
                self._utterances[unit.start : unit.stop], spoken.waves, spoken.columns, strict=True
            )
        ]
        text = pa.string()
        kinds = {"id": text, "transcript": text, "seconds": pa.float64(), "recording": pa.binary(), "columns": text}
        schema = pa.schema(list(kinds.items()), {_SECONDS: json.dumps(dict(spoken.seconds))})
        return pa.Table.from_pylist(rows, schema=schema)

    def _keeps(self, utterance: Utterance, wave_T: NDArray[np.float32]) -> bool:
        return utterance.id in self._kept and len(wave_T) > 0

    @cached_property
    def _evaluator(self) -> AsrEvaluator:
        return AsrEvaluator(self._files)


def rates(evaluated: Sequence[EvaluatedUtterance]) -> dict[str, Any]:
    """Character and word error rate with intervals, and the worst utterances."""
    cer, wer = rate([each.characters for each in evaluated]), rate([each.words for each in evaluated])
    worst = sorted(evaluated, key=lambda each: (-each.characters.total, each.id))[:WORST]
    return {
        "n": len(evaluated),
        "n_characters": sum(each.characters.length for each in evaluated),
        "n_words": sum(each.words.length for each in evaluated),
        "audio_s": sum(each.seconds for each in evaluated),
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


def item(each: EvaluatedUtterance) -> dict[str, Any]:
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
