"""``lst corpus`` from the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lst_cli.artifacts import Store
from lst_cli.audio.corpus_artifact import CORPUS, Corpus
from lst_cli.audio.tts.engine import ENGINES
from lst_cli.errors import UserError
from lst_cli.main import app
from tests.audio.sounds import save_spoken


def run(root: Path, *arguments: object) -> Result:
    return CliRunner().invoke(app, ["--root", str(root), "corpus", *map(str, arguments)])


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(ENGINES, "fake", "tests.audio.fake_engine")
    return tmp_path / "root"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, seconds in (("a", 0.5), ("b", 3.0)):
        save_spoken(tmp_path / "in" / f"{name}.wav", f"the text of {name}", seconds)
    return tmp_path / "in"


def test_add_then_show(root: Path, folder: Path) -> None:
    first = run(root, "add", folder, "--name", "c")
    assert first.exit_code == 0, first.output
    assert "made corpus/c/" in first.output
    assert "up to date: corpus/c/" in run(root, "add", folder, "--name", "c").output
    shown = run(root, "show", "corpus/c", "--json")
    facts = json.loads(shown.stdout)
    assert (facts["utterances"], facts["words"], facts["rejects"]) == (2, 8, [])
    table = run(root, "show", "corpus/c").stdout
    assert "0 to 1 s" in table
    assert "2 to 5 s" in table


def test_show_lists_what_was_rejected_and_why(root: Path, folder: Path) -> None:
    (folder / "b.wav").write_text("no sound")
    run(root, "add", folder, "--name", "c", "--max-reject-rate", "0.5")
    table = " ".join(run(root, "show", "corpus/c").stdout.split())
    assert "its contents are text" in table
    assert json.loads(run(root, "show", "corpus/c", "--json").stdout)["rejects"][0]["id"] == "b"


def test_a_bad_file_exits_with_2_names_file_and_cure_and_makes_nothing(root: Path, folder: Path) -> None:
    (folder / "b.txt").unlink()
    command = [sys.executable, "-m", "lst_cli.main", "--root", str(root), "corpus", "add", str(folder), "--name", "c"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "b.wav: no transcript; write what is said to b.txt" in done.stderr
    assert "--max-reject-rate" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(root.rglob("artifact.json"))


def test_synth_speaks_a_file_of_lines(root: Path, tmp_path: Path) -> None:
    (tmp_path / "lines.tsv").write_text("x\tone line\ny\tanother one\n")
    voices = ("--voice", "fake:ann", "--voice", "fake:bob")
    done = run(root, "synth", tmp_path / "lines.tsv", "--name", "s", *voices, "--rate", "0.9:1.1", "--workers", 1)
    assert done.exit_code == 0, done.output
    assert Corpus(Store(root).find("corpus/s", CORPUS)).ids == ["x", "y"]


HEADER = "InputStoryid,InputSentence1,InputSentence2,InputSentence3,InputSentence4,"
HEADER += "RandomFifthSentenceQuiz1,RandomFifthSentenceQuiz2,AnswerRightEnding\n"


def test_synth_speaks_prompts_and_endings_of_an_item_alike(root: Path, tmp_path: Path) -> None:
    rows = [f"s{n},One {n}.,Two.,Three.,Four.,Good {n}.,Bad {n}.,1\n" for n in range(6)]
    (tmp_path / "cloze.csv").write_text(HEADER + "".join(rows))
    voices = [option for name in ("ann", "bob", "cat") for option in ("--voice", f"fake:{name}")]
    done = run(root, "synth", "--items", f"storycloze:{tmp_path / 'cloze.csv'}", "--name", "s", *voices, "--workers", 1)
    assert done.exit_code == 0, done.output
    corpus = Corpus(Store(root).find("corpus/s", CORPUS))
    assert corpus.ids[:3] == ["s0/prompt", "s0/ending1", "s0/ending2"]
    assert corpus.find("s3/ending2").text == "Bad 3."
    for n in range(6):
        assert len({corpus.find(f"s{n}/{piece}").speaker for piece in ("prompt", "ending1", "ending2")}) == 1
    assert len({one.speaker for one in corpus}) > 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "takes one input"),
        (("lines.txt", "--items", "storycloze:x"), "takes one input"),
        (("--items", "x.csv"), "TASK:FILE"),
        (("--items", "chess:x.csv"), "no task is called 'chess'"),
        (("lines.txt", "--rate", "fast"), "not a speaking rate"),
        (("missing.txt",), "no such file"),
    ],
)
def test_bad_arguments_of_synth_are_refused(root: Path, arguments: tuple[str, ...], expected: str) -> None:
    done = run(root, "synth", *arguments, "--name", "s", "--voice", "fake:bob")
    assert isinstance(done.exception, UserError)
    assert expected in str(done.exception)
    assert not root.exists()
