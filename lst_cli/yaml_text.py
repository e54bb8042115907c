"""Reading YAML: duplicate keys, deep nesting and aliases that expand without bound are errors."""

from __future__ import annotations

import re
from typing import Any

import yaml

_ODD_NUMBER = re.compile(r"[-+]?(0[0-9_]*[0-9]|.*:.*)$")

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
    """Refuses duplicate keys, of which YAML's usual loader keeps the last, and numbers that YAML 1.1 reads oddly."""

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """An integer; ``010`` would be 8, and ``1:30`` would be 90."""
        if _ODD_NUMBER.match(str(node.value)):
            raise ValueError(f"line {node.start_mark.line + 1}: {node.value} is no number in base 10; write it as one")
        return int(super().construct_yaml_int(node))

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        """A number; ``1:30.5`` would be 90.5."""
        if _ODD_NUMBER.match(str(node.value)):
            raise ValueError(f"line {node.start_mark.line + 1}: {node.value} is no number in base 10; write it as one")
        return float(super().construct_yaml_float(node))

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[Any, int] = {}
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if isinstance(key, (str, int, float)):
                if key in lines:
                    raise ValueError(f"line {line}: duplicate key {key!r}, first in line {lines[key]}")
                lines[key] = line
        return super().construct_mapping(node, deep)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_yaml_float)


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
