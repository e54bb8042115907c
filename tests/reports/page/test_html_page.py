"""The page holds everything in one file, and says what the numbers say."""

from __future__ import annotations

import csv
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lst_cli.artifacts import Artifact, Store
from tests.reports.making import make_model, make_scores, run

VOID = {"meta", "br", "input", "hr", "img", "link"}


class Page(HTMLParser):
    """Elements with their attributes; checks that tags are closed in order."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def sections(self) -> list[str | None]:
        return [attributes.get("id") for attributes in self.all("section")]


@pytest.fixture(scope="module")
def html(page: Path) -> Page:
    return Page(page / "index.html")


def test_all_sections_are_there(html: Page) -> None:
    expected = ["remarks", "scores", "asr", "speech", "paper", "curves", "patches", "recordings", "examples", "lineage"]
    assert html.sections == expected
    assert [link["href"] for link in html.all("a") if link["href"] in [f"#{name}" for name in expected]]


def test_nothing_comes_from_outside(html: Page, page: Path) -> None:
    assert not html.all("link") and not html.all("img")
    for _, attributes in html.elements:
        for name in ("src", "href", "xlink:href", "action", "poster", "srcset", "data"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))
    assert not re.search(r"url\((?!#)|@import", (page / "index.html").read_text())


def test_every_picture_says_what_it_shows(html: Page) -> None:
    pictures = [one for one in html.all("svg") if one.get("aria-hidden") != "true"]
    assert len(pictures) == 3 * 2 * 5 + 2 * 2 + 6
    assert all(one.get("role") == "img" and one.get("aria-label") for one in pictures)
    assert all(one.get("aria-label") for one in html.all("audio"))


def test_ids_are_unique_and_links_lead_somewhere(html: Page) -> None:
    ids = [attributes["id"] for _, attributes in html.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {attributes["href"] for _, attributes in html.elements if attributes.get("href")}
    assert {link[1:] for link in links if link} <= set(ids)


def test_text_of_figures_is_text(html: Page) -> None:
    assert "speech, bits per second" in html.text and "learning rate" in html.text and "positions" in html.text
    assert "married" in html.text


def test_the_words_say_where_the_baseline_is_ahead(html: Page) -> None:
    assert "static (static 4) against the baseline: behind on StoryCloze S→S" in html.text
    assert "The baseline is ahead of LST after the same number of positions in 2 of 6 comparisons" in html.text
    assert "asr (curriculum 4) against the baseline (asr-baseline): ahead on ASR" in html.text
    assert "at equal positions: curriculum 3.1 times and static 3.1 times as many tokens" in html.text


def test_the_papers_numbers_stand_apart(html: Page, page: Path) -> None:
    text = (page / "index.html").read_text()
    scores = text[text.index('id="scores"') : text.index('id="asr"')]
    assert "59.1%" in text and "59.1%" not in scores
    assert "not our numbers" in text
    rows = list(csv.DictReader((page / "tables.csv").open()))
    assert len(rows) == 8 + 4 * 2 and {row["model"] for row in rows} >= {"baseline", "asr"}
    assert not any(row["value"].startswith("0.591") for row in rows)


def test_real_speech_comes_first(html: Page) -> None:
    assert html.text.index("recorded speech") < html.text.index("synthetic speech")


def test_lineage_names_everything(html: Page, world: Store, report: Artifact) -> None:
    for artifact in world.all():
        if artifact.kind != "report":
            assert artifact.reference in html.text and artifact.fingerprint in html.text
    assert report.reference in html.text


def test_markdown_has_the_tables(page: Path) -> None:
    text = (page / "tables.md").read_text()
    assert "| baseline | none | storycloze | S→S | 60 |" in text
    assert "Not our numbers" in text and "| LST curriculum |" in text and "## Word error rate" in text


def test_the_same_artifacts_give_the_same_page(world: Store, page: Path, tmp_path: Path) -> None:
    run(world, "--name", "again", "--out", str(tmp_path))
    there, here = ((folder / "index.html").read_text() for folder in (page, tmp_path))
    assert (
        here.replace("report/again", "report/all").replace(">again<", ">all<").replace("<title>again", "<title>all")
        == there
    )


def test_only_a_model(world: Store, tmp_path: Path) -> None:
    run(world, "--models", "model/static", "--name", "one", "--out", str(tmp_path))
    assert Page(tmp_path / "index.html").sections == ["curves", "lineage"]


def test_only_an_alignment(world: Store, tmp_path: Path) -> None:
    run(world, "--alignment", "alignment/real", "--utterances", "1", "--name", "one", "--out", str(tmp_path))
    html = Page(tmp_path / "index.html")
    assert html.sections == ["patches", "recordings", "lineage"] and len(html.all("figure")) == 1


def test_markup_in_names_is_text(tmp_path: Path) -> None:
    from tests.reports.making import make_spoken

    store = Store(tmp_path / "root")
    make_spoken(store, "odd", {"<script>alert(1)</script>": 'a <b>bold</b> "word" & more'})
    run(store, "--out", str(tmp_path))
    html = Page(tmp_path / "index.html")
    assert len(html.all("script")) == 1 and not html.all("b")
    assert "<script>alert(1)</script>" in html.text


def test_lost_inputs_leave_their_sections_out(tmp_path: Path) -> None:
    """Scores whose model and recordings are gone from disk still make a page."""
    import shutil

    from tests.reports.making import make_items, make_spoken, spoken_texts

    store = Store(tmp_path / "root")
    items = make_items("storycloze", 20)
    tokens, _ = make_spoken(store, "items", spoken_texts(items))
    make_scores(store, "s", make_model(store, "m", "static"), tokens, items, {"s-s": 1.0})
    for kind in ("model", "corpus"):
        shutil.rmtree(store.root / kind)
    run(store, "--scores", "scores/s", "--out", str(tmp_path))
    html = Page(tmp_path / "index.html")
    assert html.sections == ["scores", "paper", "lineage"]
    assert "not on disk" in html.text and "not recorded" in html.text
