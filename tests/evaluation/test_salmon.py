"""SALMon, from folders laid out as its archive."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lst_cli.artifacts import Store
from lst_cli.artifacts.parquet import read_parquet
from lst_cli.audio.layouts.folder import read_folder
from lst_cli.errors import UserError
from lst_cli.evaluation.scores import ITEMS_FILE
from lst_cli.evaluation.tasks import read_items
from lst_cli.evaluation.tasks.salmon import PARTS
from lst_cli.main import app
from tests.inference.models import (
    UNITS,
    latent_config,
    model_artifact,
    quantizer_artifact,
    random_model,
    tokens_artifact,
)


def archive(folder: Path, numbers: tuple[int, ...] = (0, 2, 10)) -> Path:
    for part in PARTS:
        (folder / part).mkdir(parents=True)
        for number in numbers:
            for option in (0, 1):
                (folder / part / f"sample_{number}_{option}.wav").write_bytes(b"RIFF")
    return folder


def test_pairs_are_read_by_part_and_number(tmp_path: Path) -> None:
    folder = archive(tmp_path / "salmon")
    items = read_items("salmon", folder)
    assert [item.id for item in items[:3]] == [f"{PARTS[0]}/{number}" for number in (0, 2, 10)]
    assert len(items) == 3 * 8 and {item.category for item in items} == set(PARTS)
    first = items[0]
    assert first.label == 0 and first.recorded
    assert first.spoken == (f"{PARTS[0]}/sample_0_0", f"{PARTS[0]}/sample_0_1")
    ids = {entry.id for entry in read_folder(folder, with_text=False).entries}
    assert ids == {name for item in items for name in item.spoken}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("sample_3_0.wav", "sample_3_0 has no partner"),
        ("sample_3_2.wav", "sample_3_2.wav is not called"),
        ("noise.wav", "noise.wav is not called"),
        ("sample_2_1.flac", "is there twice"),
    ],
)
def test_faults_are_named(tmp_path: Path, fault: str, message: str) -> None:
    folder = archive(tmp_path / "salmon")
    (folder / PARTS[1] / fault).write_bytes(b"RIFF")
    with pytest.raises(UserError, match=message):
        read_items("salmon", folder)


def test_a_part_that_is_missing_is_an_error(tmp_path: Path) -> None:
    folder = archive(tmp_path / "salmon", ())
    with pytest.raises(UserError, match="no recordings"):
        read_items("salmon", folder)
    (folder / "rir_consistency").rmdir()
    with pytest.raises(UserError, match="no folder rir_consistency"):
        read_items("salmon", folder)


def test_the_score_is_the_share_of_pairs_whose_consistent_recording_is_likelier(tmp_path: Path) -> None:
    folder, store = archive(tmp_path / "salmon"), Store(tmp_path / "root")
    model_artifact(store, "lst", latent_config(), random_model(latent_config()))
    names = [name for item in read_items("salmon", folder) for name in item.spoken]
    units = {name: [(k * k + n) % UNITS for k in range(9 + n % 4)] for n, name in enumerate(names)}
    # A pair of the same tokens is a tie, which the published script counts as a half.
    units[f"{PARTS[0]}/sample_0_1"] = units[f"{PARTS[0]}/sample_0_0"]
    tokens_artifact(store, "salmon", units, quantizer_artifact(store))
    command = ["--root", str(store.root), "eval", "salmon", "model/lst", "--items", str(folder), "--directions", "s-s"]
    outcome = CliRunner().invoke(app, [*command, "--tokens", "tokens/salmon", "--json"])
    assert outcome.exit_code == 0, outcome.output
    result = json.loads(outcome.stdout)
    rows = read_parquet(store.find_any(result["scores"]).file(ITEMS_FILE)).to_pylist()
    likelier: dict[str, list[float]] = {part: [] for part in PARTS}
    for row in rows:
        right, wrong = (total / count for total, count in zip(row["log_probs"], row["tokens"], strict=True))
        likelier[row["id"].split("/")[0]].append(1 if right > wrong else 0.5 if right == wrong else 0)
    (found,) = result["results"]
    assert 0.5 in likelier[PARTS[0]]
    assert found["accuracy"] == pytest.approx(sum(map(sum, likelier.values())) / 24)
    assert {part: each["value"] for part, each in found["categories"].items()} == {
        part: pytest.approx(sum(each) / 3) for part, each in likelier.items()
    }
    shown = CliRunner().invoke(app, [*command, "--tokens", "tokens/salmon"]).output
    assert "speaker_consistency" in shown
