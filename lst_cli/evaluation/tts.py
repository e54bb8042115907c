"""``lst eval tts`` and ``lst eval vocoder``: spoken answers, judged by a recogniser (Lu et al. 2025, section 5).

Legend: U units, T samples at 16 kHz.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lst_cli.artifacts import Artifact, Draft
from lst_cli.audio.corpus import Corpus, Utterance
from lst_cli.audio.decode import read_utterance
from lst_cli.console import progress
from lst_cli.errors import UserError
from lst_cli.evaluation import heard as hearing
from lst_cli.evaluation.error_rates import normalise
from lst_cli.evaluation.judge import Judge, JudgeFiles
from lst_cli.evaluation.scores import model_entry, read_scores, write_scores
from lst_cli.inference.devices import pick_device
from lst_cli.inference.sampling import Sampling
from lst_cli.inference.speak import Said, joined, sentences, speak_texts, speakable
from lst_cli.inference.speech_tokens import read_units
from lst_cli.training.model_artifact import LoadedModel, load_model
from lst_cli.units.frames import SAMPLE_RATE
from lst_cli.units.quantizer import Quantizer, tokenize_waveforms
from lst_cli.vocoder.files import check_quantizer, quantizer_of
from lst_cli.vocoder.vocoder import Vocoder, load_vocoder

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray


def make_floor(
    draft: Draft, config: Mapping[str, Any], corpus: Artifact, judge: JudgeFiles, max_rejects: float
) -> None:
    """What the judge hears in the original recordings."""
    utterances = _spoken_texts(draft, corpus, max_rejects)
    waves = ((u.id, u.text or "", read_utterance(u)) for u in utterances)
    heard = hearing.hear(Judge(judge), waves, len(utterances))
    kept = {u.id: read_utterance(u) for u in utterances if u.id in hearing.example_ids([u.id for u in utterances])}
    result = {**config, "corpus": corpus.reference, **hearing.rates(heard)}
    result["audio"] = hearing.keep_audio(draft.path, kept)
    write_scores(draft, result, _table([hearing.item(each) for each in heard]))
    _note(draft, result)


def make_resynthesis(
    draft: Draft,
    config: Mapping[str, Any],
    parents: Mapping[str, Artifact],
    judge: JudgeFiles,
    max_rejects: float,
    device: str,
) -> None:
    """What the judge hears in audio that a vocoder made of a corpus's own speech tokens.

    :param parents: ``vocoder``, ``tokens``, ``corpus`` and ``original``, the judge's transcripts of the corpus.
    """
    tokens, corpus = parents["tokens"], parents["corpus"]
    check_quantizer(parents["vocoder"], quantizer_of(tokens).fingerprint, tokens.reference)
    units = read_units(tokens)
    utterances = _spoken_texts(draft, corpus, max_rejects, known=set(units), tokens=tokens)
    vocoder = load_vocoder(parents["vocoder"], pick_device(device))
    start = time.monotonic()
    waves = {u.id: _at_16k(vocoder.speak(units[u.id], config["speaker"]), vocoder) for u in utterances}
    seconds = time.monotonic() - start
    heard = hearing.hear(Judge(judge), ((u.id, u.text or "", waves[u.id]) for u in utterances), len(utterances))
    result = {
        **config,
        "corpus": corpus.reference,
        "tokens": tokens.reference,
        "vocoder": parents["vocoder"].reference,
        **hearing.rates(heard),
        "original": _floor(parents["original"]),
        "vocoder_real_time_factor": seconds / max(1e-9, sum(len(w) for w in waves.values()) / SAMPLE_RATE),
    }
    result["audio"] = hearing.keep_audio(
        draft.path, {name: waves[name] for name in hearing.example_ids([u.id for u in utterances])}
    )
    write_scores(draft, result, _table([hearing.item(each) for each in heard]))
    _note(draft, result)


def make_tts(
    draft: Draft,
    config: Mapping[str, Any],
    parents: Mapping[str, Artifact],
    judge: JudgeFiles,
    rows: int,
    max_rejects: float,
    device: str,
) -> None:
    """Speak the texts of a corpus and judge what was said.

    :param parents: ``model``, ``vocoder``, ``corpus`` and ``original``, the judge's transcripts of the corpus.
    :param rows: texts spoken side by side.
    :raises UserError: too many utterances whose text the model can't read.
    """
    model = parents["model"]
    loaded = load_model(model, pick_device(device), config["precision"])
    check_quantizer(parents["vocoder"], loaded.card.quantizer["fingerprint"], model.reference)
    vocoder = load_vocoder(parents["vocoder"], pick_device(device))
    utterances = _spoken_texts(draft, parents["corpus"], max_rejects, loaded=loaded)
    start = time.monotonic()
    said = _say(loaded, [u.text or "" for u in utterances], config, rows)
    generating = time.monotonic() - start
    waves = [_at_16k(vocoder.speak(each.units, config["speaker"]), vocoder) for each in said]
    voicing = time.monotonic() - start - generating
    clips = [(u.id, u.text or "", wave_T) for u, wave_T in zip(utterances, waves, strict=True)]
    heard = hearing.hear(Judge(judge), clips, len(clips))
    differing = _unit_errors(loaded, said, waves)
    audio_s = max(1e-9, sum(len(wave_T) for wave_T in waves) / SAMPLE_RATE)
    units = sum(len(each.units) for each in said)
    result = {
        **config,
        "model": model_entry(model),
        "vocoder": parents["vocoder"].reference,
        "corpus": parents["corpus"].reference,
        **hearing.rates(heard),
        "original": _floor(parents["original"]),
        "unit_error_rate": sum(differing) / max(1, units),
        "not_ended": sum(not each.ended for each in said),
        "text_pieces": sum(each.pieces for each in said),
        "speech_tokens": units,
        "context_positions": sum(each.context_positions for each in said),
        "generation_positions": sum(each.new_positions for each in said),
        "generating_s": generating,
        "vocoder_s": voicing,
        "real_time_factor": (generating + voicing) / audio_s,
    }
    kept = hearing.example_ids([name for name, _, _ in clips])
    result["audio"] = hearing.keep_audio(draft.path, {name: wave_T for name, _, wave_T in clips if name in kept})
    write_scores(draft, result, _tts_table(heard, said, differing))
    _note(draft, result)


def _spoken_texts(
    draft: Draft,
    corpus: Artifact,
    max_rejects: float,
    *,
    known: set[str] | None = None,
    tokens: Artifact | None = None,
    loaded: LoadedModel | None = None,
) -> list[Utterance]:
    """The utterances that can be judged; the others are rejected."""
    utterances = list(Corpus(corpus))
    kept = []
    for utterance in utterances:
        reason = None
        if not normalise(utterance.text or ""):
            reason = "no words in the transcript"
        elif known is not None and utterance.id not in known:
            reason = f"no speech tokens in {tokens.reference if tokens is not None else 'the tokens'}"
        elif loaded is not None:
            try:
                speakable(loaded.tokenizer, utterance.text or "", drop=False)
            except UserError as error:
                reason = str(error)
        if reason is None:
            kept.append(utterance)
        else:
            draft.reject(utterance.id, reason)
    draft.check_rejects(len(utterances), max_rejects)
    return kept


def _say(loaded: LoadedModel, texts: Sequence[str], config: Mapping[str, Any], rows: int) -> list[Said]:
    """What the model says for each text, asked for at once or sentence by sentence."""
    sampling = Sampling(temperature=config["temperature"], top_p=config["top_p"], seed=config["seed"])
    parts = [sentences(text) if config["by"] == "sentence" else [text] for text in texts]
    asked = [part for of_text in parts for part in of_text]
    with progress("speaking", len(asked), f"{config['by']}s") as bar:
        said = iter(speak_texts(loaded, asked, sampling, rows=rows, on_done=lambda index, said: bar.advance()))
    return [joined([next(said) for _ in of_text]) for of_text in parts]


def _at_16k(wave_T: NDArray[np.float32], vocoder: Vocoder) -> NDArray[np.float32]:
    from lst_cli.audio.decode import resample

    return resample(wave_T, vocoder.sample_rate) if len(wave_T) else wave_T


def _unit_errors(
    loaded: LoadedModel, said: Sequence[Said], waves: Sequence[NDArray[np.float32]]
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


def _floor(original: Artifact) -> dict[str, Any]:
    result = read_scores(original)
    return {"reference": original.reference, **{key: result[key] for key in ("character_errors", "word_errors", "n")}}


def _tts_table(heard: Sequence[hearing.Heard], said: Sequence[Said], differing: Sequence[int]) -> pa.Table:
    return _table(
        [
            {
                **hearing.item(each),
                "pieces": spoken.pieces,
                "units": len(spoken.units),
                "unit_errors": errors,
                "ended": spoken.ended,
                "log_prob": spoken.log_prob,
                "context_positions": spoken.context_positions,
                "generation_positions": spoken.new_positions,
            }
            for each, spoken, errors in zip(heard, said, differing, strict=True)
        ]
    )


def _table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_pylist(list(rows))


def _note(draft: Draft, result: Mapping[str, Any]) -> None:
    draft.statistics.update(
        cer=result["character_errors"]["value"],
        wer=result["word_errors"]["value"],
        n=result["n"],
        speech_s=result["audio_s"],
        **{key: result[key] for key in ("unit_error_rate", "real_time_factor") if key in result},
    )


