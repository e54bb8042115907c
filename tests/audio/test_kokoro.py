"""Kokoro: how its files are found; and how it speaks, where LST_KOKORO names a folder with model and voices."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from lst_cli.audio.tts import kokoro
from lst_cli.audio.tts.engine import find_voice, load_voice
from lst_cli.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "voices").mkdir()
    (tmp_path / "model.onnx").write_bytes(b"model")
    np.zeros((510, 1, 256), np.float32).tofile(tmp_path / "voices" / "af_heart.bin")
    np.zeros((510, 1, 256), np.float32).tofile(tmp_path / "voices" / "jf_alpha.bin")
    with (tmp_path / "voices-v1.0.bin").open("wb") as archive:
        np.savez(archive, bm_lewis=np.zeros((510, 1, 256), np.float32))
    return tmp_path


def test_voices_are_files_or_members_of_an_archive(folder: Path) -> None:
    assert kokoro.find(str(folder), "af_heart").files == (folder / "model.onnx", folder / "voices" / "af_heart.bin")
    assert kokoro.find(str(folder), "bm_lewis").files == (folder / "model.onnx", folder / "voices-v1.0.bin")


@pytest.mark.parametrize("voice", [None, "nobody", "jf_alpha"])
def test_a_voice_that_is_not_there_or_of_no_known_language_is_refused(folder: Path, voice: str | None) -> None:
    with pytest.raises(UserError, match="one of: af_heart, bm_lewis"):
        kokoro.find(str(folder), voice)


def test_a_folder_without_one_model_is_refused(folder: Path) -> None:
    (folder / "other.onnx").write_bytes(b"")
    with pytest.raises(UserError, match=r"model\.onnx, other\.onnx"):
        kokoro.find(str(folder), "af_heart")
    with pytest.raises(UserError, match=r"no \.onnx file"):
        kokoro.find(str(folder / "voices"), "af_heart")


def test_a_model_may_be_named_as_on_the_hub_where_it_was_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, dict[str, object]]] = []

    def downloaded(name: str, **options: object) -> str:
        asked.append((name, options))
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", downloaded)
    model, voice = tmp_path / "onnx" / "model.onnx", tmp_path / "voices" / "af_heart.bin"
    for path in (model, voice, tmp_path / "onnx" / "model_q4.onnx"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    assert kokoro.find("hub/Kokoro", "af_heart").files == (model, voice)
    assert asked == [("hub/Kokoro", {"local_files_only": True})]


def test_a_name_that_was_not_downloaded_says_how_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="hf download nobody/Nothing-82M"):
        kokoro.find("nobody/Nothing-82M", "af_heart")


def test_its_noise_has_no_scale(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda package: "1")
    assert find_voice(f"kokoro:{folder}#af_heart").label == "af_heart"
    with pytest.raises(UserError, match="remove --noise"):
        find_voice(f"kokoro:{folder}#af_heart", noise=0.5)


@pytest.mark.skipif("LST_KOKORO" not in os.environ, reason="LST_KOKORO names no folder with Kokoro's model and voices")
def test_it_speaks_a_sentence_at_a_time_and_repeats_itself() -> None:
    pytest.importorskip("kokoro_onnx")
    voice = find_voice(f"kokoro:{os.environ['LST_KOKORO']}#af_heart")
    first, again = (load_voice(voice, noise=1.0, seed=3).speak("Anna had a dog. Go!", 1.0) for _ in range(2))
    assert len(first) == 2
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    engine = load_voice(voice, noise=1.0, seed=3)
    assert len(engine.speak("Anna had a dog.", 1.5)[0]) < 0.85 * len(first[0])
    assert len(engine.speak("and then it came back again " * 22, 2.0)) == 2  # beyond 510 phonemes
