"""Text to speech tokens, by a model that was fine-tuned for it (Lu et al. 2025, section 5)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lst_cli.errors import UserError
from lst_cli.inference.generate import ROWS, Continuation, Prompt, generate
from lst_cli.inference.prompts import make_prompt

if TYPE_CHECKING:
    from lst_cli.inference.sampling import Sampling
    from lst_cli.model_artifact.card import LoadedModel
    from lst_cli.text.tokenizer import TextTokenizer

LIMIT_PER_PIECE = 25
LIMIT_BESIDE = 50
"""Speech is truncated at this many tokens for each text token, plus this many: a second a token, and two more."""

_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class GeneratedSpeech:
    """A model's speech for a text."""

    units: NDArray[np.uint16]
    """Speech tokens, 25 a second."""
    pieces: int
    """Text tokens of the prompt, without markers."""
    ended: bool
    """False if the speech was truncated."""
    log_prob: float
    context_positions: int
    """Positions of the global transformer for the text."""
    new_positions: int
    """Positions of the global transformer for the speech: the generation units of Table 5."""


def joined(parts: Sequence[GeneratedSpeech]) -> GeneratedSpeech:
    """The concatenation of parts; at least one part."""
    return GeneratedSpeech(
        units=np.concatenate([part.units for part in parts]),
        pieces=sum(part.pieces for part in parts),
        ended=all(part.ended for part in parts),
        log_prob=sum(part.log_prob for part in parts),
        context_positions=sum(part.context_positions for part in parts),
        new_positions=sum(part.new_positions for part in parts),
    )


def unspeakable(tokenizer: TextTokenizer, text: str) -> list[str]:
    """The characters of a text that the model has no text token for, each once: emoji, scripts it never read."""
    found = []
    for character in dict.fromkeys(text):
        if not tokenizer.knows(character):
            found.append(character)
    return found


def speakable(tokenizer: TextTokenizer, text: str, *, drop: bool, what: str = "the text") -> str:
    """The text on one line, if the model can read it. Punctuation that it can't read has no sound and is dropped.

    :param drop: drop characters that it can't read.
    :param what: how errors call the text.
    :raises UserError: nothing can be spoken, or there are characters that the model has no text token for.
    """
    strange = unspeakable(tokenizer, text)
    sounding = [character for character in strange if not unicodedata.category(character).startswith("P")]
    if sounding and not drop:
        shown = " ".join(f"{character!r} (U+{ord(character):04X})" for character in sounding[:_SHOWN])
        raise UserError(
            f"{what}: characters that the tokenizer lacks",
            found=shown + (f" and {len(sounding) - _SHOWN} more" if len(sounding) > _SHOWN else ""),
            expected="characters in the vocabulary of the model's text tokenizer",
            fix="spell them out, or skip them with --drop-unknown",
        )
    kept = " ".join("".join(" " if character in strange else character for character in text).split())
    if not any(character.isalnum() for character in kept):
        raise UserError(
            f"{what}: nothing to speak",
            found=repr(text[:40]) if text.strip() else "an empty text",
            expected="a text with words",
        )
    return kept


def sentences(text: str) -> list[str]:
    """A text cut after ``.``, ``!`` and ``?`` where a space follows."""
    return [part for part in re.split(r"(?<=[.!?])\s+|(?<=[.!?][\"'”’)])\s+", text.strip()) if part]


def tts_prompt(loaded: LoadedModel, text: str, key: int = 0) -> Prompt:
    """The prompt for the speech of a text."""
    prompt = make_prompt(loaded, text, "speech", 0, key)
    limit = LIMIT_PER_PIECE * (len(prompt.tokens) - 2) + LIMIT_BESIDE
    return Prompt(tokens=prompt.tokens, limit=limit, key=key)


def speak_texts(
    loaded: LoadedModel,
    texts: Sequence[str],
    sampling: Sampling | None = None,
    *,
    rows: int = ROWS,
    first_key: int = 0,
    on_done: Callable[[int, GeneratedSpeech], None] | None = None,
    on_units: Callable[[int, NDArray[np.uint16]], None] | None = None,
) -> list[GeneratedSpeech]:
    """Speech tokens of texts.

    :param sampling: None takes the likeliest token each time.
    :param rows: texts spoken in one batch.
    :param first_key: the number of the first text among the draws of the seed.
    :param on_done: is called with each text's index and speech when it is complete.
    :param on_units: is called with a text's index and its next units.
    """
    prompts = [tts_prompt(loaded, text, first_key + index) for index, text in enumerate(texts)]

    def said(index: int, continuation: Continuation) -> GeneratedSpeech:
        return GeneratedSpeech(
            units=loaded.speech.decode(np.array(continuation.tokens, dtype=np.int32)),
            pieces=len(prompts[index].tokens) - 2,
            ended=continuation.ended,
            log_prob=continuation.log_prob,
            context_positions=continuation.context_positions,
            new_positions=continuation.new_positions,
        )

    def tell(index: int, continuation: Continuation) -> None:
        if on_done is not None:
            on_done(index, said(index, continuation))

    def on_new_token(index: int, token: int) -> None:
        if on_units is not None:
            on_units(index, loaded.speech.decode(np.array([token], dtype=np.int32)))

    done = generate(loaded, prompts, "speech", sampling, rows=rows, on_done=tell, on_token=on_new_token)
    return [said(index, continuation) for index, continuation in enumerate(done)]
