"""Training on shards in a bucket: the model and the metrics log are those of shards on disk, to the bit."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lst_cli.artifacts import Artifact, Store
from lst_cli.artifacts.bucket_exchange import push_to_bucket
from lst_cli.errors import UserError
from lst_cli.main import app
from lst_cli.model_artifact.card import MODEL
from tests.storage.buckets import new_bucket, s3_server
from tests.training.runs import arguments, pretrain, sums, write_config
from tests.training.test_finetune_stage import finetune
from tests.training.world import make_world

SMALL_CACHE = "run.cache_gib=0.000015"  # 16 kB
STEPS = ("budget.steps=40", "run.checkpoint_every=5")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    make_world(folder, utterances=400)
    return folder


@pytest.fixture(scope="module")
def on_disk(root: Path) -> Artifact:
    return pretrain(root, "on-disk", *STEPS)


@pytest.fixture(scope="module")
def bucket(root: Path) -> Iterator[str]:
    with s3_server():
        url = f"{new_bucket()}/made"
        for artifact in Store(root).all():
            if artifact.kind != "model":
                push_to_bucket(artifact, url)
        yield url


@pytest.fixture
def there(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that has pulled the small artifacts, and no shards."""
    monkeypatch.setenv("LST_CACHE", str(tmp_path / "cache"))
    for reference in ("text_tokenizer/t", "quantizer/q"):
        app(["--root", str(tmp_path / "there"), "pull", f"{bucket}/{reference}"], standalone_mode=False)
    return tmp_path / "there"


def command(root: Path, bucket: str, name: str, *changes: str) -> list[str]:
    sets = [part for change in changes for part in ("--set", change)]
    shards = ["--shards", f"{bucket}/shards/speech", "--text-shards", f"{bucket}/shards/text"]
    return ["--root", str(root), "pretrain", str(write_config(root)), *shards, "--name", name, *sets]


def cached(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / "ranges").iterdir())


def test_the_same_model_to_the_bit_and_its_lineage(
    there: Path, bucket: str, root: Path, on_disk: Artifact, capsys: pytest.CaptureFixture[str]
) -> None:
    app(command(there, bucket, "far", *STEPS), standalone_mode=False)
    model = Store(there).find("model/far", MODEL)
    assert sums(model) == sums(on_disk) and model.version == on_disk.version
    shards = Store(root).find_any("shards/speech")
    assert model.parents["shards"].url == f"{bucket}/{shards.reference}"
    assert model.parents["shards"].fingerprint == shards.fingerprint
    assert not (there / "shards").exists()
    capsys.readouterr()
    app(["--root", str(there), "artifact", "lineage", "model/far", "--json"], standalone_mode=False)
    lineage = {item["role"]: item["reference"] for item in json.loads(capsys.readouterr().out)}
    assert lineage["shards"] == f"{bucket}/{shards.reference}" and lineage["quantizer"].startswith("quantizer/q/")


def test_killed_at_six_moments_with_a_cache_smaller_than_the_data(
    there: Path, bucket: str, root: Path, on_disk: Artifact
) -> None:
    line = command(there, bucket, "killed", *STEPS, SMALL_CACHE)
    script = [sys.executable, "-m", "tests.training.runs", "kill", "2,9,14,23,31,38", *line]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    *killed, last = [int(text) for text in done.stdout.split()]
    assert set(killed) == {signal.SIGKILL} and len(killed) == 6 and last == 0, done.stderr
    assert sums(Store(there).find("model/killed", MODEL)) == sums(on_disk)
    data = sum(record.bytes for name in ("speech", "text") for record in Store(root).find_any(f"shards/{name}").files)
    assert cached(there.parent / "cache") <= 16_200 < data


def test_what_the_shards_need_is_named_with_the_command_that_gets_it(bucket: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=f"lst pull {bucket}/text_tokenizer/t/") as raised:
        app(command(tmp_path / "empty", bucket, "x"), standalone_mode=False)
    assert "the shards need it" in str(raised.value)


def test_a_url_without_shards(there: Path, bucket: str) -> None:
    wrong = [part.replace("shards/speech", "quantizer/q") for part in command(there, bucket, "x")]
    with pytest.raises(UserError, match="the wrong kind of artifact"):
        app(wrong, standalone_mode=False)
    gone = [part.replace("shards/speech", "shards/none") for part in command(there, bucket, "x")]
    with pytest.raises(UserError, match="shards/none: no artifact"):
        app(gone, standalone_mode=False)


def test_validation_and_fine_tuning_read_the_bucket_too(
    there: Path, bucket: str, root: Path, on_disk: Artifact
) -> None:
    every = ("validation.every=10", "validation.sequences=5", "budget.steps=10")
    for place, name, url in ((root, "valid", "shards"), (there, "valid", f"{bucket}/shards")):
        valid = ["--valid-shards", f"{url}/speech", "--valid-shards", f"{url}/text"]
        line = command(there, bucket, name, *every) if place == there else arguments(root, name, *every)
        app([*line, *valid], standalone_mode=False)
    assert sums(Store(there).find("model/valid", MODEL)) == sums(Store(root).find("model/valid", MODEL))
    tuned = {}
    for name, url in (("tuned-disk", "shards/speech"), ("tuned-bucket", f"{bucket}/shards/speech")):
        tuned[name] = finetune(root, "asr", "on-disk", name, "budget.steps=10", shards=url)
    assert sums(tuned["tuned-disk"]) == sums(tuned["tuned-bucket"])
    assert tuned["tuned-bucket"].parents["shards"].url and not tuned["tuned-disk"].parents["shards"].url


def test_two_processes_share_a_cache(there: Path, bucket: str, root: Path) -> None:
    steps = ("budget.steps=10", SMALL_CACHE)
    lines = {root: arguments(root, "two", *steps), there: command(there, bucket, "two", *steps)}
    for line in lines.values():
        script = [sys.executable, "-m", "lst_cli.main", "--ranks", "2", *line]
        done = subprocess.run(script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    models = [Store(place).find("model/two", MODEL) for place in lines]
    assert sums(models[0]) == sums(models[1])
