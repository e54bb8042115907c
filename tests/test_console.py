"""A table on a narrow terminal breaks no name."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lst_cli.artifacts import Store
from lst_cli.console import print_table
from lst_cli.main import app
from tests.reports.making import make_model, make_other

WIDTH = 60


def words(text: str) -> set[str]:
    return set(re.sub(r"\x1b\[[0-9;]*m|─", " ", text).split())


def printed(columns: list[str], rows: list[list[str]], width: int) -> str:
    with pytest.MonkeyPatch.context() as patch:
        out = io.StringIO()
        out.isatty = lambda: True  # type: ignore[method-assign]
        patch.setattr(sys, "stdout", out)
        patch.setenv("COLUMNS", str(width))
        patch.setenv("LINES", "40")
        print_table("", columns, rows)
    return re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())


word = st.text("abcxyz_-/0127 ü語", min_size=1, max_size=30)


@given(st.integers(1, 6).flatmap(lambda n: st.lists(st.lists(word, min_size=n, max_size=n), min_size=2, max_size=4)))
def test_no_word_is_broken_or_lost(table: list[list[str]]) -> None:
    columns, *rows = table
    assert words(printed(columns, rows, WIDTH)) >= {each for row in rows for cell in row for each in cell.split()}


def test_a_table_is_as_wide_as_the_terminal_at_most() -> None:
    rows = [["text_tokenizer", "a tokenizer of Spanish and Catalan", "1,234"], ["model", "m", "5"]]
    shown = printed(["kind", "what", "bytes"], rows, 40)
    assert max(map(len, shown.splitlines())) <= 40 and "bytes" in shown.splitlines()[1]


def test_rows_that_do_not_fit_are_blocks_of_lines() -> None:
    shown = printed(["name", "note"], [["a" * 50, "b" * 50], ["c", ""]], WIDTH)
    assert shown == f"\nname  {'a' * 50}\nnote  {'b' * 50}\n\nname  c\n"


@pytest.mark.parametrize("command", [["artifact", "ls"], ["arch", "ls"], ["arch", "show", "lst_1b"]])
def test_commands_break_no_name_on_a_narrow_terminal(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path)
    make_model(store, "curriculum-seed-1", "curriculum")
    make_other(store, "vocoder", "heldout-sentences")
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    monkeypatch.setenv("LINES", "40")
    shown = []
    for terminal in (False, True):
        monkeypatch.setattr(sys.stdout, "isatty", lambda terminal=terminal: terminal)
        app(["--root", str(tmp_path), *command], standalone_mode=False)
        shown.append(words(capsys.readouterr().out))
    assert shown[0] <= shown[1]
