"""``lst eval tts``: ASR error rate of the speech that a model generates for texts (Lu et al. 2025, section 5).

Legend: U units, T samples at 16 kHz.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from lst_cli.artifacts import Artifact
from lst_cli.audio.corpus_artifact import Utterance
from lst_cli.distributed.row_units import WorkUnit
from lst_cli.errors import UserError
from lst_cli.evaluation.speech.asr_evaluator import EvaluatorFiles
from lst_cli.evaluation.speech.references import ScorableUtterances
from lst_cli.evaluation.speech.resynthesis import VocoderVoice
from lst_cli.evaluation.speech.speech_evaluation import SpokenClips
from lst_cli.evaluation.speech.speech_quality import Extras, Listener, quality_figures
from lst_cli.evaluation.speech.speech_results import SpeechStage
from lst_cli.inference.sampling import Sampling
from lst_cli.inference.speech_generation import GeneratedSpeech, joined, sentences, speak_texts, speakable
from lst_cli.model_artifact.card import LoadedModel, load_model
from lst_cli.units.quantizer.quantize import Quantizer, tokenize_waveforms
from lst_cli.vocoder.speaking import load_vocoder

if TYPE_CHECKING:
    from numpy.typing import NDArray


def tts_stage(
    config: Mapping[str, Any],
    parents: Mapping[str, Artifact],
    evaluator: EvaluatorFiles,
    rows: int,
    device: str,
    extras: Extras,
) -> SpeechStage:
    """Speak the texts of a corpus and score the ASR transcripts.

    :param config: of the request; names the speaker, the unit of a request, the sampling and the precision.
    :param parents: ``model``, ``vocoder`` of its units, ``corpus`` and ``original``, the scores of the recordings.
    :param rows: texts spoken in one batch.
    :param device: as torch names it.
    """
    loaded = load_model(parents["model"], device, config["precision"])
    found = ScorableUtterances.of(parents["corpus"], _unreadable(loaded))
    voice = VocoderVoice(load_vocoder(parents["vocoder"], device), config["speaker"])
    listener = Listener(extras, device)
    model = _Speaking(loaded, found.utterances, config, rows)

    def speak(unit: WorkUnit) -> SpokenClips:
        start = time.monotonic()
        said = model.say(unit)
        generating = time.monotonic() - start
        waves, vocoder_s = voice.all([each.units for each in said])
        differing = model.unit_errors(said, waves)
        measured = listener.measure(found.utterances[unit.start : unit.stop], waves)
        columns = [
            {**_columns(each, errors), **more} for each, errors, more in zip(said, differing, measured, strict=True)
        ]
        return SpokenClips(waves=waves, columns=columns, seconds={"generating_s": generating, "vocoder_s": vocoder_s})

    def figures(columns: Sequence[Mapping[str, Any]], seconds: Mapping[str, float], audio_s: float) -> dict[str, Any]:
        timing = {**seconds, "real_time_factor": sum(seconds.values()) / max(1e-9, audio_s)}
        return {**_figures(columns), **timing, **quality_figures(extras, columns)}

    return SpeechStage(found=found, evaluator=evaluator, speak=speak, figures=figures)


def _unreadable(loaded: LoadedModel) -> Callable[[Utterance], str | None]:
    """Why a model can't read an utterance's text; None if it can."""

    def problem(utterance: Utterance) -> str | None:
        try:
            speakable(loaded.tokenizer, utterance.text or "", drop=False)
        except UserError as error:
            return str(error)
        return None

    return problem


class _Speaking:
    """A model that speaks the texts of utterances, whole or sentence by sentence."""

    def __init__(
        self, loaded: LoadedModel, utterances: Sequence[Utterance], config: Mapping[str, Any], rows: int
    ) -> None:
        self._loaded, self._rows = loaded, rows
        self._sampling = Sampling(temperature=config["temperature"], top_p=config["top_p"], seed=config["seed"])
        texts = [utterance.text or "" for utterance in utterances]
        self._parts = [sentences(text) if config["by"] == "sentence" else [text] for text in texts]
        # Draws of the seed are counted over all texts, so they don't depend on the work units.
        self._first_keys = list(accumulate(map(len, self._parts), initial=0))

    def say(self, unit: WorkUnit) -> list[GeneratedSpeech]:
        """The model's speech for each text of a work unit."""
        parts = self._parts[unit.start : unit.stop]
        requests = [part for of_text in parts for part in of_text]
        first = self._first_keys[unit.start]
        said = iter(speak_texts(self._loaded, requests, self._sampling, rows=self._rows, first_key=first))
        return [joined([next(said) for _ in of_text]) for of_text in parts]

    def unit_errors(self, said: Sequence[GeneratedSpeech], waves: Sequence[NDArray[np.float32]]) -> list[int]:
        """Units of each utterance that are others when the audio is tokenized again, frame by frame."""
        spoken = [index for index, wave_T in enumerate(waves) if len(wave_T)]
        tokenized = tokenize_waveforms(self._quantizer, [waves[index] for index in spoken]) if spoken else []
        again = dict(zip(spoken, tokenized, strict=True))
        found = []
        for index, each in enumerate(said):
            other_U = again.get(index, np.zeros(0, np.uint16))
            length = min(len(other_U), len(each.units))
            found.append(int((other_U[:length] != each.units[:length]).sum()) + len(each.units) - length)
        return found

    @cached_property
    def _quantizer(self) -> Quantizer:
        return Quantizer.load(self._loaded.quantizer_file, str(self._loaded.device))


def _figures(columns: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Sums over all that was said; positions are those of the global transformer."""

    def total(name: str) -> int:
        return sum(row[name] for row in columns)

    units = total("units")
    return {
        "unit_error_rate": total("unit_errors") / max(1, units),
        "not_ended": len(columns) - total("ended"),
        "text_pieces": total("pieces"),
        "speech_tokens": units,
        "context_positions": total("context_positions"),
        "generation_positions": total("generation_positions"),
    }


def _columns(said: GeneratedSpeech, errors: int) -> dict[str, Any]:
    """Columns of ``items.parquet`` for one answer, in addition to its transcript."""
    return {
        "pieces": said.pieces,
        "units": len(said.units),
        "unit_errors": errors,
        "ended": said.ended,
        "log_prob": said.log_prob,
        "context_positions": said.context_positions,
        "generation_positions": said.new_positions,
    }
