"""A trained model in Python: likelihoods, logits, generation, transcripts, speech.

Text is a ``str``. Speech is an array of speech tokens: :meth:`LanguageModel.tokens` makes one of an audio file.

Legend: U speech tokens (25 a second), T tokens of the model, V vocabulary, N samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lst_cli.artifacts import Store
from lst_cli.distributed.device import Precision, pick_device
from lst_cli.errors import UserError
from lst_cli.inference.generate import generate
from lst_cli.inference.likelihood import log_probabilities
from lst_cli.inference.prompts import make_prompt, speech_prompt
from lst_cli.inference.sampling import Sampling
from lst_cli.inference.shared_prompt import Question
from lst_cli.inference.transcription import transcribe_units
from lst_cli.model_artifact.capabilities import check_task
from lst_cli.model_artifact.card import MODEL, LoadedModel, load_model
from lst_cli.shards.schema import Modality

if TYPE_CHECKING:
    from lst_cli.artifacts import Artifact

TextOrSpeech: TypeAlias = "str | NDArray[np.integer]"
"""A text, or speech tokens: units of the model's quantizer."""


@dataclass(frozen=True)
class LanguageModel:
    """A model for inference. Nothing in it changes; it may be shared between threads that only read."""

    artifact: Artifact
    loaded: LoadedModel
    store: Store

    def parameters(self) -> int:
        """Number of parameters, as ``lst artifact show`` prints it."""
        return self.loaded.parameters

    def tokens(self, audio: str | Path) -> NDArray[np.uint16]:
        """Speech tokens (U) of an audio file of at most two minutes, by the model's own quantizer.

        :raises UserError: the file cannot be read, or is longer.
        """
        return speech_prompt(self.loaded, str(audio), self.store)

    def score(self, prompt: TextOrSpeech, endings: Sequence[TextOrSpeech]) -> list[float]:
        """Log-probability (nats, summed over tokens) of each ending after the prompt (Lu et al. 2025, section 5).

        An ending of the prompt's modality continues its segment; one of the other is opened by its marker, which is
        not scored. The prompt is computed once for all endings of one modality.
        """
        sums: dict[int, float] = {}
        for modality in ("text", "speech"):
            chosen = [index for index, ending in enumerate(endings) if _modality(ending) == modality]
            if not chosen:
                continue
            question = Question(
                prompt_T=self._open(prompt, modality),
                endings=tuple(self._encode(endings[index], continues=len(prompt) > 0) for index in chosen),
            )
            ((_, found),) = log_probabilities(self.loaded, [question])
            sums.update(zip(chosen, found, strict=True))
        return [sums[index] for index in range(len(endings))]

    def logits(self, *utterances: TextOrSpeech) -> NDArray[np.float32]:
        """Next-token logits (T, V) of one document, each utterance a segment opened by its marker.

        Row t predicts token t + 1, under the same patches as in ``lst eval``.
        """
        import torch

        from lst_cli.model.batch import make_batch
        from lst_cli.patching.packed import Document, pack_documents

        if not utterances:
            return np.zeros((0, self.loaded.card.vocabulary.size), np.float32)
        card = self.loaded.card
        tokens_T = np.concatenate([self._segment(utterance) for utterance in utterances])
        packed = pack_documents([Document(tokens=tokens_T)], card.vocabulary, card.patcher, card.cut)
        with torch.inference_mode():
            batch = make_batch(packed, card.architecture, card.vocabulary, self.loaded.device)
            logits: NDArray[np.float32] = self.loaded.model.logits(batch).float().cpu().numpy()
        return logits

    def generate(
        self,
        prompt: TextOrSpeech,
        into: Modality | None = None,
        *,
        tokens: int = 100,
        sampling: Sampling | None = None,
    ) -> TextOrSpeech:
        """The model's continuation of a prompt: a text, or speech tokens.

        :param into: ``text`` or ``speech``; by default as the prompt.
        :param tokens: most tokens to add.
        :param sampling: by default the likeliest token each time.
        """
        chosen = into or _modality(prompt)
        given = prompt if isinstance(prompt, str) else self._units(prompt)
        (found,) = generate(self.loaded, [make_prompt(self.loaded, given, chosen, tokens, 0)], chosen, sampling)
        if chosen == "text":
            return self.loaded.tokenizer.decode(found.tokens)
        return self.loaded.speech.decode(np.array(found.tokens, dtype=np.int32))

    def transcribe(self, speech: str | Path | NDArray[np.integer], *, beams: int = 1) -> str:
        """The transcript of an audio file of at most two minutes, or of speech tokens.

        ``lst transcribe`` takes recordings of any length.

        :raises UserError: the model was not fine-tuned for it, or the file cannot be read.
        """
        check_task(self.artifact, "asr")
        units_U = self.tokens(speech) if isinstance(speech, (str, Path)) else self._units(speech)
        (transcript,) = transcribe_units(self.loaded, [units_U], beams=beams)
        return transcript.text

    def speak(
        self, text: str, vocoder: str | None = None, *, sampling: Sampling | None = None, speaker: str | None = None
    ) -> NDArray[np.uint16] | tuple[NDArray[np.float32], int]:
        """Speech tokens of a text; with a vocoder, samples (N) and their rate in Hz.

        :param vocoder: ``vocoder/NAME``, of the model's quantizer.
        :raises UserError: the model was not fine-tuned for it, cannot read the text, or the vocoder does not fit.
        """
        from lst_cli.inference.speech_generation import speak_texts, speakable

        check_task(self.artifact, "tts")
        written = speakable(self.loaded.tokenizer, text, drop=False)
        (spoken,) = speak_texts(self.loaded, [written], sampling)
        if vocoder is None:
            return spoken.units
        from lst_cli.vocoder.files import VOCODER, check_quantizer
        from lst_cli.vocoder.speaking import load_vocoder

        found = self.store.find(vocoder, VOCODER)
        check_quantizer(found, self.loaded.card.quantizer["fingerprint"], self.artifact.reference)
        voice = load_vocoder(found, str(self.loaded.device))
        return voice.speak(spoken.units, speaker), voice.sample_rate

    def _encode(self, utterance: TextOrSpeech, *, continues: bool = False) -> NDArray[np.int32]:
        if isinstance(utterance, str):
            return np.asarray(self.loaded.tokenizer.encode(utterance, continues=continues), dtype=np.int32)
        return self.loaded.speech.encode(self._units(utterance))

    def _units(self, speech: NDArray[np.integer] | Sequence[int]) -> NDArray[np.integer]:
        """Speech tokens as an array (U), which are units of the model's quantizer."""
        units_U = np.asarray(speech)
        if len(units_U) == 0:
            return np.zeros(0, np.uint16)
        units = self.loaded.speech.units
        if units_U.ndim != 1 or units_U.dtype.kind not in "iu" or units_U.min() < 0 or units_U.max() >= units:
            raise UserError(
                "speech that the model can't read",
                found=f"{units_U.dtype} numbers of shape {units_U.shape}, from {units_U.min()} to {units_U.max()}",
                expected=f"a list or array of speech tokens, integers from 0 to {units - 1}",
                fix="make them with tokens(path), by the model's quantizer",
            )
        return units_U

    def _segment(self, utterance: TextOrSpeech) -> NDArray[np.int32]:
        return np.concatenate([[self._marker(_modality(utterance))], self._encode(utterance)]).astype(np.int32)

    def _open(self, prompt: TextOrSpeech, ending: Modality) -> NDArray[np.int32]:
        """The prompt, with the marker of its endings where these are of the other modality."""
        segment_T = self._segment(prompt)
        if ending == _modality(prompt):
            return segment_T
        return np.append(segment_T, self._marker(ending)).astype(np.int32)

    def _marker(self, modality: Modality) -> int:
        vocabulary = self.loaded.card.vocabulary
        return vocabulary.t_marker if modality == "text" else vocabulary.s_marker


def load_language_model(reference: str | Path, root: Path, device: str, precision: Precision | None) -> LanguageModel:
    """See :func:`lst_cli.load`."""
    store = Store(root)
    artifact = store.find(str(reference), MODEL)
    return LanguageModel(artifact, load_model(artifact, pick_device(device), precision), store)


def _modality(utterance: TextOrSpeech) -> Modality:
    return "text" if isinstance(utterance, str) else "speech"
