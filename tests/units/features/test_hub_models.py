"""Pretrained models: where they are, whatever the room that asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from lst_cli.errors import UserError
from lst_cli.units.features.hub_models import find_model, normalizes, read_settings, weights_sha256


@pytest.fixture
def downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the hub that holds somebody/model, with no way to the hub."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    model = tmp_path / "models--somebody--model"
    snapshot = model / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text("abc")
    (snapshot / "config.json").write_text('{"feat_extract_norm": "layer"}')
    return snapshot


@pytest.mark.parametrize("fetch", [True, False])
def test_a_downloaded_model_is_found_by_name(downloaded: Path, fetch: bool) -> None:
    assert find_model("somebody/model", "--model", "a name", fetch=fetch) == downloaded


def test_a_folder_is_itself(downloaded: Path) -> None:
    assert find_model(str(downloaded), "--model", "a folder", fetch=False) == downloaded


@pytest.mark.parametrize(
    ("name", "fetch", "message"),
    [
        ("nowhere", True, "no such folder"),
        ("/no/where", True, "no such folder"),
        ("./no/where", False, "no such folder"),
        ("somebody/else", True, "can't be fetched from the Hugging Face Hub"),
        ("somebody/else", False, "was not downloaded before"),
        ("some body/model", True, "can't be fetched"),
    ],
)
def test_a_model_that_is_not_there(downloaded: Path, name: str, fetch: bool, message: str) -> None:
    with pytest.raises(UserError, match=f"(?s)the model: .*{message}.*a folder or a name"):
        find_model(name, "the model", "a folder or a name", fetch=fetch)


def test_what_has_no_config_is_no_model(downloaded: Path, tmp_path: Path) -> None:
    (downloaded / "config.json").unlink()
    for name in ("somebody/model", str(tmp_path)):
        with pytest.raises(UserError, match=r"no config\.json"):
            find_model(name, "--model", "a folder or a name", fetch=False)


def test_the_sum_is_over_config_and_weights(downloaded: Path) -> None:
    with pytest.raises(UserError, match="no model weights"):
        weights_sha256(downloaded)
    (downloaded / "model.safetensors").write_bytes(b"weights")
    first = weights_sha256(downloaded)
    (downloaded / "README.md").write_text("says nothing of the model")
    assert weights_sha256(downloaded) == first
    (downloaded / "config.json").write_text("{}")
    assert weights_sha256(downloaded) != first


def test_whether_clips_are_normalised(downloaded: Path) -> None:
    config = read_settings(downloaded / "config.json")
    assert normalizes(downloaded, config)
    assert not normalizes(downloaded, {})
    (downloaded / "preprocessor_config.json").write_text('{"do_normalize": false}')
    assert not normalizes(downloaded, config)


@pytest.mark.parametrize(("text", "message"), [("{", "can't be read"), ("[1]", "found:    list")])
def test_damaged_settings_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UserError, match=message):
        read_settings(tmp_path / "config.json")
