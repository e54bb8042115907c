"""``lst --engine ray`` on a real cluster of this machine: the same bytes as one process, also when a rank is killed."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lst_cli.artifacts import Store
from lst_cli.artifacts.lock import holder
from lst_cli.commands.common import Settings, build
from lst_cli.distributed.ray_ranks import RankCommand, RayOptions
from lst_cli.errors import UserError
from lst_cli.main import main
from tests.audio.sounds import save_spoken

FILES = 400
"""Eight work units."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    os.environ.update(RAY_raylet_start_wait_time_s="120")  # of a machine that is busy with other tests
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audio")
    for number in range(FILES):
        save_spoken(folder / f"{number:03d}.wav", f"text {number}", 0.2)
    (folder / "007.wav").write_bytes(b"RIFF")
    return folder


def lst(patch: pytest.MonkeyPatch, *arguments: str) -> int:
    patch.setattr(sys, "argv", ["lst", *arguments])
    try:
        main()
    except SystemExit as leaving:
        assert isinstance(leaving.code, int)
        return leaving.code
    return 0


def add(audio: Path, rate: str = "0.1") -> list[str]:
    return ["corpus", "add", str(audio), "--name", "c", "--workers", "1", "--max-reject-rate", rate, "--json"]


def sums(root: Path) -> dict[str, str]:
    assert not [path for path in root.rglob(".*") if path.suffix in (".partial", ".lock", ".tmp")]
    return {file.path: file.sha256 for file in Store(root).find_any("corpus/c").files}


def test_the_same_bytes_as_one_process_and_a_killed_rank_is_survived(
    tmp_path: Path, audio: Path, cluster: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    alone, shared, killed = (tmp_path / name for name in ("alone", "shared", "killed"))
    assert lst(monkeypatch, "--root", str(alone), *add(audio)) == 0
    capsys.readouterr()
    assert lst(monkeypatch, "--root", str(shared), "--engine", "ray", "--ranks", "2", *add(audio)) == 0
    assert json.loads(capsys.readouterr().out)["statistics"]["utterances"] == FILES - 1
    assert sums(shared) == sums(alone)
    victims: list[int] = []

    def kill() -> None:
        deadline = time.monotonic() + 120
        while not victims and time.monotonic() < deadline:
            for path in killed.glob("corpus/c/.*.*.lock"):
                owner = holder(path)
                if owner is not None and owner.pid:
                    os.kill(owner.pid, signal.SIGKILL)
                    victims.append(owner.pid)
                    return
            time.sleep(0.001)

    killer = threading.Thread(target=kill)
    killer.start()
    assert lst(monkeypatch, "--root", str(killed), "--engine", "ray", *add(audio)) == 0
    killer.join()
    assert victims
    assert sums(killed) == sums(alone)


def test_an_error_of_the_ranks_is_reported_once(
    tmp_path: Path, audio: Path, cluster: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lst(monkeypatch, "--root", str(tmp_path), "--engine", "ray", "--ranks", "2", *add(audio, "0")) == 2
    assert capsys.readouterr().err.count(f"error: 1 of {FILES} inputs were rejected") == 1


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (["pretrain", "x.yaml"], {}, "'lst pretrain' has no work units to share"),
        (
            ["corpus", "add", "x", "--name", "c"],
            {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"},
            "already is a rank",
        ),
    ],
)
def test_what_ray_is_not_for(
    arguments: list[str],
    environment: dict[str, str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert lst(monkeypatch, "--engine", "ray", *arguments) == 2
    assert message in capsys.readouterr().err


def test_a_stage_of_one_process_is_refused(tmp_path: Path) -> None:
    options = Settings(root=tmp_path, debug=False, ray=RayOptions(ranks=2, cpus=1))
    with pytest.raises(UserError, match="'lst align fit' runs in one process"):
        build(SimpleNamespace(obj=options, command_path="lst align fit"), Any, Any)  # type: ignore[arg-type]


def test_ray_has_to_be_installed(
    tmp_path: Path, audio: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert lst(monkeypatch, "--root", str(tmp_path), "--engine", "ray", *add(audio)) == 2
    assert "pip install 'lst-cli[ray]'" in capsys.readouterr().err


def test_a_cluster_that_does_not_answer_is_named(
    tmp_path: Path, audio: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace())  # type: ignore[arg-type]
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    assert lst(monkeypatch, "--root", str(tmp_path), "--engine", "ray", *add(audio)) == 1
    assert "no Ray cluster at RAY_ADDRESS 127.0.0.1:1" in capsys.readouterr().err


def test_a_machine_with_another_root_or_another_lst_is_refused(tmp_path: Path) -> None:
    def command(**changes: str) -> RankCommand:
        return RankCommand(
            arguments=(),
            folder=str(tmp_path),
            mark=tmp_path / "mark",
            run="r",
            ranks=2,
            **changes,  # type: ignore[arg-type]
        )

    with pytest.raises(UserError, match=r"rank 1 on .*: does not share the artifact root"):
        command()(1)
    with pytest.raises(UserError, match="another version of lst"):
        command(version="0.0.0")(1)
