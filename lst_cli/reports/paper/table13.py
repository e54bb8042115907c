"""Table 13: the positions that each model needs for the same data, counted on given shards."""

from __future__ import annotations

from lst_cli.artifacts import Artifact
from lst_cli.reports.paper.fill_table import FilledTable, TableRow
from lst_cli.reports.paper.seed_statistics import SeedRun
from lst_cli.reports.paper.table_spec import TableSpec
from lst_cli.shards.documents.interleave import InterleaveConfig
from lst_cli.shards.shard_set import ShardSet
from lst_cli.shards.table13_counts import count


def fill_positions(spec: TableSpec, shards: Artifact) -> FilledTable:
    """Count, with the paper's rule for interleaving.

    :raises UserError: these are not speech shards, or they are damaged.
    """
    accounting = count(ShardSet.of(shards), InterleaveConfig())
    base, static = accounting.accounts[:2]
    rows = []
    for line, account in zip(spec.lines, (base, static), strict=True):
        values = (account.speech, account.text, account.text_data, account.total, account.total / base.total)
        cells = tuple(
            (SeedRun(seed=0, value=value, low=value, high=value, n=1, scores=shards.reference),) for value in values
        )
        rows.append(TableRow(line=line, cells=cells, models=()))
    remarks = (
        spec.about,
        f"Counted on {accounting.utterances:,} utterances of {shards.reference} with the paper's spans of 5 to 30 "
        "words; markers and end tokens count as text.",
    )
    return FilledTable(spec=spec, rows=tuple(rows), remarks=remarks)
