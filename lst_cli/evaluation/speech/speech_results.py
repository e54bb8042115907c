"""The result of a speech evaluation: error rates, every utterance, and a few recordings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lst_cli.artifacts import Artifact, Draft, Kind
from lst_cli.evaluation.scores import model_entry, read_scores, write_scores

if TYPE_CHECKING:
    from pathlib import Path

    from lst_cli.distributed.row_units import WorkUnit
    from lst_cli.distributed.shared_work import SharedParts
    from lst_cli.evaluation.speech.asr_evaluator import EvaluatorFiles
    from lst_cli.evaluation.speech.references import ScorableUtterances
    from lst_cli.evaluation.speech.speech_evaluation import EvaluatedUtterance, SharedEvaluation, SpokenClips

TRANSCRIPTS = Kind("transcripts", 1)
"""ASR transcripts of a corpus, or of its audio resynthesised by a vocoder: ``scores.json``, ``items.parquet`` and a
few recordings, as in ``scores``."""

AUDIO_FOLDER = "audio"

_NOTED = ("n", "unit_error_rate", "real_time_factor")


@dataclass(frozen=True, kw_only=True)
class SpeechStage:
    """Clips that any number of ranks speak for the texts of a corpus, and score by ASR."""

    found: ScorableUtterances
    evaluator: EvaluatorFiles
    speak: Callable[[WorkUnit], SpokenClips]
    """Makes the clips of a work unit of the utterances."""
    figures: Callable[[Sequence[Mapping[str, Any]], Mapping[str, float], float], dict[str, Any]] = lambda *_: {}
    """Figures over all clips, given the columns of each, the wall time and the seconds of audio."""

    def share(self, parts: SharedParts) -> None:
        """The work of a rank other than 0: speak and transcribe until nothing is missing."""
        self._work(parts).run()

    def make(
        self,
        draft: Draft,
        parts: SharedParts,
        config: Mapping[str, Any],
        parents: Mapping[str, Artifact],
        max_rejects: float,
    ) -> None:
        """Fill a draft.

        :param config: of the request.
        :param parents: by role; each is named in the result, ``original`` with its rates.
        :raises UserError: too many utterances can't be scored.
        """
        self.found.check(draft, max_rejects)
        work = self._work(parts)
        work.run()
        evaluated, columns, seconds = work.results()
        figures = self.figures(columns, seconds, sum(each.seconds for each in evaluated))
        write_evaluation(draft, config, parents, evaluated, figures, columns)

    def _work(self, parts: SharedParts) -> SharedEvaluation:
        from lst_cli.evaluation.speech.speech_evaluation import SharedEvaluation

        return SharedEvaluation(self.evaluator, self.found.utterances, self.speak, parts)


def write_evaluation(
    draft: Draft,
    config: Mapping[str, Any],
    parents: Mapping[str, Artifact],
    evaluated: Sequence[EvaluatedUtterance],
    figures: Mapping[str, Any] | None = None,
    columns: Sequence[Mapping[str, Any]] | None = None,
) -> None:
    """Write transcripts and their error rates.

    :param config: of the request.
    :param parents: by role; each is named in the result, ``original`` with its rates.
    :param evaluated: at least one utterance.
    :param figures: further measures over all utterances.
    :param columns: further measures of each utterance, in the order of ``evaluated``.
    """
    import pyarrow as pa

    from lst_cli.evaluation.speech.speech_evaluation import item, rates

    result = {
        **config,
        **_named(parents),
        **rates(evaluated),
        **(figures or {}),
        "audio": _keep_audio(draft.path, evaluated),
    }
    more: Sequence[Mapping[str, Any]] = columns if columns is not None else [{}] * len(evaluated)
    rows = [{**item(each), **also} for each, also in zip(evaluated, more, strict=True)]
    write_scores(draft, result, pa.Table.from_pylist(rows))
    draft.statistics.update(
        cer=result["character_errors"]["value"],
        wer=result["word_errors"]["value"],
        speech_s=result["audio_s"],
        **{key: result[key] for key in _NOTED if key in result},
    )


def _named(parents: Mapping[str, Artifact]) -> dict[str, Any]:
    """The evaluated artifacts, and the error rates of the original audio."""
    entries: dict[str, Any] = {role: parent.reference for role, parent in parents.items()}
    if "model" in parents:
        entries["model"] = model_entry(parents["model"])
    if "original" in parents:
        floor = read_scores(parents["original"])
        entries["original"] = {
            "reference": parents["original"].reference,
            **{key: floor[key] for key in ("character_errors", "word_errors", "n")},
        }
    return entries


def _keep_audio(folder: Path, evaluated: Sequence[EvaluatedUtterance]) -> dict[str, str]:
    """Write the kept recordings as FLAC; the file of each id, relative to ``folder``."""
    import soundfile

    from lst_cli.artifacts.parquet import atomic_path
    from lst_cli.units.frames import SAMPLE_RATE

    files: dict[str, str] = {}
    for each in evaluated:
        if each.recording_T is not None:
            files[each.id] = f"{AUDIO_FOLDER}/{len(files):02d}.flac"
            with atomic_path(folder / files[each.id]) as temporary:
                soundfile.write(temporary, each.recording_T, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return files
