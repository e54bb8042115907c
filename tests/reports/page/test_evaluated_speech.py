"""Synthesised speech on the page: every voice of an utterance side by side, with its ASR transcript."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import shutil
from pathlib import Path

import pytest
import soundfile

from lst_cli.artifacts import Store
from lst_cli.errors import UserError
from lst_cli.evaluation.scores import EVALUATOR, SCORES
from lst_cli.evaluation.speech.speech_results import TRANSCRIPTS
from lst_cli.reports.page.evaluated_speech import read_speech
from lst_cli.reports.page.result_rows import read_rows
from tests.reports.making import RATE, make_corpus, make_model, run
from tests.reports.making_speech import make_evaluated

TEXTS = {f"u{n}": text for n, text in enumerate(("he lost his key", "she baked a pie", "the cat sat"))}


def _decoded(address: str) -> tuple[int, int]:
    """Samples and rate of a ``data:`` address."""
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(address.partition("base64,")[2])))
    return len(samples), rate


def test_all_voices_of_an_utterance_stand_side_by_side(world: Store) -> None:
    scores = [world.find(f"scores/{name}", SCORES) for name in ("tts", "asr", "asr-baseline", "tts-baseline")]
    rows = read_rows(world, scores, transcripts=[world.find("transcripts/again", TRANSCRIPTS)])
    (speech,) = read_speech(world, rows, 2)
    labels = ["original audio", "resynthesised, vocoder/v", "tts-baseline", "tts"]
    assert [row.label for row in speech.rows] == labels and speech.evaluator == "ear"
    assert len(speech.utterances) == 2
    first = speech.utterances[0]
    assert first.text.startswith("had he married") and [take.row.label for take in first.samples] == labels
    assert [take.cer for take in first.samples] == [0.05, 0.2, 0.3, 0.6]
    assert first.samples[1].transcript == f"again heard {first.text}"
    assert [(reading.row.model.label, reading.transcript) for reading in first.hypotheses] == [
        ("asr-baseline", "he lost"),
        ("asr", "he lost"),
    ]
    lengths = {_decoded(take.audio) for take in first.samples}
    assert len(lengths) == 1 and {rate for _, rate in lengths} == {RATE}


def test_the_page_plays_them(world: Store, page: Path) -> None:
    html = (page / "index.html").read_text()
    section = html[html.index('<section id="speech"') : html.index('<section id="paper"')]
    # Three utterances in four voices; the models say nothing for the last one.
    assert section.count("<audio") == 3 * 4 - 2 and section.count("empty output") == 2
    assert len(re.findall(r'src="data:audio/(?:mpeg|flac);base64,', section)) == 3 * 4 - 2
    assert "tts heard had he married" in section and "CER 60.0%" in section
    assert "tts (curriculum 4) against the baseline (tts-baseline): behind on TTS" in html
    rows = [row for row in csv.DictReader((page / "tables.csv").open()) if row["metric"] == "cer"]
    assert [(row["model"], row["task"], row["value"]) for row in rows] == [
        ("original audio", "original", "0.05"),
        ("resynthesised, vocoder/v", "resynthesis", "0.2"),
        ("tts-baseline", "tts", "0.3"),
        ("tts", "tts", "0.6"),
    ]
    table = (page / "tables.md").read_text()
    assert "| resynthesised, vocoder/v | corpus/real | ear | 3 | 20.0% (0.0% to 40.0%) |" in table


def test_chosen_transcripts_alone_make_a_page(world: Store, tmp_path: Path) -> None:
    arguments = ["--transcripts", "transcripts/again", "--name", "heard", "--spoken", "1", "--out", str(tmp_path)]
    printed = json.loads(run(world, *arguments, "--json"))
    assert [(row["label"], row["cer"]) for row in printed["spoken"]] == [
        ("original audio", 0.05),
        ("resynthesised, vocoder/v", 0.2),
    ]
    html = (tmp_path / "index.html").read_text()
    assert html.count("<audio") == 2 and "unit error" not in html and 'id="asr"' not in html
    with pytest.raises(UserError, match="the wrong kind of artifact"):
        run(world, "--transcripts", "scores/tts")


def test_lost_originals_and_recordings_leave_the_rest(tmp_path: Path) -> None:
    store = Store(tmp_path / "root")
    corpus = make_corpus(store, "c", TEXTS)
    floor = make_evaluated(store, "floor", TEXTS, corpus, 5)
    make_evaluated(store, "kept", TEXTS, corpus, 20, original=floor)
    model = make_model(store, "m", "static")
    silent = make_evaluated(store, "silent", TEXTS, corpus, 30, original=floor, model=model, kept=False)
    shutil.rmtree(floor.path.parent)
    rows = read_rows(store, [silent], transcripts=[store.find("transcripts/kept", TRANSCRIPTS)])
    (speech,) = read_speech(store, rows, 9)
    # The error rates of the originals come from the results that were compared with them.
    assert (speech.rows[0].label, speech.rows[0].cer.value) == ("original audio", 0.05)
    assert [[bool(take.audio) for take in said.samples] for said in speech.utterances] == [[True, False]] * 3
    run(store, "--out", str(tmp_path / "out"))
    assert "recording not kept" in (tmp_path / "out" / "index.html").read_text()


def test_what_else_was_measured_is_shown(tmp_path: Path) -> None:
    store = Store(tmp_path / "root")
    corpus = make_corpus(store, "c", TEXTS)
    floor = make_evaluated(store, "floor", TEXTS, corpus, 5)
    heard = {"value": 3.25, "low": 3.0, "high": 3.5, "n": 3}
    opinions = {"overall": heard, "original": {"overall": {**heard, "value": 4.5}}}
    more = {"speaker_similarity": {"value": 0.75, "low": 0.7, "high": 0.8, "n": 3}, "dnsmos_scores": opinions}
    make_evaluated(store, "again", TEXTS, corpus, 20, original=floor, more=more)
    # Nothing could be measured where nothing was said.
    nothing = {"speaker_similarity": None, "dnsmos_scores": {"overall": None, "original": {"overall": None}}}
    model = make_model(store, "m", "static")
    make_evaluated(store, "said", TEXTS, corpus, 30, original=floor, model=model, more=nothing)
    printed = json.loads(run(store, "--out", str(tmp_path / "out"), "--json"))
    assert [(row["similarity"], row["opinion"]) for row in printed["spoken"]][1:] == [(0.75, 3.25), (None, None)]
    html = (tmp_path / "out" / "index.html").read_text()
    assert "DNSMOS</th>" in html and "<td>0.75</td><td>3.25</td>" in html


def test_a_result_that_lacks_an_entry_is_named(tmp_path: Path) -> None:
    store = Store(tmp_path / "root")
    floor = make_evaluated(store, "floor", TEXTS, make_corpus(store, "c", TEXTS), 5)
    path = floor.file("scores.json")
    path.write_text(path.read_text().replace(f'"{EVALUATOR}"', '"jugde"'))
    with pytest.raises(UserError, match=f"the result lacks '{EVALUATOR}'"):
        run(store, "--transcripts", "transcripts/floor")
