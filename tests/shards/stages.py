"""The artifacts that shards are made of, made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from lst_cli.alignment.kinds import ALIGNMENT, ALIGNMENT_FILE, alignment_schema
from lst_cli.artifacts import Artifact, Draft, Kind, Request, Store
from lst_cli.artifacts.parquet import write_parquet
from lst_cli.audio.corpus_artifact import CORPUS, UTTERANCES
from lst_cli.hashing import integers
from lst_cli.text.tokenizer import MODEL_FILE, TEXT_TOKENIZER, fit
from lst_cli.units.quantizer.codebook import QUANTIZER, Codebook
from lst_cli.units.tokens import TOKENS, tokens_schema
from tests.shards.making import Utterance

CLUSTERS = 100
WORDS = ["the", "small", "fox", "took", "a", "stone", "over", "some", "hill,", "and", "did", "not", "come", "back."]


def words(u: Utterance) -> list[str]:
    """What is said in an utterance."""
    return [WORDS[(len(u.id) + int(u.id[1:]) + w) % len(WORDS)] for w in range(len(u.starts))]


def units(u: Utterance) -> list[int]:
    """Its speech tokens."""
    return integers(0, CLUSTERS - 1, int(u.id[1:]), np.arange(u.frames)).tolist()


def build(store: Store, kind: Kind, table: pa.Table | None, file: str, **parents: Artifact) -> Artifact:
    """An artifact of one Parquet file (or none), named ``a``."""

    def make(draft: Draft) -> None:
        if table is not None:
            write_parquet(draft.path / file, table)

    return store.build(Request(kind=kind, name="a", config={"by": "hand"}, parents=parents), make).artifact


def char_starts(u: Utterance) -> list[list[int]]:
    """The characters of each word behind each other, a token each, as far as the word reaches."""
    spans = zip(words(u), u.starts, u.ends, strict=True)
    return [[min(place, end - start) for place in range(len(word))] for word, start, end in spans]


def make_stages(
    store: Store, made: Sequence[Utterance], aligned: Sequence[Utterance] | None = None, *, chars: bool = False
) -> None:
    """``corpus/a``, ``quantizer/a``, ``tokens/a``, ``alignment/a`` and ``text_tokenizer/a``.

    :param chars: whether the alignment says where characters begin.
    """
    corpus = pa.table(
        {
            "id": [u.id for u in made],
            "source": ["books"] * len(made),
            "speaker": [f"s{i % 3}" for i in range(len(made))],
        }
    )
    found_corpus = build(store, CORPUS, corpus, UTTERANCES)
    quantizer = store.build(Request(kind=QUANTIZER, name="a", config={}), _save_codebook).artifact
    tokens = pa.table({"id": [u.id for u in made], "units": [units(u) for u in made]}, schema=tokens_schema())
    parents = {"corpus": found_corpus, "quantizer": quantizer}
    found_tokens = build(store, TOKENS, tokens, "tokens-00000.parquet", **parents)
    chosen = made if aligned is None else aligned
    spans = pa.table(
        {
            "id": [u.id for u in chosen],
            "words": [words(u) for u in chosen],
            "starts": [list(u.starts) for u in chosen],
            "ends": [list(u.ends) for u in chosen],
            "scores": [[1.0] * len(u.starts) for u in chosen],
            **({"char_starts": [char_starts(u) for u in chosen]} if chars else {}),
        },
        schema=alignment_schema(chars=chars),
    )
    build(store, ALIGNMENT, spans, ALIGNMENT_FILE, tokens=found_tokens)
    store.build(Request(kind=TEXT_TOKENIZER, name="a", config={}), _save_tokenizer)


def _save_codebook(draft: Draft) -> None:
    zeros = np.zeros(2, np.float32)
    Codebook(
        centroids_KD=np.zeros((CLUSTERS, 2), np.float32), mean_D=zeros, scale_D=zeros + 1, features={"kind": "mfcc"}
    ).save(draft.path)


def _save_tokenizer(draft: Draft) -> None:
    (draft.path / MODEL_FILE).write_bytes(fit([" ".join(WORDS)] * 3, 290))


def shard_table(folder: Path) -> pa.Table:
    """All rows of the shards in a folder."""
    import pyarrow.parquet as pq

    return pa.concat_tables([pq.read_table(path) for path in sorted(folder.glob("shard-*.parquet"))])
