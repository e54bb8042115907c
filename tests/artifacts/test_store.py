"""An artifact is whole or absent, found again by the same request, and made by one process at a time."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import pyarrow as pa
import pytest

import lst_cli.artifacts.store as store_module
from lst_cli.artifacts import Draft, Kind, Request, Store
from lst_cli.artifacts.maintenance import lineage, verify
from lst_cli.artifacts.parquet import read_parquet, write_parquet
from lst_cli.artifacts.removal import remove
from lst_cli.errors import UserError

KIND = Kind("thing", 1)


def request(name="a", **config) -> Request:
    return Request(kind=KIND, name=name, config=config)


def write(draft: Draft) -> None:
    (draft.path / "data.txt").write_text("hello")
    write_parquet(draft.path / "rows.parquet", pa.table({"x": [1, 2, 3]}))
    draft.statistics["n"] = 3


def everything(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_the_same_request_is_made_once(tmp_path):
    store = Store(tmp_path)
    first = store.build(request(x=1), write)
    again = store.build(request(x=1), lambda draft: pytest.fail("made twice"))
    assert first.fresh and not again.fresh and first.artifact == again.artifact
    records = {record.path: record for record in first.artifact.files}
    assert records["rows.parquet"].rows == 3 and records["data.txt"].bytes == 5
    assert sorted(path.name for path in first.artifact.path.iterdir()) == ["artifact.json", "data.txt", "rows.parquet"]
    assert not [path for path in first.artifact.path.parent.iterdir() if path.name.startswith(".")]


def test_another_config_or_parent_stands_beside(tmp_path):
    store = Store(tmp_path)
    one = store.build(request(x=1), write).artifact
    two = store.build(request(x=2), write).artifact
    child = Request(kind=Kind("child", 1), name="a", config={}, parents={"from": one})
    other = Request(kind=Kind("child", 1), name="a", config={}, parents={"from": two})
    assert len({one.version, two.version}) == 2 and child.version != other.version
    assert store.find("thing/a", KIND).version == two.version
    assert store.find(one.reference, KIND) == one
    assert store.find(str(one.path), KIND) == one


def test_a_name_means_the_version_that_was_asked_for_last(tmp_path):
    store = Store(tmp_path)
    one = store.build(request(x=1), write).artifact
    two = store.build(request(x=2), write).artifact
    assert store.find("thing/a", KIND) == two
    store.build(request(x=1), write)
    assert store.find("thing/a", KIND) == one
    assert list(store.current()) == [one] and list(store.all()) == [one, two]
    remove(store, one.reference, force=False)
    assert store.find("thing/a", KIND) == two and list(store.all()) == [two]
    remove(store, "thing/a", force=False)
    assert not list(store.current())
    with pytest.raises(UserError, match="no such artifact"):
        store.find("thing/a", KIND)


def test_a_copied_root_keeps_what_is_current(tmp_path):
    store = Store(tmp_path / "root")
    one = store.build(request(x=1), write).artifact
    store.build(request(x=2), write)
    store.build(request(x=1), write)
    shutil.copytree(tmp_path / "root", tmp_path / "copy", symlinks=True)
    found = Store(tmp_path / "copy").find("thing/a", KIND)
    assert found.version == one.version and found.path.is_relative_to(tmp_path / "copy")


def test_a_root_copied_without_links_reads_the_newest_versions(tmp_path):
    store = Store(tmp_path / "root")
    one = store.build(request(x=1), write).artifact
    shutil.copytree(tmp_path / "root", tmp_path / "copy")
    copy = Store(tmp_path / "copy")
    assert copy.find("thing/a", KIND).version == one.version
    assert [item.path.name for item in copy.all()] == [one.version]


@pytest.mark.parametrize("by_path", [False, True])
def test_current_names_a_version_that_can_be_removed_whole(tmp_path, by_path):
    store = Store(tmp_path)
    one = store.build(request(x=1), write).artifact
    two = store.build(request(x=2), write).artifact
    reference = str(tmp_path / "thing/a/current") if by_path else "thing/a/current"
    assert store.find(reference, KIND) == two
    assert remove(store, reference, force=False) == [two.reference]
    assert not two.path.exists() and store.find("thing/a", KIND) == one


def test_a_failure_leaves_nothing_but_finished_parts(tmp_path):
    store = Store(tmp_path)

    def fail(draft: Draft) -> None:
        (draft.path / "half").write_text("half")
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        store.build(request(), fail)
    assert everything(tmp_path) == []

    def fail_late(draft: Draft) -> None:
        (draft.parts / "part-0").write_text("done")
        fail(draft)

    with pytest.raises(RuntimeError):
        store.build(request(), fail_late)
    assert [path.rsplit("/", 1)[-1] for path in everything(tmp_path)] == ["part-0"]

    def resume(draft: Draft) -> None:
        (draft.path / "data.txt").write_text((draft.parts / "part-0").read_text())

    assert [record.path for record in store.build(request(), resume).artifact.files] == ["data.txt"]
    assert [path.rsplit("/", 1)[-1] for path in everything(tmp_path)] == ["artifact.json", "data.txt"]


def _die_in_the_middle(root: Path) -> None:
    def make(draft: Draft) -> None:
        (draft.path / "half").write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)

    Store(root).build(request(), make)


def test_a_killed_build_is_no_artifact_and_blocks_nobody(tmp_path):
    process = multiprocessing.get_context("spawn").Process(target=_die_in_the_middle, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    store = Store(tmp_path)
    assert list(store.all()) == []
    assert [record.path for record in store.build(request(), write).artifact.files] == ["data.txt", "rows.parquet"]


def test_two_builders_make_one_artifact(tmp_path):
    made = []

    def slow(draft: Draft) -> None:
        made.append(threading.get_ident())
        time.sleep(0.3)
        write(draft)

    results = []
    threads = [
        threading.Thread(target=lambda: results.append(Store(tmp_path).build(request(), slow))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1 and sorted(result.fresh for result in results) == [False, False, False, True]


def test_rejects_are_listed_and_limited(tmp_path):
    store = Store(tmp_path)

    def make(draft: Draft, rejects: int) -> None:
        for i in range(rejects):
            draft.reject(f"id{i}", "it is empty")
        draft.check_rejects(10, 0.2)

    artifact = store.build(request(x=2), lambda draft: make(draft, 2)).artifact
    assert read_parquet(artifact.file("rejects.parquet")).to_pylist()[1] == {"id": "id1", "reason": "it is empty"}
    with pytest.raises(UserError, match=r"3 of 10 inputs(.|\n)*id0: it is empty(.|\n)*--max-reject-rate"):
        store.build(request(x=3), lambda draft: make(draft, 3))
    with pytest.raises(UserError, match="no input"):
        store.build(request(x=4), lambda draft: draft.check_rejects(0, 1.0))
    assert len(list(store.all())) == 1


def test_verify_names_every_changed_file(tmp_path):
    artifact = Store(tmp_path).build(request(), write).artifact
    assert verify(artifact) == []
    (artifact.path / "data.txt").write_text("hellO")
    (artifact.path / "rows.parquet").unlink()
    (artifact.path / "new").write_text("")
    problems = verify(artifact)
    assert [name in line for name, line in zip(("data.txt", "rows.parquet", "new"), problems, strict=True)] == [
        True
    ] * 3


def test_lineage_and_removal(tmp_path):
    store = Store(tmp_path)
    parent = store.build(request(), write).artifact
    child = store.build(Request(kind=Kind("child", 1), name="c", config={}, parents={"from": parent}), write).artifact
    assert [(depth, role, ok) for depth, role, _, ok in lineage(store, child)] == [(0, "", True), (1, "from", True)]
    with pytest.raises(UserError, match="child/c"):
        remove(store, "thing/a", force=False)
    assert remove(store, "thing/a", force=True) == [parent.reference]
    assert [ok for *_, ok in lineage(store, child)] == [True, False]


def test_an_artifact_that_is_removed_while_others_are_listed_is_left_out(tmp_path, monkeypatch):
    store = Store(tmp_path)
    made = [store.build(request(x=x), write).artifact for x in range(2)]
    read = store_module.read_manifest

    def read_late(folder: Path):
        if folder == made[0].path:
            shutil.rmtree(folder)
        return read(folder)

    monkeypatch.setattr(store_module, "read_manifest", read_late)
    assert list(store.all()) == [made[1]]
    assert list(Store(tmp_path / "nothing").all()) == []


def test_wrong_references_tell_what_there_is(tmp_path):
    store = Store(tmp_path)
    artifact = store.build(request(), write).artifact
    with pytest.raises(UserError, match="thing/a"):
        store.find("thing/b", KIND)
    with pytest.raises(UserError, match=r"expected: other"):
        store.find("thing/a", Kind("other", 1))
    with pytest.raises(UserError, match="not a valid artifact name"):
        request(name="../x")
    (artifact.path / "data.txt").unlink()
    with pytest.raises(UserError, match=r"data\.txt is missing"):
        artifact.file("data.txt")


@pytest.mark.parametrize("change", [{"schema": 2, "lst_version": "9.0"}, {"surprise": 1}])
def test_a_newer_manifest_is_refused_with_the_version_that_reads_it(tmp_path, change):
    store = Store(tmp_path)
    artifact = store.build(request(), write).artifact
    path = artifact.path / "artifact.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(UserError, match=r"9\.0 or later|surprise"):
        store.find("thing/a", KIND)


def test_a_root_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="--root"):
        Store(tmp_path / "file").build(request(), write)


def test_a_truncated_parquet_file_is_named(tmp_path):
    path = tmp_path / "x.parquet"
    write_parquet(path, pa.table({"x": list(range(1000))}))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match=r"x\.parquet"):
        read_parquet(path)
