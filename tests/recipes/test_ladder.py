"""The ladder's page says what the runs say, and how many of them are missing."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from tests.docs.command_lines import parse
from tests.recipes.test_makefile import _lst_lines, needs_make

REPOSITORY = Path(__file__).parents[2]
SCRIPT = REPOSITORY / "recipes" / "ladder.py"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("recipes_ladder", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


ladder = _load()


def rung(row: str, units: int, stories: list[float], without: list[float] | None = None) -> ladder.Rung:
    accuracy: dict[str, dict[int, float]] = {question: {} for question in ladder.ASKED}
    accuracy["StoryCloze S→S"] = dict(enumerate(stories))
    accuracy["without cross-attention S→S"] = dict(enumerate(without or []))
    return ladder.Rung(row=row, units=units, flops=1e12 * units, tokens=1e6 * units, accuracy=accuracy)


FOUND = [
    rung("baseline", 1, [0.50, 0.51, 0.52]),
    rung("baseline", 2, [0.60, 0.61, 0.62]),
    rung("static", 1, [0.50, 0.52, 0.51]),
    rung("static", 2, [0.70, 0.72, 0.71], without=[0.50, 0.52, 0.50]),
]


def test_a_row_is_ahead_where_its_interval_over_seeds_is() -> None:
    stories, _, through = ladder.sentences(FOUND)
    assert "2 compared" in stories and "Behind: none" in stories
    assert "static at 2 (+10.0" in stories and "static at 1" not in stories
    assert through.endswith("static at 2: +20.3, +18.9 to +21.8.")


def test_a_row_is_compared_with_the_cheapest_baseline_that_costs_as_much() -> None:
    dear = replace(rung("static", 1, [0.70, 0.72, 0.71]), flops=1.8e12)
    _, equal_flops = ladder.sentences([*FOUND[:2], dear])
    assert "1 compared. Ahead: static at 1 (+10.0" in equal_flops
    assert len(ladder.sentences([FOUND[0], dear])) == 1, "no baseline costs as much"


def test_the_page_has_every_seeds_figure_and_counts_what_is_missing() -> None:
    text = ladder.page(FOUND, ["baseline", "static"], [0, 1, 2])
    assert "12 of 24 runs were made" in text
    assert "71.0% (68.5% to 73.5%): 70.0%, 72.0%, 71.0%" in text
    assert text.count("| static |") == 2


def test_the_picture_is_the_same_for_the_same_figures() -> None:
    first, second = (ladder.picture(FOUND, ["baseline", "static"]) for _ in range(2))
    assert first == second and first.startswith(b"<?xml")


def test_a_root_without_scores_is_refused(tmp_path: Path) -> None:
    arguments = [str(tmp_path / "out"), "--root", str(tmp_path), "--rows", "baseline", "--seeds", "0"]
    done = subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 2 and "make ladder" in done.stderr
    assert not (tmp_path / "out").exists()


@needs_make
def test_the_ladder_trains_short_runs_first_and_every_command_exists() -> None:
    lines = _lst_lines("ladder", "SCALE=tiny", makefile="recipes/tables.mk")
    for line in lines:
        parse(line)
    steps = [
        int(line.partition("budget.steps=")[2].split()[0]) if "budget.steps=" in line else 2000
        for line in lines
        if " pretrain " in line
    ]
    assert len(steps) == 60 and steps == sorted(steps)
    assert sum("--ablate cross-attention" in line for line in lines) == 36
