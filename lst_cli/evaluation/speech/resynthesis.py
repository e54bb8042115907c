"""ASR error rates of the recordings of a corpus, and of audio resynthesised from their own speech tokens.

Legend: U units, T samples at 16 kHz.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lst_cli.artifacts import Artifact
from lst_cli.audio.decode import read_utterance, resample
from lst_cli.distributed.row_units import WorkUnit
from lst_cli.evaluation.speech.asr_evaluator import EvaluatorFiles
from lst_cli.evaluation.speech.references import ScorableUtterances
from lst_cli.evaluation.speech.speech_evaluation import SpokenClips
from lst_cli.evaluation.speech.speech_quality import Extras, Listener, quality_figures
from lst_cli.evaluation.speech.speech_results import SpeechStage
from lst_cli.inference.speech_tokens import read_units
from lst_cli.vocoder.speaking import load_vocoder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lst_cli.vocoder.speaking import Vocoder


def original_stage(corpus: Artifact, evaluator: EvaluatorFiles) -> SpeechStage:
    """Score the original recordings."""
    found = ScorableUtterances.of(corpus)

    def speak(unit: WorkUnit) -> SpokenClips:
        utterances = found.utterances[unit.start : unit.stop]
        return SpokenClips(waves=[read_utterance(each) for each in utterances], columns=[{} for _ in utterances])

    return SpeechStage(found=found, evaluator=evaluator, speak=speak)


def resynthesis_stage(
    config: Mapping[str, Any], parents: Mapping[str, Artifact], evaluator: EvaluatorFiles, device: str, extras: Extras
) -> SpeechStage:
    """Score audio that a vocoder resynthesised from a corpus's own speech tokens.

    :param config: of the request; names the speaker.
    :param parents: ``vocoder``, ``tokens`` of its units, ``corpus`` and ``original``, the scores of the recordings.
    :param device: as torch names it.
    """
    tokens = parents["tokens"]
    units = read_units(tokens)
    missing = f"no speech tokens in {tokens.reference}"
    found = ScorableUtterances.of(parents["corpus"], lambda each: None if each.id in units else missing)
    voice = VocoderVoice(load_vocoder(parents["vocoder"], device), config["speaker"])
    listener = Listener(extras, device)

    def speak(unit: WorkUnit) -> SpokenClips:
        utterances = found.utterances[unit.start : unit.stop]
        waves, seconds = voice.all([units[utterance.id] for utterance in utterances])
        return SpokenClips(waves=waves, columns=listener.measure(utterances, waves), seconds={"vocoder_s": seconds})

    def figures(columns: Sequence[Mapping[str, Any]], seconds: Mapping[str, float], audio_s: float) -> dict[str, Any]:
        factor = seconds["vocoder_s"] / max(1e-9, audio_s)
        return {"vocoder_real_time_factor": factor, **quality_figures(extras, columns)}

    return SpeechStage(found=found, evaluator=evaluator, speak=speak, figures=figures)


class VocoderVoice:
    """A vocoder's audio at the sample rate of the ASR evaluator, and the time it took."""

    def __init__(self, vocoder: Vocoder, speaker: str | None) -> None:
        self._vocoder = vocoder
        self._speaker = speaker
        self.seconds = 0.0
        """Wall time of all that was spoken."""

    def speak(self, clips: Iterable[NDArray[np.integer]]) -> Iterator[NDArray[np.float32]]:
        """Samples [T] at 16 kHz of each clip of units [U], one by one.

        :raises UserError: a speaker or a unit that the vocoder has not.
        """
        for units_U in clips:
            start = time.monotonic()
            wave_T = self._vocoder.speak(units_U, self._speaker)
            spoken_T = resample(wave_T, self._vocoder.sample_rate) if len(wave_T) else wave_T
            self.seconds += time.monotonic() - start
            yield spoken_T

    def all(self, clips: Iterable[NDArray[np.integer]]) -> tuple[list[NDArray[np.float32]], float]:
        """The samples of all clips, and the wall time they took."""
        before = self.seconds
        return list(self.speak(clips)), self.seconds - before
