"""Kills every command at every file operation, runs it again, and compares what is there with an unkilled run.

``python -m tests.faults.killing`` runs it whole, ``make faults`` as well; ``--steps corpus,rm --every 5`` a part of it.
It exits with 1 if a killed command does not work when it is run again, or leaves anything else than an unkilled one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lst_cli.artifacts.manifest import MANIFEST
from lst_cli.audio.tts.engine import ENGINES
from tests.faults.pipeline import STEPS, Step, needed, write_inputs
from tests.faults.tracing import Ran, run

_CHANGES_EACH_TIME = ("created", "command", "statistics")
_LOGS = "runs"


@dataclass
class Tally:
    """What came of all kills."""

    kills: int = 0
    wedged: list[str] = field(default_factory=list)
    """Kills after which the command failed."""
    differing: list[str] = field(default_factory=list)
    """Kills after which the same command left something else."""

    def __str__(self) -> str:
        return f"{self.kills} kills, {len(self.wedged)} wedged stores, {len(self.differing)} differences"


class Bench:
    """A folder with the state before each step: steps that others need run there once."""

    def __init__(self, folder: Path) -> None:
        import lst_cli.training.engine.recipe  # noqa: F401  so that no child imports it

        ENGINES.setdefault("fake", "tests.audio.fake_engine")
        self.folder = folder
        self.inputs = write_inputs(folder / "inputs")
        self._base = folder / "base"
        self._done: set[str] = set()
        (self._base / "root").mkdir(parents=True)

    def before(self, step: Step, name: str) -> Path:
        """A fresh copy of the state before a step."""
        for needed_step in needed(step.name):
            if needed_step.name not in self._done:
                must_work(self.run(needed_step, self._base), needed_step.name)
                self._done.add(needed_step.name)
        target = self.folder / name
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self._base, target, symlinks=True)
        _prepare(step, target / "root")
        return target

    def run(self, step: Step, work: Path, kill_at: int | None = None) -> Ran:
        """Run a step in a folder."""
        return run(step.command(work / "root", self.inputs), work, kill_at=kill_at)


def kill_everywhere(bench: Bench, step: Step, tally: Tally, *, every: int = 1, most: int = 1_000_000) -> int:
    """Kill a step at every n-th of its file operations; return how many it has.

    :param most: kills at most, spread evenly.
    """
    expected = bench.before(step, "expected")
    whole = bench.run(step, expected)
    must_work(whole, step.name)
    wanted = snapshot(expected)
    tidy(expected)
    if snapshot(expected) != wanted:
        raise RuntimeError(f"{step.name} leaves something behind: {difference(wanted, snapshot(expected))}")
    spread = max(every, -(-whole.operations // most))
    for moment in range(1 + (whole.operations - 1) % spread, whole.operations + 1, spread):
        killed = bench.before(step, "killed")
        name = f"{step.name}, killed at operation {moment} of {whole.operations}"
        first = bench.run(step, killed, kill_at=moment)
        must_work(first, f"{name}, which ended before it")
        if first.code != -signal.SIGKILL:
            continue  # this run had fewer operations
        tally.kills += 1
        again = bench.run(step, killed)
        if again.code:
            tally.wedged.append(f"{name}: {again.stderr}")
            continue
        tidy(killed)
        found = snapshot(killed)
        if found != wanted:
            tally.differing.append(f"{name}: {difference(wanted, found)}")
    return whole.operations


def _prepare(step: Step, root: Path) -> None:
    """Leftovers for the command that removes them."""
    if step.name == "gc":
        for version in ("aaa", "bbb"):
            parts = root / "text_tokenizer" / "t" / f".{version}.partial" / "parts"
            parts.mkdir(parents=True)
            (parts / "part-0").write_text("done")
        (root / "text_tokenizer" / "t" / ".ccc.removed-1").mkdir()
        (root / "text_tokenizer" / "t" / ".ccc.removed-1" / "data").write_text("old")


def tidy(work: Path) -> None:
    """Remove what a killed process may leave."""
    must_work(run(["--quiet", "--root", str(work / "root"), "artifact", "gc"], work), "gc")


def must_work(ran: Ran, name: str) -> None:
    """Check that a run ended well, or was killed."""
    if ran.code not in (0, -signal.SIGKILL):
        raise RuntimeError(f"{name} failed without a kill: {ran.stderr}")


def snapshot(work: Path) -> dict[str, str]:
    """Every path below a folder and its content, without what differs from run to run: times, paths, log files."""
    found = {}
    for path in sorted(work.rglob("*")):
        name = path.relative_to(work).as_posix()
        if path.parent == work or name.startswith(f"root/{_LOGS}/"):
            continue
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_dir():
            found[name] = "folder"
        elif path.name == MANIFEST:
            manifest = json.loads(path.read_text())
            found[name] = json.dumps({key: manifest[key] for key in manifest if key not in _CHANGES_EACH_TIME})
        else:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def difference(wanted: dict[str, str], found: dict[str, str]) -> str:
    changed = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    return ", ".join(f"{name} ({wanted.get(name)} -> {found.get(name)})" for name in changed[:4])


def main(arguments: Sequence[str]) -> int:
    """Kill the chosen steps and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", default=",".join(STEPS), help="some of: %(default)s")
    parser.add_argument("--every", type=int, default=1, help="kill at every n-th operation")
    parser.add_argument("--most", type=int, default=40, help="kills of one step; more operations are spread evenly")
    chosen = parser.parse_args(arguments)
    total = Tally()
    for name, operations, tally, seconds in _all(chosen.steps.split(","), chosen.every, chosen.most):
        print(f"{name:12} {operations:4} operations: {tally} ({seconds:.0f} s)", flush=True)
        for problem in (*tally.wedged, *tally.differing):
            print(f"  {problem}", flush=True)
        total.kills += tally.kills
        total.wedged += tally.wedged
        total.differing += tally.differing
    print(total)
    return 1 if total.wedged or total.differing else 0


def _all(names: Sequence[str], every: int, most: int) -> Iterator[tuple[str, int, Tally, float]]:
    with tempfile.TemporaryDirectory(prefix="lst-faults-") as folder:
        bench = Bench(Path(folder))
        for name in sorted(names, key=list(STEPS).index):  # what runs before a step does not include it
            begun, tally = time.monotonic(), Tally()
            operations = kill_everywhere(bench, STEPS[name], tally, every=every, most=most)
            yield name, operations, tally, time.monotonic() - begun


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
