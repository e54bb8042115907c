"""How far each row of a table is ahead of the row that it is compared with."""

from __future__ import annotations

from lst_cli.artifacts import Store
from lst_cli.evaluation.scores import SCORES
from lst_cli.reports.paper.fill_table import FilledTable, TableRow
from lst_cli.reports.paper.seed_statistics import SeedSpread, spread


def gains(table: FilledTable, row: TableRow, column: int) -> SeedSpread | None:
    """Difference of a row to the row that it is compared with, over two or more shared seeds; None for fewer."""
    other = table.spec.against.get(row.line.label)
    if other is None or not table.spec.columns[column].compared:
        return None
    ours = {run.seed: run for run in row.cells[column]}
    theirs = {run.seed: run for run in table.row(other).cells[column]}
    shared = sorted(ours.keys() & theirs.keys())
    if not shared:
        return None
    if len(shared) > 1:
        return spread([ours[seed].value - theirs[seed].value for seed in shared])
    return None


def paired_gain(store: Store, table: FilledTable, row: TableRow, column: int) -> SeedSpread | None:
    """As :func:`gains`, and for a single shared seed with the interval over paired items."""
    over_seeds = gains(table, row, column)
    other = table.spec.against.get(row.line.label)
    if over_seeds is not None or other is None or not table.spec.columns[column].compared:
        return over_seeds
    ours, theirs = row.cells[column], table.row(other).cells[column]
    pairs = [(a, b) for a in theirs for b in ours if a.seed == b.seed]
    if not pairs:
        return None
    from lst_cli.evaluation.compare import compare

    ((first, second),) = pairs
    direction = table.spec.columns[column].direction or table.spec.columns[column].task
    for each in compare(store.find(first.scores, SCORES), store.find(second.scores, SCORES)):
        if each.direction == direction:
            return SeedSpread(mean=each.difference, std=None, low=each.low, high=each.high, runs=1)
    return None


def all_gains(store: Store, table: FilledTable) -> dict[tuple[str, int], SeedSpread]:
    """Every gain of the table, by row's label and column."""
    found = {
        (row.line.label, column): paired_gain(store, table, row, column)
        for row in table.rows
        for column in range(len(table.spec.columns))
    }
    return {key: gain for key, gain in found.items() if gain is not None}
