"""Run a script in a process that can import neither lst nor fairseq2."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_BLOCK = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("lst_cli", "fairseq2"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
try:
    import lst_cli
except ModuleNotFoundError:
    pass
else:
    raise SystemExit("lst_cli is there")
"""


def run_fresh(script: str, folder: Path) -> str:
    """Standard output of a script, run in ``folder`` with caches of its own."""
    environment = {**os.environ, "HF_HOME": str(folder / "hf"), "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, "-I", "-c", _BLOCK + script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
