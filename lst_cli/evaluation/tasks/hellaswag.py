"""HellaSwag (Zellers et al. 2019): a described activity and four endings, official JSONL.

The text is cleaned as the LM evaluation harness does (task ``hellaswag`` version 1): the prompt is
``{activity_label}: {ctx_a} {ctx_b capitalised}``; ``[title]`` becomes a full stop, other bracketed remarks of
the WikiHow part are dropped.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

from lst_cli.errors import UserError
from lst_cli.evaluation.tasks.items import Faults, Item, Task
from lst_cli.evaluation.tasks.tables import read_jsonl

REQUIRED = ("ind", "activity_label", "ctx_a", "ctx_b", "endings")
_BRACKETS = re.compile(r"\[.*?\]")


def clean(text: str) -> str:
    """The harness's cleaning of one string, to the letter (also where it leaves a double space)."""
    return _BRACKETS.sub("", text.strip().replace(" [title]", ". ")).replace("  ", " ")


def read_hellaswag(path: Path) -> list[Item]:
    """Items of a HellaSwag JSONL.

    The id is ``ind``; rows of several sources (``source_id`` up to ``~``) that share their ``ind`` are called
    ``{source}-{ind}``.

    :raises UserError: rows that are not JSON, lack a key, or have fewer than two endings or no label; the lines are
        named.
    """
    faults = Faults(path)
    rows = []
    for line, row in read_jsonl(path, faults):
        fault = _fault(row)
        if fault:
            faults.add(line, fault)
        else:
            rows.append(row)
    if faults.found and not rows and all(fault.endswith("no label") for fault in faults.found):
        raise UserError(
            f"{path}: no labels",
            expected="a split with answers",
            fix="use the validation split: HellaSwag's test split is published without labels",
        )
    faults.raise_any(
        expected="ind, activity_label, ctx_a, ctx_b, endings (a list of texts) and label in every row",
        fix="correct or remove these rows",
    )
    return [_item(row, name) for row, name in zip(rows, _ids(rows), strict=True)]


def _fault(row: dict[str, Any]) -> str | None:
    """The fault of a row, or None."""
    missing = [name for name in REQUIRED if row.get(name) is None]
    if missing:
        return f"no {', '.join(missing)}"
    for name in ("activity_label", "ctx_a", "ctx_b"):
        if not isinstance(row[name], str):
            return f"{name} is not text"
    if row.get("label") in (None, ""):
        return "no label"
    endings = row["endings"]
    if not isinstance(endings, list) or len(endings) < 2:
        return "endings is not a list of two or more"
    empty = [n for n, ending in enumerate(endings) if not isinstance(ending, str) or not clean(ending).strip()]
    if empty:
        return f"ending {', '.join(map(str, empty))} is empty"
    if not re.fullmatch(r"[0-9]{1,9}", str(row["label"])) or int(row["label"]) >= len(endings):
        return f"label is {row['label']!r} with {len(endings)} endings"
    return None


def _ids(rows: list[dict[str, Any]]) -> list[str]:
    """The rows' ids, prefixed by source if ``ind`` alone is not unique."""
    uses = Counter(str(row["ind"]) for row in rows)
    return [
        f"{str(row['source_id']).split('~')[0]}-{row['ind']}"
        if uses[str(row["ind"])] > 1 and row.get("source_id")
        else str(row["ind"])
        for row in rows
    ]


def _item(row: dict[str, Any], name: str) -> Item:
    context = f"{row['ctx_a']} {row['ctx_b'].capitalize()}"
    return Item(
        id=name,
        prompt=clean(f"{row['activity_label']}: {context}"),
        endings=tuple(clean(ending) for ending in row["endings"]),
        label=int(row["label"]),
    )


HELLASWAG = Task(
    name="hellaswag",
    version=1,
    read=read_hellaswag,
    text_metric="accuracy_per_char",
    about="which of four texts continues a description (Zellers et al. 2019); validation JSONL",
)
