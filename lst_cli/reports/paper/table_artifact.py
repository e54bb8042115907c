"""``lst report table3``: the artifact that holds one table or figure of the paper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lst_cli.artifacts import Artifact, Draft, Request, Store
from lst_cli.artifacts.parquet import write_bytes_atomic
from lst_cli.reports.paper.paper_tables import SPECS
from lst_cli.reports.report_kind import REPORT

if TYPE_CHECKING:
    from lst_cli.reports.paper.fill_table import FilledTable

TABLE_VERSION = 4
"""Increased when the same inputs give another table."""


def files_of(name: str) -> tuple[str, ...]:
    """The files that a table consists of."""
    return tuple(f"{name}.{suffix}" for suffix in ("md", "csv", "svg"))


def plan_table(
    store: Store, name: str, inputs: Sequence[Artifact], report: str
) -> tuple[Request, Callable[[Draft], None]]:
    """The request and the maker that :meth:`lst_cli.artifacts.Store.build` needs.

    :param name: of the table, a key of :data:`SPECS`.
    :param inputs: scores; for Table 13, one artifact of speech shards.
    :param report: name of the artifact.
    """
    parents = {f"{artifact.kind}_{number}": artifact for number, artifact in enumerate(inputs, start=1)}
    request = Request(kind=REPORT, name=report, config={"table": name, "table_version": TABLE_VERSION}, parents=parents)

    def make(draft: Draft) -> None:
        from lst_cli.reports.paper.row_gains import all_gains
        from lst_cli.reports.paper.table_figure import draw_table
        from lst_cli.reports.paper.table_text import csv_table, markdown, scale_of

        table = _filled(store, name, inputs)
        gains = all_gains(store, table)
        texts = (markdown(table, gains, scale_of(table)).encode(), csv_table(table, gains).encode(), draw_table(table))
        for file, text in zip(files_of(name), texts, strict=True):
            write_bytes_atomic(draft.path / file, text)
        draft.statistics.update(
            rows=sum(any(row.cells) for row in table.rows), runs=sum(len(row.models) for row in table.rows)
        )

    return request, make


def _filled(store: Store, name: str, inputs: Sequence[Artifact]) -> FilledTable:
    from lst_cli.reports.paper.fill_table import fill
    from lst_cli.reports.paper.match_rows import read_scored
    from lst_cli.reports.paper.table13 import fill_positions

    if name == "table13":
        (shards,) = inputs
        return fill_positions(SPECS[name], shards)
    return fill(SPECS[name], read_scored(store, inputs))
