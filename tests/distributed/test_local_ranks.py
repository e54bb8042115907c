"""``lst --ranks N``: an error is told once, and a killed rank by its name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lst_cli.artifacts import Store
from lst_cli.distributed.local_ranks import run_ranks
from lst_cli.errors import LstError
from tests.shards.making import utterances
from tests.shards.stages import make_stages


def lst(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lst_cli.main", "--ranks", "2", "--root", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_two_ranks_make_an_artifact(tmp_path: Path) -> None:
    make_stages(Store(tmp_path), utterances(6))
    made = lst(tmp_path, "shards", "speech", "--tokens", "tokens/a", "--tokenizer", "text_tokenizer/a", "--name", "s")
    assert made.returncode == 0, made.stderr
    assert Store(tmp_path).find_any("shards/s").statistics["utterances"] == 6
    assert "rank 1: no work unit is left" in made.stderr


def test_an_error_of_all_ranks_is_told_once(tmp_path: Path) -> None:
    failed = lst(tmp_path, "shards", "speech", "--tokens", "tokens/a", "--tokenizer", "text_tokenizer/a", "--name", "s")
    assert failed.returncode == 2
    assert failed.stderr.count("tokens/a: no such artifact") == 1, failed.stderr
    assert failed.stderr.startswith("error: ") and "Traceback" not in failed.stderr


def test_a_killed_rank_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\n[ $RANK = 0 ] && sleep 60\nkill -9 $$\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(LstError, match="rank 1 was killed by SIGKILL"):
        run_ranks(2, ["tokenize"])
