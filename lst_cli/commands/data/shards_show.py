"""``lst shards show``: rows, statistics, and the positions that the models need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lst_cli.artifacts import Artifact, Store
from lst_cli.commands.common import Json, Seed, completing, store
from lst_cli.console import print_json, print_line, print_table

if TYPE_CHECKING:
    from lst_cli.shards.preview import ShownRow
    from lst_cli.shards.shard_set import ShardSet
    from lst_cli.shards.table13_counts import Accounting


def show(
    ctx: typer.Context,
    reference: Annotated[
        str, typer.Argument(help="shards/NAME, shards/NAME/VERSION or a path.", autocompletion=completing("shards"))
    ],
    rows: Annotated[int, typer.Option(min=0, help="Rows to show.")] = 3,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Show rows, statistics, and the number of positions that LST and the baseline need."""
    from lst_cli.shards.documents.interleave import InterleaveConfig
    from lst_cli.shards.preview import sample_rows
    from lst_cli.shards.schema import SHARDS
    from lst_cli.shards.shard_set import ShardSet
    from lst_cli.shards.table13_counts import count

    artifacts = store(ctx)
    artifact = artifacts.find(reference, SHARDS)
    shards = ShardSet.of(artifact)
    sampled = sample_rows(shards, rows, _own_tokenizer(artifacts, artifact), seed)
    accounting = count(shards, InterleaveConfig(), seed=seed) if shards.modality == "speech" else None
    if json:
        print_json(_as_json(artifact, shards, sampled, accounting))
    else:
        _print(artifact, shards, sampled, accounting)


def _own_tokenizer(artifacts: Store, shards: Artifact) -> Any:
    """The tokenizer that the shards were made with; None if it was removed."""
    from lst_cli.errors import UserError
    from lst_cli.text.tokenizer import TEXT_TOKENIZER, TextTokenizer, artifact_file

    try:
        found = artifacts.find(shards.parents["tokenizer"].reference, TEXT_TOKENIZER)
        return TextTokenizer.from_file(artifact_file(found))
    except (KeyError, UserError):
        return None


def _as_json(
    artifact: Artifact, shards: ShardSet, rows: list[ShownRow], accounting: Accounting | None
) -> dict[str, Any]:
    from dataclasses import asdict

    data: dict[str, Any] = {
        "reference": artifact.reference,
        "info": asdict(shards.info),
        "row_groups": len(shards.groups),
        "statistics": dict(artifact.statistics),
        "rows": [asdict(row) for row in rows],
    }
    if accounting is not None:
        data["accounting"] = {
            "utterances": accounting.utterances,
            "tokens": accounting.tokens,
            "units": accounting.rows(),
        }
    return data


def _print(artifact: Artifact, shards: ShardSet, rows: list[ShownRow], accounting: Accounting | None) -> None:
    from lst_cli.shards.build.shard_statistics import statistic_name

    for row in rows:
        print_line(f"{row.id} ({row.about})")
        for line in row.lines:
            print_line(f"  {line}")
        print()
    figures: list[tuple[str, Any]] = [("row groups", len(shards.groups))]
    for name, value in artifact.statistics.items():
        inner = value.items() if isinstance(value, dict) else [("", value)]
        figures += [(statistic_name(f"{name} {key}".strip()), n) for key, n in inner]
    print_table(artifact.reference, ["figure", "value"], figures)
    if accounting is not None:
        n = accounting.utterances
        title = f"Positions for the same data, relative to the baseline's interleaved ones (Table 13; {n:,} utterances)"
        cells = [[f"{x:.3f}" if isinstance(x, float) else x for x in row.values()] for row in accounting.rows()]
        print_table(title, ["model", "speech", "text", "text data", "total", "ratio"], cells)
