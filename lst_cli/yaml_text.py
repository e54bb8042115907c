"""Reading YAML: duplicate keys, deep nesting and aliases that expand without bound are errors."""

from __future__ import annotations

from typing import Any

import yaml

_MOST_VALUES = 100_000
"""Values in a document with all its aliases expanded."""


def parse_yaml(text: str) -> Any:
    """The value of a YAML document.

    :raises ValueError: it is not valid YAML, or has a duplicate key; the message names the line.
    """
    try:
        value = yaml.load(text, _Loader)
        _count(value, {})
    except RecursionError:
        raise ValueError("nested too deeply, or an alias inside its own anchor") from None
    except (yaml.YAMLError, ValueError, OverflowError, AttributeError) as error:
        raise ValueError(" ".join(str(error).split())) from None
    return value


class _Loader(yaml.SafeLoader):
    """Refuses duplicate keys, of which YAML's usual loader keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[Any, int] = {}
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if isinstance(key, (str, int, float)) and lines.setdefault(key, line) != line:
                raise ValueError(f"line {line}: duplicate key {key!r}, first in line {lines[key]}")
        return super().construct_mapping(node, deep)


def _count(value: Any, known: dict[int, int]) -> int:
    """Values in a tree, each alias counted as often as it is used."""
    if not isinstance(value, (dict, list)):
        return 1
    if id(value) not in known:
        children = [*value, *value.values()] if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_count(child, known) for child in children)
    if known[id(value)] > _MOST_VALUES:
        raise ValueError(f"more than {_MOST_VALUES:,} values with all aliases expanded")
    return known[id(value)]
