"""Checks a machine with a GPU, stage by stage: is it right there, does anything recompile or wait, and how fast is it.

    make gpu-check                        all stages, in order of value
    make gpu-check STAGES="attention model"
    make gpu-check DEVICE=cpu QUICK=1     the checks' own logic, without a GPU

Every check prints PASS, FAIL or SKIP; all lines go to ``results.jsonl`` in the folder ``gpu_results`` (``OUT``). Each
stage runs in its own process, so a crash costs that stage only. docs/gpu.md says what each figure should be.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import subprocess
import sys
from pathlib import Path

STAGES = ("env", "attention", "model", "train", "compile", "steps", "tests", "tokens", "decode", "step_graph", "rates")


def run_stage(stage: str, out: Path, limit_s: int) -> None:
    """Run one stage in its own process; a crash or a timeout is a failed check."""
    log = out / f"{stage}.log"
    command = [sys.executable, "-B", str(Path(__file__).parent / "gpu" / "run_stage.py"), stage]
    root = str(Path(__file__).parent.parent)
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    with log.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=stream, text=True, env={**os.environ, "PYTHONPATH": path}
        )
        try:
            said, _ = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
    print(said, end="", flush=True)
    if process.returncode:
        tail = (log.read_text(encoding="utf-8").strip().splitlines() or ["no message"])[-1]
        line = {"stage": stage, "check": "the stage runs to its end", "result": "FAIL", "error": tail[:300]}
        with (out / "results.jsonl").open("a", encoding="utf-8") as results:
            results.write(json.dumps(line) + "\n")
        print(f"FAIL {stage} ended with {process.returncode}: {tail[:300]} (see {log})")


def main() -> None:
    """Run the stages and sum up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stages", nargs="*", help=f"some of: {', '.join(STAGES)}")
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT", "gpu_results")))
    parser.add_argument("--limit", type=int, default=1800, help="seconds that a stage may take")
    parser.add_argument("--quick", action="store_true", help="small sizes; as QUICK=1")
    options = parser.parse_args()
    unknown = sorted(set(options.stages) - set(STAGES))
    if unknown:
        parser.error(f"no such stage: {', '.join(unknown)}; there are {', '.join(STAGES)}")
    options.out.mkdir(parents=True, exist_ok=True)
    os.environ["OUT"] = str(options.out.resolve())
    if options.quick:
        os.environ["QUICK"] = "1"
    results = options.out / "results.jsonl"
    results.write_text("", encoding="utf-8")
    for stage in options.stages or STAGES:
        run_stage(stage, options.out, options.limit)
    rows = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    print(dict(collections.Counter(row["result"] for row in rows)))
    raise SystemExit(any(row["result"] == "FAIL" for row in rows))


if __name__ == "__main__":
    main()
