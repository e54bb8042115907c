"""Runs one stage of the GPU check: ``python benchmarks/gpu/run_stage.py STAGE`` with the folder for results in OUT."""

from __future__ import annotations

import sys

import correctness
import programs
import speed

STAGES = {
    "env": correctness.environment,
    "attention": correctness.attention,
    "model": correctness.models,
    "train": correctness.training,
    "compile": programs.compiled,
    "steps": speed.steps,
    "tests": speed.tests,
    "tokens": speed.tokens,
    "decode": programs.decoding,
    "rates": speed.rates,
    "step_graph": programs.step_graph,
}

if __name__ == "__main__":
    STAGES[sys.argv[1]]()
