"""Push and pull against a server that stands for the Hub."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lst_cli.api import LanguageModel
from lst_cli.artifacts import Artifact, Draft, Kind, Request, Store
from lst_cli.artifacts.maintenance import verify
from lst_cli.errors import UserError
from lst_cli.hub import HubAddress, hub_library, without_tokens
from lst_cli.main import app
from lst_cli.model_artifact.card import MODEL, load_model
from lst_cli.units.quantizer.codebook import QUANTIZER, Codebook
from lst_cli.vocoder.files import VOCODER
from tests.inference.models import baseline_config, latent_config, model_artifact, quantizer_artifact, random_model
from tests.publishing.hub_stub import TOKEN, HubStub, hub_stub

ADDRESS = "hf://me/m"


@pytest.fixture
def hub() -> Iterator[HubStub]:
    with hub_stub() as stub:
        yield stub


def command(root: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "lst_cli.main", "--root", str(root), *arguments]


def environment(hub: HubStub, root: Path, token: str | None = TOKEN) -> dict[str, str]:
    plain = {"HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}  # the server has no chunk storage
    own = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(root.parent / "hf"), **plain}
    return {**os.environ, **own, **({"HF_TOKEN": token} if token else {})}


def lst(hub: HubStub, root: Path, *arguments: str, token: str | None = TOKEN) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(root, *arguments), env=environment(hub, root, token), capture_output=True, text=True, check=False
    )
    assert TOKEN not in done.stdout + done.stderr and "Traceback" not in done.stderr
    return done


def model(root: Path, name: str = "m") -> Artifact:
    return model_artifact(Store(root), name, latent_config(), random_model(latent_config()))


def vocoder(root: Path) -> Artifact:
    """What stands for a vocoder: pushing does not read its network."""
    quantizer = quantizer_artifact(Store(root))

    def make(draft: Draft) -> None:
        (draft.path / "vocoder.safetensors").write_bytes(b"weights")
        (draft.path / "vocoder.json").write_text("{}")

    request = Request(kind=VOCODER, name="v", config={"form": "mel"}, parents={"quantizer": quantizer})
    return Store(root).build(request, make, ["vocoder", "fit", "/a/private/place"]).artifact


def test_a_model_comes_back_with_its_logits_checksums_and_lineage(hub: HubStub, tmp_path: Path) -> None:
    here, there = tmp_path / "here" / "root", tmp_path / "there" / "root"
    original = model(here)
    pushed = lst(hub, here, "push", "model/m", ADDRESS, "--license", "mit", "--json")
    assert pushed.returncode == 0, pushed.stderr
    assert json.loads(pushed.stdout)["commit"].endswith(hub.sha("me/m")) and hub.private["me/m"]
    files = hub.files("me/m") or {}
    assert {"config.json", "modeling_lst.py", "artifact.json", "README.md", "model.json"} <= files.keys()
    assert files["model.safetensors"] in hub.objects.values()  # a large file, not one of the commit's body
    assert f"lst pull {ADDRESS}" in files["README.md"].decode() and b"license: mit" in files["README.md"]
    pulled = lst(hub, there, "pull", ADDRESS, "--json")
    assert pulled.returncode == 0, pulled.stderr
    back = Store(there).find("model/m", MODEL)
    assert json.loads(pulled.stdout)["reference"] == original.reference == back.reference
    assert (back.fingerprint, back.parents, back.files) == (original.fingerprint, original.parents, original.files)
    assert back.statistics["pulled_from"] == f"{ADDRESS}@{hub.sha('me/m')}" and verify(back) == []
    speech = np.array([1, 2, 3, 4, 5, 6], np.uint16)
    found, expected = (
        LanguageModel(each, load_model(each), Store(there)).logits("the cat", speech) for each in (back, original)
    )
    assert np.array_equal(found, expected)
    assert "up to date" in lst(hub, there, "pull", f"{ADDRESS}@{hub.sha('me/m')}").stderr
    everything = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    everything += [*files.values(), *map(str.encode, hub.requests)]
    assert not any(TOKEN.encode() in each for each in everything)


def test_quantizer_and_vocoder_come_back(hub: HubStub, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    original = vocoder(here)
    for reference, address in (("vocoder/v", "hf://me/v"), ("quantizer/q", "hf://org/q")):
        assert lst(hub, here, "push", reference, address, "--public").returncode == 0
        assert lst(hub, there, "pull", address).returncode == 0
    assert not hub.private["me/v"] and b"/a/private/place" not in (hub.files("me/v") or {})["artifact.json"]
    back = Store(there).find("vocoder/v", VOCODER)
    quantizer = Store(there).find(back.parents["quantizer"].reference, QUANTIZER)  # the lineage is whole again
    assert quantizer.fingerprint == original.parents["quantizer"].fingerprint
    assert Codebook.read(quantizer.path).units == 12


def test_pushing_again_replaces_the_files_and_only_those_of_the_same_artifact(hub: HubStub, tmp_path: Path) -> None:
    model(tmp_path)
    quantizer_artifact(Store(tmp_path))
    assert lst(hub, tmp_path, "push", "model/m", ADDRESS).returncode == 0
    hub.commits["me/m"][-1]["speech_bpe.model"] = b"of an older version"
    config = latent_config()
    model_artifact(Store(tmp_path), "m", config, random_model(config, seed=1))
    assert lst(hub, tmp_path, "push", "model/m", ADDRESS).returncode == 0
    files = hub.files("me/m") or {}
    assert "speech_bpe.model" not in files and ".gitattributes" in files and len(hub.commits["me/m"]) == 3
    for name, said in (("model/m", "notes.txt"), ("quantizer/q", "model/m")):
        if name == "model/m":
            hub.commits["me/other"] = [{"notes.txt": b"mine"}]
        address = "hf://me/other" if name == "model/m" else ADDRESS
        refused = lst(hub, tmp_path, "push", name, address)
        assert refused.returncode == 2 and "holds something else" in refused.stderr and said in refused.stderr
    assert hub.files("me/other") == {"notes.txt": b"mine"}


def test_a_killed_pull_leaves_nothing_half_written_and_resumes(hub: HubStub, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    original = model(here)
    assert lst(hub, here, "push", "model/m", ADDRESS).returncode == 0
    hub.stalled = {"model.safetensors"}
    with subprocess.Popen(
        command(there, "pull", ADDRESS), env=environment(hub, there), stderr=subprocess.DEVNULL
    ) as process:
        assert hub.stalling.wait(60)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert list(Store(there).all()) == [] and list(Store(there).current()) == []
    hub.stalled = set()
    hub.release.set()
    before = len(hub.requests)
    assert lst(hub, there, "pull", ADDRESS).returncode == 0
    assert not any(each.startswith("GET") and each.endswith("/model.json") for each in hub.requests[before:])
    assert verify(Store(there).find(original.reference, MODEL)) == []
    assert [path.name for path in (there / "model" / "m").iterdir() if path.name.startswith(".")] == []


def test_a_wrong_checksum_is_an_error(hub: HubStub, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    model(here)
    assert lst(hub, here, "push", "model/m", ADDRESS).returncode == 0
    hub.damaged = {"quantizer.safetensors"}
    failed = lst(hub, there, "pull", ADDRESS)
    assert failed.returncode == 1 and "wrong checksum of quantizer.safetensors" in failed.stderr
    assert list(Store(there).all()) == []
    hub.damaged = set()
    assert lst(hub, there, "pull", ADDRESS).returncode == 0


def test_what_can_not_be_had(hub: HubStub, tmp_path: Path) -> None:
    model(tmp_path)
    hub.commits["me/text"] = [{"config.json": b"{}"}]
    for address, said in (
        ("hf://me/none", "hf://me/none: the Hugging Face Hub"),
        ("hf://me/text@v9", "hf://me/text@v9: the Hugging Face Hub"),
        ("hf://me/text", "no artifact.json"),
    ):
        failed = lst(hub, tmp_path / "there", "pull", address)
        assert failed.returncode == 2 and said in failed.stderr, failed.stderr
    anonymous = lst(hub, tmp_path, "push", "model/m", ADDRESS, token=None)
    assert anonymous.returncode == 2 and "HF_TOKEN" in anonymous.stderr
    assert "me/m" not in hub.commits


def test_no_server(hub: HubStub, tmp_path: Path) -> None:
    model(tmp_path)
    hub.endpoint = "http://127.0.0.1:9"
    for arguments in (("push", "model/m", ADDRESS), ("pull", ADDRESS)):
        failed = lst(hub, tmp_path, *arguments)
        assert failed.returncode == 2 and "when the Hub can be reached" in failed.stderr, failed.stderr


@pytest.mark.parametrize(
    "address", ["me/m", "hf://m", "hf://me/m/x", f"hf://{TOKEN}@me/m", "hf://../m", "hf://me/m@-x"]
)
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(UserError, match="not an address") as error:
        HubAddress.parse(address)
    assert TOKEN not in str(error.value)


def test_addresses() -> None:
    assert HubAddress.parse("hf://me/m.v1") == HubAddress("me/m.v1", None)
    assert str(HubAddress.parse("hf://me/m@refs/pr/1")) == "hf://me/m@refs/pr/1"
    assert without_tokens(f"x {TOKEN}/y hf_") == "x hf_***/y hf_"


def run(root: Path, *arguments: str) -> None:
    app(["--root", str(root), *arguments], standalone_mode=False)


def test_what_is_not_published(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.build(Request(kind=Kind("corpus", 1), name="c", config={}), lambda draft: None)
    with pytest.raises(UserError, match="artifacts of this kind are not published"):
        run(tmp_path, "push", "corpus/c", ADDRESS)
    model_artifact(store, "m", baseline_config(), random_model(baseline_config()))
    with pytest.raises(UserError, match="main branch only"):
        run(tmp_path, "push", "model/m", f"{ADDRESS}@v1")


def test_no_option_takes_a_token(hub: HubStub, tmp_path: Path) -> None:
    model(tmp_path)
    refused = lst(hub, tmp_path, "push", "model/m", ADDRESS, "--token", "hf_x")
    assert refused.returncode == 2 and "No such option" in refused.stderr


def test_recorded_command_lines_have_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model(tmp_path)
    run(tmp_path, "export", "model/m", str(tmp_path / TOKEN))
    arguments = ["--root", str(tmp_path), "import", str(tmp_path / TOKEN), "--name", "back"]
    monkeypatch.setattr(sys, "argv", ["lst", *arguments])
    app(arguments, standalone_mode=False)
    back = Store(tmp_path).find("model/back", MODEL)
    assert back.command[3] == str(tmp_path / "hf_***") and TOKEN not in (back.path / "artifact.json").read_text()


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match="pip install huggingface_hub"):
        hub_library()
