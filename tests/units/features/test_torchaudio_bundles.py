"""A bundle of torchaudio gives the features that torchaudio gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchaudio
from torchaudio.models import wav2vec2_model

from lst_cli.errors import UserError
from lst_cli.units.features.registry import describe_features, load_features


def small(norm_first: bool) -> torch.nn.Module:
    """A HuBERT of random weights, of the kind of base or of large."""
    torch.manual_seed(0)
    model = wav2vec2_model(
        extractor_mode="layer_norm" if norm_first else "group_norm",
        extractor_conv_layer_config=[(32, 10, 5), *[(32, 3, 2)] * 4, *[(32, 2, 2)] * 2],
        extractor_conv_bias=False,
        encoder_embed_dim=48,
        encoder_projection_dropout=0.0,
        encoder_pos_conv_kernel=16,
        encoder_pos_conv_groups=4,
        encoder_num_layers=3,
        encoder_num_heads=4,
        encoder_attention_dropout=0.0,
        encoder_ff_interm_features=64,
        encoder_ff_interm_dropout=0.0,
        encoder_dropout=0.0,
        encoder_layer_norm_first=norm_first,
        encoder_layer_drop=0.0,
        aux_num_out=None,
    ).eval()
    if not norm_first:
        return model
    from torchaudio.pipelines._wav2vec2.utils import _Wav2Vec2Model

    return _Wav2Vec2Model(model, normalize_waveform=True, apply_log_softmax=False, append_star=False).eval()


class Bundle:
    def __init__(self, model: torch.nn.Module) -> None:
        self.model = model
        self.fetched = 0

    def get_model(self) -> torch.nn.Module:
        self.fetched += 1
        return self.model


@pytest.mark.parametrize("norm_first", [False, True])
def test_features_are_those_of_torchaudio(norm_first, tmp_path, monkeypatch):
    model = small(norm_first)
    bundle = Bundle(model)
    monkeypatch.setattr(torchaudio.pipelines, "HUBERT_BASE", bundle)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    wave = np.random.default_rng(0).standard_normal(16_000).astype(np.float32) * 0.1
    config = describe_features("torchaudio:HUBERT_BASE", 2)
    found = load_features(config, "cpu").extract([wave])
    with torch.inference_mode():
        expected = model.extract_features(torch.from_numpy(wave)[None])[0][1][0]
    expected = torch.cat([expected, expected[-1:]])[:50].reshape(25, 2, -1).mean(1)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    describe_features("torchaudio:HUBERT_BASE", 2)
    assert bundle.fetched == 1 and config["normalize"] is norm_first
    # Another machine comes to the same sum.
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "other"))
    assert describe_features("torchaudio:HUBERT_BASE", 2) == config


def test_an_unknown_bundle_lists_what_there_is():
    with pytest.raises(UserError, match="HUBERT_LARGE"):
        describe_features("torchaudio:WAVLM_BASE", 2)


def test_without_a_network_the_message_says_what_to_do(tmp_path, monkeypatch):
    class Far(Bundle):
        def get_model(self) -> torch.nn.Module:
            raise OSError("no route to host")

    monkeypatch.setattr(torchaudio.pipelines, "HUBERT_BASE", Far(torch.nn.Identity()))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(UserError, match="hubert:PATH"):
        describe_features("torchaudio:HUBERT_BASE", 2)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
