"""The layout of the package: names that mean one thing, rooms and files of a size that one person can hold."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "lst_cli"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")
MOST_LINES = 300
MOST_MODULES = 15


def test_no_two_modules_have_one_name() -> None:
    names = Counter(path.stem for path in MODULES)
    assert [name for name, count in names.items() if count > 1] == []


def public_names(path: Path) -> list[str]:
    """Classes and type aliases of a module. Aliases in commands/ are options, named as the user types them."""
    names = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            names.append(node.name)
        elif "commands" not in path.parts and isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names += [each.id for each in targets if isinstance(each, ast.Name) and re.match(r"[A-Z]\w*[a-z]", each.id)]
    return [name for name in names if not name.startswith("_") and not name.isupper() and len(name) > 1]


def test_no_two_public_classes_have_one_name() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in MODULES:
        for name in public_names(path):
            places[name].append(str(path.relative_to(PACKAGE)))
    # A type variable, or a shorthand for arrays, is defined where it is used.
    shorthand = {"Bools", "Ints"}
    assert {name: at for name, at in places.items() if len(at) > 1 and name not in shorthand} == {}


def test_no_file_is_too_long() -> None:
    sources = [
        *PACKAGE.rglob("*.py"),
        *(REPOSITORY / "recipes").rglob("*.py"),
        *(REPOSITORY / "benchmarks").glob("*.py"),
    ]
    long = {str(path): lines for path in sources if (lines := path.read_text().count("\n")) > MOST_LINES}
    assert long == {}


def test_no_room_has_too_many_modules() -> None:
    rooms = Counter(path.parent for path in MODULES)
    assert {str(room): count for room, count in rooms.items() if count > MOST_MODULES} == {}


PATHS = re.compile(r"`((?:lst_cli|recipes|tests|benchmarks|docs|scripts)/[\w./-]*)`")


def architecture_paths() -> list[str]:
    text = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    return sorted(set(PATHS.findall(text)))


@pytest.mark.parametrize("path", architecture_paths())
def test_the_map_names_what_is_there(path: str) -> None:
    assert (REPOSITORY / path).exists()


def test_the_map_names_every_room() -> None:
    named = {path.rstrip("/") for path in architecture_paths()}
    rooms = {f"lst_cli/{path.name}" for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert rooms <= named
