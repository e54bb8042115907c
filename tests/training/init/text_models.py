"""Tiny text models with random weights, as transformers saves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lst_cli.model.batch import make_batch
from lst_cli.model.model import SpeechTextModel
from lst_cli.patching.packed import Document, pack_documents
from lst_cli.patching.strategies import Patcher, PatchingConfig
from lst_cli.text.vocabulary import Vocabulary
from tests.training.world import UNITS, _tokenizer_bytes

VOCABULARY = Vocabulary(pieces=300, units=UNITS)

_KEYS = {
    "vocab_size": VOCABULARY.pieces,
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "initializer_range": 0.2,
    "tie_word_embeddings": False,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def write_text_model(folder: Path, family: str = "llama", **changes: Any) -> Any:
    """Save a model and the SentencePiece model of the test world; returns the model of transformers."""
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    torch.manual_seed(0)
    config = CONFIG_MAPPING[family](**{**_KEYS, **changes})
    model = AutoModelForCausalLM.from_config(config).float().eval()
    for name, parameter in model.named_parameters():
        if name.endswith("bias") or "norm" in name:  # they start as 0 and 1
            torch.nn.init.normal_(parameter, mean=float("norm" in name), std=0.2)
    model.save_pretrained(folder, safe_serialization=True, max_shard_size="100KB")
    (folder / "tokenizer.model").write_bytes(_tokenizer_bytes())
    return model


def tokenizer(folder: Path) -> Path:
    """The tokenizer of the shards."""
    path = folder / "ours.model"
    path.write_bytes(_tokenizer_bytes())
    return path


def text_tokens(length: int = 40) -> list[int]:
    """Some text tokens."""
    tokens: list[int] = np.random.default_rng(0).integers(3, VOCABULARY.pieces, length).tolist()
    return tokens


def our_logits(model: SpeechTextModel, tokens: list[int]) -> Tensor:
    """Logits (T, V) after ``<t>`` and each of the tokens."""
    document = Document(tokens=np.array([VOCABULARY.t_marker, *tokens], dtype=np.int32))
    size = "none" if model.config.local is None else "static"
    patching = Patcher(PatchingConfig(strategy=size, size=4 if size == "static" else 1))
    packed = pack_documents([document], VOCABULARY, patching, size)
    with torch.no_grad():
        return model.logits(make_batch(packed, model.config, VOCABULARY, torch.device("cpu")))
