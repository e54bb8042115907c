"""The tables of docs/scaling.md are those that the code counts."""

from __future__ import annotations

import importlib.util
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def test_the_page_has_the_tables() -> None:
    spec = importlib.util.spec_from_file_location("write_cost_tables", REPOSITORY / "scripts" / "write_cost_tables.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    page = (REPOSITORY / "docs" / "scaling.md").read_text(encoding="utf-8")
    for name in script.TABLES:
        assert page.count(f"<!-- costs: {name} -->") == 1
    assert script.with_tables(page) == page, "run: python scripts/write_cost_tables.py"
