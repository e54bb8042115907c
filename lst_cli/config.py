"""Config files: typed dataclasses from YAML, with ``--set a.b=c`` on top."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import dataclass_transform

from lst_cli.errors import UserError
from lst_cli.json_text import NotText, decode
from lst_cli.renamed_keys import RENAMED
from lst_cli.yaml_text import parse_yaml

T = TypeVar("T")


@dataclass_transform(kw_only_default=True, frozen_default=True)
def config_dataclass(cls: type[T]) -> type[T]:
    """Make a frozen, keyword-only dataclass that checks its fields and refuses unknown keys, nan and infinity."""
    config = ConfigDict(extra="forbid", allow_inf_nan=False)
    made: type[T] = pydantic_dataclass(frozen=True, kw_only=True, config=config)(cls)  # type: ignore[assignment]
    return made


def load_config(cls: type[T], path: Path | None, overrides: Sequence[str] = ()) -> T:
    """Read a config of type ``cls`` from YAML, then apply overrides such as ``model.size=3``.

    :raises UserError: the file can't be read, is not a YAML mapping, or has a duplicate or unknown key or a bad value.
    """
    tree = _read_yaml(path) if path is not None else {}
    for override in overrides:
        _apply_override(cls, tree, override)
    return from_dict(cls, tree, source=str(path) if path is not None else "--set")


def from_dict(cls: type[T], tree: Mapping[str, Any], source: str) -> T:
    """Make a config of type ``cls`` from plain data; errors name ``source``.

    :raises UserError: there are unknown keys or bad values; all of them are listed.
    """
    problems = [*_unknown_keys(cls, tree, ""), *_truths(cls, tree, "")]
    if not problems:
        try:
            return TypeAdapter(cls).validate_python(dict(tree))
        except ValidationError as error:
            problems = [_problem(item["loc"], item["msg"], item["input"]) for item in error.errors()]
    raise UserError(
        f"{source}: the config is not valid",
        found="; ".join(problems),
        fix="correct the keys and values named above",
    )


def _problem(place: Sequence[Any], message: str, value: Any) -> str:
    found = repr(value)
    shown = found if len(found) <= 80 else f"{found[:80]}…"
    return f"{'.'.join(map(str, place)) or 'config'}: {message} (found {shown})"


def to_dict(config: Any) -> dict[str, Any]:
    """The whole resolved config as plain data."""
    data: dict[str, Any] = TypeAdapter(type(config)).dump_python(config, mode="json")
    return data


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        text = decode(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path}: no such config file", fix="give the path of a YAML file") from None
    except OSError as error:
        raise UserError(f"{path}: the config can't be read", found=str(error)) from None
    except NotText as error:
        raise UserError(f"{path}: the config can't be read", found=error.found, fix=error.fix) from None
    try:
        tree = parse_yaml(text)
    except ValueError as error:
        raise UserError(f"{path}: not valid YAML", found=str(error), fix="correct the line named above") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise UserError(f"{path}: not a config", found=type(tree).__name__, expected="a mapping of keys")
    return tree


def _apply_override(cls: Any, tree: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise UserError(f"--set {override}", found=repr(override), expected="KEY=VALUE, as in optimizer.lr=1e-4")
    *path, last = key.split(".")
    node = tree
    for part in path:
        child = node.setdefault(part, {})
        if not isinstance(child, dict):
            raise UserError(f"--set {override}", found=f"{part} is a value", expected=f"{part} as a section")
        node = child
    node[last] = _value(override, value, _field_type(cls, [*path, last]))


def _value(override: str, text: str, type_: Any) -> Any:
    """The value that a text on the command line means to a field of this type."""
    try:
        value = parse_yaml(text) if text else ""
    except ValueError as error:
        if _takes_text(type_):
            return text
        raise UserError(f"--set {override}: the value can't be read", found=str(error)) from None
    if _takes_text(type_):
        return value if value is None or isinstance(value, str) else text
    if isinstance(value, str):
        # YAML 1.1 reads 1e-4 (no dot) as a string; nobody who types it means a string.
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _field_type(cls: Any, path: Sequence[str]) -> Any:
    """The type of the field that dotted keys lead to; None if there is no such field, or inside a plain mapping."""
    for part in path:
        if not dataclasses.is_dataclass(cls):
            return None
        cls = get_type_hints(cls).get(part)
    return cls


def _takes_text(type_: Any) -> bool:
    """Whether any text is a value of this type."""
    return type_ is str or (get_origin(type_) in (Union, UnionType) and str in get_args(type_))


def _truths(type_: Any, value: Any, place: str) -> list[str]:
    """Each true or false where a number belongs: Python would take it for 1 or 0."""
    kinds = get_args(type_) if get_origin(type_) in (Union, UnionType) else (type_,)
    if isinstance(value, bool):
        wrong = {int, float} & set(kinds) and bool not in kinds
        return [f"{place}: Input should be a number (found {value})"] if wrong else []
    problems = []
    for kind in kinds:
        if isinstance(value, Mapping) and dataclasses.is_dataclass(kind):
            hints = get_type_hints(kind)
            inside = [(hints[key], each, f"{place}.{key}") for key, each in value.items() if key in hints]
        elif isinstance(value, (list, tuple)) and get_origin(kind) in (list, tuple):
            inside = [(get_args(kind)[0], each, f"{place}.{number}") for number, each in enumerate(value)]
        else:
            inside = []
        problems += [problem for each in inside for problem in _truths(*each)]
    return [problem.removeprefix(".") for problem in problems]


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
