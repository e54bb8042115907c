"""Names of clips, files and options of `lst transcribe` and `lst speak` that ended the job or broke its output."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from lst_cli.artifacts import Store
from lst_cli.errors import UserError
from lst_cli.main import app
from tests.inference.models import quantizer_artifact, tokens_artifact
from tests.inference.reciting import recited_text, reciting_artifact


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    store = Store(root)
    reciting_artifact(store)
    tokens_artifact(store, "two", {"one": [1] * 40, "other": [2] * 50}, quantizer_artifact(store))
    return root


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 16_000), 16_000)
    return tmp_path / "a.wav"


def run(root: Path, *arguments: str) -> tuple[str, str]:
    result = CliRunner().invoke(app, ["--root", str(root), "transcribe", "model/reciting", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout, result.stderr


@pytest.mark.parametrize("id", ["x" * 300, "ü" * 200, "/".join(["folder"] * 30)])
def test_a_long_name_killed_the_job_with_errno_36(root: Path, wav: Path, id: str) -> None:
    table = wav.parent / "clips.tsv"
    table.write_text(f"path\tid\na.wav\t{id}\na.wav\t{id}2\na.wav\tshort\n", encoding="utf-8")
    _, said = run(root, str(table), "--output", str(wav.parent / "out"))
    names = sorted(path.name for path in (wav.parent / "out").iterdir())
    assert len(names) == 3 and "short.txt" in names
    assert said.count("its name is too long") == 2


def test_a_path_of_160_characters_killed_the_job(root: Path, wav: Path) -> None:
    folder = wav.parent / ("d" * 80)
    folder.mkdir()
    name = "e" * 80
    for file in (wav.parent / f"{name}.wav", folder / "b.wav"):
        shutil.copy(wav, file)
    run(root, str(wav.parent), "--output", str(wav.parent / "out"))
    assert len(list((wav.parent / "out").iterdir())) == 3


def test_a_tab_in_a_name_broke_the_line(root: Path, wav: Path) -> None:
    shutil.copy(wav, wav.parent / "b\tc\x1b[31m\nd.wav")
    text, _ = run(root, str(wav.parent))
    lines = [line.split("\t") for line in text.splitlines()]
    assert [cells[1] for cells in lines] == [recited_text()] * 2
    assert "\\tc\\x1b" in lines[1][0]


def test_an_unreadable_clip_was_named_twice(root: Path, wav: Path) -> None:
    (wav.parent / "broken.wav").write_bytes(b"RIFF")
    with pytest.raises(UserError) as caught:
        run(root, str(wav.parent))
    assert str(caught.value.found).count("broken") == 1


@pytest.mark.parametrize("seconds", ["inf", "nan", "-inf", "1e300"])
def test_a_segment_of_endless_length_was_a_fault_of_lst(root: Path, wav: Path, seconds: str) -> None:
    result = CliRunner().invoke(
        app, ["--root", str(root), "transcribe", "model/reciting", str(wav), "--segment-s", seconds]
    )
    assert isinstance(result.exception, UserError) or result.exit_code == 2


@pytest.mark.parametrize("name", ["s.mp3", "s.flac", "s.WAV.ogg"])
def test_speak_wrote_a_wav_file_under_another_name(root: Path, name: str) -> None:
    arguments = ["speak", "model/reciting", "hello", "--vocoder", "vocoder/v", "--output", name]
    with pytest.raises(UserError, match=r"not the name of a wav file"):
        app(["--root", str(root), *arguments], standalone_mode=False)
