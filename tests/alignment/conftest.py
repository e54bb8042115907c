from __future__ import annotations

from pathlib import Path

import pytest

from lst_cli.alignment.fit.aligner_config import AlignerConfig, AlignerNetworkConfig, AugmentConfig
from lst_cli.alignment.fit.fit_aligner import plan_fit
from lst_cli.artifacts import Artifact, Draft, Kind, Request, Store
from lst_cli.audio.add import AddOptions
from lst_cli.audio.corpus_artifact import Corpus
from lst_cli.audio.decode import resampled_length
from tests.alignment.tones import Spoken, speak, write_folder
from tests.audio.adding import plan_corpus

QUICK = AlignerConfig(
    steps=60,
    flat_steps=15,
    warmup_steps=10,
    batch_s=12.0,
    learning_rate=5e-3,
    network=AlignerNetworkConfig(bands=24, width=48, layers=3),
    augment=AugmentConfig(warp=0.02, colour=2.0, channel=2.0),
)
"""Learns the tones of :mod:`tests.alignment.tones` in three seconds."""


def add_corpus(store: Store, folder: Path, name: str, *, with_text: bool = True) -> Artifact:
    options = AddOptions(source=folder, name=name, with_text=with_text)
    return store.build(*plan_corpus(options)).artifact


def fake_tokens(store: Store, corpus: Artifact, name: str, leave_out: frozenset[str] = frozenset()) -> Artifact:
    """Tokens of the right number: 25 a second."""
    import pyarrow as pa

    from lst_cli.artifacts.parquet import write_parquet

    def make(draft: Draft) -> None:
        rows = [
            {"id": u.id, "units": [0] * max(1, resampled_length(u.samples, u.sample_rate) // 640)}
            for u in Corpus(corpus)
            if u.id not in leave_out
        ]
        schema = pa.schema([("id", pa.string()), ("units", pa.list_(pa.uint16()))])
        write_parquet(draft.path / "tokens-00000.parquet", pa.Table.from_pylist(rows, schema=schema))

    request = Request(kind=Kind("tokens", 1), name=name, config={}, parents={"corpus": corpus})
    return store.build(request, make).artifact


@pytest.fixture(scope="session")
def spoken() -> list[Spoken]:
    return [speak(number) for number in range(50)]


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("align") / "root")


@pytest.fixture(scope="session")
def corpus(store: Store, spoken: list[Spoken], tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    folder = tmp_path_factory.mktemp("tones") / "speech"
    write_folder(folder, spoken)
    return add_corpus(store, folder, "tones")


@pytest.fixture(scope="session")
def tokens(store: Store, corpus: Artifact) -> Artifact:
    return fake_tokens(store, corpus, "tones")


@pytest.fixture(scope="session")
def aligner(store: Store, corpus: Artifact) -> Artifact:
    return store.build(*plan_fit([corpus], "tones", QUICK, 0.0)).artifact
