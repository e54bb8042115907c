"""Spoken stories with an alignment made by hand, and models to score on them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lst_cli.alignment.kinds import ALIGNMENT, ALIGNMENT_FILE, alignment_schema
from lst_cli.artifacts import Artifact, Draft, Request, Store
from lst_cli.audio.corpus_artifact import CORPUS
from lst_cli.model_artifact.card import LoadedModel, load_model
from lst_cli.patching.strategies import PatchingConfig
from tests.evaluation.test_shared_scoring import HEADER, run
from tests.inference.models import (
    UNITS,
    WORDS,
    latent_config,
    model_artifact,
    quantizer_artifact,
    random_model,
    tokens_artifact,
)

ITEMS = 6
PARTS = ("prompt", "ending1", "ending2")
Spans = dict[str, list[tuple[str, int, int]]]
SEPARATE = PatchingConfig(strategy="aligned", size=4)
CASES = {
    "separate": SEPARATE,
    "merged": PatchingConfig(strategy="aligned", silence="merged"),
    "pieces": PatchingConfig(strategy="aligned", spans="piece"),
    "given": PatchingConfig(strategy="aligned", boundaries="given"),
}


def made_up() -> tuple[dict[str, list[int]], Spans]:
    """Units and words of each utterance: silence before, between or after the words of some, none in others."""
    rng = np.random.default_rng(0)
    units: dict[str, list[int]] = {}
    spans: Spans = {}
    for number, part in itertools.product(range(ITEMS), PARTS):
        name, place = f"s{number}/{part}", 0
        spans[name] = []
        for _ in range(int(rng.integers(1, 5))):
            place += int(rng.integers(0, 3))
            end = place + int(rng.integers(1, 7))
            spans[name].append((WORDS[int(rng.integers(len(WORDS)))], place, end))
            place = end
        units[name] = rng.integers(UNITS, size=place + int(rng.integers(0, 3))).tolist()
    return units, spans


def alignment_artifact(
    store: Store,
    name: str,
    spans: Mapping[str, list[tuple[str, int, int]]],
    *,
    chars: bool = True,
    noise_ms: float = 0.0,
    **parents: Artifact,
) -> Artifact:
    """An alignment; the characters of a word share its tokens evenly.

    :param noise_ms: how far it says that boundaries were moved.
    """
    import pyarrow as pa

    from lst_cli.artifacts.parquet import write_parquet

    rows = [
        {
            "id": id,
            "words": [word for word, _, _ in words],
            "starts": [start for _, start, _ in words],
            "ends": [end for _, _, end in words],
            "scores": [1.0] * len(words),
            "char_starts": [[(end - start) * n // len(w) for n in range(len(w))] for w, start, end in words],
        }
        for id, words in spans.items()
    ]

    def make(draft: Draft) -> None:
        write_parquet(draft.path / ALIGNMENT_FILE, pa.Table.from_pylist(rows, schema=alignment_schema(chars=chars)))

    config = {"spans": dict(spans), "chars": chars, "noise_ms": noise_ms}
    request = Request(kind=ALIGNMENT, name=name, config=config, parents=parents)
    return store.build(request, make).artifact


def make_root(tmp_path: Path) -> Path:
    """A store with models, tokens and the alignment of spoken stories, and the stories' file beside it."""
    store = Store(tmp_path / "root")
    strategies = {"aligned": SEPARATE, **{name: PatchingConfig(strategy=name) for name in ("curriculum", "mixed")}}
    for name, patching in strategies.items():
        model_artifact(store, name, latent_config(), random_model(latent_config()), patching)
    units, spans = made_up()
    corpus = store.build(Request(kind=CORPUS, name="items", config={"voice": "one"}), lambda draft: None).artifact
    tokens = tokens_artifact(store, "items", units, quantizer_artifact(store), corpus)
    alignment_artifact(store, "items", spans, corpus=corpus, tokens=tokens)
    rows = [f"s{n},the cat sat,on a mat,the dog,ran to {n},birds sang,the sun,{1 + n % 2}" for n in range(ITEMS)]
    (tmp_path / "stories.csv").write_text(HEADER + "\n".join(rows) + "\n")
    return tmp_path


def loaded(root: Path, patching: PatchingConfig) -> LoadedModel:
    return load_model(
        model_artifact(Store(root / "root"), "m", latent_config(), random_model(latent_config()), patching)
    )


def score(root: Path, model: str, *more: str, tokens: bool = True) -> str:
    spoken = ("--tokens", "tokens/items", "--directions", "s-s,t-t") if tokens else ("--directions", "t-t")
    items = ("--items", str(root / "stories.csv"), *spoken)
    return run(root / "root", "eval", "storycloze", f"model/{model}", *items, *more)


AS_TRAINED = ("--patching", "as-trained", "--alignment", "alignment/items")
