"""``lst shards show``: readable rows, figures, and Table 13's accounting."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lst_cli.artifacts import Store
from tests.shards.build.test_build_shards import SPEECH
from tests.shards.command import run
from tests.shards.making import utterances
from tests.shards.stages import make_stages


def test_show_speech(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_stages(Store(tmp_path), utterances(9))
    assert run(tmp_path, *SPEECH, "--alignment", "alignment/a") == 0
    assert run(tmp_path, "shards", "show", "shards/s", "--rows", "2") == 0
    shown = capsys.readouterr().out
    assert shown.count("epoch 0") == shown.count("epoch 1") == 2
    assert "<s>" in shown and "<t>" in shown and "[" in shown
    assert "silence share" in shown and "text tokens per word" in shown and "paper: LST" in shown
    assert run(tmp_path, "shards", "show", "shards/s", "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert data["info"]["modality"] == "speech"
    assert [round(row["ratio"], 2) for row in data["accounting"]["units"][-2:]] == [1.0, 0.81]
    assert len(data["rows"]) == 3


def test_show_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_stages(Store(tmp_path), utterances(2))
    file = tmp_path / "a.txt"
    file.write_text("over some hill\n")
    options = ("--tokenizer", "text_tokenizer/a", "--name", "s")
    assert run(tmp_path, "shards", "text", str(file), *options) == 0
    assert run(tmp_path, "shards", "show", "shards/s") == 0
    assert "over some hill" in capsys.readouterr().out
