"""Write the tables of config keys in docs/ from the config dataclasses: ``python scripts/write_key_tables.py``.

A table stands between the lines ``<!-- keys: KIND -->`` and ``<!-- end of keys -->``.
"""

from __future__ import annotations

import re
from pathlib import Path

from lst_cli.commands.config_show import config_class
from lst_cli.config_reference import as_table

DOCS = Path(__file__).parents[1] / "docs"
_TABLE = re.compile(r"<!-- keys: (\w+) -->\n.*?<!-- end of keys -->", re.DOTALL)


def with_tables(text: str) -> str:
    """A page with its tables up to date."""
    return _TABLE.sub(
        lambda found: f"<!-- keys: {found[1]} -->\n\n{as_table(config_class(found[1]))}\n\n<!-- end of keys -->", text
    )


def main() -> None:
    """Rewrite every page that has tables."""
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        page.write_text(with_tables(text), encoding="utf-8")


if __name__ == "__main__":
    main()
