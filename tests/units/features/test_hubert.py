from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lst_cli.errors import UserError
from lst_cli.units.features.hubert_encoder import Clips, attend_clip_by_clip, attend_packed
from lst_cli.units.features.hubert_files import describe_hubert
from lst_cli.units.features.registry import describe_features, load_features
from lst_cli.units.frames import n_frames
from lst_cli.units.quantizer.codebook import Codebook
from lst_cli.units.quantizer.kmeans import fit_kmeans
from lst_cli.units.quantizer.quantize import Quantizer, tokenize_waveforms
from tests.units.speech import sound

LENGTHS = (16_000, 1, 399, 640 * 33 + 79, 640 * 33 + 80, 16_000 * 12 + 5, 641, 16_000 * 3, 1_280)


@pytest.fixture(scope="module")
def clips() -> list[NDArray[np.float32]]:
    return [sound(n / 16_000, seed) for seed, n in enumerate(LENGTHS)]


def _by_transformers(folder: Path, wave: NDArray[np.float32], layer: int) -> torch.Tensor:
    """The hidden state of the published model for the clip alone, brought to 25 Hz by the frame rule."""
    from transformers import HubertModel

    model = HubertModel.from_pretrained(folder).eval()
    hop = int(np.prod(model.config.conv_stride))
    reach = 400 if hop == 320 else 720
    padded = np.pad(wave, (0, max(0, reach - len(wave))))
    with torch.no_grad():
        hidden = model(torch.from_numpy(padded)[None], output_hidden_states=True).hidden_states[layer][0]
    wanted = n_frames(len(wave)) * (640 // hop)
    hidden = torch.cat([hidden, hidden[-1:].expand(max(0, wanted - len(hidden)), -1)])[:wanted]
    return hidden.reshape(n_frames(len(wave)), 640 // hop, -1).mean(dim=1)


@pytest.mark.parametrize("layer", [1, 3])
def test_features_are_those_of_transformers(hubert_folder: Path, layer: int, clips: list[NDArray[np.float32]]) -> None:
    config = describe_hubert(str(hubert_folder), layer) | {"normalize": False}
    features = load_features(config, "cpu").extract(clips)
    expected = torch.cat([_by_transformers(hubert_folder, clip, layer) for clip in clips])
    torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-4)


def test_company_changes_no_token(hubert_folder: Path, clips: list[NDArray[np.float32]]) -> None:
    """Issue 8: at least 99.9% of a clip's tokens are the same alone and in any batch."""
    config = describe_hubert(str(hubert_folder), 2)
    extractor = load_features(config, "cpu")
    frames = extractor.extract(clips).numpy()
    zeros, ones = np.zeros(extractor.dim, np.float32), np.ones(extractor.dim, np.float32)
    centroids = fit_kmeans(frames, 60, seed=0, iterations=5).centroids_KD
    quantizer = Quantizer(Codebook(centroids_KD=centroids, mean_D=zeros, scale_D=ones, features=config), extractor)
    alone = np.concatenate([tokenize_waveforms(quantizer, [clip])[0] for clip in clips])
    together = np.concatenate(tokenize_waveforms(quantizer, clips))
    backwards = np.concatenate(tokenize_waveforms(quantizer, clips[::-1])[::-1])
    assert len(np.unique(alone)) > 20
    assert np.mean(alone == together) >= 0.999
    assert np.mean(alone == backwards) >= 0.999


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_one_kernel_for_all_clips_gives_what_clip_by_clip_gives(dtype: torch.dtype) -> None:
    frames = [7, 1, 40, 13]
    clips = Clips.of(frames, torch.device("cpu"), gap=5)
    qkv = torch.randn(sum(frames), 3, 4, 16, generator=torch.Generator().manual_seed(0)).to(dtype)
    rtol, atol = (1e-5, 1e-6) if dtype == torch.float32 else (2e-2, 1e-2)
    with torch.inference_mode():
        torch.testing.assert_close(attend_packed(qkv, clips), attend_clip_by_clip(qkv, clips), rtol=rtol, atol=atol)
    assert clips.laid_out == sum(frames) + 4 * 5 and clips.place_T.tolist()[6:9] == [6, 12, 18]


def test_nothing_above_the_layer_is_kept(hubert_folder: Path, clips: list[NDArray[np.float32]]) -> None:
    from lst_cli.units.features.hubert import HubertFeatures, read_hubert

    model = read_hubert(hubert_folder)
    HubertFeatures(model, describe_hubert(str(hubert_folder), 1), torch.float32)
    assert len(model.encoder.layers) == 1


def test_bfloat16_is_near_float32(hubert_folder: Path, clips: list[NDArray[np.float32]]) -> None:
    config = describe_hubert(str(hubert_folder), 2)
    exact, rough = (load_features(config, "cpu", precision).extract(clips) for precision in ("float32", "bfloat16"))
    assert rough.dtype == torch.float32
    assert (exact - rough).norm() < 0.1 * exact.norm()


def test_input_is_normalised_where_the_preprocessor_says_so(hubert_folder: Path, tmp_path: Path) -> None:
    assert describe_hubert(str(hubert_folder), 1)["normalize"] == ("large" in hubert_folder.name)
    folder = tmp_path / "model"
    shutil.copytree(hubert_folder, folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({"do_normalize": True}))
    config = describe_hubert(str(folder), 2)
    assert config["normalize"] is True
    extractor = load_features(config, "cpu")
    wave = sound(2.0, 7)
    torch.testing.assert_close(extractor.extract([wave]), extractor.extract([0.1 * wave]), rtol=1e-2, atol=1e-2)


def test_other_weights_than_the_quantizers_are_refused(hubert_folder: Path) -> None:
    config = describe_hubert(str(hubert_folder), 2) | {"sha256": "0" * 64}
    with pytest.raises(UserError, match="not the weights"):
        load_features(config, "cpu")


@pytest.mark.parametrize(
    ("spec", "layer", "message"),
    [
        ("hubert:PATH", None, "--layer"),
        ("hubert:PATH", 4, "1 to 3"),
        ("hubert:/no/such/folder", 1, "no such folder"),
        ("hubert", 1, "no such features"),
        ("mfcc", 3, "no layers"),
        ("wavlm:x", 3, "no such features"),
    ],
)
def test_bad_features_are_named(hubert_folder: Path, spec: str, layer: int | None, message: str) -> None:
    with pytest.raises(UserError, match=message):
        describe_features(spec.replace("PATH", str(hubert_folder)), layer)


def test_strides_that_give_no_whole_frames_are_refused(hubert_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(hubert_folder, folder)
    config = json.loads((folder / "config.json").read_text())
    config["conv_stride"] = [7, *config["conv_stride"][1:]]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="divide 40 ms"):
        describe_hubert(str(folder), 1)


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"config\.json"):
        describe_hubert(str(tmp_path), 1)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="no model weights"):
        describe_hubert(str(tmp_path), 1)
