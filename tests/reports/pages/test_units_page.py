"""``lst units show``: the page of a quantizer's units."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import soundfile
from typer.testing import CliRunner

from lst_cli.alignment.kinds import ALIGNMENT, ALIGNMENT_FILE, alignment_schema
from lst_cli.artifacts import Artifact, Draft, Request, Store
from lst_cli.artifacts.parquet import write_parquet
from lst_cli.distributed.launcher import Rank
from lst_cli.errors import UserError
from lst_cli.main import app
from lst_cli.reports.report_kind import REPORT
from lst_cli.units.features.mfcc_config import MFCC
from lst_cli.units.quantizer.fit_quantizer import QuantizerFitOptions, plan_quantizer
from lst_cli.units.tokenize.tokenize_stage import TokenizeOptions, plan_tokens
from lst_cli.units.tokens import TOKENS, Tokens, TokensWriter, tokens_schema
from tests.units.speech import make_corpus, sound

UNITS = 12


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("units-page") / "root")


@pytest.fixture(scope="module")
def tokens(store: Store) -> Artifact:
    corpus = make_corpus(store, [sound(2.0, i) for i in range(4)])
    fit = QuantizerFitOptions(name="q", corpus=corpus, features=MFCC, clusters=UNITS)
    quantizer = store.build(*plan_quantizer(fit)).artifact
    options = TokenizeOptions(name="t", corpus=corpus, quantizer=quantizer)
    return store.build(*plan_tokens(options, Rank(0, 1, 0))).artifact


@pytest.fixture(scope="module")
def html(store: Store, tokens: Artifact) -> str:
    result = CliRunner().invoke(app, ["--root", str(store.root), "units", "show", tokens.reference])
    assert result.exit_code == 0, result.output
    page = store.find("report/units-t", REPORT).file("index.html")
    assert f"page: {page}" in result.output
    return page.read_text(encoding="utf-8")


def test_every_unit_is_on_the_map_and_in_the_table(html: str, tokens: Artifact) -> None:
    assert sorted(map(int, re.findall(r'<circle[^>]*data-unit="(\d+)"', html))) == list(range(UNITS))
    table = re.findall(r'<tr data-unit="(\d+)">.*?</td><td>([\d,]+)</td><td>([\d.]+)%', html)
    units = np.concatenate([units for _, units in Tokens(tokens)])
    assert {int(unit): int(count) for unit, count, _ in table} == dict(enumerate(np.bincount(units, minlength=UNITS)))
    assert sum(float(share) for *_, share in table) == pytest.approx(100, abs=0.1)


def test_every_used_unit_can_be_heard_three_times(html: str) -> None:
    match = re.search(r"const sounds = (\{.*?\});", html)
    assert match is not None
    sounds = json.loads(match[1])
    assert sorted(map(int, sounds)) == list(range(UNITS))
    data = base64.b64decode(sounds["0"].removeprefix("data:audio/mpeg;base64,"))
    wave, rate = soundfile.read(io.BytesIO(data))
    assert rate == 16_000
    assert 3 * 0.25 < len(wave) / rate < 4
    assert np.abs(wave).max() > 0.01


def test_the_page_fetches_nothing(html: str) -> None:
    assert not re.search(r'(?:src|href)="(?!data:|#)', html)
    assert "http-equiv" in html


def test_phones_give_pnmi(store: Store, tokens: Artifact) -> None:
    rows = [
        {"id": id, "words": ["AH", "S"], "starts": [0, 20], "ends": [20, 40], "scores": [0.0, 0.0]}
        for id, _ in Tokens(tokens)
    ]

    def make(draft: Draft) -> None:
        write_parquet(draft.path / ALIGNMENT_FILE, pa.Table.from_pylist(rows, schema=alignment_schema()))

    store.build(Request(kind=ALIGNMENT, name="phones", config={}), make)
    arguments = ["units", "show", tokens.reference, "--phones", "alignment/phones", "--name", "with-phones"]
    result = CliRunner().invoke(app, ["--root", str(store.root), *arguments])
    assert result.exit_code == 0, result.output
    report = store.find("report/with-phones", REPORT)
    assert 0 < report.statistics["pnmi"] < 1
    assert report.statistics["frames"] == 200
    assert f"{report.statistics['pnmi']:.3f}, over 200 frames" in report.file("index.html").read_text()


def test_tokens_made_by_hand_are_refused(store: Store, tmp_path: Path) -> None:
    def make(draft: Draft) -> None:
        writer = TokensWriter(draft.path)
        writer.write(tokens_schema().empty_table())
        writer.close()

    by_hand = Store(tmp_path).build(Request(kind=TOKENS, name="h", config={}), make).artifact
    result = CliRunner().invoke(app, ["--root", str(store.root), "units", "show", str(by_hand.path)])
    assert isinstance(result.exception, UserError)
    assert "made without lst" in str(result.exception)
