"""Cutting the utterances of speech shards where sentences end.

A model that learns to speak from whole stories can learn the stories instead of the text; from sentences it can't,
and it is asked for sentences by ``lst speak --by sentence``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa

from lst_cli.artifacts import Artifact, Draft
from lst_cli.artifacts.parquet import write_row_groups
from lst_cli.console import progress
from lst_cli.errors import UserError
from lst_cli.shards.build.shard_statistics import Counts, add_up, speech_counts, speech_statistics
from lst_cli.shards.schema import PIECE_STARTS, sentence_id, speech_schema, with_info
from lst_cli.shards.shard_set import RowGroup, ShardSet, read_row_group

_ENDS_SENTENCE = re.compile(r"[.!?…]+[\"'”’)\]]*$")


def cut_shards(draft: Draft, artifact: Artifact, max_reject_rate: float) -> None:
    """Write shards whose rows are the sentences of the rows of ``artifact``, one row group at a time.

    :raises UserError: text shards, or too many rows without words.
    """
    shards = ShardSet.of(artifact)
    if shards.modality != "speech":
        raise UserError(f"{artifact.reference}: only speech shards can be split into sentences", found="text shards")
    schema = with_info(speech_schema(piece_starts=not shards.without_piece_starts), shards.info)
    counts: list[Counts] = []

    def cut(group: RowGroup) -> pa.Table:
        rows = list(_cut_group(draft, group))
        counts.append(_count(rows))
        bar.advance(group.rows)
        return pa.Table.from_pylist(rows, schema=schema)

    total = sum(group.rows for group in shards.groups)
    with progress("cutting sentences", total=total, unit="rows") as bar:
        for path, groups in groupby(shards.groups, key=lambda group: group.path):
            write_row_groups(draft.path / path.name, schema, map(cut, groups))
    draft.check_rejects(total, max_reject_rate)
    draft.statistics.update(speech_statistics(add_up(counts)))


def _cut_group(draft: Draft, group: RowGroup) -> Iterator[dict[str, Any]]:
    for row in read_row_group(group).to_pylist():
        if row["words"]:
            yield from sentences_of(row)
        else:
            draft.reject(row["id"], "no words, so sentence ends are unknown")


def _count(rows: Sequence[Mapping[str, Any]]) -> Counts:
    return speech_counts(
        np.array([len(row["units"]) for row in rows], np.int64),
        np.array([len(row["words"]) for row in rows], np.int64),
        np.array([start for row in rows for start in row["starts"]], np.int64),
        np.array([end for row in rows for end in row["ends"]], np.int64),
        sum(len(word) for row in rows for word in row["word_pieces"]),
    )


def sentences_of(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The sentences of a row as rows; silence between two is split half and half. Together they are the row."""
    words, starts, ends = row["words"], row["starts"], row["ends"]
    of_words = [name for name in ("words", "word_pieces", PIECE_STARTS.name) if name in row]
    first, frame, number = 0, 0, 0
    for place, word in enumerate(words):
        last = place == len(words) - 1
        if not last and not _ENDS_SENTENCE.search(word):
            continue
        stop = len(row["units"]) if last else (ends[place] + starts[place + 1]) // 2
        yield {
            **row,
            "id": sentence_id(row["id"], number),
            "units": row["units"][frame:stop],
            **{name: row[name][first : place + 1] for name in of_words},
            "starts": [start - frame for start in starts[first : place + 1]],
            "ends": [end - frame for end in ends[first : place + 1]],
        }
        first, frame, number = place + 1, stop, number + 1
