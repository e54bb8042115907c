"""The keys of a config type, documented: as commented YAML (``lst config show``), and as the key tables of the docs.

The one source is the config dataclasses: the docstring under each field, its type, bounds and default.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin, get_type_hints

import yaml

from lst_cli.config import to_dict

_WIDTH = 100
_SIGNS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConfigField:
    """One field of a config type."""

    name: str
    section: type | None
    """The config type of a section; None for a key with a value."""
    values: str
    """Allowed values, in words."""
    required: bool
    default: Any
    """Plain data; None if required."""
    text: str
    """Its docstring, on one line."""


def fields(cls: type) -> list[ConfigField]:
    """The fields of a config type, in order."""
    texts, hints = _docstrings(cls), get_type_hints(cls)
    found = []
    for name, info in cls.__pydantic_fields__.items():  # type: ignore[attr-defined]
        required = info.is_required()
        default = None if required else info.get_default(call_default_factory=True)
        is_section = dataclasses.is_dataclass(hints[name])
        found.append(
            ConfigField(
                name=name,
                section=hints[name] if is_section else None,
                values=", ".join([_type_name(hints[name]), *_bounds(info.metadata)]),
                required=required,
                default=_plain(default),
                text=texts.get(name, ""),
            )
        )
    return found


def as_yaml(cls: type, config: Mapping[str, Any] | None = None) -> str:
    """A config as YAML, with a comment over each key.

    :param config: its values, from :func:`lst_cli.config.to_dict`; by default the defaults, in a template whose
        required keys have no value.
    """
    return "\n".join(_yaml_lines(cls, config, 0)).lstrip("\n") + "\n"


def as_table(cls: type) -> str:
    """The keys of a config type as a Markdown table."""
    rows = ["| key | default | values | meaning |", "|---|---|---|---|"]
    rows += [
        f"| `{key}` | {'required' if field.required else f'`{_flow(field.default)}`'} "
        f"| {_escaped(field.values)} | {_escaped(field.text).replace('``', '`')} |"
        for key, field in _leaves(cls, "")
    ]
    return "\n".join(rows)


def _leaves(cls: type, prefix: str) -> Iterator[tuple[str, ConfigField]]:
    for field in fields(cls):
        if field.section is not None:
            yield from _leaves(field.section, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", field


def _yaml_lines(cls: type, values: Mapping[str, Any] | None, depth: int) -> Iterator[str]:
    indent = "  " * depth
    for field in fields(cls):
        note = field.text.replace("``", "")
        comment = textwrap.wrap(note, _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
        value = field.default if values is None else values[field.name]
        if depth == 0:
            yield ""
        if field.section is not None:
            yield from comment
            yield f"{indent}{field.name}:"
            yield from _yaml_lines(field.section, value, depth + 1)
        else:
            yield from comment
            missing = values is None and field.required
            shown = f"{indent}{field.name}:" if missing else f"{indent}{field.name}: {_flow(value)}"
            yield f"{shown}  # {field.values}{', required' if missing else ''}"


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_dict(value)
    return list(value) if isinstance(value, tuple) else value


def _flow(value: Any) -> str:
    """A value as YAML on one line."""
    if isinstance(value, float):
        # YAML 1.1 reads a number with an exponent as text unless its mantissa has a point.
        short = f"{value:g}" if float(f"{value:g}") == value else repr(value)
        mantissa, e, exponent = short.partition("e")
        return f"{mantissa}{'' if '.' in mantissa else '.0'}{e}{exponent}"
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def _bounds(metadata: list[Any]) -> list[str]:
    return [
        f"{sign} {getattr(constraint, name):g}"
        for constraint in metadata
        for name, sign in _SIGNS.items()
        if getattr(constraint, name, None) is not None
    ]


def _type_name(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return " or ".join(map(str, get_args(hint)))
    if hint is type(None):
        return "null"
    if get_origin(hint) is tuple:
        return f"[{', '.join(map(_type_name, get_args(hint)))}]"
    if get_args(hint) and get_origin(hint) is not dict:  # a union
        return " or ".join(map(_type_name, get_args(hint)))
    return "mapping" if get_origin(hint) is dict else {"str": "text"}.get(hint.__name__, str(hint.__name__))


def _docstrings(cls: type) -> dict[str, str]:
    """The docstring under each field of a class and its bases, on one line."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if not dataclasses.is_dataclass(base):
            continue
        (node,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(node, ast.ClassDef)
        for statement, after in zip(node.body, node.body[1:], strict=False):
            text = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else None
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and text:
                found[statement.target.id] = " ".join(str(text).split())
    return found
