"""The paper's recipe with stand-ins for Slurm's commands and for lst: what runs in which job, with what memory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass

import pytest

from tests.recipes.test_scales import REPOSITORY, needs_make

pytestmark = needs_make

_SRUN = """#!/bin/bash
options=(); while [[ $1 == --* ]]; do options+=("$1"); shift; done
export JOB="${JOB:-srun ${options[*]}}" SLURM_PROCID=0 SLURM_LOCALID=0
"$@"
"""

_SBATCH = """#!/bin/bash
options=(); while [[ $1 == --* ]]; do options+=("$1"); shift; done
export JOB="sbatch ${options[*]}" SLURM_JOB_ID=1 SLURM_JOB_NODELIST=n SLURM_NTASKS=8 SLURM_NTASKS_PER_NODE=8
if [[ "$JOB" =~ --array=([0-9]+)-([0-9]+) ]]; then
    for SLURM_ARRAY_TASK_ID in $(seq "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"); do
        SLURM_ARRAY_TASK_ID=$SLURM_ARRAY_TASK_ID bash "$@" || exit
    done
else
    bash "$@"
fi
"""

_SCONTROL = "#!/bin/bash\necho n1\n"
_LST = '#!/bin/bash\nprintf "%s\\t%s\\t%s\\n" "${JOB-}" "${SLURM_ARRAY_TASK_ID-}" "$*" >> "$LOG"\n'
_PYTHON = f"""#!/bin/bash
if [[ $1 == recipes/stage.py ]]; then exec {sys.executable} "$@"; fi
printf "%s\\t\\tpython %s\\n" "${{JOB-}}" "$*" >> "$LOG"
"""

ON_THE_LOGIN_NODE = ("recipes/fetch.py", "recipes/results.py")
"""Downloads, and a page of numbers."""


@dataclass(frozen=True)
class Called:
    """A call of lst or of a script."""

    job: str
    """The Slurm command and its options; empty on the login node."""
    task: str
    """Of an array."""
    command: str


@pytest.fixture(scope="module")
def called(tmp_path_factory: pytest.TempPathFactory) -> list[Called]:
    folder = tmp_path_factory.mktemp("slurm")
    for name, text in {"srun": _SRUN, "sbatch": _SBATCH, "scontrol": _SCONTROL, "lst": _LST, "python": _PYTHON}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    given = {"SCALE": "paper", "BIN": folder, "ROOT": folder / "root", "DATA": folder, "RESULTS": folder}
    targets = ["table5", "table13", "fig5", "models", "ROWS=bpe hazard aligned", "items-hellaswag"]
    subprocess.run(
        ["make", "-f", "recipes/tables.mk", *(f"{name}={value}" for name, value in given.items()), *targets],
        cwd=REPOSITORY,
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "LOG": str(folder / "log")},
        capture_output=True,
        check=True,
    )
    return [Called(*line.split("\t")) for line in (folder / "log").read_text().splitlines()]


def test_every_stage_runs_inside_a_job_that_asks_for_memory(called: list[Called]) -> None:
    stages = {" ".join(re.sub(r"--(root|quiet)( \S*root)? ?", "", call.command).split()[:2]) for call in called}
    assert stages >= {"corpus add", "corpus synth", "tokenize corpus/mls", "align run", "shards bpe"}
    assert stages >= {"units fit", "text import", "patching fit", "finetune asr", "vocoder fit", "eval tts"}
    for call in called:
        if not call.job:
            assert call.command.startswith(tuple(f"python {script}" for script in ON_THE_LOGIN_NODE)), call
            continue
        assert re.search(r" --mem(-per-gpu)?=[1-9]\d*G", call.job) and " --time=" in call.job, call


def test_memory_is_asked_for_by_the_gpu_where_there_are_gpus(called: list[Called]) -> None:
    for call in called:
        if "--mem-per-gpu" in call.job and call.job.startswith("srun"):
            assert "--gpus-per-node" in call.job, call
        if "--gpus" in call.job:
            assert "--mem-per-gpu" in call.job, call


def test_corpora_and_shards_run_in_every_task_of_an_array(called: list[Called]) -> None:
    arrays: dict[str, list[str]] = {}
    for call in called:
        if call.task:
            arrays.setdefault(call.command, []).append(call.task)
    assert all(tasks == list("01234567") for tasks in arrays.values())
    for stage in ("corpus add", "corpus synth", "shards speech", "shards text"):
        assert any(f" {stage} " in command for command in arrays), stage


def test_a_job_is_submitted_once(called: list[Called]) -> None:
    stages = [call.command for call in called if call.job and call.task in ("", "0")]
    assert len(stages) == len(set(stages)) > 30
