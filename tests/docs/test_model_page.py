"""docs/model.md: the code that it puts beside each formula and mask is where it says; its example works."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
ROOMS = ("lst_cli/model", "lst_cli/patching")
PAGE = (REPOSITORY / "docs" / "model.md").read_text(encoding="utf-8")


def cells(heading: str) -> list[list[str]]:
    """Rows of the first table below a heading, without its head."""
    lines = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("|")][2:]


@cache
def definitions() -> dict[str, str]:
    """Source of each class, method (``Class.method``) and function of the two rooms."""
    found = {}
    for room in ROOMS:
        for path in sorted((REPOSITORY / room).glob("*.py")):
            text = path.read_text(encoding="utf-8")
            for node in ast.parse(text).body:
                if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                    found[node.name] = ast.get_source_segment(text, node) or ""
                for inner in node.body if isinstance(node, ast.ClassDef) else []:
                    if isinstance(inner, ast.FunctionDef):
                        found[f"{node.name}.{inner.name}"] = ast.get_source_segment(text, inner) or ""
    return found


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize("row", cells("The maths, and the line that does it"), ids=lambda row: row[0])
def test_each_formula_stands_beside_its_line(row: list[str]) -> None:
    name, *lines = quoted(row[2])
    if name not in definitions():  # a line alone: some definition of the model has it
        lines = [name]
    source = definitions().get(name, "\n".join(definitions().values()))
    for line in lines:
        parts = [re.escape(part) for part in line.split("…")]
        assert re.search(".*".join(parts), source), f"{row[0]}: {name} has no {line}"


@pytest.mark.parametrize("row", cells("Every mask is a span"), ids=lambda row: row[0])
def test_each_mask_names_its_function(row: list[str]) -> None:
    (name,) = quoted(row[3])
    assert name.split("(")[0] in definitions()
    for term in quoted(row[2]):  # c = `patch_T[t] − 1 + closes_T[t]`
        assert term.replace("[t]", "").replace("−", "-").split(" - ")[0] in definitions()["last_closed_patch"]


def test_the_modules_are_files() -> None:
    files = re.findall(r"^\| [\w ]+ \| `([\w/.]+)` \|", PAGE, re.MULTILINE)
    assert len(files) == 6
    for name in files:
        assert (REPOSITORY / name).exists() or (REPOSITORY / "lst_cli" / name).exists(), name


def test_named_tests_exist() -> None:
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "tests").rglob("test_*.py"))
    for name in re.findall(r"`(test_\w+)`", PAGE):
        assert f"def {name}(" in tests, name
    for name in re.findall(r"`(tests/[\w/]+\.py)`", PAGE):
        assert (REPOSITORY / name).is_file(), name


def test_the_strategy_of_the_walk_through_is_the_one_that_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert code.strip() == definitions()["Hazard.patch"]
