"""A store with a tokenizer, a quantizer, and speech and text shards of a small language that can be learnt.

Every word has one spelling and one pattern of speech tokens; a sentence is a run of words that follow each other in a
fixed order from a random start, with silence (token 0) between them.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
from safetensors.numpy import save_file

from lst_cli.artifacts import Artifact, Draft, Kind, Request, Store
from lst_cli.artifacts.parquet import write_parquet
from lst_cli.hashing import integers
from lst_cli.shards.schema import SHARDS, SPEECH_SCHEMA, TEXT_SCHEMA, ShardInfo, with_info
from lst_cli.text.tokenizer import TEXT_TOKENIZER, TextTokenizer, fit
from lst_cli.units.quantizer.codebook import QUANTIZER
from lst_cli.units.tokens import TOKENS

WORDS = ("the", "cat", "sat", "on", "a", "red", "mat", "and", "saw", "two", "dogs", "run")
UNITS = 32
_ALIGNMENT = Kind("alignment", 1)


def make_world(root: Path, *, utterances: int = 64, aligned: bool = True) -> Store:
    """Fill a store; ``shards/speech`` and ``shards/text`` are what training reads."""
    store = Store(root)
    tokenizer = _build(store, TEXT_TOKENIZER, "t", lambda draft: _write(draft, "tokenizer.model", _tokenizer_bytes()))
    quantizer = _build(store, QUANTIZER, "q", _centroids, config={"features": {"kind": "mfcc"}, "rate_hz": 25})
    tokens = _build(store, TOKENS, "u", lambda draft: _write(draft, "empty", b""), parents={"quantizer": quantizer})
    parents = {"tokens": tokens, "tokenizer": tokenizer}
    if aligned:
        parents["alignment"] = _build(store, _ALIGNMENT, "a", lambda draft: _write(draft, "empty", b""))
    _build(
        store,
        SHARDS,
        "speech",
        lambda draft: _speech(draft, utterances),
        parents=parents,
        config={"modality": "speech", "n": utterances},
    )
    _build(
        store,
        SHARDS,
        "text",
        lambda draft: _text(draft, utterances),
        parents={"tokenizer": tokenizer},
        config={"modality": "text"},
    )
    return store


def sentence(number: int) -> list[int]:
    """Words of a sentence, as indices into :data:`WORDS`."""
    start, length = int(integers(0, len(WORDS) - 1, 1, number)), int(integers(3, 8, 2, number))
    return [(start + i) % len(WORDS) for i in range(length)]


def spoken(word: int) -> list[int]:
    """Speech tokens of a word."""
    return [1 + int(unit) for unit in integers(0, UNITS - 2, 3, word, np.arange(3 + word % 3))]


@cache
def _tokenizer_bytes() -> bytes:
    return fit([" ".join(WORDS)] * 20, 300)


def _build(store: Store, kind: Kind, name: str, make, *, config=None, parents=None) -> Artifact:  # type: ignore[no-untyped-def]
    return store.build(Request(kind=kind, name=name, config=config or {}, parents=parents or {}), make).artifact


def _write(draft: Draft, name: str, data: bytes) -> None:
    (draft.path / name).write_bytes(data)


def _centroids(draft: Draft) -> None:
    arrays = {
        "centroids": np.zeros((UNITS, 4), np.float32),
        "mean": np.zeros(4, np.float32),
        "scale": np.ones(4, np.float32),
    }
    save_file(arrays, draft.path / "centroids.safetensors", metadata={"features": '{"kind": "mfcc"}'})


def _info(modality: str) -> ShardInfo:
    tokenizer = TextTokenizer(_tokenizer_bytes())
    return ShardInfo(
        modality=modality,  # type: ignore[arg-type]
        pieces=tokenizer.pieces,
        units=UNITS if modality == "speech" else 0,
        tokenizer=sha256(_tokenizer_bytes()).hexdigest(),
    )


def _speech(draft: Draft, utterances: int) -> None:
    tokenizer = TextTokenizer(_tokenizer_bytes())
    rows = []
    for number in range(utterances):
        units, starts, ends = [0], [], []
        for word in sentence(number):
            starts.append(len(units))
            units += spoken(word)
            ends.append(len(units))
            units += [0] * (1 + number % 2)
        words = [WORDS[word] for word in sentence(number)]
        rows.append(
            {
                "id": f"u{number}",
                "source": "test",
                "speaker": "s",
                "units": units,
                "words": words,
                "word_pieces": tokenizer.encode_words(words),
                "starts": starts,
                "ends": ends,
            }
        )
    table = pa.Table.from_pylist(rows, schema=with_info(SPEECH_SCHEMA, _info("speech")))
    write_parquet(draft.path / "shard-00000.parquet", table, row_group_size=8)


def _text(draft: Draft, utterances: int) -> None:
    tokenizer = TextTokenizer(_tokenizer_bytes())
    texts = [" ".join(WORDS[word] for word in sentence(1000 + number)) for number in range(utterances)]
    rows = [{"id": f"d{i}", "pieces": tokenizer.encode(text)} for i, text in enumerate(texts)]
    table = pa.Table.from_pylist(rows, schema=with_info(TEXT_SCHEMA, _info("text")))
    write_parquet(draft.path / "shard-00000.parquet", table, row_group_size=8)
