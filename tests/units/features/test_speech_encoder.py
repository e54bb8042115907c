"""Any speech encoder of transformers as a feature extractor, one clip at a time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from lst_cli.errors import UserError
from lst_cli.units.features.registry import describe_features, load_features
from lst_cli.units.frames import n_frames
from tests.units.speech import sound

CLIPS = [sound(seconds, seed) for seed, seconds in enumerate((1.0, 0.01, 2.21))]
SIZES = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
FRONT = {"conv_dim": [16] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}


def save(kind: str, folder: Path) -> Path:
    import transformers

    torch.manual_seed(0)
    extra = {"conv_pos_kernel_size": 3} if kind == "Data2VecAudio" else {}
    config = getattr(transformers, f"{kind}Config")(**SIZES, **FRONT, **extra)
    getattr(transformers, f"{kind}Model")(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", ["WavLM", "Wav2Vec2", "Data2VecAudio", "Hubert"])
def test_features_are_the_hidden_states(kind: str, tmp_path: Path) -> None:
    from transformers import AutoModel

    folder = save(kind, tmp_path / "model")
    config = describe_features(f"transformers:{folder}", 1)
    extractor = load_features(config, "cpu")
    found = extractor.extract(CLIPS)
    assert torch.equal(found, torch.cat([extractor.extract([clip]) for clip in CLIPS]))
    assert found.shape == (sum(n_frames(len(clip)) for clip in CLIPS), 24)
    wave_S = torch.from_numpy(CLIPS[0])
    if config["normalize"]:
        wave_S = (wave_S - wave_S.mean()) / torch.sqrt(wave_S.var(unbiased=False) + 1e-7)
    model = AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        hidden_MD = model(wave_S[None], output_hidden_states=True).hidden_states[1][0]
    hidden_MD = torch.cat([hidden_MD, hidden_MD[-1:]])[:50]
    torch.testing.assert_close(found[:25], hidden_MD.reshape(25, 2, -1).mean(1), rtol=1e-4, atol=1e-5)


def test_errors_name_the_fault(tmp_path: Path) -> None:
    folder = save("WavLM", tmp_path / "model")
    with pytest.raises(UserError, match="required for these features"):
        describe_features(f"transformers:{folder}", None)
    path = folder / "config.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "conv_stride": [5, 3, 2, 2, 2, 2, 2]}))
    with pytest.raises(UserError, match="do not divide 40 ms"):
        describe_features(f"transformers:{folder}", 1)
    path.write_text(json.dumps({"model_type": "whisper"}))
    with pytest.raises(UserError, match="not a waveform encoder"):
        describe_features(f"transformers:{folder}", 1)
