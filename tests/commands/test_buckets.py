"""Commands and buckets: push, pull, and a root that is a URL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lst_cli.artifacts import Artifact, Draft, Kind, Request, Store
from lst_cli.errors import UserError
from lst_cli.main import app
from tests.audio.sounds import save_spoken
from tests.storage.buckets import upload

SECRETS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def lst(*arguments: str | Path) -> None:
    app(list(map(str, arguments)), standalone_mode=False)


def vocoder(root: Path, number: int = 1) -> Artifact:
    def make(draft: Draft) -> None:
        (draft.path / "x").write_bytes(b"x")

    return Store(root).build(Request(kind=Kind("vocoder", 1), name="v", config={"number": number}), make).artifact


def test_push_list_show_and_pull(tmp_path: Path, bucket: str, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = vocoder(tmp_path / "here", 1), vocoder(tmp_path / "here", 2)
    for item in (old, new):
        lst("--root", tmp_path / "here", "push", item.reference, bucket, "--json")
        assert json.loads(capsys.readouterr().out)["url"] == f"{bucket}/{item.reference}"
    lst("--root", bucket, "artifact", "ls", "--json")
    listed = json.loads(capsys.readouterr().out)
    assert [(item["version"], item["current"], item["path"]) for item in listed] == [
        (old.version, False, f"{bucket}/{old.reference}"),
        (new.version, True, f"{bucket}/{new.reference}"),
    ]
    lst("--root", bucket, "artifact", "ls", "model")
    assert "vocoder" not in capsys.readouterr().out
    for arguments in (("--root", bucket, "artifact", "show", "vocoder/v"), ("artifact", "show", f"{bucket}/vocoder/v")):
        lst(*arguments)
        assert json.loads(capsys.readouterr().out)["version"] == new.version
    lst("--root", tmp_path / "there", "pull", f"{bucket}/{old.reference}", "--json")
    assert json.loads(capsys.readouterr().out)["reference"] == old.reference
    assert Store(tmp_path / "there").find_any("vocoder/v").reference == old.reference


@pytest.mark.parametrize(
    "command",
    [
        ("doctor",),
        ("pull", "s3://b/vocoder/v"),
        ("push", "vocoder/v", "s3://b"),
        ("artifact", "verify"),
        ("artifact", "gc"),
        ("artifact", "rm", "vocoder/v"),
        ("corpus", "add", "folder", "--name", "x"),
        ("config", "show", "pretrain"),
    ],
)
def test_other_commands_refuse_a_url_as_root(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="needs a folder of this machine") as raised:
        lst("--root", "s3://bucket/artifacts", *command)
    said = str(raised.value)
    assert all(word in said for word in ("locks", "checkpoints", "lst pull", "lst push", "--shards URL"))
    assert raised.value.exit_code == 2 and capsys.readouterr().out == ""


def test_a_bucket_that_is_not_there_is_no_empty_table(bucket: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="no such object"):
        lst("--root", f"{bucket}-none", "artifact", "ls")
    assert capsys.readouterr().out == ""


def test_options_of_the_hub_are_refused_for_a_bucket(tmp_path: Path, bucket: str) -> None:
    vocoder(tmp_path)
    for option in (("--public",), ("--license", "mit")):
        with pytest.raises(UserError, match="only for the Hugging Face Hub"):
            lst("--root", tmp_path, "push", "vocoder/v", bucket, *option)


def test_what_is_neither_hub_nor_bucket(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="or the URL of a bucket"):
        lst("--root", tmp_path, "pull", "bucket/vocoder/v")


def test_a_corpus_in_a_bucket(tmp_path: Path, bucket: str, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        save_spoken(tmp_path / "in" / f"{name}.wav", f"the text of {name}")
    url = upload(tmp_path / "in", f"{bucket}/in")
    for fresh in (True, False):
        lst("--root", tmp_path / "root", "corpus", "add", f"{url}/", "--name", "x", "--json")
        assert json.loads(capsys.readouterr().out)["fresh"] is fresh
    lst("--root", tmp_path / "root", "corpus", "show", "corpus/x", "--json")
    facts = json.loads(capsys.readouterr().out)
    assert (facts["utterances"], facts["words"], facts["files"]) == (2, 8, 2)
    with pytest.raises(UserError, match=r"\*\*\*@bucket/in: a URL with a password"):
        lst("--root", tmp_path, "corpus", "add", "s3://me:secret@bucket/in", "--name", "x")


def test_a_store_without_credentials_or_that_is_down_is_named(tmp_path: Path, bucket: str) -> None:
    code = (
        "import os\nos.environ.update(HOME='/nonexistent', AWS_EC2_METADATA_DISABLED='true')\n"
        "from lst_cli.storage import remote\nremote._WAITS_S = ()\n"
        "from lst_cli.main import main\nmain()"
    )
    command = [sys.executable, "-c", code, "--root", str(tmp_path), "corpus", "add", f"{bucket}/in", "--name", "x"]
    refused = {name: value for name, value in os.environ.items() if name not in SECRETS}
    down = {**os.environ, "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    for environment, said in ((refused, "AWS_ACCESS_KEY_ID"), (down, "AWS_ENDPOINT_URL")):
        failed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert failed.returncode == 1 and said in failed.stderr, failed.stderr
        assert "Traceback" not in failed.stderr


def test_a_url_where_a_folder_is_needed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="lst pull s3://bucket/tokens/x"):
        lst("--root", tmp_path, "artifact", "verify", "s3://bucket/tokens/x")


def test_without_credentials_the_error_says_so(tmp_path: Path, bucket: str) -> None:
    code = (
        "import os\nfor name in list(os.environ):\n    if name.startswith('AWS_') and name != 'AWS_ENDPOINT_URL':"
        " del os.environ[name]\n"
        "os.environ.update(HOME='/nonexistent', AWS_EC2_METADATA_DISABLED='true')\n"
        "from lst_cli.main import main\nmain()"
    )
    command = [sys.executable, "-c", code, "--root", str(tmp_path), "pull", f"{bucket}/vocoder/v"]
    failed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert failed.returncode == 2 and "access denied" in failed.stderr, failed.stderr
    assert "AWS_ACCESS_KEY_ID" in failed.stderr
