"""What went wrong with damaged data: silent bit flips, wrong columns, weights that are not numbers, full disks."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file

from lst_cli.artifacts import Store
from lst_cli.artifacts.ancestors import ancestors
from lst_cli.artifacts.parquet import read_parquet, write_parquet
from lst_cli.audio.corpus_artifact import CORPUS, Corpus, utterance_schema
from lst_cli.errors import LstError, UserError, is_disk_full
from lst_cli.finite import check_finite_outputs
from lst_cli.main import app, as_lst_error
from lst_cli.model_artifact.card import load_model
from lst_cli.training.inherited import named_or_inherited
from lst_cli.units.features.hubert_files import describe_hubert
from lst_cli.units.features.mfcc_config import describe_mfcc
from lst_cli.units.features.registry import load_features
from lst_cli.units.quantizer.codebook import QUANTIZER, Codebook
from lst_cli.units.quantizer.import_quantizer import read_centroids
from lst_cli.units.tokens import Tokens
from tests.inference.models import baseline_config, model_artifact, quantizer_artifact, random_model, tokens_artifact
from tests.units.speech import make_corpus, sound


def test_bit_flips_in_parquet_gave_other_data_in_silence(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    table = pa.table({"id": [f"u{i}" for i in range(300)], "x": np.arange(300) * 7919 % 1009})
    write_parquet(path, table)
    data = path.read_bytes()
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    silent = []
    for place in range(4, footer):
        path.write_bytes(data[:place] + bytes([data[place] ^ (1 << place % 8)]) + data[place + 1 :])
        try:
            if not read_parquet(path).equals(table):
                silent.append(place)
        except UserError:
            pass
    assert len(silent) <= footer // 200, silent  # page headers have no checksum


def changed_corpus(store: Store, **columns: Any) -> Corpus:
    artifact = make_corpus(store, [sound(0.1, 1), sound(0.1, 2)])
    path = artifact.path / "utterances.parquet"
    table = read_parquet(path)
    for name, column in columns.items():
        at = table.schema.get_field_index(name)
        table = table.remove_column(at) if column is None else table.set_column(at, name, pa.array(column))
    pq.write_table(table, path)
    return Corpus(store.find(artifact.reference, CORPUS))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": [1, 2]}, "the column id"),
        ({"samples": ["a", "b"]}, "the column samples"),
        ({"samples": pa.array([None, 5], pa.int64())}, "the column samples has nulls"),
        ({"id": pa.array([None, "b"], pa.string())}, "the column id has nulls"),
        ({"path": None}, "the column path"),
        ({"sample_rate": pa.array([0, 16_000], pa.int32())}, "the column sample_rate"),
        ({"offset": pa.array([-1, 0], pa.int64())}, "the column offset"),
        ({"samples": pa.array([0, 5], pa.int64())}, "the column samples"),
    ],
)
def test_columns_of_other_types_were_a_bug_of_lst(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    assert utterance_schema().names
    with pytest.raises(UserError, match=message):
        changed_corpus(Store(tmp_path / "root"), **columns)


def test_tokens_with_nulls_are_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    tokens = tokens_artifact(store, "u", {"a": [1, 2], "b": [3]}, quantizer_artifact(store))
    path = tokens.path / "tokens-00000.parquet"
    pq.write_table(pa.table({"id": ["a"], "units": pa.array([None], pa.list_(pa.uint16()))}), path)
    with pytest.raises(UserError, match="the column units has nulls"):
        list(Tokens(tokens))


def test_a_model_with_nan_weights_was_used(tmp_path: Path) -> None:
    config = baseline_config()
    artifact = model_artifact(Store(tmp_path), "m", config, random_model(config))
    path = artifact.path / "model.safetensors"
    weights = load_file(path)
    name = sorted(weights)[0]
    weights[name].view(-1)[0] = float("nan")
    save_file(weights, path)
    with pytest.raises(UserError, match=rf"not finite(.|\n)*1 of .* in {name}"):
        load_model(artifact)
    exported = tmp_path / "exported"
    app(["--root", str(tmp_path), "export", "model/m", str(exported)], standalone_mode=False)
    with pytest.raises(UserError, match="not finite"):
        app(["--root", str(tmp_path), "import", str(exported), "--name", "back"], standalone_mode=False)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_outputs_that_are_not_finite_stop(value: float) -> None:
    check_finite_outputs([0.0, -float("inf")], "log-probabilities")
    with pytest.raises(LstError, match="log-probabilities are not finite"):
        check_finite_outputs([0.0, value], "log-probabilities")


def test_centroids_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "c.npy", np.array([[0.0, np.nan]], np.float32))
    with pytest.raises(UserError, match="not finite"):
        read_centroids(tmp_path / "c.npy", trust_pickle=False)


@pytest.mark.parametrize("features", ["[" * 100_000, "[]", "null", "{"])
def test_a_damaged_quantizer_is_named(tmp_path: Path, features: str) -> None:
    tensors = {name: torch.zeros(2, 2) for name in ("centroids", "mean", "scale")}
    save_file(tensors, tmp_path / "centroids.safetensors", metadata={"features": features})
    with pytest.raises(UserError, match=r"centroids\.safetensors: not a quantizer"):
        Codebook.read(tmp_path)


@pytest.mark.parametrize("change", [{"delta_window": None}, {"cepstra": "many"}, {"mean_s": float("inf")}])
def test_mfcc_settings_without_a_delta_window(change: dict[str, Any]) -> None:
    config = {key: value for key, value in {**describe_mfcc(None), **change}.items() if value is not None}
    with pytest.raises(UserError, match="MFCC settings are damaged"):
        load_features(config, "cpu")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "wavlm"}, "not a HuBERT model(.|\n)*model_type 'wavlm'"),
        ({"model_type": "hubert", "num_hidden_layers": "many"}, "num_hidden_layers"),
        ({"model_type": "hubert", "conv_stride": [5, 0]}, "conv_stride"),
    ],
)
def test_a_wavlm_folder_was_read_as_hubert(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps(change))
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match=message):
        describe_hubert(str(tmp_path), 1)


def test_lineages_in_a_circle_end(tmp_path: Path) -> None:
    store = Store(tmp_path)
    quantizer = quantizer_artifact(store)
    tokens = tokens_artifact(store, "u", {"a": [1]}, quantizer)
    manifest = quantizer.path / "artifact.json"
    parent = {"kind": "tokens", "name": "u", "version": tokens.version, "fingerprint": tokens.fingerprint}
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "parents": {"tokens": parent}}))
    assert len(ancestors(store, [tokens])) == 2
    with pytest.raises(UserError, match="no corpus in the lineage"):
        named_or_inherited(store, None, CORPUS, [tokens], "--corpus")
    assert named_or_inherited(store, None, QUANTIZER, [tokens], "--quantizer").reference == quantizer.reference


@pytest.mark.parametrize(
    "error",
    [
        OSError("700 requested and 0 written"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError("I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_was_a_bug_of_lst(error: Exception) -> None:
    assert is_disk_full(error)
    told = as_lst_error(error)
    assert isinstance(told, UserError) and "free some space" in str(told)
    assert not is_disk_full(UserError("No space left on device"))
    assert not is_disk_full(ValueError("12 requested, 3 written down"))
