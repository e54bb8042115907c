"""``lst eval tts``: what a model says for texts, judged by a recogniser (Lu et al. 2025, section 5).

Legend: U units, T samples at 16 kHz.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lst_cli.artifacts import Artifact, Draft
from lst_cli.audio.corpus_artifact import Utterance
from lst_cli.console import progress
from lst_cli.distributed.device import pick_device
from lst_cli.errors import UserError
from lst_cli.evaluation.speech.asr_evaluator import JudgeFiles
from lst_cli.evaluation.speech.judged_results import write_judged
from lst_cli.evaluation.speech.judged_speech import judge_speech
from lst_cli.evaluation.speech.references import with_words
from lst_cli.evaluation.speech.resynthesis import VocoderVoice
from lst_cli.evaluation.speech.speech_quality import Extras, Listener
from lst_cli.inference.sampling import Sampling
from lst_cli.inference.speech_generation import GeneratedSpeech, joined, sentences, speak_texts, speakable
from lst_cli.model_artifact.card import LoadedModel, load_model
from lst_cli.units.frames import SAMPLE_RATE
from lst_cli.units.quantizer.quantize import Quantizer, tokenize_waveforms
from lst_cli.vocoder.speaking import load_vocoder

if TYPE_CHECKING:
    from numpy.typing import NDArray


def make_tts(
    draft: Draft,
    config: Mapping[str, Any],
    parents: Mapping[str, Artifact],
    judge: JudgeFiles,
    rows: int,
    max_rejects: float,
    device: str,
    extras: Extras,
) -> None:
    """Speak the texts of a corpus and judge what was said.

    :param config: of the request; names the speaker, what is asked for at once, the sampling and the precision.
    :param parents: ``model``, ``vocoder`` of its units, ``corpus`` and ``original``, the scores of the recordings.
    :param rows: texts spoken side by side.
    :raises UserError: too many utterances whose text the model can't read.
    """
    loaded = load_model(parents["model"], pick_device(device), config["precision"])
    voice = VocoderVoice(load_vocoder(parents["vocoder"], pick_device(device)), config["speaker"])
    utterances = with_words(draft, parents["corpus"], max_rejects, _unreadable(loaded))
    start = time.monotonic()
    said = _say(loaded, [utterance.text or "" for utterance in utterances], config, rows)
    generating = time.monotonic() - start
    waves = list(voice.speak(each.units for each in said))
    listener = Listener(extras, pick_device(device))
    judged = judge_speech(judge, utterances, listener.passing(utterances, waves))
    differing = _unit_errors(loaded, said, waves)
    timing = {
        "generating_s": generating,
        "vocoder_s": voice.seconds,
        "real_time_factor": (generating + voice.seconds) / max(1e-9, sum(map(len, waves)) / SAMPLE_RATE),
    }
    figures = {**_figures(said, differing), **timing, **listener.figures()}
    measured = zip(said, differing, listener.columns, strict=True)
    columns = [{**_columns(each, errors), **more} for each, errors, more in measured]
    write_judged(draft, config, parents, judged, figures, columns)


def _unreadable(loaded: LoadedModel) -> Callable[[Utterance], str | None]:
    """Why a model can't read an utterance's text; None where it can."""

    def problem(utterance: Utterance) -> str | None:
        try:
            speakable(loaded.tokenizer, utterance.text or "", drop=False)
        except UserError as error:
            return str(error)
        return None

    return problem


def _say(loaded: LoadedModel, texts: Sequence[str], config: Mapping[str, Any], rows: int) -> list[GeneratedSpeech]:
    """What the model says for each text, asked for at once or sentence by sentence."""
    sampling = Sampling(temperature=config["temperature"], top_p=config["top_p"], seed=config["seed"])
    parts = [sentences(text) if config["by"] == "sentence" else [text] for text in texts]
    asked = [part for of_text in parts for part in of_text]
    with progress("speaking", len(asked), f"{config['by']}s") as bar:
        said = iter(speak_texts(loaded, asked, sampling, rows=rows, on_done=lambda index, said: bar.advance()))
    return [joined([next(said) for _ in of_text]) for of_text in parts]


def _unit_errors(
    loaded: LoadedModel, said: Sequence[GeneratedSpeech], waves: Sequence[NDArray[np.float32]]
) -> list[int]:
    """Units of each utterance that are others when the audio is tokenized again, frame by frame."""
    quantizer = Quantizer.load(loaded.quantizer_file, loaded.device.type)
    spoken = [index for index, wave_T in enumerate(waves) if len(wave_T)]
    again = dict(zip(spoken, tokenize_waveforms(quantizer, [waves[index] for index in spoken]), strict=True))
    found = []
    for index, each in enumerate(said):
        other_U = again.get(index, np.zeros(0, np.uint16))
        length = min(len(other_U), len(each.units))
        found.append(int((other_U[:length] != each.units[:length]).sum()) + len(each.units) - length)
    return found


def _figures(said: Sequence[GeneratedSpeech], differing: Sequence[int]) -> dict[str, Any]:
    """Sums over all that was said; positions are those of the global transformer."""
    units = sum(len(each.units) for each in said)
    return {
        "unit_error_rate": sum(differing) / max(1, units),
        "not_ended": sum(not each.ended for each in said),
        "text_pieces": sum(each.pieces for each in said),
        "speech_tokens": units,
        "context_positions": sum(each.context_positions for each in said),
        "generation_positions": sum(each.new_positions for each in said),
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
