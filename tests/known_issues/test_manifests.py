"""What went wrong with manifests: damage, parents in a circle, paths that lead outside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lst_cli.artifacts import Store
from lst_cli.artifacts.maintenance import lineage
from lst_cli.errors import UserError
from tests.known_issues.things import request, write


def test_lineage_was_exponential_on_diamonds(tmp_path: Path) -> None:
    store = Store(tmp_path)
    level = [store.build(request(n=0, side=side), write).artifact for side in (0, 1)]
    for n in range(1, 30):
        parents = dict(zip("ab", level, strict=True))
        level = [store.build(request(parents=parents, n=n, side=side), write).artifact for side in (0, 1)]
    assert len(list(lineage(store, level[0]))) < 4 * 30 * 2


def test_an_artifact_that_is_its_own_parent(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = store.build(request(x=1), write).artifact
    second = store.build(request(x=2, parents={"from": first}), write).artifact
    manifest = first.path / "artifact.json"
    data = json.loads(manifest.read_text())
    parent = {"kind": "thing", "name": "a", "version": second.version, "fingerprint": second.fingerprint}
    manifest.write_text(json.dumps({**data, "parents": {"from": parent}}))
    with pytest.raises(UserError, match="among its own ancestors"):
        list(lineage(store, second))
    parent.update(version=first.version, fingerprint=first.fingerprint)
    manifest.write_text(json.dumps({**data, "parents": {"from": parent}}))
    with pytest.raises(UserError, match="its own parent"):
        store.find_any(first.reference)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        "",
        "\x00",
        "[]",
        "null",
        '"x"',
        '{"kind": 1}',
    ],
)
def test_damaged_manifests_are_named(tmp_path: Path, text: str) -> None:
    store = Store(tmp_path)
    artifact = store.build(request(), write).artifact
    (artifact.path / "artifact.json").write_text(text)
    with pytest.raises(UserError, match=r"artifact\.json: the manifest is damaged"):
        store.find_any(artifact.reference)


@pytest.mark.parametrize(
    "change",
    [
        {"files": [{"path": "../../x", "bytes": 1, "rows": None, "sha256": ""}]},
        {"files": [{"path": "/etc/passwd", "bytes": 1, "rows": None, "sha256": ""}]},
        {"files": [{"path": 3, "bytes": 1, "rows": None, "sha256": ""}]},
        {"name": "../x"},
        {"version": ""},
        {"parents": {"a": {"kind": "..", "name": "a", "version": "b", "fingerprint": "c"}}},
        {"parents": {"a": "b"}},
        {"statistics": []},
        {"config": None},
        {"command": "rm"},
    ],
)
def test_a_manifest_pointed_outside_its_folder(tmp_path: Path, change: dict[str, Any]) -> None:
    store = Store(tmp_path)
    manifest = store.build(request(), write).artifact.path / "artifact.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), **change}))
    with pytest.raises(UserError, match="the manifest is damaged"):
        store.find_any("thing/a")


def test_a_manifest_keeps_the_command_and_old_ones_are_read(tmp_path: Path) -> None:
    store = Store(tmp_path)
    artifact = store.build(request(), write, ("corpus", "add", "x")).artifact
    manifest = artifact.path / "artifact.json"
    data = json.loads(manifest.read_text())
    assert data.pop("command") == ["corpus", "add", "x"] and store.find_any("thing/a").command == artifact.command
    manifest.write_text(json.dumps(data))
    assert store.find_any("thing/a").command == () and not store.build(request(), write).fresh


@pytest.mark.parametrize("name", ["a" * 300, "", "é" * 150, ".a", "a/b", "a b"])
def test_names_that_no_file_system_takes(name: str) -> None:
    with pytest.raises(UserError, match="not a valid artifact name"):
        request(name)
