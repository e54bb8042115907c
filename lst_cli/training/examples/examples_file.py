"""A JSONL file of training examples: one example per line, each with a unique id."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from lst_cli.errors import UserError
from lst_cli.evaluation.tasks.items import Faults
from lst_cli.evaluation.tasks.tables import read_jsonl
from lst_cli.training.examples.sides import SIDE_FORMS

Example = TypeVar("Example")


def read_examples(
    path: Path,
    keys: Sequence[str],
    parse: Callable[[str, Mapping[str, Any]], Example | list[str]],
    *,
    form: str,
    what: str,
) -> list[Example]:
    """The examples of a file, in its order.

    :param keys: the keys that a line may have in addition to ``id``.
    :param parse: makes an example of its id and its line, or returns the problems of the line.
    :param form: a line in outline, for errors.
    :param what: the name of the examples in errors.
    :raises UserError: the file can't be read or has faulty lines; these are named.
    """
    faults = Faults(path)
    found: dict[str, Example] = {}
    for line, row in read_jsonl(path, faults):
        name = str(line if row.get("id") is None else row["id"])
        problems = [f"unknown key {key}" for key in sorted(set(row) - {"id", *keys})]
        example = parse(name, row)
        if isinstance(example, list):
            problems += example
        elif name in found:
            problems.append(f"the id {name} is used twice")
        else:
            found[name] = example
        for problem in problems:
            faults.add(line, problem)
    faults.raise_any(expected=f"{form}, where a SIDE is {SIDE_FORMS}", fix="correct or remove these lines")
    if not found:
        raise UserError(f"{path}: no {what}", expected="at least one line")
    return list(found.values())
