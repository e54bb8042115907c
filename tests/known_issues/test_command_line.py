"""What went wrong on the command line: control characters, numbers that are none, paths, missing GPUs."""

from __future__ import annotations

import errno
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import typer

from lst_cli.artifacts import Store
from lst_cli.console import clean, print_json, print_table, say, warn
from lst_cli.errors import UserError
from lst_cli.main import app, as_lst_error
from tests.inference.models import tokenizer_bytes
from tests.known_issues.things import request, write

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\u202e"


def lst(*arguments: str) -> None:
    app(list(arguments), standalone_mode=False)


def test_terminal_escapes_in_ids_reached_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"id {EVIL}")
    warn(EVIL)
    print_table(EVIL, ("id",), [(EVIL,)])
    print_json({EVIL: EVIL})
    told = capsys.readouterr()
    for character in EVIL:
        if not character.isprintable():
            assert character not in told.out + told.err
    assert r"\x1b]0;owned\x07" in told.err and json.loads(told.out[told.out.index("{") :]) == {EVIL: EVIL}
    assert clean("a\tb\nc – ü 漢 👍") == "a\tb\nc – ü 漢 👍"


def test_data_on_a_terminal_has_no_control_characters() -> None:
    script = f"from lst_cli.console import print_line; print_line({EVIL!r})"
    reader, writer = pty.openpty()
    subprocess.run([sys.executable, "-c", script], stdout=writer, check=True)
    assert b"\x1b" not in os.read(reader, 1000)
    piped = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert piped.stdout.decode() == EVIL + "\n"


def test_errors_have_no_control_characters(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lst_cli.main", "--root", str(tmp_path), "artifact", "show", f"a/{EVIL}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "\x1b" not in done.stderr and r"\x1b" in done.stderr


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e400"])
def test_numbers_that_are_none_were_taken(tmp_path: Path, value: str) -> None:
    with pytest.raises(Exception, match=r"finite number|less than or equal|greater than or equal"):
        lst("--root", str(tmp_path), "corpus", "add", str(tmp_path), "--name", "c", "--max-reject-rate", value)


def test_a_seed_of_more_than_64_bits(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("a\n")
    with pytest.raises(Exception, match=r"less than or equal|finite number"):
        lst("--root", str(tmp_path), "text", "fit", str(tmp_path / "t.txt"), "--name", "t", "--seed", str(1 << 70))


@pytest.mark.parametrize("number", [errno.ENAMETOOLONG, errno.ELOOP, errno.EROFS, errno.EIO])
def test_errors_of_the_system_are_told_as_such(number: int) -> None:
    told = as_lst_error(OSError(number, os.strerror(number), "/x/y"))
    assert told is not None and "/x/y" in str(told) and told.fix


def test_deep_nesting_and_memory_are_not_bugs_of_lst() -> None:
    assert isinstance(as_lst_error(RecursionError()), UserError) and as_lst_error(MemoryError()) is not None


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_training_without_a_gpu_says_so_like_every_command(tmp_path: Path) -> None:
    from tests.training.runs import arguments
    from tests.training.world import make_world

    make_world(tmp_path)
    with pytest.raises(UserError, match=r"run\.device cuda(.|\n)*no usable GPU(.|\n)*lst doctor"):
        lst(*arguments(tmp_path, "m", "run.device=cuda"))
    assert not list((tmp_path / "model").rglob("*"))


def test_json_names_what_was_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.model").write_bytes(tokenizer_bytes())
    for fresh in (True, False):
        lst("--root", str(tmp_path), "text", "import", str(tmp_path / "t.model"), "--name", "t", "--json")
        told = json.loads(capsys.readouterr().out)
        artifact = Store(tmp_path).find_any("text_tokenizer/t")
        assert told["reference"] == artifact.reference and told["path"] == str(artifact.path)
        assert told["statistics"] == dict(artifact.statistics) and told["fresh"] is fresh


def test_every_command_that_makes_an_artifact_has_json() -> None:
    import ast

    lacking = []
    for path in (Path(__file__).parents[2] / "lst_cli" / "commands").rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef) and function.name != "build":
                called = [each for each in ast.walk(function) if isinstance(each, ast.Call)]
                builds = [each for each in called if isinstance(each.func, ast.Name) and each.func.id == "build"]
                typed = any(ast.unparse(each.annotation) == "Json" for each in function.args.args if each.annotation)
                if function.decorator_list and builds and not typed:
                    lacking.append(f"{path.name}: {function.name}")
    assert not lacking


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("tokenize corpus/", "corpus/a"), ("tokenize ", "corpus/a"), ("artifact rm thing/", "thing/a")],
)
def test_references_are_completed(tmp_path: Path, typed: str, offered: str) -> None:
    store = Store(tmp_path)
    version = store.build(request(), write).artifact.version
    (tmp_path / "corpus" / "a" / "0123").mkdir(parents=True)
    words = f"lst --root {tmp_path} {typed}"

    def complete(words: str) -> list[str]:
        completing = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" ")), "_LST_COMPLETE": "complete_bash"}
        command = [sys.executable, "-m", "lst_cli.main"]
        done = subprocess.run(command, env={**os.environ, **completing}, capture_output=True, text=True, check=True)
        return done.stdout.split()

    assert complete(words) == [offered]
    assert complete(f"lst --root {tmp_path} artifact show thing/a/") == [f"thing/a/{version}"]


def parameters(command: Any, path: str = "lst") -> Iterator[tuple[str, Any]]:
    for name, below in getattr(command, "commands", {}).items():
        yield from parameters(below, f"{path} {name}")
    yield from ((path, each) for each in command.params)


def test_every_parameter_that_takes_an_artifact_completes() -> None:
    lacking = [
        f"{path}: {each.name}"
        for path, each in parameters(typer.main.get_command(app))
        if re.search(r"(?<!/)\b([a-z_]+|KIND)/NAME", getattr(each, "help", "") or "") and "://" not in each.help
        if each._custom_shell_complete is None
    ]
    assert lacking == []


def test_gc_lists_and_removes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path)
    artifact = store.build(request(), write).artifact
    name = artifact.path.parent
    (name / ".aaa.partial" / "parts").mkdir(parents=True)
    (name / ".bbb.partial" / "parts").mkdir(parents=True)
    (name / ".bbb.partial" / "parts" / "part-0").write_text("done")
    for options, states, left in (
        (["--dry-run"], ["left", "resumable"], 2),
        ([], ["left", "resumable"], 1),
        (["--unfinished"], ["resumable"], 0),
    ):
        lst("--root", str(tmp_path), "artifact", "gc", "--json", *options)
        assert [each["state"] for each in json.loads(capsys.readouterr().out)] == states
        assert len(list(name.glob(".*.partial"))) == left
    assert list(store.all()) == [artifact]
