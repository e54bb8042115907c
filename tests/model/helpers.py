"""Small models and random packed batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from lst_cli.model.batch import Batch, make_batch
from lst_cli.model.model import SpeechTextModel, build_model
from lst_cli.model.model_config import LocalConfig, ModelConfig
from lst_cli.patching.packed import PADDING, Document, Packed, pack_documents
from lst_cli.patching.strategies import Cut, Patcher, PatchingConfig
from lst_cli.text.vocabulary import Vocabulary
from tests.model.rules import fitted_rules

VOCABULARY = Vocabulary(pieces=20, units=11)
CPU = torch.device("cpu")

LOCAL = LocalConfig(dim=16, heads=2, encoder_layers=1, decoder_layers=2, window=6, cross_window=3)
LST = ModelConfig(family="lst", layers=2, dim=32, heads=2, local=LOCAL)
BASELINE = ModelConfig(family="baseline", layers=2, dim=32, heads=2)
OWN_PATCH = dataclasses.replace(LST, local=dataclasses.replace(LOCAL, cross_window=1, encoder_layers=2))
WIDE = dataclasses.replace(LST, local=dataclasses.replace(LOCAL, window=512, cross_window=512))
"""The paper's windows, which reach over all documents of a test: only their borders hold attention back."""

NO_LAYERS = dataclasses.replace(LST, local=dataclasses.replace(LOCAL, dim=32, encoder_layers=0, decoder_layers=0))

BYPASS = dataclasses.replace(LST, local=dataclasses.replace(LOCAL, text="bypass"))

SIZES = {"tokens": 192, "positions": 192}
"""Fixed sizes: with equal shapes equal inputs must give equal bits."""


class Copies(TorchDispatchMode):
    """Counts copies between the host and the meta device, which stands for a GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.to_device = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default):
            source = args[1] if func is torch.ops.aten.copy_.default else args[0]
            self.to_device += source.device.type == "cpu" and out.device.type == "meta"
        return out


def model(config: ModelConfig, seed: int = 0) -> SpeechTextModel:
    torch.manual_seed(seed)
    return build_model(config, VOCABULARY.size).eval()


FITTED_RULES = fitted_rules(VOCABULARY.units)
"""A rule for each strategy whose rule is learnt."""


def patcher_for(cut: str, **config: Any) -> Patcher:
    """A patcher that can cut in this way."""
    return Patcher(PatchingConfig(**config), FITTED_RULES.get(cut))


def document(rng: np.random.Generator, segments: Sequence[tuple[bool, int]], whole: bool = True) -> Document:
    """A document of (is speech, length) segments, with random words over the speech."""
    tokens: list[int] = []
    words: list[int] = []
    word = 0
    for speech, length in segments:
        tokens.append(VOCABULARY.s_marker if speech else VOCABULARY.t_marker)
        words.append(-1)
        while length > 0:
            span = min(length, int(rng.integers(1, 6))) if speech else length
            if speech:
                tokens += list(VOCABULARY.units_to_ids(rng.integers(0, VOCABULARY.units, span)))
                words += [-1 if rng.random() < 0.3 else word] * span
                word += 1
            else:
                tokens += list(rng.integers(3, VOCABULARY.pieces, span))
                words += [-1] * span
            length -= span
    if whole:
        tokens.append(VOCABULARY.eos)
        words.append(-1)
    return Document(tokens=np.array(tokens, dtype=np.int32), words=np.array(words, dtype=np.int32))


def torn(rng: np.random.Generator, doc: Document) -> Document:
    """A part of a document, as a sequence's border leaves it: it may begin and end inside a run of speech."""
    first = int(rng.integers(len(doc.tokens)))
    last = int(rng.integers(first, len(doc.tokens))) + 1
    assert doc.words is not None
    return Document(tokens=doc.tokens[first:last], words=doc.words[first:last])


def packed(documents: Sequence[Document], patcher: Patcher, cut: Cut | Sequence[Cut], pad: bool = True) -> Packed:
    """Documents end to end, all cut in one way or each in its own."""
    cuts = [cut] * len(documents) if isinstance(cut, str) else cut
    each = [pack_documents([item], VOCABULARY, patcher, of_item) for item, of_item in zip(documents, cuts, strict=True)]
    batch = end_to_end(each) if len(set(cuts)) > 1 else pack_documents(documents, VOCABULARY, patcher, cuts[0])
    return batch.padded(**SIZES) if pad else batch


def end_to_end(batches: Sequence[Packed], empty: int = 0) -> Packed:
    """Batches in one row, each followed by so many empty positions."""
    patch_T, document_T, document_P = [], [], []
    documents = positions = 0
    for batch in batches:
        patch_T.append(batch.patch_T + positions)
        document_T.append(batch.document_T + documents)
        document_P += [batch.document_P + documents, np.full(empty, PADDING)]
        documents += int(batch.document_T.max()) + 1
        positions += len(batch.document_P) + empty
    return Packed(
        tokens_T=np.concatenate([batch.tokens_T for batch in batches]),
        targets_T=np.concatenate([batch.targets_T for batch in batches]),
        document_T=np.concatenate(document_T),
        patch_T=np.concatenate(patch_T),
        closes_T=np.concatenate([batch.closes_T for batch in batches]),
        document_P=np.concatenate(document_P),
    )


def batch_for(config: ModelConfig, batch: Packed) -> Batch:
    return make_batch(batch, config, VOCABULARY, CPU)


def logits(net: SpeechTextModel, batch: Packed) -> torch.Tensor:
    with torch.no_grad():
        return net.logits(batch_for(net.config, batch))


def random_documents(seed: int, n: int = 3) -> list[Document]:
    """Whole documents of random segments."""
    rng = np.random.default_rng(seed)
    return [
        document(rng, [(bool(rng.random() < 0.6), int(rng.integers(0, 15))) for _ in range(rng.integers(1, 4))])
        for _ in range(n)
    ]
