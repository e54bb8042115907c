"""Collect the cost of the recipe's stages and the scores of its models; print the table.

    python recipes/tiny/summary.py --root ROOT --out DEMO

writes `DEMO/summary.json`: `seconds` of each stage, `peak_memory_gb` over all stages, `report` (path of the page),
`scores` (rows of model, patching, task, direction, n, accuracy, low, high) and `asr` (rows of model, n_words, wer).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from lst_cli.artifacts import Store
from lst_cli.console import print_table
from lst_cli.evaluation.scores import SCORES, read_scores

MODELS = ("baseline", "static", "curriculum")
TASKS = ("storycloze", "topicstorycloze", "hellaswag")
FURTHER = ("transfer", "without")
"""StoryCloze items of pairs that only written stories hold, and StoryCloze without the decoder's cross-attention."""


def stages(root: Path) -> dict[str, dict[str, Any]]:
    """The records of the stages, in the order of their runs."""
    notes = sorted((root / ".stages").glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in notes}


def choice_rows(store: Store) -> list[dict[str, Any]]:
    """Scores of every model on every task in every direction."""
    rows = []
    for task in (*TASKS, *FURTHER):
        for model in MODELS:
            if task == "without" and model == "baseline":
                continue
            result = read_scores(store.find(f"scores/{model}-{task}", SCORES))
            for found in result["results"]:
                row = {"model": model, "patching": result["model"]["patching"]["strategy"], "task": task}
                rows.append(row | {key: found[key] for key in ("direction", "n", "accuracy", "low", "high", "chance")})
    return rows


def asr_rows(store: Store) -> list[dict[str, Any]]:
    """Word error rates of the model that was fine-tuned for recognition."""
    result = read_scores(store.find("scores/asr", SCORES))
    return [{"model": "asr", "n_words": result["n_words"], "wer": result["wer"]}]


def accuracy(row: dict[str, Any]) -> str:
    """An accuracy with its interval."""
    return f"{row['accuracy']:.1%} ({row['low']:.1%} to {row['high']:.1%})"


def show(rows: list[dict[str, Any]], asr: list[dict[str, Any]]) -> None:
    """Print the scores, one column per model."""
    table = []
    for task in (*TASKS, *FURTHER):
        for direction in ("s-s", "t-t"):
            found = {row["model"]: row for row in rows if (row["task"], row["direction"]) == (task, direction)}
            if not found:
                continue
            cells = [accuracy(found[model]) if model in found else "" for model in MODELS]
            first = next(iter(found.values()))
            table.append((task, direction, first["n"], f"{first['chance']:.0%}", *cells))
    models = ("baseline", "LST static", "LST curriculum")
    print_table("Accuracy (95% interval) at equal positions", ("task", "direction", "n", "chance", *models), table)
    words = [(row["model"], f"{row['n_words']:,}", f"{row['wer']:.1%}") for row in asr]
    print_table("Recognition of held-out stories", ("model", "words", "word error rate"), words)


def main() -> None:
    """Write the summary and print the table and the report's path."""
    parser = argparse.ArgumentParser(description="Gather the recipe's results.")
    parser.add_argument("--root", type=Path, required=True, help="root of the artifacts")
    parser.add_argument("--out", type=Path, required=True, help="the demo's folder")
    options = parser.parse_args()
    store = Store(options.root)
    notes = stages(options.root)
    summary = {
        "seconds": {name: note["seconds"] for name, note in notes.items()},
        "peak_memory_gb": max(note["peak_memory_gb"] for note in notes.values()),
        "report": str(options.out / "index.html"),
        "scores": choice_rows(store),
        "asr": asr_rows(store),
    }
    path = options.out / "summary.json"
    part = path.with_suffix(".part")
    part.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    part.replace(path)
    show(summary["scores"], summary["asr"])
    total = sum(summary["seconds"].values())
    print(f"{total / 60:.1f} minutes in all stages, at most {summary['peak_memory_gb']:.1f} GB of memory")
    print(f"report: {summary['report']}")


if __name__ == "__main__":
    main()
