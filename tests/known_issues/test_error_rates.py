"""Error rates of transcripts: other scripts than Latin, markers, and silence."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lst_cli.artifacts import Store
from lst_cli.errors import UserError
from lst_cli.evaluation.error_rates import NORMALISER, Errors, count_errors, normalise
from tests.evaluation.speech.test_asr import make_corpus, run
from tests.inference.models import quantizer_artifact, tokens_artifact
from tests.inference.reciting import recited_text, reciting_artifact


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("मैं किताब पढ़ता हूँ।", 4),
        ("নমস্কার বন্ধু", 2),
        ("தமிழ் மொழி", 2),
        ("ผู้ใหญ่บ้าน น้ำ", 2),
        ("می‌خواهم بروم", 2),
        ("שָׁלוֹם עולם", 2),
        ("q̃ a\u0301", 2),
    ],
)
def test_vowel_and_tone_marks_were_dropped_or_split_their_word(text: str, words: int) -> None:
    plain = normalise(text)
    assert len(plain.split()) == words
    marks = [char for char in unicodedata.normalize("NFKC", text) if unicodedata.category(char) in ("Mn", "Mc")]
    assert [char for char in plain if unicodedata.category(char) in ("Mn", "Mc")] == marks


def test_words_that_differ_in_a_tone_mark_were_the_same() -> None:
    assert count_errors(normalise("ใกล้"), normalise("ใกล"), "words") == Errors(1, 1, 0, 0)


def test_old_scores_are_told_apart() -> None:
    assert NORMALISER != "lst-1"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("[noise] the <unk> cat {LG}", "the cat"),
        ("İstanbul", "istanbul"),
        ("\u0301 ❤\ufe0f a", "a"),
        ("\ufeffso\u00adft zero\u200bspace", "soft zero space"),
        ("rock 'n' roll, don’t", "rock n roll don't"),
    ],
)
def test_markers_and_stray_marks_are_not_words(text: str, plain: str) -> None:
    assert normalise(text) == plain


@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("a'i\u0307\u0301\u200d\u093c[ ]<"))))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    store = Store(tmp_path)
    reciting_artifact(store)
    tokens_artifact(store, "t", {name: [1] * 50 for name in ("speech", "silence", "none")}, quantizer_artifact(store))
    return tmp_path


def test_text_invented_on_silence_could_not_be_scored(root: Path) -> None:
    make_corpus(Store(root), {"speech": recited_text(), "silence": "[silence]", "none": None})
    n = len(recited_text().split())
    data = json.loads(run(root, "--count-empty", "--max-reject-rate", "0.5", "--json"))
    assert data["n"] == 2 and data["words"] == {"substitutions": 0, "deletions": 0, "insertions": n}
    assert data["wer"] == pytest.approx(1.0)
    assert data["empty"] == {"n": 1, "with_text": 1, "inserted_words": n, "audio_s": 2.0}
    without = json.loads(run(root, "--max-reject-rate", "0.7", "--json"))
    assert without["wer"] == 0 and without["empty"]["n"] == 0


def test_silence_alone_has_no_error_rate(root: Path) -> None:
    make_corpus(Store(root), {"silence": "..."})
    with pytest.raises(UserError, match="no transcripts with words"):
        run(root, "--count-empty")
