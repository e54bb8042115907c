"""The plan of a scale is what make would start, and what the dry run says of it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.recipes.test_scales import REPOSITORY, needs_make


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("recipe_costs", REPOSITORY / "recipes" / "costs.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


costs = _load()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("data")
    (folder / "storycloze.csv").touch()
    return folder


@needs_make
def test_jobs_are_those_of_make(data: Path) -> None:
    of_table8 = costs.jobs("paper", "table8", data)
    trainings = [job for job in of_table8.values() if job.command[0] == "pretrain"]
    assert sorted(job.gpus for job in trainings) == [32, 32, 64, 64]
    seven = next(job for job in trainings if job.stage == "pretrain-baseline-7b")
    assert "model.architecture=baseline_7b" in seven.options and "budget.steps=25000" in seven.options
    shared = [job for job in of_table8.values() if job.launcher[0] == "srun" and job.command[0] == "tokenize"]
    assert shared and all(job.gpus == 8 for job in shared)
    assert all(job.gpus == 0 for job in of_table8.values() if job.command[0] in ("shards", "corpus"))
    assert costs.Job("x", ("sbatch", "--array=0-7", "--gpus-per-task=1"), ("align",)).gpus == 8
    tuned = [job for job in costs.jobs("paper", "table5", data).values() if job.command[0] == "finetune"]
    assert len(tuned) == 12 and {job.gpus for job in tuned} == {1}


@needs_make
def test_seeds_cost_the_same(data: Path) -> None:
    of_table9 = [job for job in costs.jobs("small", "table9", data).values() if job.command[0] == "pretrain"]
    assert len(of_table9) == 9 and len({job.options for job in of_table9}) == 3
    assert all(job.gpus == 1 and not job.launcher for job in of_table9)


def test_a_row_adds_up() -> None:
    job = costs.Job("pretrain-a", ("sbatch", "--nodes=4"), ("pretrain", "c.yaml", "--name", "a"))
    made = {"machine": {"gpus": 32}, "hours": 10.0, "parameters": {"all": 2**30}, "disk_bytes": 50 * 2**30}
    # 320 GPU hours each; two models of 4 GiB, and one run's checkpoints.
    assert costs.row("table3", [job, job], [made, made]) == "| `table3` | 2 | 2 | 32 | 640.0 | 20.0 | 58 |"
    assert costs.row("table13", [job], []) == "| `table13` | 1 | 0 | - | 0.0 | 0.0 | 0 |"
