from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lst_cli.alignment.imports.ctm import read_ctm
from lst_cli.alignment.imports.import_alignment import AlignmentImportOptions, plan_import
from lst_cli.alignment.imports.json_words import read_json_words
from lst_cli.alignment.imports.textgrid import read_textgrid
from lst_cli.alignment.imports.timed import TimedUtterance, TimedWord
from lst_cli.alignment.kinds import ALIGNMENT, ALIGNMENT_FILE
from lst_cli.artifacts import Artifact, Store
from lst_cli.artifacts.parquet import read_parquet
from lst_cli.errors import UserError
from lst_cli.main import app

WORDS = [TimedWord("say", 0.2, 0.48), TimedWord('"it"', 0.48, 0.7), TimedWord("7.5", 1.0, 1.4)]

LONG = '''File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 1.6
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 1.6
        intervals: size = 5
        intervals [1]:
            xmin = 0
            xmax = 0.2
            text = ""
        intervals [2]:
            xmin = 0.2
            xmax = 0.48
            text = "say"
        intervals [3]:
            xmin = 0.48
            xmax = 0.7
            text = """it"""
        intervals [4]:
            xmin = 0.7
            xmax = 1.0
            text = "sp"
        intervals [5]:
            xmin = 1.0
            xmax = 1.4
            text = "7.5"
    item [2]:
        class = "IntervalTier"
        name = "phones"
        xmin = 0
        xmax = 1.6
        intervals: size = 1
        intervals [1]:
            xmin = 0
            xmax = 1.6
            text = "S"
'''

SHORT = '''File type = "ooTextFile"
"TextGrid"

0
1.6
<exists>
2
"TextTier"
"events"
0
1.6
1
0.5
"click"
"IntervalTier"
"anna - words"
0
1.6
3
0.2
0.48
"say"
0.48
0.7
"""it"""
1.0
1.4
"7.5"
'''

CTM = """;; a comment
one A 0.2 0.28 say 0.9
one A 0.48 0.22 "it" 0.8
one A 1.0 0.4 7.5 NA
two A 0.1 0.3 <eps>
two A 0.4 0.5 hello
"""


@pytest.mark.parametrize("text", [LONG, SHORT])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-8-sig"])
def test_textgrids(tmp_path: Path, text: str, encoding: str) -> None:
    path = tmp_path / "one.TextGrid"
    path.write_text(text, encoding=encoding)
    assert list(read_textgrid(path)) == [TimedUtterance(None, WORDS)]


def test_a_textgrid_cut_anywhere_is_told(tmp_path: Path) -> None:
    path = tmp_path / "one.TextGrid"
    whole = LONG[: LONG.index("    item [2]")].replace("size = 2", "size = 1")
    for end in range(0, len(whole.rstrip()), 7):
        path.write_text(whole[:end])
        with pytest.raises(UserError, match=r"one\.TextGrid"):
            list(read_textgrid(path))


def test_a_textgrid_without_words(tmp_path: Path) -> None:
    path = tmp_path / "one.TextGrid"
    path.write_text(LONG.replace('"words"', '"tokens"'))
    with pytest.raises(UserError, match=r"no tier of words(.|\n)*'tokens', 'phones'"):
        list(read_textgrid(path))


def test_ctm(tmp_path: Path) -> None:
    path = tmp_path / "all.ctm"
    path.write_text(CTM)
    found = {each.id: each.words for each in read_ctm(path)}
    assert [(word.text, word.start_s, round(word.end_s, 6)) for word in found["one"]] == [
        (word.text, word.start_s, word.end_s) for word in WORDS
    ]
    assert [word.score for word in found["one"]] == [0.9, 0.8, 1.0]
    assert [word.text for word in found["two"]] == ["hello"]
    path.write_text(CTM + "two A 0.4 hello\n")
    problems = {each.id: each.problem for each in read_ctm(path)}
    assert problems["one"] is None and "all.ctm, line 7" in (problems["two"] or "")


PLAIN = {"words": [{"word": w.text, "start": w.start_s, "end": w.end_s} for w in WORDS]}


@pytest.mark.parametrize(
    "shape",
    [
        PLAIN,
        {"words": [{"text": " " + w.text, "start": w.start_s, "end": w.end_s, "confidence": 1} for w in WORDS]},
        {"segments": [{"words": PLAIN["words"][:1]}, {"words": PLAIN["words"][1:]}]},
        {"tiers": {"words": {"entries": [[w.start_s, w.end_s, w.text] for w in WORDS] + [[1.4, 1.6, ""]]}}},
    ],
)
def test_json(tmp_path: Path, shape: dict[str, object]) -> None:
    path = tmp_path / "one.json"
    path.write_text(json.dumps(shape))
    assert list(read_json_words(path)) == [TimedUtterance(None, WORDS)]
    lines = tmp_path / "all.jsonl"
    lines.write_text(json.dumps({"id": "one", **shape}) + "\n\n" + json.dumps({"id": "two", **PLAIN}) + "\n")
    assert list(read_json_words(lines)) == [TimedUtterance("one", WORDS), TimedUtterance("two", WORDS)]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"words": 3}', '{"words": [{"word": "a"}]}', "{"])
def test_json_of_no_known_shape(tmp_path: Path, text: str) -> None:
    path = tmp_path / "one.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"one\.json, the file"):
        list(read_json_words(path))


def options(sources: list[Path], tokens: Artifact, rate: float = 0.99) -> AlignmentImportOptions:
    return AlignmentImportOptions(sources=sources, format=None, tokens=tokens, name="mfa", max_reject_rate=rate)


def test_words_become_tokens(
    store: Store, tokens: Artifact, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "mfa" / "speaker"
    folder.mkdir(parents=True)
    (folder / "utt-000.TextGrid").write_text(LONG)
    (folder / "utt-001.json").write_text(json.dumps({"words": []}))
    (folder / "utt-002.json").write_text(json.dumps({"words": [{"word": "late", "start": 1, "end": 99}]}))
    overlapping = [{"word": "a", "start": 0, "end": 0.5}, {"word": "b", "start": 0.1, "end": 0.6}]
    (folder / "utt-003.json").write_text(json.dumps({"words": overlapping}))
    (folder / "nobody.json").write_text(json.dumps(PLAIN))
    alignment = store.build(*plan_import(options([tmp_path / "mfa"], tokens))).artifact
    (row,) = read_parquet(alignment.file(ALIGNMENT_FILE)).to_pylist()
    assert row["id"] == "utt-000"
    assert (row["words"], row["starts"], row["ends"]) == (["say", '"it"', "7.5"], [5, 12, 25], [12, 18, 35])
    reasons = {r["id"]: r["reason"] for r in read_parquet(alignment.file("rejects.parquet")).to_pylist()}
    assert "no words" in reasons["utt-001"]
    assert "of another recording?" in reasons["utt-002"]
    assert "before the previous word ends" in reasons["utt-003"]
    assert reasons["utt-004"] == "not in the files"
    assert alignment.statistics["not_in_tokens"] == 1
    assert "'speaker/nobody'" in capsys.readouterr().err
    assert not store.build(*plan_import(options([tmp_path / "mfa"], tokens))).fresh


def test_one_utterance_in_two_files(store: Store, tokens: Artifact, tmp_path: Path) -> None:
    (tmp_path / "utt-000.json").write_text(json.dumps(PLAIN))
    (tmp_path / "utt-000.TextGrid").write_text(LONG)
    (tmp_path / "utt-001.json").write_text(json.dumps(PLAIN))
    alignment = store.build(*plan_import(options([tmp_path], tokens))).artifact
    assert [row["id"] for row in read_parquet(alignment.file(ALIGNMENT_FILE)).to_pylist()] == ["utt-001"]
    reasons = {row["id"]: row["reason"] for row in read_parquet(alignment.file("rejects.parquet")).to_pylist()}
    assert "utt-000.json: also in" in reasons["utt-000"]


def test_sources_that_are_none(tokens: Artifact, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no alignment files"):
        plan_import(options([tmp_path], tokens))
    with pytest.raises(UserError, match="no such file or folder"):
        plan_import(options([tmp_path / "gone"], tokens))
    (tmp_path / "words.txt").write_text("")
    with pytest.raises(UserError, match="unknown format"):
        plan_import(options([tmp_path / "words.txt"], tokens))


def test_the_command(store: Store, tokens: Artifact, tmp_path: Path) -> None:
    lines = [json.dumps({"id": f"utt-{n:03d}", **PLAIN}) for n in range(50)]
    (tmp_path / "all.jsonl").write_text("\n".join(lines))
    arguments = ["align", "import", str(tmp_path / "all.jsonl"), "--tokens", tokens.reference, "--name", "whisperx"]
    result = CliRunner().invoke(app, ["--root", str(store.root), *arguments, "--max-reject-rate", "0.5"])
    assert result.exit_code == 0, result.output
    assert store.find("alignment/whisperx", ALIGNMENT).statistics["words"] > 0
