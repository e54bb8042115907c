"""Cutting the utterances of speech shards where sentences end.

A model that learns to speak from whole stories can learn the stories instead of the text; from sentences it can't,
and it is asked for sentences by ``lst speak --by sentence``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from lst_cli.artifacts import Artifact, Draft
from lst_cli.artifacts.parquet import read_parquet, write_parquet
from lst_cli.errors import UserError
from lst_cli.shards.schema import SPEECH_SCHEMA, read_info, with_info
from lst_cli.shards.statistics import speech_counts, speech_statistics

_ENDS_SENTENCE = re.compile(r"[.!?…]+[\"'”’)\]]*$")


def cut_shards(draft: Draft, shards: Artifact, max_reject_rate: float) -> None:
    """Write shards whose rows are the sentences of the rows of ``shards``, file by file.

    :raises UserError: text shards, or too many rows without words.
    """
    rows = 0
    made: list[dict[str, Any]] = []
    for file in shards.data_files("shard-*.parquet"):
        table = read_parquet(file)
        info = read_info(file, table.schema)
        if info.modality != "speech":
            raise UserError(f"{shards.reference}: sentences are cut in speech shards", found="text shards")
        rows += len(table)
        parts = []
        for row in table.to_pylist():
            if not row["words"]:
                draft.reject(row["id"], "no words to tell where sentences end")
                continue
            parts += list(sentences_of(row))
        write_parquet(draft.path / file.name, pa.Table.from_pylist(parts, schema=with_info(SPEECH_SCHEMA, info)))
        made += parts
    draft.check_rejects(rows, max_reject_rate)
    counts = speech_counts(
        np.array([len(row["units"]) for row in made], np.int64),
        np.array([len(row["words"]) for row in made], np.int64),
        np.array([start for row in made for start in row["starts"]], np.int64),
        np.array([end for row in made for end in row["ends"]], np.int64),
        sum(len(word) for row in made for word in row["word_pieces"]),
    )
    draft.statistics.update(speech_statistics(counts))


def sentences_of(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The sentences of a row as rows; silence between two is split half and half. Together they are the row."""
    words, starts, ends = row["words"], row["starts"], row["ends"]
    first, frame, number = 0, 0, 0
    for place, word in enumerate(words):
        last = place == len(words) - 1
        if not last and not _ENDS_SENTENCE.search(word):
            continue
        stop = len(row["units"]) if last else (ends[place] + starts[place + 1]) // 2
        yield {
            **row,
            "id": f"{row['id']}/{number}",
            "units": row["units"][frame:stop],
            "words": words[first : place + 1],
            "word_pieces": row["word_pieces"][first : place + 1],
            "starts": [start - frame for start in starts[first : place + 1]],
            "ends": [end - frame for end in ends[first : place + 1]],
        }
        first, frame, number = place + 1, stop, number + 1
