from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lst_cli.alignment.align_batch import align_words
from lst_cli.alignment.emissions.pretrained_ctc import load_pretrained
from lst_cli.alignment.emissions.pretrained_files import describe_model
from lst_cli.alignment.words import spoken_words
from lst_cli.errors import UserError
from tests.alignment.tones import Spoken

SYMBOLS = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ETAONIHSRDLUMWCFGYPBVK'XJQZ"]
CPU = torch.device("cpu")


def save_model(folder: Path, norm: str, kind: str = "Wav2Vec2ForCTC") -> Any:
    """A small random CTC model in the hub's format."""
    import transformers

    sizes = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "conv_dim": (16,) * 7,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4,
        "vocab_size": len(SYMBOLS),
        "pad_token_id": 0,
        "feat_extract_norm": norm,
        "do_stable_layer_norm": norm == "layer",
        "conv_bias": norm == "layer",
    }
    config = getattr(transformers, kind.replace("ForCTC", "Config"))(**sizes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = getattr(transformers, kind)(config).eval()
        torch.nn.init.normal_(model.lm_head.weight, std=2.0)
    model.save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps({symbol: i for i, symbol in enumerate(SYMBOLS)}))
    return model


@pytest.fixture
def waves(spoken: list[Spoken]) -> list[NDArray[np.float32]]:
    return [spoken[0].wave, spoken[1].wave[:9000], spoken[2].wave[:50]]


@pytest.mark.parametrize(
    ("norm", "kind"), [("group", "Wav2Vec2ForCTC"), ("layer", "Wav2Vec2ForCTC"), ("group", "HubertForCTC")]
)
def test_emissions_are_those_of_transformers_alone_and_in_company(
    tmp_path: Path, waves: list[NDArray[np.float32]], norm: str, kind: str
) -> None:
    model = save_model(tmp_path, norm, kind)
    emitter = load_pretrained(str(tmp_path), CPU)
    together = emitter.emit(waves)
    for wave, logp_UV in zip(waves[:2], together, strict=False):
        normal = (wave - wave.mean()) / np.sqrt(wave.var() + 1e-7)
        with torch.inference_mode():
            expected = torch.log_softmax(model(torch.from_numpy(normal)[None]).logits[0], dim=-1)
        assert torch.allclose(logp_UV, expected, atol=1e-3)
    assert len(together[2]) == 1  # shorter than one frame hears: padded to one frame


def test_capitals_separators_and_apostrophes(tmp_path: Path) -> None:
    save_model(tmp_path, "group")
    emitter = load_pretrained(str(tmp_path), CPU)
    spelling = emitter.spell(spoken_words("It's ill-bred", emitter.letters))
    assert "".join(SYMBOLS[label] for label in spelling.labels) == "IT'S|ILL|BRED"
    assert spelling.words == (0, 0, 0, 0, -1, 1, 1, 1, -1, 1, 1, 1, 1)
    assert (emitter.blank, emitter.hop, emitter.offset, emitter.peaky) == (0, 320, 40, True)


def test_words_lie_in_order_inside_the_clip(tmp_path: Path, spoken: list[Spoken]) -> None:
    save_model(tmp_path, "group")
    emitter = load_pretrained(str(tmp_path), CPU)
    one = spoken[3]
    words = spoken_words(one.text, emitter.letters)
    row = align_words(words, one.wave, emitter.emit([one.wave])[0], emitter, len(one.wave) // 640)
    edges = [edge for span in zip(row["starts"], row["ends"], strict=True) for edge in span]
    assert edges == sorted(edges) and edges[-1] <= len(one.wave) // 640
    assert all(0 <= score <= 1 for score in row["scores"])


def test_a_model_is_known_by_its_contents(tmp_path: Path) -> None:
    save_model(tmp_path, "group")
    before = describe_model(str(tmp_path))
    (tmp_path / "vocab.json").write_text(json.dumps({"<pad>": 0, "a": 1}))
    assert describe_model(str(tmp_path)) != before


def test_models_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--model nowhere: no such folder"):
        describe_model("nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no config\.json"):
        describe_model(str(tmp_path / "empty"))
    (tmp_path / "empty" / "config.json").write_text("{}")
    with pytest.raises(UserError, match="no model weights"):
        describe_model(str(tmp_path / "empty"))
    with pytest.raises(UserError, match="not a model that lst can align with"):
        load_pretrained(str(tmp_path / "empty"), CPU)
    (tmp_path / "empty" / "config.json").write_text('{"model_type": "wav2vec2"}')
    with pytest.raises(UserError, match="can't read a CTC model"):
        load_pretrained(str(tmp_path / "empty"), CPU)
    save_model(tmp_path / "mute", "group")
    (tmp_path / "mute" / "vocab.json").unlink()
    with pytest.raises(UserError, match=r"vocab.json: no labels"):
        load_pretrained(str(tmp_path / "mute"), CPU)


def test_a_headless_model_is_refused(tmp_path: Path) -> None:
    model = save_model(tmp_path, "group")
    model.wav2vec2.save_pretrained(tmp_path)
    with pytest.raises(UserError, match="don't fill the model"):
        load_pretrained(str(tmp_path), CPU)


def test_a_torchaudio_bundle(monkeypatch: pytest.MonkeyPatch, waves: list[NDArray[np.float32]]) -> None:
    import torchaudio

    class Bundle:
        def get_labels(self) -> tuple[str, ...]:
            return ("-", "|", *"ETAONIHSRDLUMWCFGYPBVK'XJQZ")

        def get_model(self) -> torch.nn.Module:
            with torch.random.fork_rng():
                torch.manual_seed(0)
                return torchaudio.models.wav2vec2_model(
                    extractor_mode="group_norm",
                    extractor_conv_layer_config=[(8, 10, 5), *[(8, 3, 2)] * 4, *[(8, 2, 2)] * 2],
                    extractor_conv_bias=False,
                    encoder_embed_dim=16,
                    encoder_projection_dropout=0.0,
                    encoder_pos_conv_kernel=8,
                    encoder_pos_conv_groups=2,
                    encoder_num_layers=1,
                    encoder_num_heads=2,
                    encoder_attention_dropout=0.0,
                    encoder_ff_interm_features=16,
                    encoder_ff_interm_dropout=0.0,
                    encoder_dropout=0.0,
                    encoder_layer_norm_first=False,
                    encoder_layer_drop=0.0,
                    aux_num_out=29,
                )

    monkeypatch.setattr(torchaudio.pipelines, "TINY_ASR", Bundle(), raising=False)
    emitter = load_pretrained("torchaudio:TINY_ASR", CPU)
    assert emitter.spell(spoken_words("I am", emitter.letters)).labels == (7, 1, 4, 14)
    frames = [len(logp_UV) for logp_UV in emitter.emit(waves)]
    assert frames == [(len(wave) - 400) // 320 + 1 for wave in waves[:2]] + [1]
    with pytest.raises(UserError, match="no such bundle"):
        load_pretrained("torchaudio:NOTHING", CPU)
