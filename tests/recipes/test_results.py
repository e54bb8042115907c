"""The index of a folder of results."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "recipes" / "results.py"
TABLE = """# Table 3: stories

- One run.

## Ours (4 M parameters)

|  | HellaSwag |
| --- | --- |
| Base | 50% |

## The paper's

|  | HellaSwag |
| --- | --- |
| Base | 39% |

## Differences in points, ours and the paper's

|  | HellaSwag |
| --- | --- |
| LST less Base | +1; paper +2 |
"""


def _index(folder: Path) -> str:
    subprocess.run([sys.executable, str(SCRIPT), str(folder), "--scale", "tiny"], check=True)
    return (folder / "README.md").read_text(encoding="utf-8")


def test_the_index_shows_ours_and_the_differences_in_the_papers_order(tmp_path: Path) -> None:
    for name in ("table12", "table3"):
        (tmp_path / f"{name}.md").write_text(TABLE.replace("Table 3", name), encoding="utf-8")
    (tmp_path / "notes.md").write_text("# Not a table", encoding="utf-8")
    text = _index(tmp_path)
    assert text.index("## table3: stories") < text.index("## table12: stories")
    assert "Ours (4 M parameters):" in text and "| Base | 50% |" in text and "+1; paper +2" in text
    assert "| Base | 39% |" not in text and "Not a table" not in text
    assert "(table3.md), [CSV](table3.csv)" in text and "![table3: stories](table3.svg)" in text


def test_the_page_of_the_runs_is_linked_where_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "table3.md").write_text(TABLE, encoding="utf-8")
    assert "index.html" not in _index(tmp_path)
    (tmp_path / "page-table3").mkdir()
    (tmp_path / "page-table3" / "index.html").touch()
    assert "(page-table3/index.html)" in _index(tmp_path)
