"""Pretrained CTC models: wav2vec2 (and its kin) through transformers, or a bundle of torchaudio.

Legend: U frames, V labels, S samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from lst_cli.alignment.emissions.pretrained_files import BUNDLE, CtcVocabulary, find_ctc_model, read_vocabulary
from lst_cli.alignment.emissions.spelling import Spelling
from lst_cli.alignment.words import Word
from lst_cli.errors import UserError
from lst_cli.units.features.hub_models import read_settings
from lst_cli.units.features.hubert_encoder import RaggedEncoder
from lst_cli.units.features.hubert_front import ConvFront
from lst_cli.units.features.whole_model import load_whole

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


class Labels:
    """A pretrained model's labels: letters in either case, a separator of words, and others that are never used."""

    def __init__(self, index_of: Mapping[str, int], blank: int, separator: str | None, source: str) -> None:
        self.blank = blank
        self._separator = index_of.get(separator) if separator is not None else None
        single = {symbol: index for symbol, index in index_of.items() if len(symbol) == 1 and symbol != separator}
        # A model with both cases spells in lower case; one with capitals only is read as if it were lower.
        self._index_of = {symbol.lower(): index for symbol, index in single.items() if index != blank}
        self._index_of |= {symbol: index for symbol, index in single.items() if symbol.islower()}
        self.letters: Set[str] = frozenset(
            symbol for symbol in self._index_of if len(symbol) == 1 and (symbol.isalpha() or symbol == "'")
        )
        if not self.letters:
            raise UserError(
                f"{source}: its labels have no letters",
                found=", ".join(list(index_of)[:8]),
                expected="a CTC model whose labels are characters",
            )

    def spell(self, words: Sequence[Word]) -> Spelling:
        """The labels of a transcript, with the separator between words where the model has one."""
        labels: list[int] = []
        owners: list[int] = []
        places: list[int] = []
        for index, word in enumerate(words):
            before = 0
            for part in word.parts:
                if labels and self._separator is not None:
                    labels.append(self._separator)
                    owners.append(-1)
                    places.append(-1)
                labels += [self._index_of[letter] for letter in part]
                owners += [index] * len(part)
                places += range(before, before + len(part))
                before += len(part)
        return Spelling(tuple(labels), tuple(owners), tuple(places))


class Wav2Vec2Emitter:
    """A transformers ``Wav2Vec2ForCTC`` or ``HubertForCTC``, run without padding."""

    peaky = True
    trust = 1.0

    def __init__(self, model: Any, vocabulary: CtcVocabulary, source: str, device: torch.device) -> None:
        config = model.config
        labels = Labels(vocabulary.index_of, vocabulary.blank, vocabulary.separator, source)
        body = getattr(model, model.base_model_prefix).to(device)
        self._front = ConvFront(body.feature_extractor, config, torch.float32)
        self._projection = body.feature_projection
        self._encoder = RaggedEncoder(body.encoder, config, last=True)
        self._head = model.lm_head.to(device)
        self._normalize = vocabulary.normalize
        self._device = device
        self.letters, self.blank, self.spell = labels.letters, labels.blank, labels.spell
        self.hop: int = self._front.hop
        self.offset: int = (self._front.reach - self._front.hop) // 2
        self.batch_s = 600.0 if device.type == "cuda" else 60.0

    @torch.inference_mode()
    def emit(self, waves: Sequence[NDArray[np.float32]]) -> list[Tensor]:
        """Log-probabilities [U, V] of each clip."""
        fronts = [self._front(self._prepare(wave)) for wave in waves]
        frames = [len(front_UC) for front_UC in fronts]
        projected = self._projection(torch.cat(fronts))
        # wav2vec2 gives the projection together with its input, which only pretraining needs.
        hidden = self._encoder(projected[0] if isinstance(projected, tuple) else projected, frames)
        logp_UV = torch.log_softmax(self._head(hidden).float(), dim=-1).cpu()
        return list(torch.split(logp_UV, frames))

    def _prepare(self, wave: NDArray[np.float32]) -> Tensor:
        wave_S = torch.as_tensor(wave, dtype=torch.float32).to(self._device)
        if self._normalize:
            wave_S = (wave_S - wave_S.mean()) / torch.sqrt(wave_S.var(unbiased=False) + 1e-7)
        missing = self._front.reach - len(wave_S)
        return torch.nn.functional.pad(wave_S, (0, missing)) if missing > 0 else wave_S


class BundleEmitter:
    """A torchaudio ``Wav2Vec2ASRBundle``, one clip at a time (its convolutions can't tell padding from speech)."""

    peaky = True
    trust = 1.0
    hop = 320
    offset = 40
    batch_s = 60.0

    def __init__(self, bundle: Any, name: str, device: torch.device) -> None:
        symbols = bundle.get_labels()
        labels = Labels({symbol: index for index, symbol in enumerate(symbols)}, 0, "|", BUNDLE + name)
        self.letters, self.blank, self.spell = labels.letters, labels.blank, labels.spell
        self._device = device
        self._model = bundle.get_model().to(device).eval()

    @torch.inference_mode()
    def emit(self, waves: Sequence[NDArray[np.float32]]) -> list[Tensor]:
        """Log-probabilities [U, V] of each clip."""
        return [self._one(wave) for wave in waves]

    def _one(self, wave: NDArray[np.float32]) -> Tensor:
        wave_S = torch.as_tensor(wave, dtype=torch.float32).to(self._device)
        wave_S = torch.nn.functional.pad(wave_S, (0, max(0, self.hop + 2 * self.offset - len(wave_S))))
        emission_1UV, _ = self._model(wave_S[None])
        return torch.log_softmax(emission_1UV[0].float(), dim=-1).cpu()


def load_pretrained(name: str, device: torch.device) -> Wav2Vec2Emitter | BundleEmitter:
    """Load a model by hub name, path, or ``torchaudio:BUNDLE``.

    :raises UserError: there is none, it is not a CTC model, or its weights or labels are incomplete.
    """
    if name.startswith(BUNDLE):
        bundle = name.removeprefix(BUNDLE)
        return BundleEmitter(_bundle(bundle), bundle, device)
    return _load_transformers(find_ctc_model(name), device)


def _bundle(name: str) -> Any:
    import torchaudio

    bundle = getattr(torchaudio.pipelines, name, None)
    if not hasattr(bundle, "get_labels"):
        known = [key for key in dir(torchaudio.pipelines) if "_ASR_" in key]
        raise UserError(f"--model {BUNDLE}{name}: no such bundle", expected=", ".join(known))
    return bundle


def _load_transformers(folder: Path, device: torch.device) -> Wav2Vec2Emitter:
    from transformers import HubertForCTC, Wav2Vec2ForCTC

    classes = {"wav2vec2": Wav2Vec2ForCTC, "hubert": HubertForCTC}
    kind = str(read_settings(folder / "config.json").get("model_type"))
    if kind not in classes:
        raise UserError(
            f"{folder}: not a model that lst can align with",
            found=f"model type {kind} in config.json",
            expected=" or ".join(sorted(classes)),
        )
    model = load_whole(
        classes[kind],
        folder,
        str(folder),
        what="a CTC model",
        files="config.json, vocab.json and model.safetensors, as save_pretrained writes them",
        trained="a model fine-tuned with CTC, not a pretrained one alone",
        fix="take one such as facebook/wav2vec2-base-960h",
    )
    if getattr(model.config, "add_adapter", False):
        raise UserError(
            f"{folder}: the model has an adapter, which lst can't run", fix="use a model without an adapter"
        )
    return Wav2Vec2Emitter(model, read_vocabulary(folder), str(folder), device)
