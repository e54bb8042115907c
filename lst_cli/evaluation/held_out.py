"""Error rates while a model is fine-tuned: greedy transcripts of the held-out utterances, as packed for the loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch

from lst_cli.evaluation.error_rates import Errors, count_errors, normalise
from lst_cli.inference.transcribe import transcribe_units
from lst_cli.model.model import SpeechTextModel
from lst_cli.patching.packed import PADDING, Packed
from lst_cli.training.model_artifact import TOKENIZER_FILE, LoadedModel, ModelCard, load_speech
from lst_cli.training.validation import ErrorRate

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from lst_cli.artifacts import Artifact
    from lst_cli.text.speech_codec import SpeechCodec


def transcript_judge(base: Artifact, card: ModelCard) -> Callable[[nn.Module, Packed], dict[str, ErrorRate]]:
    """A judge of a model in training.

    :param base: the model artifact that training began from; it has the text tokenizer.
    :param card: of the model in training.
    """
    from lst_cli.text.tokenizer import TextTokenizer

    tokenizer = TextTokenizer.from_file(base.file(TOKENIZER_FILE))
    speech = load_speech(base.path, card, base.reference)

    def judge(model: nn.Module, packed: Packed) -> dict[str, ErrorRate]:
        assert isinstance(model, SpeechTextModel)
        device = next(model.parameters()).device
        loaded = LoadedModel(
            model=model, card=card, tokenizer=tokenizer, speech=speech, folder=base.path, device=device
        )
        questions = list(spoken_and_written(packed, speech))
        # As in scoring: what autocast makes of the loss is no matter of transcripts.
        with torch.autocast(device.type, enabled=False):
            heard = transcribe_units(loaded, [units for units, _ in questions])
        pairs = [
            (normalise(tokenizer.decode(pieces.tolist())), normalise(transcript.text))
            for (_, pieces), transcript in zip(questions, heard, strict=True)
        ]
        words = [count_errors(said, text, "words") for said, text in pairs]
        characters = [count_errors(said, text, "characters") for said, text in pairs]
        return {name: _rate(errors) for name, errors in (("wer", words), ("cer", characters)) if errors}

    return judge


def spoken_and_written(
    packed: Packed, speech: SpeechCodec
) -> Iterator[tuple[NDArray[np.integer], NDArray[np.integer]]]:
    """Speech tokens and text pieces of each ASR document (``<s> units <t> pieces eos``) of a batch."""
    for document in np.unique(packed.document_T[packed.document_T != PADDING]):
        tokens = packed.tokens_T[packed.document_T == document]
        answer = int(np.flatnonzero(tokens == speech.vocabulary.t_marker)[0])
        yield speech.decode(tokens[1:answer]), tokens[answer + 1 : -1]


def _rate(errors: list[Errors]) -> ErrorRate:
    total = sum(errors[1:], errors[0])
    return ErrorRate(total.total / max(total.length, 1), total.length)
