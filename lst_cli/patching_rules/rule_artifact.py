"""The ``patching_rule`` artifact: a fitted rule in one safetensors file.

A tensor for each field of the rule's class; the name of the strategy is in the file's metadata.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lst_cli.artifacts import Kind, Store
from lst_cli.errors import UserError
from lst_cli.patching.strategies import FITTED

if TYPE_CHECKING:
    from lst_cli.patching.stream import Rule

PATCHING_RULE = Kind("patching_rule", 1)
RULE_FILE = "patching_rule.safetensors"


def find_rules(store: Store, references: Sequence[str]) -> dict[str, Rule]:
    """Rules by the names of their artifacts.

    :raises UserError: one is missing or damaged.
    """
    found = [store.find(reference, PATCHING_RULE) for reference in references]
    return {artifact.name: read_rule(artifact.file(RULE_FILE)) for artifact in found}


def write_rule(path: Path, rule: Rule) -> None:
    """Write a rule's file."""
    from safetensors.numpy import save_file

    from lst_cli.artifacts.parquet import atomic_path

    (strategy,) = (name for name, kind in FITTED.items() if type(rule) is kind)
    arrays = {name: np.asarray(value) for name, value in vars(rule).items()}
    with atomic_path(path) as unfinished:
        save_file(arrays, unfinished, metadata={"strategy": strategy})


def read_rule(path: Path) -> Rule:
    """Read a rule's file.

    :raises UserError: it is not one.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            kind = FITTED[(file.metadata() or {})["strategy"]]
            arrays = {field.name: file.get_tensor(field.name) for field in dataclasses.fields(kind)}
    except (SafetensorError, OSError, KeyError) as error:
        raise UserError(
            f"{path}: not a patching rule",
            found=f"{type(error).__name__}: {error}",
            fix="'lst artifact verify' names damaged files; make the rule again with 'lst patching fit'",
        ) from None
    return kind(**{name: array if array.ndim else array.item() for name, array in arrays.items()})
