"""A published unit HiFi-GAN, played by a small one with random weights in the same layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from lst_cli.artifacts import Artifact, Store
from lst_cli.errors import UserError
from lst_cli.vocoder.import_vocoder import VocoderImportOptions, plan_import
from lst_cli.vocoder.speaking import load_vocoder
from tests.inference.models import UNITS, quantizer_artifact

CONFIG = {
    "resblock": "1",
    "num_embeddings": UNITS,
    "embedding_dim": 8,
    "model_in_dim": 8,
    "sampling_rate": 16_000,
    "upsample_initial_channel": 32,
    "upsample_rates": [5, 4, 4, 4, 2],
    "upsample_kernel_sizes": [11, 8, 8, 8, 4],
    "resblock_kernel_sizes": [3],
    "resblock_dilation_sizes": [[1, 3]],
    "dur_predictor_params": {"encoder_embed_dim": 8},
}


def published(config: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Weights under the published names: weight norm as ``weight_g`` and ``weight_v``."""
    torch.manual_seed(0)
    width = config["upsample_initial_channel"]
    layers: dict[str, nn.Module] = {"conv_pre": nn.Conv1d(config["model_in_dim"], width, 7)}
    for number, (rate, kernel) in enumerate(
        zip(config["upsample_rates"], config["upsample_kernel_sizes"], strict=True)
    ):
        channels = width >> (number + 1)
        layers[f"ups.{number}"] = nn.ConvTranspose1d(width >> number, channels, kernel, rate)
        for part in ("convs1", "convs2"):
            for dilation in range(2):
                layers[f"resblocks.{number}.{part}.{dilation}"] = nn.Conv1d(channels, channels, 3)
    layers["conv_post"] = nn.Conv1d(width >> len(config["upsample_rates"]), 1, 7)
    found = {"dict.weight": torch.randn(config["num_embeddings"], 8), "dur_predictor.proj.bias": torch.zeros(1)}
    if config.get("multispkr"):
        found["spkr.weight"] = torch.randn(config["num_speakers"], 8)
    for name, layer in layers.items():
        bias = layer.bias.detach().clone()  # type: ignore[union-attr, operator]
        weight_norm(layer)
        state = {key.rpartition(".")[2]: value for key, value in layer.state_dict().items()}
        found |= {f"{name}.weight_g": state["original0"], f"{name}.weight_v": state["original1"], f"{name}.bias": bias}
    return found


def _folder(tmp_path: Path, weights: Any = None, **changes: Any) -> Path:
    folder = tmp_path / f"hifigan-{len(list(tmp_path.iterdir()))}"
    folder.mkdir()
    config = {**CONFIG, **changes}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    torch.save({"generator": published(config)} if weights is None else weights, folder / "g_00000000")
    return folder


def _import(store: Store, folder: Path, *, trust: bool = False) -> Artifact:
    options = VocoderImportOptions(name="v", folder=folder, quantizer=quantizer_artifact(store), trust_pickle=trust)
    return store.build(*plan_import(options)).artifact


def test_speaks_40_ms_a_unit_with_the_published_weights(tmp_path: Path) -> None:
    store = Store(tmp_path / "root")
    folder = _folder(tmp_path)
    vocoder = load_vocoder(_import(store, folder))
    wave_T = vocoder.speak(np.array([1, 2, 3, 3]))
    assert (len(wave_T), vocoder.sample_rate) == (4 * 640, 16_000)
    assert np.isfinite(wave_T).all() and np.abs(wave_T).max() > 0
    # Weight norm taken out: the same as torch's own.
    weights = torch.load(folder / "g_00000000")["generator"]
    pre = weight_norm(nn.Conv1d(8, 32, 7))
    pre.parametrizations.weight.original0.data = weights["conv_pre.weight_g"]
    pre.parametrizations.weight.original1.data = weights["conv_pre.weight_v"]
    loaded = vocoder._network.generator.conv_pre.weight  # type: ignore[attr-defined]
    assert torch.allclose(loaded, pre.weight, atol=1e-6)


def test_several_speakers(tmp_path: Path) -> None:
    folder = _folder(tmp_path, multispkr="from_input_file", num_speakers=3, model_in_dim=16)
    vocoder = load_vocoder(_import(Store(tmp_path / "root"), folder))
    assert list(vocoder.speakers) == ["0", "1", "2"]
    assert not np.array_equal(vocoder.speak(np.array([1, 2])), vocoder.speak(np.array([1, 2]), "2"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"f0": True}, "f0"),
        ({"resblock": "2"}, "resblock 2"),
        ({"upsample_rates": [5, 4, 4, 4, 1]}, "320 samples a unit"),
        ({"num_embeddings": 3}, "fewer units"),
    ],
)
def test_vocoders_that_need_more_than_our_units(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        _import(Store(tmp_path / "root"), _folder(tmp_path, weights={"generator": {}}, **changes))


def test_files_that_are_no_vocoder(tmp_path: Path) -> None:
    store = Store(tmp_path / "root")
    with pytest.raises(UserError, match="config can't be read"):
        _import(store, tmp_path)
    with pytest.raises(UserError, match="the weights do not match"):
        _import(store, _folder(tmp_path, weights={"generator": {"conv_pre.bias": torch.zeros(2)}}))
    with pytest.raises(UserError, match="not the checkpoint of a generator"):
        _import(store, _folder(tmp_path, weights={"other": 1}))
    empty = _folder(tmp_path)
    (empty / "g_00000000").unlink()
    with pytest.raises(UserError, match="no generator"):
        _import(store, empty)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not JSON"), ("\xff", "not JSON"), ("[1]", "a JSON list"), ("3", "a JSON int"), ("{}", "no num_embeddings")],
)
def test_configs_that_are_none(tmp_path: Path, text: str, message: str) -> None:
    folder = _folder(tmp_path, weights={"generator": {}})
    (folder / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=message):
        _import(Store(tmp_path / "root"), folder)


def test_a_pickle_runs_only_when_it_is_trusted(tmp_path: Path) -> None:
    store = Store(tmp_path / "root")
    folder = _folder(tmp_path, weights={"generator": published(CONFIG), "notes": Path("x")})
    with pytest.raises(UserError, match="--trust-pickle"):
        _import(store, folder)
    assert load_vocoder(_import(store, folder, trust=True)).sample_rate == 16_000
