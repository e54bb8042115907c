"""What went wrong with locks: two hosts built one artifact; a dead process's lock."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lst_cli.artifacts import Draft, Store
from lst_cli.artifacts import lock as lock_module
from lst_cli.artifacts.lock import exclusive, holder, try_lock
from lst_cli.artifacts.paths import lock_file
from tests.known_issues.things import request, write


def other_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks of the kernel seen from another host: there are none."""
    monkeypatch.setattr(lock_module, "this_host", lambda: "elsewhere/1")
    monkeypatch.setattr(lock_module.fcntl, "flock", lambda handle, operation: None)


def test_two_hosts_built_one_artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / ".v.lock"
    with exclusive(path, "it"):
        told = json.loads(path.read_text())
        assert told["pid"] == os.getpid() and told["host"].startswith(os.uname().nodename) and told["since"]
        with monkeypatch.context() as elsewhere:
            other_host(elsewhere)
            assert holder(path) is not None
            with try_lock(path) as lock:
                assert lock is None
    assert not path.exists()


def test_a_lock_of_a_dead_process_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / ".v.lock"
    script = (
        "import os, signal, sys; from pathlib import Path; from lst_cli.artifacts.lock import exclusive\n"
        "with exclusive(Path(sys.argv[1]), 'it'): os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert path.exists() and holder(path) is None
    with monkeypatch.context() as elsewhere:
        other_host(elsewhere)
        assert holder(path) is not None, "another host can't know yet"
        os.utime(path, (0, time.time() - lock_module.STALE_S - 10))
        assert holder(path) is None
    with try_lock(path) as lock:
        assert lock is not None
    assert not path.exists()


def test_a_lock_file_without_an_owner_is_left_alone_for_a_moment(tmp_path: Path) -> None:
    path = tmp_path / ".v.lock"
    path.touch()
    assert holder(path) is not None
    os.utime(path, (0, time.time() - 10))
    assert holder(path) is None


@pytest.mark.parametrize("number", [errno.ENOTSUP, errno.EBADF, errno.ENOLCK])
def test_file_systems_without_flock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def unsupported(handle: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(lock_module.fcntl, "flock", unsupported)
    store = Store(tmp_path)

    def look(draft: Draft) -> None:
        assert holder(lock_file(store.folder(request()))) is not None
        write(draft)

    assert store.build(request(), look).fresh


def test_a_build_whose_lock_was_taken_over_does_not_finish(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def sleep_too_long(draft: Draft) -> None:
        lock_file(store.folder(request())).unlink()
        write(draft)

    with pytest.raises(Exception, match="took over the lock"):
        store.build(request(), sleep_too_long)
    assert not list(store.all())
