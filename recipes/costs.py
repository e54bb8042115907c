"""The plan of a scale, table by table: jobs, GPUs, H100 hours and disk, by `lst pretrain --dry-run`.

    make plan SCALE=paper ROOT=artifacts                        the same as
    python recipes/costs.py --scale paper --root artifacts [table3 table6 …]

plans every training that `make TABLE SCALE=paper` would start, with the shards of another root (the tiny world's: its
documents stand in for those of the scale), and prints a Markdown table. A table's trainings are those that it adds to
Table 3's; its jobs are all that are not in Table 3. Hours are of pretraining: nothing else is estimated.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from lst_cli.main import app

RECIPES = Path(__file__).parent
MFU = 0.4
FIRST = "table3"
_GIB = 2**30
_NODE_GPUS = 8
"""Of recipes/paper/train.sbatch."""
_MODEL_BYTES = 4


@dataclass(frozen=True)
class Job:
    """A stage that make would start."""

    stage: str
    """Its name for recipes/stage.py."""
    launcher: tuple[str, ...]
    """``srun`` or ``sbatch`` with their options; empty where the scale runs on this machine."""
    command: tuple[str, ...]
    """Words after ``lst --root ROOT``."""

    @property
    def gpus(self) -> int:
        """GPUs that it requests; without a launcher, one."""
        if not self.launcher:
            return 1
        asked = dict(word.lstrip("-").split("=", 1) for word in self.launcher if re.match(r"--[\w-]+=", word))
        if "array" in asked:
            first, _, last = asked["array"].partition("-")
            return (int(last or first) - int(first) + 1) * int(asked.get("gpus-per-task", 0))
        if self.launcher[0] == "sbatch":
            return int(asked.get("nodes", 1)) * int(asked.get("gpus-per-node", _NODE_GPUS))
        return int(asked.get("nodes", 1)) * int(asked.get("gpus-per-node", 0))

    @property
    def options(self) -> tuple[str, ...]:
        """The options that change the cost of a pretraining: its ``--set`` values and its ``--speech-bpe``."""
        pairs = zip(self.command, self.command[1:], strict=False)
        found = [(key, value) for key, value in pairs if key in ("--set", "--speech-bpe")]
        # Seeds cost the same.
        return tuple(word for pair in found if not pair[1].startswith("seed=") for word in pair)


def tables() -> list[str]:
    """The targets of the repository's Makefile that make tables and figures."""
    text = (RECIPES.parent / "Makefile").read_text(encoding="utf-8")
    names = re.search(r"^TABLES := (.*)$", text, re.MULTILINE)
    assert names is not None
    return names[1].split()


def jobs(scale: str, table: str, data: Path) -> dict[str, Job]:
    """Stage → job, of all that make would run for a table on an empty root."""
    command = ["make", "-n", "-f", "recipes/tables.mk", table, f"SCALE={scale}", f"DATA={data}"]
    done = subprocess.run(command, cwd=RECIPES.parent, capture_output=True, text=True, check=True)
    found = {}
    for line in re.split(r"\n|&&", done.stdout.replace("\\\n", " ")):
        if "recipes/stage.py --root" not in line or "/lst --root" not in line:
            continue
        _, stage, *words = shlex.split(line.split("recipes/stage.py --root", 1)[1])
        at = next(at for at, word in enumerate(words) if word.endswith("/lst"))
        found[stage] = Job(stage, tuple(words[:at]), tuple(words[at + 3 :]))
    return found


def plan(scale: str, job: Job, root: Path) -> dict[str, Any]:
    """The dry run of a pretraining on the GPUs that its job requests."""
    arguments = [
        *("--root", str(root), "pretrain", str(RECIPES / scale / "pretrain.yaml"), "--name", "plan"),
        *("--shards", "shards/spoken", "--text-shards", "shards/written", "--dry-run", "--json"),
        *("--mfu", str(MFU), "--gpus", str(job.gpus), *job.options),
    ]
    # In this process: importing torch takes longer than a plan.
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    if done.exit_code:
        raise SystemExit(f"{job.stage}: {done.output}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def row(table: str, added: Sequence[Job], plans: Sequence[dict[str, Any]]) -> str:
    """A table's line: jobs, trainings, GPUs of a training, hours and disk.

    :param plans: the dry runs of its trainings. They run in sequence, and each leaves its model.
    """
    gpus = sorted({each["machine"]["gpus"] for each in plans})
    hours = sum(each["hours"] for each in plans)
    gpu_hours = sum(each["hours"] * each["machine"]["gpus"] for each in plans)
    models = [_MODEL_BYTES * sum(each["parameters"].values()) for each in plans]
    running = max((each["disk_bytes"] for each in plans), default=0)
    disk = (sum(models) + running) / _GIB
    return (
        f"| `{table}` | {len(added)} | {len(plans)} | {', '.join(map(str, gpus)) or '-'} | {gpu_hours:,.1f} | "
        f"{hours:,.1f} | {disk:,.0f} |"
    )


HEAD = "| target | jobs | trainings | GPUs | hours × H100 | hours | disk, GiB |\n|---|---|---|---|---|---|---|"


def main() -> None:
    """Plan every training once, and print the table."""
    parser = argparse.ArgumentParser(description="What each table costs.")
    parser.add_argument("tables", nargs="*", default=tables())
    parser.add_argument("--scale", required=True)
    parser.add_argument(
        "--root", type=Path, required=True, help="artifacts with shards/spoken, shards/written, speech_bpe"
    )
    parser.add_argument("--data", type=Path, default=Path("data"), help="where the scale's benchmark files are")
    options = parser.parse_args()
    planned: dict[tuple[str, ...], dict[str, Any]] = {}
    of_first = jobs(options.scale, FIRST, options.data)
    print(HEAD)
    for table in options.tables:
        found = jobs(options.scale, table, options.data)
        added = [job for stage, job in found.items() if table == FIRST or stage not in of_first]
        plans = []
        for job in added:
            if job.command[0] == "pretrain":
                if job.options not in planned:
                    planned[job.options] = plan(options.scale, job, options.root)
                plans.append(planned[job.options])
        print(row(table, added, plans), flush=True)
    for key, value in planned.items():
        total = value["hours"] * value["machine"]["gpus"]
        memory = sum(value["memory"].values())
        print(f"{total:,.1f} H100 hours, {memory:.0f} GiB a GPU: {' '.join(key)}", file=sys.stderr)
        for warning in value["warnings"]:
            # Shards stand in for those of the scale: how often they are read says nothing.
            if not warning.startswith("source "):
                print(f"warning: {warning}", file=sys.stderr)


if __name__ == "__main__":
    main()
