"""Models for tests: small ones with random weights, and hand-made ones whose answers are known."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from lst_cli.artifacts import Artifact, Draft, Kind, Request, Store
from lst_cli.model.model import SpeechTextModel, build_model
from lst_cli.model.model_config import LocalConfig, ModelConfig
from lst_cli.model_artifact.card import MODEL, ModelCard
from lst_cli.model_artifact.save import quantizer_entry, save_model
from lst_cli.patching.strategies import PatchingConfig
from lst_cli.text.tokenizer import TextTokenizer, fit
from lst_cli.text.vocabulary import Vocabulary
from lst_cli.units.features.mfcc_config import describe_mfcc
from lst_cli.units.quantizer.codebook import QUANTIZER, Codebook
from tests.model.rules import fitted_rules

UNITS = 12
TEXT = "the cat sat on a mat and the dog ran to a tree while birds sang in the sun"
WORDS = TEXT.split()


@cache
def tokenizer_bytes() -> bytes:
    return fit([" ".join(WORDS[i:] + WORDS[:i]) for i in range(len(WORDS))] * 3, 300)


def vocabulary() -> Vocabulary:
    return Vocabulary(pieces=TextTokenizer(tokenizer_bytes()).pieces, units=UNITS)


def baseline_config(layers: int = 2, dim: int = 32, heads: int = 2) -> ModelConfig:
    return ModelConfig(family="baseline", layers=layers, dim=dim, heads=heads)


def latent_config(
    cross_window: int = 512, window: int = 512, text: Literal["local", "bypass"] = "local"
) -> ModelConfig:
    local = LocalConfig(
        dim=16, heads=2, encoder_layers=1, decoder_layers=2, window=window, cross_window=cross_window, text=text
    )
    return ModelConfig(family="lst", layers=2, dim=32, heads=2, local=local)


def bigram(log_p_VV: np.ndarray) -> tuple[ModelConfig, SpeechTextModel]:
    """A baseline without layers that predicts the next token from the last one.

    :param log_p_VV: log-probability of each next token (columns) after each token (rows).
    """
    size = len(log_p_VV)
    dim = size + size % 2
    config = baseline_config(layers=0, dim=dim, heads=1)
    model = build_model(config, size)
    with torch.no_grad():
        model.embedding.weight.zero_()
        model.embedding.weight[:, :size] = torch.eye(size) * dim
        # The norm scales a one-hot vector to length sqrt(dim).
        model.head.weight.zero_()
        model.head.weight[:, :size] = torch.from_numpy(log_p_VV.T / dim**0.5)
    return config, model


def random_model(config: ModelConfig, seed: int = 0) -> SpeechTextModel:
    torch.manual_seed(seed)
    return build_model(config, vocabulary().size)


def quantizer_artifact(store: Store) -> Artifact:
    """A quantizer of MFCC features with made-up centroids."""
    config = describe_mfcc(None)
    centroids = np.random.default_rng(0).normal(size=(UNITS, 39)).astype(np.float32)
    codebook = Codebook(
        centroids_KD=centroids, mean_D=np.zeros(39, np.float32), scale_D=np.ones(39, np.float32), features=config
    )
    request = Request(kind=QUANTIZER, name="q", config={"features": config})
    return store.build(request, lambda draft: codebook.save(draft.path)).artifact


def model_artifact(
    store: Store, name: str, config: ModelConfig, model: SpeechTextModel, patching: PatchingConfig | None = None
) -> Artifact:
    """A whole model artifact."""
    quantizer = quantizer_artifact(store)
    chosen = patching or PatchingConfig(strategy="none" if config.local is None else "static", size=4)
    fitted = fitted_rules(UNITS).get(chosen.strategy)
    card = ModelCard(
        architecture=config,
        vocabulary=vocabulary(),
        patching=chosen,
        patching_rule=None if fitted is None else {"reference": "patching_rule/r/1", "fingerprint": "0" * 64},
        fitted=fitted,
        quantizer=quantizer_entry(quantizer),
    )

    def make(draft: Draft) -> None:
        path = draft.parts / "tokenizer.model"
        path.write_bytes(tokenizer_bytes())
        save_model(draft.path, model, card, tokenizer=path, quantizer=Path(quantizer.file("centroids.safetensors")))

    digest = float(sum(value.double().sum() for value in model.state_dict().values()))
    return store.build(Request(kind=MODEL, name=name, config={"weights": digest}), make).artifact


def tokens_artifact(
    store: Store, name: str, units: dict[str, list[int]], quantizer: Artifact, corpus: Artifact | None = None
) -> Artifact:
    """A tokens artifact of the given units."""
    import pyarrow as pa

    from lst_cli.artifacts.parquet import write_parquet

    def make(draft: Draft) -> None:
        table = pa.table(
            {"id": list(units), "units": pa.array(list(units.values()), type=pa.list_(pa.uint16()))},
        )
        half = len(units) // 2
        write_parquet(draft.path / "tokens-00000.parquet", table.slice(0, half))
        write_parquet(draft.path / "tokens-00001.parquet", table.slice(half))

    parents = {"quantizer": quantizer, **({"corpus": corpus} if corpus is not None else {})}
    request = Request(kind=Kind("tokens", 1), name=name, config={"units": units}, parents=parents)
    return store.build(request, make).artifact
