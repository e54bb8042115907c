"""The command line: exit codes, messages, and a help that answers at once."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest
import typer
from rich.text import Text

from lst_cli.errors import LstError, UserError
from lst_cli.main import PIPELINE, app, as_lst_error

HEAVY = ("torch", "fairseq2", "faiss", "transformers", "pyarrow", "numpy", "sentencepiece", "matplotlib")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lst_cli.main", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


def test_help_and_commands_import_nothing_heavy():
    code = f"import sys, lst_cli.main; print([name for name in {HEAVY} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_help_lists_the_commands_in_panels_in_the_order_of_the_pipeline():
    shown = run("--help", COLUMNS="120").stdout
    panels = ["Data: from audio", "Models", "Speech in and out", "Scores and reports"]
    panels.append("Configs, artifacts and this machine")
    for names in (panels, [f"│ {name} " for name in PIPELINE]):
        places = [shown.index(name) for name in names]
        assert places == sorted(places)


def test_version():
    done = run("--version")
    assert done.returncode == 0 and done.stdout.startswith("lst ")


@pytest.mark.parametrize(
    "arguments,code,message",
    [
        (["artifact", "show", "corpus/none"], 2, "no such artifact"),
        (["artifact", "shw"], 2, "No such command 'shw'"),
        (["artifact", "ls", "--nothing"], 2, "No such option"),
        (["artifact", "verify"], 0, "0 artifacts are whole"),
    ],
)
def test_exit_codes_and_messages_without_traceback(tmp_path, arguments, code, message):
    done = run("--root", str(tmp_path), *arguments)
    assert done.returncode == code and message in done.stderr and "Traceback" not in done.stderr


def test_debug_shows_the_traceback(tmp_path):
    done = run("--debug", "--root", str(tmp_path), "artifact", "show", "corpus/none")
    assert done.returncode == 1 and "Traceback" in done.stderr


def test_root_from_the_environment(tmp_path):
    done = run("artifact", "ls", "--json", LST_ROOT=str(tmp_path))
    assert done.returncode == 0 and done.stdout.strip() == "[]"


def test_what_exceptions_mean_to_the_user():
    full = as_lst_error(OSError(errno.ENOSPC, "No space left on device", "/data/x"))
    assert isinstance(full, UserError) and "/data/x" in str(full) and "free some space" in str(full)
    wrapped = RuntimeError("writer")
    wrapped.__cause__ = LstError("inner")
    assert as_lst_error(wrapped) is wrapped.__cause__
    assert as_lst_error(ValueError("a fault of ours")) is None


def help_texts() -> list[str]:
    def walk(command):
        texts = [command.help or "", *(getattr(parameter, "help", None) or "" for parameter in command.params)]
        return texts + [text for each in getattr(command, "commands", {}).values() for text in walk(each)]

    return sorted({text for text in walk(typer.main.get_command(app)) if "[" in text})


@pytest.mark.parametrize("text", help_texts())
def test_square_brackets_of_a_help_text_are_shown(text: str) -> None:
    assert Text.from_markup(text).plain == text.replace("\\[", "[")
