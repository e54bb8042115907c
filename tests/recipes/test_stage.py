from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

RECIPES = Path(__file__).parents[2] / "recipes"
MAKE_ONE = """
import pathlib, sys
folder = pathlib.Path(sys.argv[1]) / "kind" / "name" / sys.argv[2]
folder.mkdir(parents=True, exist_ok=True)
(folder / "artifact.json").write_text("{}")
held = bytearray(int(sys.argv[3]) * 10**6)
held[::4096] = b"x" * len(held[::4096])
"""


def _stage(root: Path, name: str, *command: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, str(RECIPES / "stage.py"), "--root", str(root), name, *command]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def _note(root: Path, name: str) -> dict[str, float]:
    note: dict[str, float] = json.loads((root / ".stages" / f"{name}.json").read_text())
    return note


def test_a_stage_that_makes_something_is_noted_with_its_memory(tmp_path: Path) -> None:
    done = _stage(tmp_path, "one", sys.executable, "-c", MAKE_ONE, str(tmp_path), "v1", "200")
    assert done.returncode == 0 and "[one]" in done.stderr
    note = _note(tmp_path, "one")
    assert note["seconds"] > 0 and 0.2 <= note["peak_memory_gb"] < 1


def test_a_stage_that_finds_all_up_to_date_keeps_the_note_of_the_run_that_made_it(tmp_path: Path) -> None:
    _stage(tmp_path, "one", sys.executable, "-c", MAKE_ONE, str(tmp_path), "v1", "200")
    before = _note(tmp_path, "one")
    _stage(tmp_path, "one", sys.executable, "-c", MAKE_ONE, str(tmp_path), "v1", "1")
    assert _note(tmp_path, "one") == before
    _stage(tmp_path, "one", sys.executable, "-c", MAKE_ONE, str(tmp_path), "v2", "1")
    assert _note(tmp_path, "one")["peak_memory_gb"] < before["peak_memory_gb"]


def test_a_stage_that_fails_passes_its_exit_code_on_and_leaves_no_note(tmp_path: Path) -> None:
    assert _stage(tmp_path, "bad", sys.executable, "-c", "raise SystemExit(2)").returncode == 2
    assert _stage(tmp_path, "bad", "sh", "-c", "kill -9 $$").returncode == 128 + 9
    assert not (tmp_path / ".stages").exists()


def test_memory_of_children_counts(tmp_path: Path) -> None:
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {MAKE_ONE!r}, *sys.argv[1:]], check=True)"
    assert _stage(tmp_path, "two", sys.executable, "-c", child, str(tmp_path), "v1", "200").returncode == 0
    assert _note(tmp_path, "two")["peak_memory_gb"] >= 0.2


def test_a_stage_is_not_noted_for_what_another_one_makes_meanwhile(tmp_path: Path) -> None:
    record = "import json, pathlib, sys; path = pathlib.Path(sys.argv[1], 'kind', sys.argv[2], 'v1')"
    write = "; path.mkdir(parents=True)"
    write += "; (path / 'artifact.json').write_text(json.dumps({'command': json.loads(sys.argv[3])}))"
    program = (sys.executable, "-c", record + write, str(tmp_path))
    _stage(tmp_path, "mine", *program, "one", '["--root", "x", "tokenize"]')
    assert _note(tmp_path, "mine")
    other = _note(tmp_path, "mine")
    _stage(tmp_path, "mine", *program, "two", '["--root", "x", "tokenize"]')
    assert _note(tmp_path, "mine") == other
    _stage(tmp_path, "mine", "sh", "-c", f"{sys.executable} -c {json.dumps(record + write)} {tmp_path} three '[]'")
    assert _note(tmp_path, "mine") != other
