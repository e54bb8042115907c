"""A quantizer whose features ranks have computed together is that of one process alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from lst_cli.artifacts import Store
from lst_cli.audio.corpus_artifact import Corpus
from lst_cli.units.features.mfcc_config import MFCC
from lst_cli.units.quantizer.fit_quantizer import QuantizerFitOptions, plan_quantizer, share_features
from tests.distributed.children import build_as_rank, check_ranks
from tests.units.speech import make_corpus, sound


def test_any_number_of_ranks_and_kills(tmp_path: Path) -> None:
    corpus = make_corpus(Store(tmp_path / "store"), [sound(1.0 + number % 3, number) for number in range(24)])
    Corpus(corpus)[4].path.unlink()
    options = QuantizerFitOptions(
        name="q",
        corpus=corpus,
        features=MFCC,
        clusters=8,
        frames=600,
        iterations=3,
        workers=1,
        max_reject_rate=0.1,
        unit_samples=3 * 16_000,
    )
    plan, share = partial(plan_quantizer, options), partial(share_features, options)
    files = check_ranks(tmp_path, lambda root: build_as_rank(root, plan, share), "quantizer/q", (0, 2, 6, 10), 2)
    assert "rejects.parquet" in files
