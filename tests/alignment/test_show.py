from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lst_cli.alignment.align_corpus import plan_run
from lst_cli.artifacts import Artifact, Store
from lst_cli.errors import UserError
from lst_cli.main import app
from tests.alignment.test_align_corpus import ALONE, options


@pytest.fixture(scope="module")
def alignment(store: Store, corpus: Artifact, tokens: Artifact, aligner: Artifact) -> Artifact:
    return store.build(*plan_run(options(corpus, tokens, aligner), ALONE)).artifact


def lst_align_show(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["--root", str(root), "align", "show", *arguments])


def test_words_with_their_tokens(store: Store, alignment: Artifact) -> None:
    table = lst_align_show(store.root, alignment.reference)
    assert table.exit_code == 0
    assert "utt-000" in table.output and "confidence" in table.output
    result = lst_align_show(store.root, alignment.reference, "--id", "utt-003", "--id", "utt-001", "--json")
    data = json.loads(result.stdout)
    assert list(data) == ["utt-003", "utt-001"]
    assert all(word["start"] < word["end"] for words in data.values() for word in words)


def test_a_page_with_everything_inside(store: Store, alignment: Artifact, tmp_path: Path) -> None:
    page = tmp_path / "show.html"
    assert lst_align_show(store.root, alignment.reference, "--id", "utt-002", "--html", str(page)).exit_code == 0
    html = page.read_text()
    assert html.count("<audio") == html.count("data:audio") == 1
    assert "http" not in html.replace("http-equiv", "")
    assert 'class="word"' in html and 'class="patch' in html


def test_what_is_not_there(store: Store, alignment: Artifact, corpus: Artifact, tmp_path: Path) -> None:
    error = lst_align_show(store.root, alignment.reference, "--id", "nobody").exception
    assert isinstance(error, UserError) and "no utterance 'nobody'" in str(error)
    root = tmp_path / "root"
    shutil.copytree(store.root / "alignment", root / "alignment")
    shutil.copytree(store.root / "tokens", root / "tokens")
    error = lst_align_show(root, alignment.reference, "--html", str(tmp_path / "no.html")).exception
    assert isinstance(error, UserError) and "--corpus" in str(error)
    given = ["--corpus", str(corpus.path), "--html", str(tmp_path / "yes.html")]
    assert lst_align_show(root, alignment.reference, *given).exit_code == 0
