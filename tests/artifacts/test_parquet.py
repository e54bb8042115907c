"""Files that are whole or absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lst_cli.artifacts.parquet import atomic_path


def test_two_machines_may_write_the_same_file_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def on(machine: str) -> None:
        name = os.uname_result((*real[:1], machine, *real[2:]))
        monkeypatch.setattr(os, "uname", lambda: name)

    real, path = os.uname(), tmp_path / "part"
    on("a")
    with atomic_path(path) as first:
        on("b")
        with atomic_path(path) as second:
            first.write_bytes(b"same")
            second.write_bytes(b"same")
        assert path.read_bytes() == b"same" and first.exists()
    assert [each.name for each in tmp_path.iterdir()] == ["part"]


def test_what_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "part"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="half way"), atomic_path(path) as temporary:
        temporary.write_bytes(b"ne")
        raise ValueError("half way")
    assert path.read_bytes() == b"old" and [each.name for each in tmp_path.iterdir()] == ["part"]
