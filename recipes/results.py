"""The index of a folder of results: every table and figure in it, with its picture and its numbers.

    python recipes/results.py docs/results/tiny --scale tiny

writes `README.md` into the folder, from the files that `lst report` wrote there.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

ORDER = (
    *("table3", "table4", "table5", "table6", "table8", "table9", "table10", "table11", "table12", "table13"),
    *("fig1", "fig1b", "fig4", "fig5", "fig6", "boundary-noise"),
)


def section(text: str, name: str) -> str:
    """The section of a table's page under the heading that begins with these words; empty without one."""
    found = re.search(rf"^## {re.escape(name)}.*?$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return found[1].strip() if found else ""


def entry(folder: Path, name: str) -> str:
    """The section of one table."""
    text = (folder / f"{name}.md").read_text(encoding="utf-8")
    title = text.splitlines()[0].removeprefix("# ")
    ours = re.search(r"^## (Ours.*)$", text, re.MULTILINE)
    parts = [f"## {title}", f"{ours[1]}:" if ours else "", section(text, "Ours")]
    if gains := section(text, "Differences in points"):
        parts += ["Differences in points, ours and the paper's:", gains]
    links = [f"[Page]({name}.md), [CSV]({name}.csv)"]
    if (folder / f"page-{name}" / "index.html").is_file():
        links.append(f"[page of its runs](page-{name}/index.html) with curves, items and lineage")
    parts += [f"![{title}]({name}.svg)", ", ".join(links)]
    return "\n\n".join(part for part in parts if part)


def index(folder: Path, scale: str) -> str:
    """The whole page."""
    found = [name for name in ORDER if (folder / f"{name}.md").is_file()]
    head = [
        f"# Results at the scale `{scale}`",
        f"Made by `make TABLE SCALE={scale}`; see [docs/reproduce.md](../../reproduce.md). The paper's numbers are of "
        "other data and of models of a billion parameters: only the order of the rows can be compared.",
    ]
    return "\n\n".join([*head, *(entry(folder, name) for name in found)]) + "\n"


def main() -> None:
    """Write the index, whole or not at all."""
    parser = argparse.ArgumentParser(description="The index of a folder of results.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scale", required=True)
    options = parser.parse_args()
    part = options.folder / ".README.md.part"
    part.write_text(index(options.folder, options.scale), encoding="utf-8")
    part.replace(options.folder / "README.md")


if __name__ == "__main__":
    main()
