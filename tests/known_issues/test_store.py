"""What went wrong in stores: files outside the root, interrupted removals, leftovers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lst_cli.artifacts import Draft, Store
from lst_cli.artifacts import removal as removal_module
from lst_cli.artifacts.leftovers import leftovers, remove_leftover
from lst_cli.artifacts.removal import remove
from lst_cli.errors import UserError
from tests.known_issues.things import request, write


def everything(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*"))


def states(store: Store) -> dict[str, str]:
    return {each.path.name: each.state for each in leftovers(store)}


def test_rm_looked_in_the_current_folder_before_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = (Store(tmp_path / name).build(request(), write).artifact for name in "ab")
    monkeypatch.chdir(tmp_path / "a")
    store = Store(tmp_path / "b")
    assert store.find_any(here.reference).path == there.path
    assert remove(store, here.reference, force=False) == [there.reference]
    assert here.path.is_dir() and not there.path.exists()
    with pytest.raises(UserError, match=rf"no such artifact(.|\n)*give \./{here.reference}"):
        store.find_any(here.reference)
    assert store.find_any(f"./{here.reference}").fingerprint == here.fingerprint


@pytest.mark.parametrize(
    "reference", ["thing", "thing/a/../a", "thing/../../x", "thing//a", "", "~/thing/a", "thing/.a"]
)
def test_what_is_neither_a_path_nor_kind_and_name_is_refused(reference: str, tmp_path: Path) -> None:
    Store(tmp_path).build(request(), write)
    with pytest.raises(UserError, match="no such artifact"):
        Store(tmp_path).find_any(reference)


@pytest.mark.parametrize("force", [False, True])
def test_rm_deleted_a_folder_outside_the_root(tmp_path: Path, force: bool) -> None:
    outside = Store(tmp_path / "other").build(request(), write).artifact
    store = Store(tmp_path / "root")
    inside = store.build(request(), write).artifact
    before = everything(tmp_path / "other")
    for reference in (str(outside.path), str(outside.path / "more"), str(tmp_path), str(tmp_path / "root")):
        with pytest.raises(UserError, match="not an artifact of this root"):
            remove(store, reference, force=force)
    (tmp_path / "root" / "thing" / "linked").symlink_to(tmp_path / "other" / "thing" / "a")
    inside.path.with_name("0123").symlink_to(outside.path)
    for reference in ("thing/linked", f"thing/linked/{outside.version}", "thing/a/0123"):
        with pytest.raises(UserError, match="not an artifact of this root"):
            remove(store, reference, force=force)
    assert everything(tmp_path / "other") == before and inside.path.is_dir()


def test_rm_deleted_files_that_no_manifest_names(tmp_path: Path) -> None:
    store = Store(tmp_path)
    artifact = store.build(request(), write).artifact
    (artifact.path / "more" / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match=r"more/notes\.txt(.|\n)*--force"):
        remove(store, "thing/a", force=False)
    assert (artifact.path / "more" / "notes.txt").read_text() == "mine" and (artifact.path / "data.txt").is_file()
    assert remove(store, "thing/a", force=True) == [artifact.reference] and not artifact.path.exists()


def test_a_damaged_manifest_blocked_every_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path)
    damaged, whole = (store.build(request(x=x), write).artifact for x in range(2))
    (damaged.path / "artifact.json").write_text('{"kind": "thing"}')
    assert list(store.all()) == [whole] and "skipped" in capsys.readouterr().err
    with pytest.raises(UserError, match="damaged"):
        store.build(request(x=0), write)
    with pytest.raises(UserError, match="--force"):
        remove(store, damaged.reference, force=False)
    remove(store, damaged.reference, force=True)
    assert store.build(request(x=0), write).fresh


def test_a_folder_in_the_way_was_seen_after_the_work(tmp_path: Path) -> None:
    store = Store(tmp_path)
    artifact = store.build(request(), write).artifact
    (artifact.path / "artifact.json").unlink()
    with pytest.raises(UserError, match="artifact rm --force thing/a"):
        store.build(request(), lambda draft: pytest.fail("worked before it looked"))
    remove(store, artifact.reference, force=True)
    assert store.build(request(), write).fresh


@pytest.mark.parametrize("moment", ["hide", "remove_dangling", "delete"])
def test_a_kill_during_rm_wedged_the_artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    store = Store(tmp_path)
    artifact = store.build(request(), write).artifact

    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(removal_module, moment, killed)
        remove(store, artifact.reference, force=False)
    assert store.build(request(), write).artifact.files == artifact.files
    (tmp_path / "thing" / "a" / "current").unlink()
    remove(store, artifact.reference, force=False)
    assert everything(tmp_path) == ["thing", "thing/a"]


def test_rm_again_finishes_an_interrupted_rm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    artifact = store.build(request(), write).artifact
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(removal_module, "delete", lambda path: (_ for _ in ()).throw(KeyboardInterrupt))
        remove(store, "thing/a", force=False)
    assert set(states(store).values()) == {"left"} and not list(store.all())
    assert remove(store, "thing/a", force=False) == [artifact.reference]
    assert everything(tmp_path) == ["thing", "thing/a"]
    with pytest.raises(UserError, match="no such artifact"):
        remove(store, "thing/a", force=False)


def test_leftovers_are_listed_and_removed_but_never_a_live_one(tmp_path: Path) -> None:
    store = Store(tmp_path)
    artifact = store.build(request(x=1), write).artifact
    name = artifact.path.parent
    (name / f".current.{os.uname().nodename}.999999999.tmp").symlink_to("nowhere")
    (name / f".file.{os.uname().nodename}.{os.getpid()}.tmp").write_text("being written")
    for version, parts in (("aaa", []), ("bbb", ["part-0"]), (artifact.version, ["part-0"])):
        (name / f".{version}.partial" / "parts").mkdir(parents=True)
        for part in parts:
            (name / f".{version}.partial" / "parts" / part).write_text("done")
    seen: dict[str, str] = {}

    def look(draft: Draft) -> None:
        (draft.parts / "part-0").write_text("half done")
        seen.update(states(store))
        assert not any(remove_leftover(each) for each in leftovers(store) if each.owner is not None)
        assert draft.parts.is_dir()
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.build(request(x=2), look)
    live = f".{request(x=2).version}.partial"
    assert seen == {
        f".current.{os.uname().nodename}.999999999.tmp": "left",
        f".file.{os.uname().nodename}.{os.getpid()}.tmp": "in use",
        ".aaa.partial": "left",
        ".bbb.partial": "resumable",
        f".{artifact.version}.partial": "left",
        live: "in use",
    }
    assert states(store)[live] == "resumable"
    assert sum(remove_leftover(each) for each in leftovers(store)) == 5
    assert list(states(store).values()) == ["in use"] and list(store.all()) == [artifact]
