"""Error rates during fine-tuning: greedy transcripts of the held-out utterances, as packed for the loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from lst_cli.evaluation.error_rates import Errors, count_errors, normalise
from lst_cli.inference.transcription import transcribe_units
from lst_cli.model.model import SpeechTextModel
from lst_cli.model_artifact.card import LoadedModel, ModelCard, load_speech
from lst_cli.patching.packed import PADDING, Packed

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from lst_cli.artifacts import Artifact
    from lst_cli.text.speech_codec import SpeechCodec


@dataclass(frozen=True)
class ErrorRate:
    """Errors per word or character of the references, and how many of these there are."""

    value: float
    length: int


class TranscriptScorer:
    """Transcribes the questions of a batch with a model in training, and counts errors."""

    def __init__(self, base: Artifact, card: ModelCard) -> None:
        """Read the text tokenizer and the speech codec.

        :param base: the model artifact that training began from.
        :param card: of the model in training.
        """
        from lst_cli.text.tokenizer import TextTokenizer

        self._card = card
        self._folder = base.path
        self._tokenizer = TextTokenizer.from_file(base.file(card.tokenizer_file))
        self._speech = load_speech(base.path, card, base.reference)

    def __call__(self, model: nn.Module, packed: Packed) -> dict[str, ErrorRate]:
        """Word and character error rates by name (``wer``, ``cer``); empty if the batch needs no transcript.

        :param model: a whole copy, not wrapped.
        """
        assert isinstance(model, SpeechTextModel)
        device = next(model.parameters()).device
        loaded = LoadedModel(
            model=model,
            card=self._card,
            tokenizer=self._tokenizer,
            speech=self._speech,
            folder=self._folder,
            device=device,
        )
        questions = list(spoken_and_written(packed, self._speech))
        # Disable autocast: transcripts must match those of 'lst eval asr'.
        with torch.autocast(device.type, enabled=False):
            transcripts = transcribe_units(loaded, [units for units, _ in questions])
        pairs = [
            (normalise(self._tokenizer.decode(pieces.tolist())), normalise(transcript.text))
            for (_, pieces), transcript in zip(questions, transcripts, strict=True)
        ]
        words = [count_errors(reference, text, "words") for reference, text in pairs]
        characters = [count_errors(reference, text, "characters") for reference, text in pairs]
        return {name: _rate(errors) for name, errors in (("wer", words), ("cer", characters)) if errors}


def spoken_and_written(
    packed: Packed, speech: SpeechCodec
) -> Iterator[tuple[NDArray[np.integer], NDArray[np.integer]]]:
    """Speech tokens and text tokens of each ASR document (``<s> units <t> text eos``) of a batch."""
    for document in np.unique(packed.document_T[packed.document_T != PADDING]):
        tokens = packed.tokens_T[packed.document_T == document]
        answer = int(np.flatnonzero(tokens == speech.vocabulary.t_marker)[0])
        yield speech.decode(tokens[1:answer]), tokens[answer + 1 : -1]


def _rate(errors: list[Errors]) -> ErrorRate:
    total = sum(errors[1:], errors[0])
    return ErrorRate(total.total / max(total.length, 1), total.length)
