"""Speaker similarity and DNSMOS, next to ASR error rates."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lst_cli.artifacts import Store
from lst_cli.artifacts.parquet import read_parquet
from lst_cli.audio.decode import read_samples, resample
from lst_cli.errors import UserError
from lst_cli.evaluation.scores import ITEMS_FILE
from lst_cli.evaluation.speech import speech_quality as extras
from lst_cli.evaluation.speech.dnsmos import SCALES, Dnsmos, DnsmosFiles, find_dnsmos
from lst_cli.evaluation.speech.speaker_similarity import SHORTEST_SAMPLES, SpeakerModel, find_speaker_model
from lst_cli.evaluation.speech.speech_quality import Extras
from tests.evaluation.speech.test_tts import _tts, root, run

__all__ = ["root"]

RECORDINGS = Path(__file__).parents[3] / "recipes" / "tiny" / "librivox"


def _wavlm(folder: Path, *, head: bool = True, preprocessor: object = None) -> Path:
    """A WavLM of a minute size with random weights, in hub format."""
    from transformers import WavLMConfig, WavLMForXVector, WavLMModel

    config = WavLMConfig(  # type: ignore[no-untyped-call]
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
        tdnn_dim=(16, 16, 16, 16, 24),
        xvector_output_dim=8,
    )
    with torch.random.fork_rng(devices=()):
        torch.default_generator.manual_seed(0)
        model = (WavLMForXVector if head else WavLMModel)(config)
    model.save_pretrained(folder)
    if preprocessor is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor), encoding="utf-8")
    return folder


def _sound(seed: int, samples: int = 12_000) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 0.1, samples).astype(np.float32)


def test_a_clip_is_most_like_itself(tmp_path: Path) -> None:
    model = SpeakerModel(find_speaker_model(str(_wavlm(tmp_path / "wavlm"))), "cpu")
    assert model.similarity(_sound(0), _sound(0)) == pytest.approx(1)
    other = model.similarity(_sound(0), np.cumsum(_sound(1)) / 10)
    assert other is not None and -1 <= other < 1
    assert model.similarity(_sound(0), _sound(1, SHORTEST_SAMPLES)) is not None
    assert model.similarity(_sound(0), _sound(1, SHORTEST_SAMPLES - 1)) is None
    assert model.similarity(np.zeros(0, np.float32), _sound(1)) is None


def test_a_model_hears_clips_as_it_was_trained_to(tmp_path: Path) -> None:
    wave_T = _sound(0)
    plain = SpeakerModel(find_speaker_model(str(_wavlm(tmp_path / "plain"))), "cpu")
    files = find_speaker_model(str(_wavlm(tmp_path / "normal", preprocessor={"do_normalize": True})))
    normal = SpeakerModel(files, "cpu")
    assert torch.allclose(normal.x_vector(wave_T), normal.x_vector(3 * wave_T + 0.2), atol=1e-4)
    standard = (wave_T - wave_T.mean()) / wave_T.std()
    assert torch.allclose(normal.x_vector(wave_T), plain.x_vector(standard), atol=1e-4)


def test_models_that_cannot_tell_speakers(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not downloaded before"):
        find_speaker_model("nobody/no-such-model")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no config\.json"):
        find_speaker_model(str(tmp_path / "empty"))
    pretrained = find_speaker_model(str(_wavlm(tmp_path / "alone", head=False)))
    with pytest.raises(UserError, match="don't fill the model"):
        SpeakerModel(pretrained, "cpu")
    (tmp_path / "alone" / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UserError, match="x-vectors"):
        SpeakerModel(find_speaker_model(str(tmp_path / "alone")), "cpu")


def test_what_a_model_says_is_compared_with_the_original_speaker(root: Path) -> None:
    folder = _wavlm(root.parent / "wavlm")
    without = json.loads(run(root, *_tts(root, "--json")))
    assert "speaker_similarity" not in without and "speaker_model" not in without
    result = json.loads(run(root, *_tts(root, "--speaker-model", str(folder), "--json")))
    assert result["scores"] != without["scores"] and result["speaker_model"]["name"] == "wavlm"
    figure = result["speaker_similarity"]
    rows = read_parquet(Store(root).find_any(result["scores"]).file(ITEMS_FILE)).to_pylist()
    assert figure["value"] == pytest.approx(np.mean([row["speaker_similarity"] for row in rows]))
    assert figure["n"] == 3 and -1 <= figure["low"] <= figure["value"] <= figure["high"] <= 1
    assert "speaker" in run(root, *_tts(root, "--speaker-model", str(folder)))
    assert "speaker" not in run(root, *_tts(root))


def test_clips_too_short_to_tell_a_speaker_are_not_counted(root: Path) -> None:
    folder = _wavlm(root.parent / "wavlm")
    evaluator = ["--evaluator", str(root.parent / "whisper"), "--speaker-model", str(folder), "--json"]
    arguments = ["vocoder", "vocoder/v", "--corpus", "corpus/held", "--tokens", "tokens/held", *evaluator]
    result = json.loads(run(root, *arguments))  # four units: 0.16 s
    assert result["speaker_similarity"] is None and result["n"] == 3
    run(root, *arguments[:-1])


def test_nothing_is_asked_for() -> None:
    assert Extras.find(None, False).config == {}


def test_dnsmos_hears_noise() -> None:
    pytest.importorskip("speechmos")
    pytest.importorskip("onnxruntime")
    dnsmos = Dnsmos(find_dnsmos())
    samples, rate = read_samples(RECORDINGS / "austen-0870.wav")
    speech_T = resample(samples, rate)[:150_000]  # one window
    clean, noisy = dnsmos.score(speech_T), dnsmos.score(speech_T + _sound(0, len(speech_T)))
    assert clean is not None and noisy is not None
    for scale in ("signal", "background", "overall"):
        assert 1 < noisy[scale] < clean[scale] < 5
    assert dnsmos.score(np.zeros(0, np.float32)) is None


class LengthDnsmos:
    """Thinks the better of a clip the longer it is."""

    def __init__(self, files: DnsmosFiles) -> None:
        assert files.sha256 == "sum"

    def score(self, wave_T: NDArray[np.float32]) -> dict[str, float]:
        return dict.fromkeys(SCALES, len(wave_T) / 16_000)


def test_dnsmos_of_what_is_said_stands_beside_that_of_the_original(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_dnsmos", lambda: DnsmosFiles(path=root, sha256="sum"))
    monkeypatch.setattr(extras, "Dnsmos", LengthDnsmos)
    result = json.loads(run(root, *_tts(root, "--dnsmos", "--json")))
    scores = result["dnsmos_scores"]
    assert scores["signal"] == pytest.approx({"value": 0.4, "low": 0.4, "high": 0.4, "n": 3})
    assert scores["original"]["overall"]["value"] == pytest.approx(0.5) and result["dnsmos"]["sha256"] == "sum"
    rows = read_parquet(Store(root).find_any(result["scores"]).file(ITEMS_FILE)).to_pylist()
    assert [row["original_dnsmos_background"] for row in rows] == [0.5] * 3
    assert "DNSMOS" in run(root, *_tts(root, "--dnsmos")) and "DNSMOS" not in run(root, *_tts(root))


def test_dnsmos_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="needs speechmos"):
        find_dnsmos()
