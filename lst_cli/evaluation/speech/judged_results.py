"""The result of judged speech: rates, every utterance, and a few recordings."""

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
    from lst_cli.evaluation.speech.asr_evaluator import JudgeFiles
    from lst_cli.evaluation.speech.judged_speech import JudgedUtterance, SharedJudging, SpokenClips
    from lst_cli.evaluation.speech.references import ScorableUtterances

TRANSCRIPTS = Kind("transcripts", 1)
"""ASR transcripts of a corpus, or of its audio resynthesised by a vocoder: ``scores.json``, ``items.parquet`` and a
few recordings, as in ``scores``."""

AUDIO_FOLDER = "audio"

_NOTED = ("n", "unit_error_rate", "real_time_factor")


@dataclass(frozen=True, kw_only=True)
class JudgedStage:
    """Clips that are spoken for the texts of a corpus and judged, by any number of ranks."""

    found: ScorableUtterances
    judge: JudgeFiles
    speak: Callable[[WorkUnit], SpokenClips]
    """Makes the clips of a work unit of the utterances."""
    figures: Callable[[Sequence[Mapping[str, Any]], Mapping[str, float], float], dict[str, Any]] = lambda *_: {}
    """What is told of all clips, given the columns of each, the wall time and the seconds of audio."""

    def share(self, parts: SharedParts) -> None:
        """What a rank other than 0 does: speak and judge until nothing is missing."""
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
        judged, columns, seconds = work.judged()
        figures = self.figures(columns, seconds, sum(each.seconds for each in judged))
        write_judged(draft, config, parents, judged, figures, columns)

    def _work(self, parts: SharedParts) -> SharedJudging:
        from lst_cli.evaluation.speech.judged_speech import SharedJudging

        return SharedJudging(self.judge, self.found.utterances, self.speak, parts)


def write_judged(
    draft: Draft,
    config: Mapping[str, Any],
    parents: Mapping[str, Artifact],
    judged: Sequence[JudgedUtterance],
    figures: Mapping[str, Any] | None = None,
    columns: Sequence[Mapping[str, Any]] | None = None,
) -> None:
    """Write transcripts and their error rates.

    :param config: of the request.
    :param parents: by role; each is named in the result, ``original`` with its rates.
    :param judged: at least one utterance.
    :param figures: what else was measured over all utterances.
    :param columns: what else was measured of each utterance, in the order of ``judged``.
    """
    import pyarrow as pa

    from lst_cli.evaluation.speech.judged_speech import item, rates

    result = {**config, **_named(parents), **rates(judged), **(figures or {}), "audio": _keep_audio(draft.path, judged)}
    more: Sequence[Mapping[str, Any]] = columns if columns is not None else [{}] * len(judged)
    rows = [{**item(each), **also} for each, also in zip(judged, more, strict=True)]
    write_scores(draft, result, pa.Table.from_pylist(rows))
    draft.statistics.update(
        cer=result["character_errors"]["value"],
        wer=result["word_errors"]["value"],
        speech_s=result["audio_s"],
        **{key: result[key] for key in _NOTED if key in result},
    )


def _named(parents: Mapping[str, Artifact]) -> dict[str, Any]:
    """What was judged, and how well its original audio does."""
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


def _keep_audio(folder: Path, judged: Sequence[JudgedUtterance]) -> dict[str, str]:
    """Write the kept recordings as FLAC; the file of each id, relative to ``folder``."""
    import soundfile

    from lst_cli.artifacts.parquet import atomic_path
    from lst_cli.units.frames import SAMPLE_RATE

    files: dict[str, str] = {}
    for each in judged:
        if each.recording_T is not None:
            files[each.id] = f"{AUDIO_FOLDER}/{len(files):02d}.flac"
            with atomic_path(folder / files[each.id]) as temporary:
                soundfile.write(temporary, each.recording_T, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return files
