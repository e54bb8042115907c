"""Config files: typed dataclasses from YAML, with ``--set a.b=c`` on top."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import dataclass_transform

from lst_cli.errors import UserError
from lst_cli.renamed_keys import RENAMED

T = TypeVar("T")


@dataclass_transform(kw_only_default=True, frozen_default=True)
def config_dataclass(cls: type[T]) -> type[T]:
    """Make a frozen, keyword-only dataclass whose fields are checked and whose unknown keys are refused."""
    made: type[T] = pydantic_dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))(cls)  # type: ignore[assignment]
    return made


def load_config(cls: type[T], path: Path | None, overrides: Sequence[str] = ()) -> T:
    """Read a config of type ``cls`` from YAML, then apply overrides such as ``model.size=3``.

    :raises UserError: the file can't be read, is no YAML mapping, names an unknown key or holds a bad value.
    """
    tree = _read_yaml(path) if path is not None else {}
    for override in overrides:
        _apply_override(tree, override)
    return from_dict(cls, tree, source=str(path) if path is not None else "--set")


def from_dict(cls: type[T], tree: Mapping[str, Any], source: str) -> T:
    """Make a config of type ``cls`` from plain data; ``source`` is named in errors.

    :raises UserError: an unknown key or a bad value; all of them are listed.
    """
    problems = list(_unknown_keys(cls, tree, ""))
    if not problems:
        try:
            return TypeAdapter(cls).validate_python(dict(tree))
        except ValidationError as error:
            problems = [
                f"{'.'.join(str(part) for part in item['loc']) or 'config'}: {item['msg']} (found {item['input']!r})"
                for item in error.errors()
            ]
    raise UserError(
        f"{source}: the config is not valid",
        found="; ".join(problems),
        fix="correct the keys and values named above",
    )


def to_dict(config: Any) -> dict[str, Any]:
    """The whole resolved config as JSON-able data."""
    data: dict[str, Any] = TypeAdapter(type(config)).dump_python(config, mode="json")
    return data


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such config file", fix="give the path of a YAML file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: the config can't be read", found=str(error)) from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML", found=str(error).replace("\n", " ")) from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise UserError(f"{path}: not a config", found=type(tree).__name__, expected="a mapping of keys")
    return tree


def _apply_override(tree: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise UserError(f"--set {override}", found=repr(override), expected="KEY=VALUE, as in optimizer.lr=1e-4")
    *path, last = key.split(".")
    node = tree
    for part in path:
        child = node.setdefault(part, {})
        if not isinstance(child, dict):
            raise UserError(f"--set {override}", found=f"{part} is a value", expected=f"{part} to be a section")
        node = child
    node[last] = _scalar(value)


def _scalar(text: str) -> Any:
    value = yaml.safe_load(text) if text else ""
    if isinstance(value, str):
        # YAML 1.1 reads 1e-4 (no dot) as a string; nobody who types it means one.
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _unknown_keys(cls: Any, tree: Mapping[str, Any], prefix: str) -> list[str]:
    """Each key in ``tree`` that ``cls`` does not have, with the nearest one that it has."""
    if not dataclasses.is_dataclass(cls):
        return []
    names = [field.name for field in dataclasses.fields(cls)]
    hints = get_type_hints(cls)
    problems = []
    for key, value in tree.items():
        if key not in names and RENAMED.get(f"{prefix}{key}", "").removeprefix(prefix) in names:
            problems.append(f"{prefix}{key} is now called {RENAMED[f'{prefix}{key}']}")
        elif key not in names:
            near = difflib.get_close_matches(str(key), names, n=1, cutoff=0.5)
            hint = f"did you mean {prefix}{near[0]}?" if near else f"known: {', '.join(names)}"
            problems.append(f"unknown key {prefix}{key} ({hint})")
        elif isinstance(value, Mapping):
            problems += _unknown_keys(hints[key], value, f"{prefix}{key}.")
    return problems
