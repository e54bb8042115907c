"""The format of a shard on disk: Parquet columns and metadata."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import Literal

import pyarrow as pa

from lst_cli.artifacts import Kind
from lst_cli.errors import UserError
from lst_cli.json_text import parse_json
from lst_cli.text.vocabulary import EOS, Vocabulary

SHARDS = Kind("shards", 1)

Modality = Literal["speech", "text"]

SPEECH_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("source", pa.string()),
        pa.field("speaker", pa.string()),
        pa.field("units", pa.list_(pa.uint16())),
        pa.field("words", pa.list_(pa.string())),
        pa.field("word_pieces", pa.list_(pa.list_(pa.int32()))),
        pa.field("starts", pa.list_(pa.int32())),
        pa.field("ends", pa.list_(pa.int32())),
    ]
)
"""One utterance a row. ``starts`` and ``ends`` are token frames, end exclusive; frames outside all words are
silence. Without an alignment ``words``, ``word_pieces``, ``starts`` and ``ends`` are empty."""

PIECE_STARTS = pa.field("piece_starts", pa.list_(pa.list_(pa.int32())))
"""For each text token of each word, the frames from the word's start to where it begins. Shards of an alignment that
does not know where characters begin, or made by an older ``lst``, lack it."""


def speech_schema(*, piece_starts: bool) -> pa.Schema:
    """The columns of speech shards.

    :param piece_starts: with :data:`PIECE_STARTS`.
    """
    return SPEECH_SCHEMA.append(PIECE_STARTS) if piece_starts else SPEECH_SCHEMA


_SENTENCE = re.compile(r"#[0-9]+$")

TEXT_SCHEMA = pa.schema([pa.field("id", pa.string()), pa.field("pieces", pa.list_(pa.int32()))])
"""One document a row."""

_METADATA_KEY = b"lst_shard"


@dataclass(frozen=True, kw_only=True)
class ShardInfo:
    """The metadata of every shard."""

    modality: Modality
    pieces: int
    """Pieces of the text tokenizer."""
    units: int
    """Clusters of the quantizer; 0 in text shards."""
    tokenizer: str
    """sha256 of the text tokenizer's file."""
    eos: int = EOS
    """The text token that closes documents."""
    schema: int = SHARDS.schema

    @property
    def vocabulary(self) -> Vocabulary:
        """That of a model of these tokens, but for the special tokens, which shards do not know."""
        return Vocabulary(pieces=self.pieces, units=self.units, eos=self.eos)


def sentence_id(utterance: str, number: int) -> str:
    """The id of a sentence that was cut from an utterance: ``story-7#0``."""
    return f"{utterance}#{number}"


def utterance_id(id: str) -> str:
    """The id of the utterance that a row is of: without a sentence's number, if it has one.

    The held-out draw is by this id, so that the sentences of an utterance are never in both splits.
    """
    return _SENTENCE.sub("", id)


def with_info(schema: pa.Schema, info: ShardInfo) -> pa.Schema:
    """The Arrow schema with the metadata of a shard."""
    return schema.with_metadata({_METADATA_KEY: json.dumps(asdict(info), sort_keys=True).encode()})


def read_info(path: object, schema: pa.Schema) -> ShardInfo:
    """Read the metadata of the shard at ``path``, which errors name.

    :raises UserError: it is not a shard, or of a schema that this ``lst`` does not read.
    """
    text = (schema.metadata or {}).get(_METADATA_KEY)
    if text is None:
        raise UserError(
            f"{path}: not a shard",
            found=f"Parquet with columns {', '.join(schema.names)} and no shard metadata",
            fix="make shards with 'lst shards speech' or 'lst shards text'",
        )
    try:
        data = parse_json(text)
        version = data["schema"]
        info = ShardInfo(**data) if version == SHARDS.schema else None
    except (ValueError, TypeError, KeyError) as error:
        found = f"{type(error).__name__}: {error}"
        raise UserError(f"{path}: damaged shard metadata", found=found, fix="make the shards again") from None
    if info is None:
        raise UserError(
            f"{path}: a shard schema that this lst does not read",
            found=f"schema {version}",
            expected=f"schema {SHARDS.schema}",
            fix="make the shards again, or use the lst that wrote them",
        )
    speech = speech_schema(piece_starts=PIECE_STARTS.name in schema.names)
    wanted = speech if info.modality == "speech" else TEXT_SCHEMA
    for field in wanted:
        if field.name not in schema.names or schema.field(field.name).type != field.type:
            found = schema.field(field.name).type if field.name in schema.names else "no such column"
            raise UserError(f"{path}: the column {field.name}", found=str(found), expected=str(field.type))
    return info
