"""Every `lst` command and every make target that README and docs show exists, with these options."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.core import TyperGroup

from lst_cli.main import app
from tests.docs.command_lines import UsageError, parse

REPOSITORY = Path(__file__).parents[2]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(?:sh|bash|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:lst|make) [^`\n]+)`")


def _lines(text: str) -> Iterator[str]:
    """Lines of the shell blocks: continued lines joined, comments left out, [optional parts] taken."""
    for block in FENCE.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            plain = re.sub(r"\[(--[^\]]*)\]", r"\1", line.removeprefix("$ ")).replace(" …", "")
            words = shlex.split(plain, comments=True)
            if words:
                yield shlex.join(words)


def _commands(program: str) -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for line in _lines(page.read_text(encoding="utf-8")):
            found += [(page.name, part.strip()) for part in re.split(r"\s(?:\||&&|;|>)\s", line)]
    return [(page, line) for page, line in found if line.split()[0] == program]


@pytest.mark.parametrize(("page", "line"), _commands("lst"))
def test_command_exists_with_its_options(page: str, line: str) -> None:
    try:
        parse(line)
    except typer.Exit as leaving:  # --help, --version
        assert leaving.exit_code == 0
    except UsageError as error:
        pytest.fail(f"{page}: {line}: {error.format_message()}")


BASELINE = re.compile(r"lst pretrain (recipes/\S+\.yaml) .*model\.architecture=baseline_(\w+)")


@pytest.mark.parametrize(("page", "line"), _commands("lst"))
def test_baselines_are_of_the_size_of_their_lst(page: str, line: str) -> None:
    if found := BASELINE.match(line):
        config = yaml.safe_load((REPOSITORY / found[1]).read_text())
        assert config["model"]["architecture"] in (f"lst_{found[2]}", f"baseline_{found[2]}"), page


def test_a_wrong_option_or_command_would_be_found() -> None:
    with pytest.raises(UsageError):
        parse("lst artifact ls --no-such-option")
    with pytest.raises(UsageError):
        parse("lst artifact nothing")
    with pytest.raises(UsageError):
        parse("lst corpus add folder")


def test_commands_inside_the_text_exist_too() -> None:
    for page in PAGES:
        for line in INLINE.findall(page.read_text(encoding="utf-8")):
            words = shlex.split(line)
            if words[0] == "lst" and "COMMAND" not in words:
                _named(words[1:], page.name)


def _named(words: list[str], page: str) -> None:
    """Check that the words up to the first argument name a command."""
    command: Any = typer.main.get_command(app)
    for word in words:
        if word.startswith("-") or word.isupper() or not isinstance(command, TyperGroup):
            return
        assert word in command.commands, f"{page}: `lst {' '.join(words)}`: no command {word}"
        command = command.commands[word]


def test_make_targets_exist() -> None:
    text = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^(?:\$\(TABLES\) )?([a-z-]+):", text, re.MULTILINE)) | set(
        text.split("TABLES := ")[1].splitlines()[0].split()
    )
    lines = [shlex.split(line) for _, line in _commands("make") if len(line.split()) > 1]
    for words in lines:
        if words[1] == "-f":
            done = subprocess.run([*words, "-n"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
    named = {words[1] for words in lines if words[1] != "-f"}
    assert named and named <= targets


def test_files_that_pages_link_to_exist() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
