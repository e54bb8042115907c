"""Continuing a spoken or written prompt, in speech or in text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lst_cli.errors import UserError
from lst_cli.inference.audio_input import Segment, segments
from lst_cli.inference.generate import Prompt
from lst_cli.shards.schema import Modality
from lst_cli.units.quantizer.quantize import Quantizer, tokenize_waveforms

if TYPE_CHECKING:
    from lst_cli.artifacts import Store
    from lst_cli.model_artifact.card import LoadedModel

LONGEST_PROMPT_S = 120.0


def speech_prompt(loaded: LoadedModel, argument: str, store: Store) -> NDArray[np.uint16]:
    """Speech tokens of one audio file, by the model's own quantizer.

    :raises UserError: it can't be read, or is longer than two minutes.
    """
    found = list(segments([argument], store, LONGEST_PROMPT_S))
    first = found[0]
    if not isinstance(first, Segment):
        raise UserError(f"--audio {argument}: the prompt can't be read", found=first.reason)
    if len(found) > 1 or first.wave_T is None:
        raise UserError(
            f"--audio {argument}: more than one prompt",
            found=f"{len(found)} clips or segments of audio",
            expected=f"one audio file of at most {LONGEST_PROMPT_S:.0f} s",
        )
    quantizer = Quantizer.load(loaded.quantizer_file, str(loaded.device))
    return tokenize_waveforms(quantizer, [first.wave_T])[0]


def make_prompt(loaded: LoadedModel, said: str | NDArray[np.integer], into: Modality, limit: int, key: int) -> Prompt:
    """The prompt to continue in text or speech: in its own segment, or in a new one after its marker.

    :param said: a text, or speech tokens.
    """
    vocabulary = loaded.card.vocabulary
    if isinstance(said, str):
        tokens = [vocabulary.t_marker, *loaded.tokenizer.encode(said)]
        if into == "speech":
            tokens.append(vocabulary.s_marker)
    else:
        tokens = [vocabulary.s_marker, *loaded.speech.encode(said)]
        if into == "text":
            tokens.append(vocabulary.t_marker)
    return Prompt(tokens=np.array(tokens, dtype=np.int32), limit=limit, key=key)
