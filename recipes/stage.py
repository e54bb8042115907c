"""Run one stage of the recipe and record its cost.

    python recipes/stage.py --root ROOT NAME COMMAND…

A stage that made an artifact leaves `ROOT/.stages/NAME.json`: wall seconds, peak memory of the whole process tree
and the command. A stage that was up to date leaves the note of the run that made it.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

SAMPLE_EVERY_S = 0.5


def made(root: Path) -> set[Path]:
    """The manifests of the finished artifacts below the root."""
    return set(root.glob("*/*/*/artifact.json"))


def is_by(command: list[str], manifest: Path) -> bool:
    """Whether this command made the artifact; stages that run at the same time make others."""
    recorded = json.loads(manifest.read_text(encoding="utf-8")).get("command", [])
    # A launcher may stand before `lst`, and the record starts behind it.
    return bool(recorded == command[len(command) - len(recorded) :])


def parents() -> dict[int, int]:
    """Parent of every process; empty where there is no /proc."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The command's name stands in parentheses and may hold anything; the parent is the second field after it.
            found[int(stat.parent.name)] = int(stat.read_text(errors="replace").rpartition(")")[2].split()[1])
        except OSError:
            continue
    return found


def resident_bytes(process: int) -> int:
    """Memory of a process and all its descendants, pages that they share counted once a process."""
    parent_of = parents()
    family = {process}
    grown = True
    while grown:
        more = {child for child, parent in parent_of.items() if parent in family} - family
        family |= more
        grown = bool(more)
    total = 0
    for member in family:
        try:
            total += int(Path(f"/proc/{member}/statm").read_text().split()[1]) * resource.getpagesize()
        except OSError:
            continue
    return total


def run(command: list[str]) -> tuple[int, float, int]:
    """Run a command with this process's input and output. Returns exit code, seconds and peak bytes."""
    start = time.monotonic()
    process = subprocess.Popen(command)
    done = threading.Event()
    peak = 0

    def watch() -> None:
        nonlocal peak
        while not done.wait(SAMPLE_EVERY_S):
            peak = max(peak, resident_bytes(process.pid))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        code = process.wait()
    except KeyboardInterrupt:
        code = process.wait()
    finally:
        done.set()
        watcher.join()
    # A short peak between two samples still shows here, for the largest single process.
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return code, time.monotonic() - start, max(peak, largest)


def main() -> None:
    """Run the stage; exit as its command does."""
    parser = argparse.ArgumentParser(description="Run one stage of the recipe and note what it took.")
    parser.add_argument("--root", type=Path, required=True, help="root of the artifacts")
    parser.add_argument("name", help="name of the stage")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    note = options.root / ".stages" / f"{options.name}.json"
    before = made(options.root)
    print(f"[{options.name}]", file=sys.stderr, flush=True)
    code, seconds, peak = run(options.command)
    fresh = any(is_by(options.command, manifest) for manifest in made(options.root) - before)
    if code == 0 and (fresh or not note.exists()):
        note.parent.mkdir(parents=True, exist_ok=True)
        took = {"seconds": round(seconds, 1), "peak_memory_gb": round(peak / 1e9, 3), "command": options.command}
        part = note.with_suffix(".part")
        part.write_text(json.dumps(took, indent=2) + "\n", encoding="utf-8")
        part.replace(note)
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
