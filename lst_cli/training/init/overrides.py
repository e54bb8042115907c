"""``model.overrides`` and the shape of a run's initial model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lst_cli.errors import UserError


def refuse_others(mine: Mapping[str, Any], theirs: Mapping[str, Any], name: str) -> None:
    """Refuse overrides that differ from the shape of the initial model.

    :param name: of the model to begin from.
    :raises UserError: lists all of them.
    """
    found = _differing(mine, theirs)
    if found:
        raise UserError(
            "model.overrides: not the shape of the initial model",
            found=", ".join(f"{key}: {ours}" for key, ours, _ in found),
            expected=", ".join(f"{key}: {other}" for key, _, other in found) + f", as in {name}",
            fix="remove these keys from model.overrides: --init sets them",
        )


def _differing(mine: Mapping[str, Any], theirs: Mapping[str, Any], at: str = "") -> list[tuple[str, Any, Any]]:
    found: list[tuple[str, Any, Any]] = []
    for key in sorted(mine.keys() & theirs.keys()):
        ours, other = mine[key], theirs[key]
        if isinstance(ours, Mapping) and isinstance(other, Mapping):
            found += _differing(ours, other, f"{at}{key}.")
        elif ours != other:
            found.append((at + key, ours, other))
    return found


def over(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``changes`` on top, mappings merged."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = over(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged
