"""Documents from text files of all kinds, good and bad."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lst_cli.errors import UserError
from lst_cli.text.text_files import SplitBy, digests, read_documents, text_files

TEXT = "\nOne line.\nAnd   another.\n\n\nNew paragraph.\n"


def texts(path: Path, split: SplitBy = "line", field: str = "text") -> dict[str, str]:
    return {
        d.id: d.text if d.problem is None else f"! {d.problem}"
        for d in read_documents(text_files([path]), split, field)
    }


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("line", {"a.txt:2": "One line.", "a.txt:3": "And another.", "a.txt:6": "New paragraph."}),
        ("paragraph", {"a.txt:2": "One line. And another.", "a.txt:6": "New paragraph."}),
        ("file", {"a.txt:2": "One line. And another. New paragraph."}),
    ],
)
def test_splits(tmp_path: Path, split: SplitBy, expected: dict[str, str]) -> None:
    path = tmp_path / "a.txt"
    path.write_text(TEXT)
    assert texts(path, split) == expected
    packed = tmp_path / "b.txt.gz"
    packed.write_bytes(gzip.compress(TEXT.encode()))
    assert list(texts(packed, split).values()) == list(expected.values())


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"good\n\xff\xfe\n\ngood too\n")
    assert texts(path) == {
        "a.txt:1": "good",
        "a.txt:2": "! not UTF-8, or with NUL characters; convert the file with 'iconv -t UTF-8'",
        "a.txt:4": "good too",
    }
    assert list(texts(path, "paragraph").values())[1] == "good too"
    assert texts(path, "file")["a.txt:1"].startswith("! not UTF-8")


def test_json_lines_and_parquet(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"body": "one"}) + "\nnot json\n[1]\n" + json.dumps({"body": 3}) + "\n")
    found = texts(path, field="body")
    assert found["a.jsonl:1"] == "one"
    assert [text[:3] for text in found.values()] == ["one", "! n", "! n", "! n"]
    table = tmp_path / "a.parquet"
    pq.write_table(pa.table({"body": ["one", None]}), table)
    assert texts(table, field="body") == {"a.parquet:1": "one", "a.parquet:2": "! no text in the column 'body'"}
    with pytest.raises(UserError, match="no column 'text'"):
        texts(table)
    table.write_bytes(b"PAR1")
    with pytest.raises(UserError, match="not a whole Parquet file"):
        texts(table)


def test_damaged_archive(tmp_path: Path) -> None:
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(b"line\n" * 100_000)[:200])
    with pytest.raises(UserError, match="damaged after line"):
        texts(path)


def test_names_do_not_depend_on_where_files_lie(tmp_path: Path) -> None:
    sums = []
    for base in (tmp_path / "x", tmp_path / "y" / "z"):
        for name in ("a", "b"):
            (base / name).mkdir(parents=True)
            (base / name / "t.txt").write_text(name)
        files = text_files([base / "a" / "t.txt", base / "b" / "t.txt"])
        assert [file.name for file in files] == ["a/t.txt", "b/t.txt"]
        sums.append(digests(files))
    assert sums[0] == sums[1]


def test_wrong_paths(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no text files"):
        text_files([])
    with pytest.raises(UserError, match="not a file"):
        text_files([tmp_path])
    path = tmp_path / "a.txt"
    path.write_text("x")
    with pytest.raises(UserError, match="given twice"):
        text_files([path, tmp_path / "." / "a.txt"])
