from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from lst_cli.artifacts import Artifact, Store
from lst_cli.errors import UserError
from lst_cli.units.features.mfcc_config import MFCC
from lst_cli.units.features.registry import describe_features
from lst_cli.units.quantizer.import_quantizer import QuantizerImportOptions, plan_import
from lst_cli.units.quantizer.quantize import Quantizer
from tests.units.speech import sound

CENTROIDS = np.arange(500 * 39, dtype=np.float64).reshape(500, 39) / 1000


def _import(store: Store, file: Path, *, trust_pickle: bool = False) -> Artifact:
    return store.build(
        *plan_import(QuantizerImportOptions(name="q", file=file, features=MFCC, trust_pickle=trust_pickle))
    ).artifact


def test_npy_and_safetensors_give_the_same_quantizer(store: Store, tmp_path: Path) -> None:
    np.save(tmp_path / "km.npy", CENTROIDS)
    save_file({"centroids": CENTROIDS, "other": np.zeros((2, 2))}, tmp_path / "km.safetensors")
    first = _import(store, tmp_path / "km.npy")
    assert first.fingerprint == _import(store, tmp_path / "km.safetensors").fingerprint
    quantizer = Quantizer.load(first.path)
    assert quantizer.units == 500
    assert len(quantizer.tokenize([sound(1.0, 0)])[0]) == 25


def test_a_pickle_is_read_only_when_trusted(store: Store, tmp_path: Path) -> None:
    import joblib

    file = tmp_path / "km.bin"
    joblib.dump(CENTROIDS, file)
    with pytest.raises(UserError, match="--trust-pickle"):
        _import(store, file)
    assert _import(store, file, trust_pickle=True).config["clusters"] == 500
    file.write_bytes(b"not a pickle")
    with pytest.raises(UserError, match="not a joblib file"):
        _import(store, file, trust_pickle=True)


def test_what_is_no_codebook_is_refused(store: Store, tmp_path: Path) -> None:
    (tmp_path / "text.npy").write_text("hello")
    np.save(tmp_path / "flat.npy", np.zeros(5))
    np.save(tmp_path / "small.npy", np.zeros((5, 7)))
    np.save(tmp_path / "nan.npy", np.full((5, 39), np.nan))
    save_file({"a": np.zeros((2, 39)), "b": np.zeros((3, 39))}, tmp_path / "two.safetensors")
    for name, message in {
        "none.npy": "no such file",
        "text.npy": "no centroids",
        "flat.npy": "shape",
        "small.npy": "not for these features",
        "nan.npy": "not finite",
        "two.safetensors": "no unique tensor",
    }.items():
        with pytest.raises(UserError, match=message):
            _import(store, tmp_path / name)
    assert not list(store.all())


def test_mfcc_needs_no_more_than_its_name() -> None:
    assert describe_features("mfcc", None) == MFCC
