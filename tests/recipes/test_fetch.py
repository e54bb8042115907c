from __future__ import annotations

import hashlib
import importlib.util
import io
import re
import sys
import tarfile
import urllib.error
import urllib.request
import zipfile
from email.message import Message
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest

RECIPES = Path(__file__).parents[2] / "recipes"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("recipes_fetch", RECIPES / "fetch.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


fetch = _load()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    (tmp_path / "clip.txt").write_text("ONE TWO")
    path = tmp_path / "clips.tar.gz"
    with tarfile.open(path, "w:gz") as file:
        file.add(tmp_path / "clip.txt", arcname="Corpus/clip.txt")
    return path


def _source(path: Path, sha256: str | None) -> object:
    return fetch.Source("clips", "1 kB", sha256, path.as_uri())


def test_an_archive_is_fetched_checked_and_unpacked_once(archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    source = _source(archive, hashlib.sha256(archive.read_bytes()).hexdigest())
    fetch.fetch(source, out)
    assert (out / "Corpus" / "clip.txt").read_text() == "ONE TWO"
    archive.unlink()
    fetch.fetch(source, out)


def test_a_zip_without_a_folder_of_its_own_gets_one(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as file:
        file.writestr("lexical/dev/gold.csv", "id,filename")
    source = fetch.Source("set", "1 kB", None, (tmp_path / "set.zip").as_uri(), "Set")
    fetch.fetch(source, tmp_path / "data")
    assert (tmp_path / "data" / "Set" / "lexical" / "dev" / "gold.csv").read_text() == "id,filename"
    assert fetch.sources()["zerospeech-2021"].folder == "sLM21-dataset"


def test_a_file_with_another_sum_is_refused_and_leaves_nothing(archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    with pytest.raises(SystemExit, match="not the published file"):
        fetch.fetch(_source(archive, "0" * 64), out)
    assert not list(out.iterdir())


class _CutOff(io.BytesIO):
    """An answer that ends before the length that it has told."""

    status = 206
    headers: ClassVar = {"Content-Length": "9"}


def test_a_download_that_breaks_off_is_kept_to_go_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = tmp_path / ".clips.part"
    part.write_bytes(b"abc")
    monkeypatch.setattr(fetch.urllib.request, "urlopen", lambda request, timeout: _CutOff(b"def"))
    with pytest.raises(SystemExit, match="broke off at 6 of 12 bytes"):
        fetch.download(_source(part, None), part)
    assert part.read_bytes() == b"abcdef"


def test_a_part_that_is_the_whole_file_is_checked_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(request: urllib.request.Request, timeout: float) -> object:
        assert request.get_header("Range") == "bytes=6-"
        raise urllib.error.HTTPError(request.full_url, 416, "Range Not Satisfiable", Message(), None)

    monkeypatch.setattr(fetch.urllib.request, "urlopen", refuse)
    part = tmp_path / ".clips.part"
    part.write_bytes(b"abcdef")
    good = _source(tmp_path / "clips", hashlib.sha256(b"abcdef").hexdigest())
    assert fetch.fetch(good, tmp_path).read_bytes() == b"abcdef"
    (tmp_path / "clips").unlink()
    (tmp_path / ".clips.done").unlink()
    part.write_bytes(b"abcdeX")
    with pytest.raises(SystemExit, match="not the published file"):
        fetch.fetch(good, tmp_path)
    assert not part.exists()


def test_a_changed_file_that_is_there_is_not_unpacked(archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    out.mkdir()
    (out / "clips.tar.gz").write_bytes(archive.read_bytes()[:-1] + b"x")
    with pytest.raises(SystemExit, match="not the published file"):
        fetch.fetch(_source(archive, hashlib.sha256(archive.read_bytes()).hexdigest()), out)
    assert [path.name for path in out.iterdir()] == ["clips.tar.gz"]


def test_a_missing_checksum_is_named_and_the_first_one_recorded(archive: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "data"
    fetch.fetch(_source(archive, None), out)
    assert "no published checksum" in capsys.readouterr().err
    (out / ".clips.tar.gz.done").unlink()
    fetch.fetch(_source(archive, None), out)
    (out / ".clips.tar.gz.done").unlink()
    (out / "clips.tar.gz").write_bytes(b"something else")
    with pytest.raises(SystemExit, match="not the recorded file"):
        fetch.fetch(_source(archive, None), out)


class _OtherRange(_CutOff):
    headers: ClassVar = {"Content-Length": "3", "Content-Range": "bytes 0-2/6"}


def test_a_resumed_download_of_another_range_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = tmp_path / ".clips.part"
    part.write_bytes(b"abc")
    monkeypatch.setattr(fetch.urllib.request, "urlopen", lambda request, timeout: _OtherRange(b"abc"))
    with pytest.raises(SystemExit, match="another range"):
        fetch.download(_source(part, None), part)
    assert not part.exists()


def test_a_server_that_does_not_answer_ends_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(request: urllib.request.Request, timeout: float) -> object:
        assert timeout <= 120
        raise urllib.error.URLError(TimeoutError("timed out"))

    monkeypatch.setattr(fetch.urllib.request, "urlopen", silent)
    with pytest.raises(SystemExit, match="no answer"):
        fetch.fetch(_source(tmp_path / "clips", None), tmp_path)


def test_another_refusal_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(request: urllib.request.Request, timeout: float) -> object:
        raise urllib.error.HTTPError(request.full_url, 404, "Not Found", Message(), None)

    monkeypatch.setattr(fetch.urllib.request, "urlopen", refuse)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        fetch.fetch(_source(tmp_path / "clips", None), tmp_path)


def test_the_voice_of_the_spoken_benchmarks_is_fetched_to_where_it_is_looked_for() -> None:
    from lst_cli.audio.tts import kokoro

    found = fetch.sources()
    assert {found[name].folder for name in ("kokoro-model", "kokoro-voices")} == {"kokoro"}
    text = (RECIPES / "public.mk").read_text(encoding="utf-8")
    voice = re.search(r"^VOICE \?= kokoro:\$\(DATA\)/kokoro\\#(\w+)$", text, re.MULTILINE)
    assert voice is not None and voice[1][0] in kokoro._LANGUAGES
    assert found["kokoro-model"].file.endswith(".onnx") and found["kokoro-voices"].file.startswith("voices")


def test_the_list_is_whole_and_its_librispeech_sums_are_those_that_torchaudio_knows() -> None:
    from torchaudio.datasets.librispeech import _CHECKSUMS

    known = {address.rsplit("/", 1)[-1]: digest for address, digest in _CHECKSUMS.items()}
    found = fetch.sources()
    assert {"hellaswag", "librispeech-train-clean-360", "mls-english"} <= set(found)
    for source in found.values():
        assert source.address.startswith("https://")
        if source.file in known:
            assert source.sha256 == known[source.file]


def test_the_scales_name_sources_that_are_there() -> None:
    for scale in ("small", "paper"):
        text = (RECIPES / scale / "scale.mk").read_text(encoding="utf-8")
        named = [name for line in re.findall(r"^FETCH\S* :?= (.*)$", text, re.MULTILINE) for name in line.split()]
        assert named and set(named) <= set(fetch.sources())
