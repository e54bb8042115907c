"""Goodput of a training on 32 to 512 GPUs by checkpoint interval: a simulation against Young's and Daly's formulas.

GPUs fail independently, at random times; a failure ends the job, which starts again from its last checkpoint after
``--restart`` minutes. Goodput is the share of the time that went into steps that were kept. Defaults are those of
``lst_7b`` on the paper's steps: ``--step-s`` and ``--checkpoint-s`` are what docs/scaling.md plans for it, and
``--gpu-mtbf-hours`` is what Meta reports of Llama 3's training: 419 failures of 16,384 GPUs in 54 days, one in 50,700
GPU hours (Grattafiori et al. 2024, section 3.3.4).

It also deals a source's blocks to as many ranks with the reader's own code, and counts each rank's rows: every row is
read once an epoch. Prints a line for each number of GPUs and interval, and as the last line JSON.

    python benchmarks/goodput.py
    python benchmarks/goodput.py --quick
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from lst_cli.hashing import uniform
from lst_cli.shards.read.blocks import BlockLine, Edition
from lst_cli.shards.shard_set import RowGroup

STREAMS = 512
GPUS = (32, 64, 128, 256, 512)
INTERVALS = (50, 100, 200, 500, 1000, 2000, 5000)
"""Steps between two checkpoints."""


def simulate(
    steps: int, interval: int, *, step_s: float, checkpoint_s: float, restart_s: float, mtbf_s: float, seed: int
) -> tuple[float, int, float]:
    """Run a job to its end.

    :param mtbf_s: mean time between failures of the job, in seconds.
    :returns: seconds until its end, number of failures, and seconds of work that were lost to them.
    """
    clock, done, failures, lost = 0.0, 0, 0, 0.0
    fails_at = clock + _wait(mtbf_s, seed, failures)
    while done < steps:
        chunk = min(interval, steps - done)
        ends = clock + chunk * step_s + checkpoint_s
        if ends <= fails_at:
            clock, done = ends, done + chunk
            continue
        # Work since the last checkpoint is lost; a failure during a restart restarts it again.
        lost += fails_at - clock
        failures += 1
        clock = fails_at + restart_s
        fails_at += _wait(mtbf_s, seed, failures)
        while fails_at < clock:
            failures += 1
            clock = fails_at + restart_s
            fails_at += _wait(mtbf_s, seed, failures)
    return clock, failures, lost


def _wait(mean: float, seed: int, number: int) -> float:
    return -mean * math.log1p(-float(uniform(seed, number, np.arange(1))[0]))


def expected(interval_s: float, checkpoint_s: float, restart_s: float, mtbf_s: float) -> float:
    """Goodput with exponential failures, exactly (Daly 2006, eq. 13)."""
    wall = mtbf_s * math.exp(restart_s / mtbf_s) * math.expm1((interval_s + checkpoint_s) / mtbf_s)
    return interval_s / wall


def youngs_interval(checkpoint_s: float, mtbf_s: float) -> float:
    """Seconds of work between checkpoints at which least time is lost, to first order (Young 1974)."""
    return math.sqrt(2 * checkpoint_s * mtbf_s)


def dealt_rows(ranks: int, groups: int, rows: int) -> tuple[int, int, bool]:
    """Rows that the ranks read of an epoch: the fewest, the most, and whether every row was read once."""
    source = [RowGroup(Path("shard.parquet"), index, rows) for index in range(groups)]
    parts = -(-4 * STREAMS // groups)
    edition = Edition(epoch=0, first=0, groups=groups, parts=parts)
    line = BlockLine(source, [edition], 0, 0)
    per_rank = np.zeros(ranks, np.int64)
    seen = np.zeros((groups, rows), np.int64)
    for number in range(edition.blocks):
        block = line.block(number)
        # Block b goes to stream b % streams, and stream s to rank s % ranks (lst_cli/shards/read/reader.py).
        per_rank[number % STREAMS % ranks] += len(block.rows)
        seen[block.group.index, block.rows] += 1
    return int(per_rank.min()), int(per_rank.max()), bool((seen == 1).all())


def measure(gpus: int, options: argparse.Namespace) -> dict[str, Any]:
    """Simulate every interval on this many GPUs; the time of a step and of a checkpoint shrink with them."""
    scale = options.gpus / gpus
    step_s, checkpoint_s = options.step_s * scale, options.checkpoint_s * scale
    mtbf_s, restart_s = options.gpu_mtbf_hours * 3600 / gpus, options.restart * 60
    found = []
    for interval in INTERVALS:
        runs = [
            simulate(
                options.steps,
                interval,
                step_s=step_s,
                checkpoint_s=checkpoint_s,
                restart_s=restart_s,
                mtbf_s=mtbf_s,
                seed=seed,
            )
            for seed in range(options.runs)
        ]
        seconds, failures, lost = (sum(column) / len(runs) for column in zip(*runs, strict=True))
        # Of the mean time: the mean of the runs' goodputs would favour lucky runs.
        goodput = options.steps * step_s / seconds
        formula = expected(interval * step_s, checkpoint_s, restart_s, mtbf_s)
        found.append(
            {
                "interval": interval,
                "goodput": round(goodput, 4),
                "formula": round(formula, 4),
                "failures": round(failures, 2),
                "lost_hours": round(lost / 3600, 3),
            }
        )
        print(
            f"{gpus} GPUs, a checkpoint every {interval} steps: goodput {goodput:.2%} (formula {formula:.2%}), "
            f"{failures:.1f} failures, {lost / 3600:.2f} h lost"
        )
    fewest, most, once = dealt_rows(gpus, options.groups, 2048)
    return {
        "gpus": gpus,
        "mtbf_hours": round(mtbf_s / 3600, 1),
        "best_interval": max(found, key=lambda each: each["goodput"])["interval"],
        "young_interval": round(youngs_interval(checkpoint_s, mtbf_s) / step_s),
        "intervals": found,
        "dealt": {"fewest_rows": fewest, "most_rows": most, "each_once": once},
    }


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer runs and numbers of GPUs")
    parser.add_argument("--gpus", type=int, default=64, help="GPUs that --step-s and --checkpoint-s are for")
    parser.add_argument("--step-s", type=float, default=8.2)
    parser.add_argument("--checkpoint-s", type=float, default=11.0)
    parser.add_argument("--steps", type=int, default=25_000)
    parser.add_argument("--restart", type=float, default=15.0, help="minutes from a failure to the next step")
    parser.add_argument("--gpu-mtbf-hours", type=float, default=50_700.0)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--groups", type=int, default=700, help="row groups of the source that is dealt")
    options = parser.parse_args()
    if options.quick:
        options.runs, options.groups = 20, 40
    results = [measure(gpus, options) for gpus in (GPUS[:2] if options.quick else GPUS)]
    worst = max(abs(each["goodput"] - each["formula"]) for result in results for each in result["intervals"])
    print(json.dumps({"worst_difference": round(worst, 4), "results": results}))


if __name__ == "__main__":
    main()
