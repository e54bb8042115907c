"""``lst eval continuation``: spoken continuations, as text: generative perplexity and auto-BLEU.

A prompt is the start of an utterance. The model continues it in speech, a vocoder speaks the continuation, an ASR
evaluator transcribes it, and a language model of text scores the transcript (Lakhotia et al. 2021, section 4.2). The
same is done with the rest of the utterance itself: no model of these units, vocoder and evaluator can be expected to do
better.

Legend: U units, T samples at 16 kHz.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lst_cli.artifacts import Artifact, Draft
from lst_cli.console import progress
from lst_cli.distributed.device import pick_device
from lst_cli.errors import UserError
from lst_cli.evaluation.error_rates import normalise
from lst_cli.evaluation.metrics import bootstrap_mean
from lst_cli.evaluation.scores import model_entry, spoken_corpus, write_scores
from lst_cli.evaluation.speech.asr_evaluator import AsrEvaluator, EvaluatorFiles
from lst_cli.evaluation.speech.auto_bleu import ORDERS, auto_bleu, repeated_share
from lst_cli.evaluation.speech.resynthesis import VocoderVoice
from lst_cli.evaluation.speech.speech_quality import ORIGINAL
from lst_cli.evaluation.speech.text_lm import TextLm, TextLmFiles
from lst_cli.hashing import mix, text_id
from lst_cli.inference.generate import Continuation, Prompt, generate
from lst_cli.inference.prompts import make_prompt
from lst_cli.inference.sampling import Sampling
from lst_cli.inference.speech_tokens import check_quantizer, read_units
from lst_cli.model_artifact.card import LoadedModel, load_model
from lst_cli.units.frames import RATE_HZ, SAMPLE_RATE
from lst_cli.vocoder.speaking import load_vocoder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Units = Mapping[str, NDArray[np.integer]]


@dataclass(frozen=True, kw_only=True)
class TranscribedSpeech:
    """One continuation as text."""

    transcript: str
    nll: float
    """Negative log-likelihood of the transcript under the language model, in nats; 0 without scored tokens."""
    tokens: int
    """Tokens of the language model that were scored."""
    seconds: float
    """Length of the audio."""

    @property
    def words(self) -> list[str]:
        """The transcript in normal form."""
        return normalise(self.transcript).split()


def make_continuation(
    draft: Draft,
    config: Mapping[str, Any],
    parents: Mapping[str, Artifact],
    evaluator: EvaluatorFiles,
    lm: TextLmFiles,
    rows: int,
    device: str,
) -> None:
    """Continue utterances and score the transcripts.

    :param config: of the request; names the lengths of prompt and continuation, the sampling, the speaker.
    :param parents: ``model``, ``tokens`` and ``vocoder``.
    :param rows: prompts continued in one batch.
    :raises UserError: no utterance is long enough.
    """
    where = pick_device(device)
    loaded = load_model(parents["model"], where, config["precision"])
    check_quantizer(parents["tokens"], loaded.card.quantizer["fingerprint"], parents["model"].reference)
    units = read_units(parents["tokens"])
    prompt, longest = (round(config[key] * RATE_HZ) for key in ("prompt_seconds", "seconds"))
    ids = choose_prompts(units, prompt, config["utterances"], parents["tokens"].reference)
    start = time.monotonic()
    found = _continue(loaded, {name: units[name][:prompt] for name in ids}, longest, config, rows)
    generating = time.monotonic() - start
    generated = {name: _units(loaded, each)[:longest] for name, each in found.items()}
    own = {name: units[name][prompt : prompt + longest] for name in ids}
    if config["with_prompt"]:
        generated, own = ({name: np.r_[units[name][:prompt], each[name]] for name in ids} for each in (generated, own))
    voice = VocoderVoice(load_vocoder(parents["vocoder"], where), config["speaker"])
    listener = _Listener(voice, evaluator, lm, where)
    said = [listener.transcribe("continuations", generated), listener.transcribe("originals", own)]
    result = {
        **config,
        "model": model_entry(parents["model"]),
        **{role: parents[role].reference for role in ("tokens", "vocoder")},
        "spoken": spoken_corpus(parents["tokens"]),
        "n": len(ids),
        "too_short": sum(len(each) < 2 * prompt for each in units.values()),
        "ended": sum(each.ended for each in found.values()),
        **summarise(said[0]),
        "original": summarise(said[1]),
    }
    write_scores(draft, result, _items(ids, generated, [found[name] for name in ids], *said))
    draft.statistics.update({key: result[key]["value"] for key in ("perplexity", "auto_bleu") if result[key]})
    draft.statistics.update(n=len(ids), generating_s=generating)


def choose_prompts(units: Units, prompt: int, most: int, source: str) -> list[str]:
    """The utterances to continue: at least twice as long as the prompt, drawn by a hash of their ids.

    :param prompt: units of a prompt.
    :param most: utterances to choose; 0 for all.
    :param source: the name of the tokens in errors.
    :raises UserError: none is long enough.
    """
    long = [name for name, units_U in units.items() if len(units_U) >= 2 * prompt]
    if not long:
        raise UserError(
            f"{source}: no utterance is long enough",
            found=f"{len(units)} utterances, the longest of {max(map(len, units.values()), default=0) / RATE_HZ:.1f} s",
            expected=f"{2 * prompt / RATE_HZ:.1f} s, twice the prompt",
            fix="shorten the prompts with --prompt-seconds, or give tokens of longer recordings",
        )
    drawn = set(sorted(long, key=lambda name: int(mix(0, text_id(name))))[: most or len(long)])
    return [name for name in long if name in drawn]


def _continue(
    loaded: LoadedModel, starts: Units, longest: int, config: Mapping[str, Any], rows: int
) -> dict[str, Continuation]:
    """The continuation of each start, by id; the draws depend on the id, not on the other utterances."""
    sampling = Sampling(**{key: config[key] for key in ("temperature", "top_k", "top_p", "repetition_penalty", "seed")})
    prompts: list[Prompt] = [
        make_prompt(loaded, start_U, "speech", longest, text_id(name)) for name, start_U in starts.items()
    ]
    with progress("continuing", len(prompts), "prompts") as bar:
        found = generate(loaded, prompts, "speech", sampling, rows=rows, on_done=lambda index, said: bar.advance())
    return dict(zip(starts, found, strict=True))


def _units(loaded: LoadedModel, continuation: Continuation) -> NDArray[np.uint16]:
    return loaded.speech.decode(np.array(continuation.tokens, dtype=np.int32))


class _Listener:
    """Vocoder, ASR evaluator and language model in a row."""

    def __init__(self, voice: VocoderVoice, evaluator: EvaluatorFiles, lm: TextLmFiles, device: str) -> None:
        self._voice, self._evaluator, self._lm = voice, AsrEvaluator(evaluator), TextLm(lm, device)

    def transcribe(self, label: str, clips: Units) -> list[TranscribedSpeech]:
        """The transcript of each clip of units and its likelihood, in the clips' order."""
        found = []
        with progress(f"transcribing {label}", len(clips), "clips") as bar:
            for wave_T in self._voice.speak(clips.values()):
                transcript = self._evaluator.transcribe(wave_T) if len(wave_T) else ""
                nll, tokens = self._lm.score(transcript) if normalise(transcript) else (0.0, 0)
                seconds = len(wave_T) / SAMPLE_RATE
                found.append(TranscribedSpeech(transcript=transcript, nll=nll, tokens=tokens, seconds=seconds))
                bar.advance()
        return found


def summarise(said: Sequence[TranscribedSpeech]) -> dict[str, Any]:
    """Perplexity and auto-BLEU over all continuations, with 95% bootstrap intervals over them.

    ``perplexity`` is the exponential of the mean over utterances of the mean negative log-likelihood per token;
    ``perplexity_of_tokens`` that of the mean over all tokens. Transcripts without a scored token are in neither; they
    are counted in ``without_text``. ``auto_bleu`` is the mean over utterances with words.
    """
    scored = [each for each in said if each.tokens]
    worded = [each.words for each in said if each.words]
    tokens = sum(each.tokens for each in scored)
    return {
        "perplexity": _perplexity([each.nll / each.tokens for each in scored]),
        "perplexity_of_tokens": math.exp(sum(each.nll for each in scored) / tokens) if tokens else None,
        "auto_bleu": _mean([auto_bleu(words) for words in worded]),
        **{f"auto_bleu_{order}": _mean([repeated_share(words, order) for words in worded]) for order in ORDERS},
        "without_text": len(said) - len(scored),
        "lm_tokens": tokens,
        "words": sum(map(len, worded)),
        "audio_s": sum(each.seconds for each in said),
    }


def _mean(values: Sequence[float]) -> dict[str, float] | None:
    return asdict(bootstrap_mean(values)) if values else None


def _perplexity(nlls: Sequence[float]) -> dict[str, float] | None:
    mean = _mean(nlls)
    return {key: math.exp(value) for key, value in mean.items()} if mean is not None else None


def _items(
    ids: Sequence[str],
    generated: Units,
    continuations: Sequence[Continuation],
    said: Sequence[TranscribedSpeech],
    original: Sequence[TranscribedSpeech],
) -> Any:
    """One row for each utterance."""
    import pyarrow as pa

    rows = [
        {
            "id": name,
            "units": generated[name].tolist(),
            "ended": continuation.ended,
            "log_prob": continuation.log_prob,
            **_columns("", of_model),
            **_columns(ORIGINAL, of_recording),
        }
        for name, continuation, of_model, of_recording in zip(ids, continuations, said, original, strict=True)
    ]
    return pa.Table.from_pylist(rows)


def _columns(prefix: str, said: TranscribedSpeech) -> dict[str, Any]:
    return {
        f"{prefix}transcript": said.transcript,
        f"{prefix}nll": said.nll,
        f"{prefix}lm_tokens": said.tokens,
        f"{prefix}auto_bleu": auto_bleu(said.words),
        f"{prefix}seconds": said.seconds,
    }
