"""The code of docs/python.md runs, from top to bottom, on a toy model."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from lst_cli.artifacts import Draft, Request, Store
from lst_cli.model_artifact.card import MODEL
from tests.inference.reciting import reciting_artifact

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store(tmp_path / "artifacts")
    reciting = reciting_artifact(store)

    def copy(draft: Draft) -> None:
        for record in reciting.files:
            (draft.path / record.path).write_bytes(reciting.file(record.path).read_bytes())

    for name, task in (("curriculum", "pretrain"), ("both", "asr,tts")):
        store.build(Request(kind=MODEL, name=name, config={"task": task}), copy)
    wavfile.write(tmp_path / "prompt.wav", 16_000, (np.sin(np.arange(24_000) / 9) * 9_000).astype(np.int16))

    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    assert len(blocks) == 5
    names: dict[str, object] = {}
    for block in blocks:
        exec(block, names)
    printed = capsys.readouterr().out
    assert "parameters" in printed
    assert "1.52 seconds" in printed or "1.48 seconds" in printed or "1.5 seconds" in printed
