"""ASR error rates of the recordings of a corpus, and of audio resynthesised from their own speech tokens.

Legend: U units, T samples at 16 kHz.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lst_cli.artifacts import Artifact, Draft
from lst_cli.audio.decode import read_utterance, resample
from lst_cli.distributed.device import pick_device
from lst_cli.evaluation.speech.asr_evaluator import JudgeFiles
from lst_cli.evaluation.speech.judged_results import write_judged
from lst_cli.evaluation.speech.judged_speech import judge_speech
from lst_cli.evaluation.speech.references import with_words
from lst_cli.evaluation.speech.speech_quality import Extras, Listener
from lst_cli.inference.speech_tokens import read_units
from lst_cli.vocoder.speaking import load_vocoder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lst_cli.vocoder.speaking import Vocoder


def make_original(
    draft: Draft, config: Mapping[str, Any], corpus: Artifact, judge: JudgeFiles, max_rejects: float
) -> None:
    """Score the original recordings.

    :raises UserError: too many utterances have no words in their transcript.
    """
    utterances = with_words(draft, corpus, max_rejects)
    judged = judge_speech(judge, utterances, (read_utterance(utterance) for utterance in utterances))
    write_judged(draft, config, {"corpus": corpus}, judged)


def make_resynthesis(
    draft: Draft,
    config: Mapping[str, Any],
    parents: Mapping[str, Artifact],
    judge: JudgeFiles,
    max_rejects: float,
    device: str,
    extras: Extras,
) -> None:
    """Score audio that a vocoder resynthesised from a corpus's own speech tokens.

    :param config: of the request; names the speaker.
    :param parents: ``vocoder``, ``tokens`` of its units, ``corpus`` and ``original``, the scores of the recordings.
    :raises UserError: too many utterances without tokens or words.
    """
    tokens = parents["tokens"]
    units = read_units(tokens)
    missing = f"no speech tokens in {tokens.reference}"
    utterances = with_words(draft, parents["corpus"], max_rejects, lambda each: None if each.id in units else missing)
    voice = VocoderVoice(load_vocoder(parents["vocoder"], pick_device(device)), config["speaker"])
    listener = Listener(extras, pick_device(device))
    spoken = voice.speak(units[utterance.id] for utterance in utterances)
    judged = judge_speech(judge, utterances, listener.passing(utterances, spoken))
    audio_s = max(1e-9, sum(each.seconds for each in judged))
    figures = {"vocoder_real_time_factor": voice.seconds / audio_s, **listener.figures()}
    write_judged(draft, config, parents, judged, figures, listener.columns)


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
