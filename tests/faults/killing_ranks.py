"""Kills one of two ranks of every shared stage at its file operations, and compares what is there with one process's.

``python -m tests.faults.killing_ranks`` runs it whole, ``make faults`` as well; ``--steps corpus,speech --kills 5`` a
part of it. Ranks that were started together have the killed one started again. Of the tasks of an array, the other one
must end the work alone, unless the killed one had begun to join the parts; then the array is submitted again. It exits
with 1 if a command fails, or leaves anything else than one process does.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lst_cli.audio import facts, synth
from lst_cli.evaluation import shared_scoring
from lst_cli.evaluation.speech import asr
from lst_cli.shards.build import speech_shards, text_shards
from lst_cli.units.tokenize import work_units
from tests.faults.killing import Bench, Tally, difference, must_work, snapshot, tidy
from tests.faults.pipeline import STEPS, Step
from tests.faults.tracing import TracedChild

SHARED = (
    *("corpus", "synth", "units", "tokenize", "align-run", "speech", "text", "vocoder", "eval", "eval-asr"),
    # 'lst eval tts' and 'vocoder' need an ASR model: tests/evaluation/speech/test_shared_judging.py kills them.
)
SMALL_UNITS: Sequence[tuple[Any, str, int]] = (
    (facts, "_LEAST_FILES", 1),
    (synth, "_CHARACTERS_IN_A_PART", 30),
    (work_units, "_LEAST_SAMPLES", 16_000),
    (speech_shards, "_CHUNK_ROWS", 1),
    (text_shards, "_CHUNK_DOCUMENTS", 8),
    (shared_scoring, "CHUNK_TOKENS", 40),
    (asr, "_LEAST_TOKENS", 10),
)
"""Constants that make several work units of the small inputs."""


def together(rank: int) -> dict[str, str]:
    """The environment of a rank under torchrun."""
    return {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank)}


def array(rank: int) -> dict[str, str]:
    """The environment of a task of a Slurm array."""
    values = {"JOB_ID": 7, "TASK_ID": rank, "TASK_MIN": 0, "TASK_COUNT": 2}
    return {f"SLURM_ARRAY_{name}": str(value) for name, value in values.items()}


ENGINES: Mapping[str, Callable[[int], dict[str, str]]] = {"together": together, "array": array}


def kill_ranks(bench: Bench, step: Step, tally: Tally, engine: str, kills: int) -> list[int]:
    """Kill rank 0 and rank 1 in turn at operations spread over all; return how many operations each alone has."""
    expected = bench.before(step, "expected")
    must_work(bench.run(step, expected), step.name)
    tidy(expected)
    wanted = snapshot(expected)
    operations = []
    for rank in range(2):
        alone = _start(bench, step, bench.before(step, "alone"), engine, rank).wait()
        must_work(alone, f"{step.name} of rank {rank} alone")
        operations.append(alone.operations)
    for turn in range(kills):
        victim = turn % 2
        moment = 1 + turn * operations[victim] // kills
        name = f"{step.name}, {engine}, rank {victim} killed at operation {moment} of {operations[victim]}"
        _kill_once(bench, step, tally, engine, (victim, moment), wanted, name)
    return operations


def _kill_once(
    bench: Bench,
    step: Step,
    tally: Tally,
    engine: str,
    kill: tuple[int, int],
    wanted: dict[str, str],
    name: str,
) -> None:
    work = bench.before(step, "killed")
    victim, moment = kill
    first = _start(bench, step, work, engine, victim, moment)
    while first.running() and first.operations < moment // 2:  # so that both have something to do
        time.sleep(0.001)
    other = _start(bench, step, work, engine, 1 - victim)
    ended = {"killed": first.wait(), "other": other.wait()}
    tally.kills += ended["killed"].code == -signal.SIGKILL
    if engine == "together" or not _made(work, wanted):
        if engine == "array" and not _was_joining(work, wanted):
            tally.wedged.append(f"{name}: the other task left work undone: {ended['other'].stderr}")
        ended["again"] = _start(bench, step, work, engine, victim).wait()
    failed = [f"{who}: {ran.stderr}" for who, ran in ended.items() if ran.code not in (0, -signal.SIGKILL)]
    if failed:
        tally.wedged.append(f"{name}: {'; '.join(failed)}")
    else:
        _compare(work, wanted, tally, name)


def _made(work: Path, wanted: dict[str, str]) -> bool:
    """Whether the artifact is there."""
    return wanted.keys() <= snapshot(work).keys()


def _was_joining(work: Path, wanted: dict[str, str]) -> bool:
    """Whether the killed task had begun to join the parts, or had only to make the artifact the current version.

    Then the other one has left the end to it.
    """
    missing = wanted.keys() - snapshot(work).keys()
    return any((work / "root").glob("*/*/.*.partial/data")) or all(name.endswith("/current") for name in missing)


def _start(bench: Bench, step: Step, work: Path, engine: str, rank: int, kill_at: int | None = None) -> TracedChild:
    command = step.command(work / "root", bench.inputs)
    return TracedChild(command, work, kill_at, ENGINES[engine](rank), f"-{rank}")


def _compare(work: Path, wanted: dict[str, str], tally: Tally, name: str) -> None:
    tidy(work)
    found = snapshot(work)
    if found != wanted:
        tally.differing.append(f"{name}: {difference(wanted, found)}")


def main(arguments: Sequence[str]) -> int:
    """Kill ranks of the chosen steps and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", default=",".join(SHARED), help="some of: %(default)s")
    parser.add_argument("--kills", type=int, default=20, help="of each step and engine")
    parser.add_argument("--engines", default=",".join(ENGINES), help="some of: %(default)s")
    chosen = parser.parse_args(arguments)
    for module, constant, value in SMALL_UNITS:
        setattr(module, constant, value)
    bad = 0
    with tempfile.TemporaryDirectory(prefix="lst-ranks-") as folder:
        bench = Bench(Path(folder))
        for name in sorted(chosen.steps.split(","), key=list(STEPS).index):
            for engine in chosen.engines.split(","):
                begun, tally = time.monotonic(), Tally()
                operations = kill_ranks(bench, STEPS[name], tally, engine, chosen.kills)
                seconds = time.monotonic() - begun
                print(f"{name:10} {engine:9} {operations} operations alone: {tally} ({seconds:.0f} s)", flush=True)
                for problem in (*tally.wedged, *tally.differing):
                    print(f"  {problem}", flush=True)
                    bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
