"""Whisper encoders as feature extractors, in transformers' format and CTranslate2's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lst_cli.errors import UserError
from lst_cli.units.features.registry import FeatureExtractor, describe_features, load_features
from lst_cli.units.features.whisper_files import packaged_whisper
from lst_cli.units.frames import n_frames
from tests.units.speech import sound

CLIPS = [sound(seconds, seed) for seed, seconds in enumerate((1.0, 0.01, 3.37, 0.5))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import WhisperConfig, WhisperModel

    torch.manual_seed(0)
    config = WhisperConfig(
        d_model=32, encoder_layers=3, encoder_attention_heads=2, encoder_ffn_dim=64, num_mel_bins=80,
        decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=32, vocab_size=50, pad_token_id=0,
        bos_token_id=1, eos_token_id=2, decoder_start_token_id=1,
    )  # fmt: skip
    path = tmp_path_factory.mktemp("whisper")
    WhisperModel(config).save_pretrained(path)
    return path


def packaged() -> FeatureExtractor:
    if packaged_whisper() is None:
        pytest.skip("the extra 'evaluator' is not installed")
    return load_features(describe_features("whisper:tiny.en", None), "cpu")


def extractors(folder: Path) -> list[FeatureExtractor]:
    return [load_features(describe_features(f"whisper:{folder}", layer), "cpu") for layer in (None, 2)]


def test_frames_and_batches(folder: Path) -> None:
    for extractor in [*extractors(folder), packaged()]:
        together = extractor.extract(CLIPS)
        assert together.shape == (sum(n_frames(len(clip)) for clip in CLIPS), extractor.dim)
        alone = torch.cat([extractor.extract([clip]) for clip in CLIPS])
        assert torch.equal(together, alone)
        assert torch.isfinite(together).all()


@pytest.mark.parametrize("layer", [None, 2])
def test_thirty_seconds_are_what_transformers_computes(folder: Path, layer: int | None) -> None:
    from transformers import WhisperFeatureExtractor, WhisperModel

    wave = sound(29.0, 7)  # with a second of silence, the length that transformers insists on
    model = WhisperModel.from_pretrained(folder).eval()
    mel = WhisperFeatureExtractor()(wave, sampling_rate=16_000, return_tensors="pt")["input_features"]
    with torch.no_grad():
        out = model.encoder(mel, output_hidden_states=True)
    expected_MD = out.last_hidden_state[0] if layer is None else out.hidden_states[layer][0]
    expected_TD = expected_MD.reshape(750, 2, -1).mean(1)[: 29 * 25]
    found = load_features(describe_features(f"whisper:{folder}", layer), "cpu").extract([wave])
    torch.testing.assert_close(found, expected_TD, rtol=1e-4, atol=1e-4)


def test_the_packaged_model_separates_sounds() -> None:
    """Real weights: frames of the same sound are closer than frames of different sounds."""
    extractor = packaged()
    steps = np.arange(32_000) / 16_000
    tones = [(np.sin(2 * np.pi * hz * steps) * 0.3).astype(np.float32) for hz in (220, 1800)]
    first, second = (extractor.extract([tone])[10:40] for tone in tones)
    between = torch.cdist(first, second).mean()
    within = (torch.cdist(first, first).mean() + torch.cdist(second, second).mean()) / 2
    assert between > 1.5 * within


def test_errors_name_the_fault(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--layer 9"):
        describe_features(f"whisper:{folder}", 9)
    with pytest.raises(UserError, match="no such folder"):
        describe_features(f"whisper:{tmp_path / 'none'}", None)
    (tmp_path / "config.json").write_text('{"model_type": "wavlm"}')
    with pytest.raises(UserError, match="not a Whisper model"):
        describe_features(f"whisper:{tmp_path}", None)
    config = describe_features(f"whisper:{folder}", None) | {"sha256": "0" * 64}
    with pytest.raises(UserError, match="not the weights"):
        load_features(config, "cpu")


def test_the_packaged_model_has_no_layers_to_choose() -> None:
    packaged()
    with pytest.raises(UserError, match="last layer only"):
        describe_features("whisper:tiny.en", 2)
