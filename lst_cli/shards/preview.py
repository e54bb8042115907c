"""Rows of shards as a person reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lst_cli.hashing import permutation
from lst_cli.shards.documents.draws import Draw
from lst_cli.shards.documents.interleave import InterleaveConfig, interleaved
from lst_cli.shards.shard_rows import SPEECH_COLUMNS, speech_rows
from lst_cli.shards.shard_set import ShardSet, read_row_group
from lst_cli.text.tokenizer import TextTokenizer
from lst_cli.text.vocabulary import Vocabulary
from lst_cli.units.frames import RATE_HZ

_READINGS = 2


@dataclass(frozen=True, kw_only=True)
class ShownRow:
    """One row: its contents, and for speech its interleaving in two epochs."""

    id: str
    about: str
    lines: tuple[str, ...]


def sample_rows(shards: ShardSet, n: int, tokenizer: TextTokenizer | None, seed: int) -> list[ShownRow]:
    """Some rows, evenly drawn from one row group.

    :param tokenizer: the shards' own, to show text tokens as text; None to show their ids.
    :raises UserError: the row group is damaged.
    """
    group = shards.groups[int(permutation(len(shards.groups), seed, Draw.BLOCKS)[0])]
    table = read_row_group(group)
    chosen = permutation(len(table), seed, Draw.ROWS)[:n]
    rows = table.take(chosen).to_pylist()
    if shards.modality == "text":
        return [_text_row(row, tokenizer) for row in rows]
    vocabulary = shards.info.vocabulary
    readings = _readings(table.take(chosen).select(list(SPEECH_COLUMNS)), rows, vocabulary, seed)
    return [_speech_row(row, lines) for row, lines in zip(rows, readings, strict=True)]


def _text_row(row: dict[str, Any], tokenizer: TextTokenizer | None) -> ShownRow:
    pieces = row["pieces"]
    text = tokenizer.decode(pieces) if tokenizer is not None else " ".join(map(str, pieces))
    return ShownRow(id=row["id"], about=f"{len(pieces)} text tokens", lines=(text,))


def _speech_row(row: dict[str, Any], readings: list[str]) -> ShownRow:
    seconds = len(row["units"]) / RATE_HZ
    about = [f"{seconds:.2f} s", f"{len(row['words'])} words"]
    about += [f"{name} {row[name]}" for name in ("source", "speaker") if row[name]]
    spans = zip(row["words"], row["starts"], row["ends"], strict=True)
    words = " ".join(f"{word}[{start}:{end}]" for word, start, end in spans)
    units = " ".join(map(str, row["units"][:24])) + (" …" if len(row["units"]) > 24 else "")
    return ShownRow(id=row["id"], about=", ".join(about), lines=(f"units  {units}", f"words  {words}", *readings))


def _readings(table: Any, rows: list[dict[str, Any]], vocabulary: Vocabulary, seed: int) -> list[list[str]]:
    """For each row, how the first epochs interleave it."""
    flat = speech_rows(table, vocabulary)
    lines: list[list[str]] = [[] for _ in rows]
    for epoch in range(_READINGS):
        segments = interleaved(flat, np.arange(len(flat)), InterleaveConfig(), seed, epoch)
        shown: list[list[str]] = [[] for _ in rows]
        for document, speech, start, length in zip(*vars(segments).values(), strict=True):
            row = rows[document]
            if speech:
                first = int(start - flat.unit_start_R[document])
                inside = [
                    word
                    for word, a, b in zip(row["words"], row["starts"], row["ends"], strict=True)
                    if first <= a and b <= first + length
                ]
                shown[document].append(f"<s> ({' '.join(inside)}: {length} tokens)")
            else:
                borders = flat.piece_start_W[flat.word_start_R[document] : flat.word_start_R[document + 1] + 1]
                first_word, last_word = np.searchsorted(borders, [start, start + length])
                shown[document].append(f"<t> {' '.join(row['words'][first_word:last_word])}")
        for document, parts in enumerate(shown):
            lines[document].append(f"epoch {epoch}  {' '.join(parts)} </s>")
    return lines
