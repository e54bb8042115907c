"""Damages a file of every format and runs the command that reads it.

A command may refuse, and may reject a part. It must not fail as a bug does, hang, or leave a part of an artifact.
``python -m tests.fuzz.fuzzing --cases 100`` damages each format a hundred times; ``make fuzz`` does, too.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from lst_cli.artifacts import Store
from lst_cli.artifacts.leftovers import leftovers
from lst_cli.artifacts.maintenance import verify
from tests.faults.killing import Bench
from tests.faults.pipeline import STEPS
from tests.faults.tracing import Ran, run
from tests.fuzz.formats import FORMATS, Format
from tests.fuzz.mutations import mutate

LIMIT_S = 20.0


class Fuzzer:
    """A folder with good files of all formats, and one in which a copy of them is damaged."""

    def __init__(self, folder: Path) -> None:
        self._bench = Bench(folder)
        (self._bench.inputs / "fuzz").mkdir()
        self._good = self._bench.before(STEPS["export"], "good")
        shutil.copytree(self._bench.inputs, self._good / "inputs")
        self._work = folder / "damaged"

    def works(self, format: Format) -> bool:
        """Whether the command works with a good file: otherwise it would refuse every damaged one."""
        return self._run(format, None).code == 0

    def damage(self, format: Format, seed: int) -> str | None:
        """Damage one file and run its command; what is wrong with what the command did, or None."""
        try:
            ran = self._run(format, seed)
        except TimeoutError as error:
            return str(error)
        if ran.code not in (0, 1, 2) or "Traceback" in ran.stderr or "bug in lst" in ran.stderr:
            return f"exit code {ran.code}: {ran.stderr[-3000:]}"
        return self._partial(Store(self._work / "root"), ran.code)

    def _run(self, format: Format, seed: int | None) -> Ran:
        shutil.rmtree(self._work, ignore_errors=True)
        shutil.copytree(self._good, self._work, symlinks=True)
        file = self._file(format)
        if seed is not None:
            file.write_bytes(mutate(file.read_bytes(), seed))
        values = {"{inputs}": str(self._work / "inputs"), "{file}": str(file)}
        root = self._work / "root"
        command = ["--root", str(root), *(_filled(part, values) for part in format.command)]
        return run(command, self._work, limit_s=LIMIT_S)

    def _file(self, format: Format) -> Path:
        if format.write is not None:
            format.write(self._work / format.file)
        return next(iter(sorted(self._work.glob(format.file))))

    def _partial(self, store: Store, code: int) -> str | None:
        left = [str(each.path) for each in leftovers(store) if each.state != "resumable"]
        if left:
            return f"exit code {code}, and leftovers: {left}"
        made = [artifact for artifact in store.all() if artifact.name == "fuzzed"]
        problems = [problem for artifact in made for problem in verify(artifact)]
        if problems or (code and made):
            return f"exit code {code}, and {[artifact.reference for artifact in made]}: {problems}"
        return None


def _filled(part: str, values: dict[str, str]) -> str:
    for key, value in values.items():
        part = part.replace(key, value)
    return part


def main(arguments: Sequence[str]) -> int:
    """Fuzz the chosen formats and print what went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--formats", default=",".join(FORMATS), help="some of: %(default)s")
    parser.add_argument("--cases", type=int, default=20, help="damaged files of each format")
    parser.add_argument("--seed", type=int, default=0, help="of the first case; each has the next one")
    chosen = parser.parse_args(arguments)
    faults = 0
    with tempfile.TemporaryDirectory(prefix="lst-fuzz-") as folder:
        fuzzer = Fuzzer(Path(folder))
        for name in chosen.formats.split(","):
            begun = time.monotonic()
            found = {
                seed: fuzzer.damage(FORMATS[name], seed) for seed in range(chosen.seed, chosen.seed + chosen.cases)
            }
            wrong = {seed: fault for seed, fault in found.items() if fault is not None}
            print(f"{name:17} {len(found)} cases, {len(wrong)} faults ({time.monotonic() - begun:.0f} s)", flush=True)
            for seed, fault in wrong.items():
                print(f"  --formats {name} --seed {seed} --cases 1: {fault}", flush=True)
            faults += len(wrong)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
