"""What each table costs to train: H100 hours of the trainings that it adds to Table 3's, by `lst pretrain --dry-run`.

    python recipes/costs.py --scale paper --root artifacts [table3 table6 …]

plans every training that `make TABLE SCALE=paper` would start, with the shards of another root (the tiny world's: its
documents stand in for those of the scale), and prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from lst_cli.main import app

RECIPES = Path(__file__).parent
MFU = 0.4
NO_PRETRAINING = ("table5", "table13", "fig5")


def tables() -> list[str]:
    """The targets of the repository's Makefile that train."""
    text = (RECIPES.parent / "Makefile").read_text(encoding="utf-8")
    names = re.search(r"^TABLES := (.*)$", text, re.MULTILINE)
    assert names is not None
    return [name for name in names[1].split() if name not in NO_PRETRAINING]


def trainings(scale: str, table: str, data: Path) -> dict[str, list[str]]:
    """Model → its ``--set`` values and its ``--speech-bpe``, from what make would run."""
    command = ["make", "-n", "-f", "recipes/tables.mk", table, f"SCALE={scale}", f"DATA={data}"]
    done = subprocess.run(command, cwd=RECIPES.parent, capture_output=True, text=True, check=True)
    found = {}
    for line in done.stdout.replace("\\\n", " ").splitlines():
        if " pretrain " in line and (name := re.search(r"--name (\S+)", line)):
            found[name[1]] = re.findall(r"--set \S+|--speech-bpe \S+", line)
    return found


def hours(scale: str, options: list[str], root: Path) -> float:
    """Hours of one H100 for a training."""
    arguments = [
        *("--root", str(root), "pretrain", str(RECIPES / scale / "pretrain.yaml"), "--name", "plan"),
        *("--shards", "shards/spoken", "--text-shards", "shards/written", "--dry-run", "--json", "--mfu", str(MFU)),
        *(word for option in options for word in option.split()),
    ]
    # In this process: importing torch takes longer than a plan.
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    return float(json.loads(done.stdout)["hours"])


def main() -> None:
    """Plan every training once, and print the table."""
    parser = argparse.ArgumentParser(description="What each table costs to train.")
    parser.add_argument("tables", nargs="*", default=tables())
    parser.add_argument("--scale", required=True)
    parser.add_argument(
        "--root", type=Path, required=True, help="artifacts with shards/spoken, shards/written, speech_bpe"
    )
    parser.add_argument("--data", type=Path, default=Path("data"), help="where the scale's benchmark files are")
    options = parser.parse_args()
    planned: dict[str, float] = {}
    of_table3 = trainings(options.scale, "table3", options.data)
    print("| target | trainings | hours × H100 (on 32) |\n|---|---|---|")
    for table in options.tables:
        found = trainings(options.scale, table, options.data)
        own = found if table == "table3" else {name: sets for name, sets in found.items() if name not in of_table3}
        total = 0.0
        for sets in own.values():
            # Seeds cost the same.
            key = [each for each in sets if not each.startswith("--set seed=")]
            if str(key) not in planned:
                planned[str(key)] = hours(options.scale, key, options.root)
            total += planned[str(key)]
        print(f"| `{table}` | {len(own)} | {total:,.1f} ({total / 32:,.1f}) |", flush=True)
    for key, value in planned.items():
        print(f"{value:,.1f} h: {key}", file=sys.stderr)


if __name__ == "__main__":
    main()
