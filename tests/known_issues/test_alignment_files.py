"""Alignment files of other tools, as users have them: `lst align import` loses no utterance but the damaged one."""

from __future__ import annotations

import json
import math
import unicodedata
from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from lst_cli.alignment.imports.textgrid import parse_textgrid, write_textgrid
from lst_cli.alignment.kinds import ALIGNMENT, ALIGNMENT_FILE
from lst_cli.artifacts import Artifact, Draft, Kind, Request, Store
from lst_cli.artifacts.parquet import read_parquet, write_parquet
from lst_cli.errors import UserError
from lst_cli.main import app

GOOD = write_textgrid({"words": [(0.2, 0.5, "quick"), (0.5, 0.9, "words")]}, 2.0)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "root")


def make_tokens(store: Store, *ids: str) -> Artifact:
    """Two seconds of speech tokens for each id."""

    def make(draft: Draft) -> None:
        schema = pa.schema([("id", pa.string()), ("units", pa.list_(pa.uint16()))])
        rows = [{"id": id, "units": [0] * 50} for id in ids]
        write_parquet(draft.path / "tokens-00000.parquet", pa.Table.from_pylist(rows, schema=schema))

    request = Request(kind=Kind("tokens", 1), name="t", config={"ids": list(ids)}, parents={})
    return store.build(request, make).artifact


def align(store: Store, source: Path, *more: str, rate: str = "0.9") -> dict[str, list[str]]:
    """Import ``source`` and give back the words of each utterance."""
    arguments = ["align", "import", str(source), "--tokens", "tokens/t", "--name", "a", "--max-reject-rate", rate]
    result = CliRunner().invoke(app, ["--root", str(store.root), *arguments, *more])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    rows = read_parquet(store.find("alignment/a", ALIGNMENT).file(ALIGNMENT_FILE)).to_pylist()
    assert all(math.isfinite(score) and 0 <= score <= 1 for row in rows for score in row["scores"])
    manifest = (store.find("alignment/a", ALIGNMENT).path / "artifact.json").read_text()
    assert "NaN" not in manifest and "Infinity" not in manifest
    return {row["id"]: row["words"] for row in rows}


def reasons(store: Store) -> dict[str, str]:
    file = store.find("alignment/a", ALIGNMENT).path / "rejects.parquet"
    return {row["id"]: row["reason"] for row in read_parquet(file).to_pylist()} if file.exists() else {}


def write(folder: Path, **files: str | bytes | object) -> Path:
    """Files by name, with ``.TextGrid`` for strings and bytes and ``.json`` for all else."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        if isinstance(content, (str, bytes)):
            data = content.encode() if isinstance(content, str) else content
            (folder / f"{name}.TextGrid").write_bytes(data)
        else:
            (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "bad",
    [
        GOOD[:250],
        "",
        GOOD.replace("quick", "qu\u00efck").encode("latin-1"),
        write_textgrid({"phones": [(0.0, 0.5, "k")]}, 2.0),
        GOOD.replace("size = 1\n", "size = 1e999\n"),
        GOOD.replace("size = 1\n", "size = -3\n"),
        GOOD.replace("xmin = 0.200", "xmin = 1e999"),
        b"\xff\xfe\x00",
        b"\x00" * 300,
    ],
)
def test_one_bad_textgrid_stopped_the_whole_import(store: Store, tmp_path: Path, bad: str | bytes) -> None:
    make_tokens(store, "u1", "u2")
    assert align(store, write(tmp_path / "in", u1=bad, u2=GOOD)) == {"u2": ["quick", "words"]}
    assert "u1.TextGrid" in reasons(store)["u1"]


def test_hidden_files_and_a_stray_report_stopped_the_whole_import(store: Store, tmp_path: Path) -> None:
    make_tokens(store, "u1")
    folder = write(tmp_path / "in", u1=GOOD, report={"version": 1})
    (folder / "._u1.TextGrid").write_bytes(b"\x00\x05\x16\x07")
    # A file that belongs to no utterance is listed, and does not count in the reject rate.
    assert align(store, folder, rate="0") == {"u1": ["quick", "words"]}
    assert "report.json" in reasons(store)["report"]


def test_a_sentence_tier_was_taken_for_one_word_with_score_1(store: Store, tmp_path: Path) -> None:
    make_tokens(store, "u1")
    source = write(tmp_path / "in", u1=write_textgrid({"ann": [(0.0, 2.0, "quick odd words")]}, 2.0))
    with pytest.raises(UserError, match=r"no tier of words(.|\n)*'ann'(.|\n)*--tier"):
        align(store, source)
    with pytest.raises(UserError, match="'ann' holds sentences"):
        align(store, source, "--tier", "ann")


def test_no_option_named_the_tier_of_words(store: Store, tmp_path: Path) -> None:
    words = [(0.2, 0.5, "quick"), (0.5, 0.9, "words")]
    make_tokens(store, "u1", "u2")
    source = write(
        tmp_path / "in",
        u1=write_textgrid({"ORT-MAU": words, "MAU": [(0.2, 0.3, "k")]}, 2.0),
        u2=write_textgrid({"Wo\u0308rter": words, "words": [(0.0, 2.0, "quick words")]}, 2.0),
    )
    assert align(store, source) == {"u1": ["quick", "words"]}
    assert align(store, source, "--tier", "w\u00f6rter") == {"u2": ["quick", "words"]}


@pytest.mark.parametrize("marker", ["<unk>", "[noise]", "{LG}", "pau", "<s>", "</s>", "spn", "SIL", "<eps>", "...", ""])
def test_markers_were_imported_as_words(store: Store, tmp_path: Path, marker: str) -> None:
    make_tokens(store, "u1", "u2")
    intervals = [(0.0, 0.2, marker), (0.2, 0.5, "quick"), (0.5, 0.9, marker), (0.9, 1.2, "R&B")]
    entries = [{"word": word, "start": start, "end": end} for start, end, word in intervals]
    source = write(tmp_path / "in", u1=write_textgrid({"words": intervals}, 2.0), u2={"words": entries})
    assert align(store, source) == {"u1": ["quick", "R&B"], "u2": ["quick", "R&B"]}


@pytest.mark.parametrize("score", ["nan", "inf", "-0.5", "1.5", "NA", "high"])
def test_a_score_that_is_no_number_from_0_to_1_reached_the_manifest(store: Store, tmp_path: Path, score: str) -> None:
    make_tokens(store, "u1", "u2")
    (tmp_path / "all.ctm").write_text(f"u1 1 0.2 0.3 quick {score}\n;; note\nu2 1 nan 0.3 odd 0.5\n")
    assert align(store, tmp_path / "all.ctm") == {"u1": ["quick"]}


def test_a_line_separator_inside_a_word_ended_its_line(store: Store, tmp_path: Path) -> None:
    make_tokens(store, "u1", "u2")
    (tmp_path / "a.ctm").write_bytes("\ufeffu1 1 0.2 0.3 qu\u2028ick\r\nu1 1 0.5 0.3 odd\x85ly\n".encode())
    lines = [{"id": "u2", "words": [{"word": "one\u2028two", "start": 0.1, "end": 0.5}]}]
    (tmp_path / "b.jsonl").write_text("".join(json.dumps(x, ensure_ascii=False) + "\n" for x in lines), "utf-8")
    assert align(store, tmp_path / "a.ctm") == {"u1": ["qu\u2028ick", "odd\x85ly"]}
    assert align(store, tmp_path / "b.jsonl") == {"u2": ["one two"]}


def whisperx(*words: dict[str, object]) -> dict[str, object]:
    return {"segments": [{"start": 0.0, "end": 2.0, "text": "quick 19 words", "words": list(words)}], "language": "en"}


TIMED = {"word": "quick", "start": 0.2, "end": 0.5, "score": 0.9}


@pytest.mark.parametrize("untimed", [{"word": "19"}, {"word": "19", "start": None, "end": None, "score": None}])
def test_whisperx_words_without_times_stopped_the_import(
    store: Store, tmp_path: Path, untimed: dict[str, object]
) -> None:
    make_tokens(store, "u1", "u2")
    after = {"word": "words", "start": 1.0, "end": 1.4, "score": None}
    source = write(tmp_path / "in", u1=whisperx(TIMED, untimed, after), u2=whisperx(untimed, TIMED, after, untimed))
    assert align(store, source)["u1"] == ["quick", "19", "words"]
    rows = read_parquet(store.find("alignment/a", ALIGNMENT).file(ALIGNMENT_FILE)).to_pylist()
    assert (rows[0]["starts"][1], rows[0]["ends"][1], rows[0]["scores"][1]) == (13, 25, 0.0)  # 12.5 is rounded up
    # At the edges the segment says where they may be.
    assert (rows[1]["starts"][0], rows[1]["ends"][-1]) == (0, 50)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"segments": [{"start": 0.0, "end": 2.0, "text": "quick words"}]}, "segment 1 has no words"),
        ({"words": [{"word": "19"}, TIMED]}, "'19' has no times"),
        (whisperx(TIMED, {"word": "19"}, {"word": "x", "start": 0.51, "end": 0.6}), "without times"),
        ({"words": [{**TIMED, "word": None}]}, "not text"),
        ({"words": [{**TIMED, "word": "\ud800"}]}, "surrogate"),
        ({"words": [{**TIMED, "start": 10**400}]}, "OverflowError"),
        ({"words": [{**TIMED, "start": math.nan}]}, "lasts from nan"),
        ({"words": [{**TIMED, "end": math.inf}]}, "to inf"),
        ({"words": [3]}, "not valid in this format"),
        ({"words": {"a": 1}}, "not valid in this format"),
        ({"segments": [None]}, "not valid in this format"),
        ({"tiers": {"phones": {"entries": []}}}, "'phones'"),
        ([], "not valid in this format"),
    ],
)
def test_a_json_file_of_an_odd_shape_stopped_the_import(store: Store, tmp_path: Path, bad: object, reason: str) -> None:
    make_tokens(store, "u1", "u2")
    assert align(store, write(tmp_path / "in", u1=bad, u2=whisperx(TIMED))) == {"u2": ["quick"]}
    assert reason in reasons(store)["u1"]


def test_json_nested_100_000_deep_raised_a_recursion_error(store: Store, tmp_path: Path) -> None:
    make_tokens(store, "u1", "u2")
    folder = write(tmp_path / "in", u2=whisperx(TIMED))
    (folder / "u1.json").write_text("[" * 100_000)
    assert align(store, folder) == {"u2": ["quick"]}
    deep = '{"id":"u1","words":' + "[" * 100_000 + "\n"
    (tmp_path / "all.jsonl").write_text(deep + json.dumps({"id": "u2", **whisperx(TIMED)}) + "\n")
    assert align(store, tmp_path / "all.jsonl") == {"u2": ["quick"]}
    assert reasons(store)["u1"] == "not in the files" and "nested too deeply" in reasons(store)["all.jsonl:1"]


def test_a_flat_id_did_not_meet_the_id_with_its_speaker(store: Store, tmp_path: Path) -> None:
    make_tokens(store, "spk one/u4", "a/u5", "b/u5")
    assert align(store, write(tmp_path / "in", u4=GOOD, u5=GOOD)) == {"spk one/u4": ["quick", "words"]}
    (tmp_path / "all.ctm").write_text("u4 1 0.2 0.3 quick\nu5 1 0.2 0.3 odd\n")
    # u5 stands for two utterances, so for none.
    assert align(store, tmp_path / "all.ctm") == {"spk one/u4": ["quick"]}


def test_a_nested_file_is_not_taken_for_the_same_name_of_another_speaker(store: Store, tmp_path: Path) -> None:
    make_tokens(store, "ann/u4", "bob/u5")
    folder = tmp_path / "in" / "eve"
    folder.mkdir(parents=True)
    write(folder, u4=GOOD)
    write(tmp_path / "in" / "bob", u5=GOOD)
    assert align(store, tmp_path) == {"bob/u5": ["quick", "words"]}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_in_another_unicode_form_did_not_match(store: Store, tmp_path: Path, form: str) -> None:
    other = "NFD" if form == "NFC" else "NFC"
    make_tokens(store, unicodedata.normalize(form, "Zo\u00eb"))
    name = unicodedata.normalize(other, "Zo\u00eb")
    assert list(align(store, write(tmp_path / "in", **{name: GOOD}))) == [unicodedata.normalize(form, "Zo\u00eb")]


def test_what_is_written_is_read_again() -> None:
    tiers = {"seg": [(0.5, 1.0, 'say "it"')], "words": [(0.0, 0.25, "a\nb"), (1.25, 2.0, "\u4f60")]}
    read = parse_textgrid(Path("x"), write_textgrid(tiers, 2.0))
    assert {tier.name: [each for each in tier.intervals or [] if each[2]] for tier in read} == tiers
