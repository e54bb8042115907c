"""``lst eval tts`` and ``lst eval vocoder``, with an evaluator that transcribes by rule."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from typer.testing import CliRunner

from lst_cli.artifacts import Artifact, Kind, Request, Store
from lst_cli.artifacts.parquet import read_parquet
from lst_cli.audio.corpus_artifact import CORPUS, write_utterances
from lst_cli.errors import UserError
from lst_cli.evaluation.scores import ITEMS_FILE
from lst_cli.evaluation.speech import asr_evaluator, speech_evaluation
from lst_cli.evaluation.speech.speech_evaluation import EXAMPLES, example_ids
from lst_cli.main import app
from tests.inference.models import quantizer_artifact, tokens_artifact
from tests.inference.reciting import reciting_artifact
from tests.inference.test_speech_generation import vocoder_artifact

TOKENS = ["--tokens", "tokens/held"]
TEXTS = ["the cat sat", "a dog ran to a tree", "birds sang in the sun"]


class RuleEvaluator:
    """Transcribes the original audio, half a second long, as its text, and all other audio as "the cat"."""

    clips = 0

    def __init__(self, files: asr_evaluator.EvaluatorFiles, device: str = "cpu") -> None:
        assert files.folder.is_dir()

    def transcribe(self, wave_T: NDArray[np.float32]) -> str:
        RuleEvaluator.clips += 1
        return TEXTS[round(float(wave_T[0]) * 10)] if len(wave_T) == 8000 else "The cat!"


def _corpus(store: Store, texts: list[str]) -> Artifact:
    folder = store.root.parent / "audio"
    folder.mkdir(exist_ok=True)
    rows = []
    for number, text in enumerate(texts):
        path = folder / f"{number}.wav"
        soundfile.write(path, np.full(8000, number / 10), 16_000, "FLOAT")
        place = {"path": str(path), "offset": 0, "samples": 8000, "sample_rate": 16_000}
        rows.append({"id": f"u{number}", **place, "speaker": None, "source": "s", "text": text})
    request = Request(kind=CORPUS, name="held", config={"texts": texts})
    return store.build(request, lambda draft: write_utterances(draft.path, rows)).artifact


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    store = Store(tmp_path / "root")
    reciting_artifact(store)
    vocoder_artifact(store)
    corpus = _corpus(store, TEXTS)
    units = {f"u{number}": [1, 2, 3, 4] for number in range(len(TEXTS))}
    tokens_artifact(store, "held", units, quantizer_artifact(store), corpus)
    (tmp_path / "whisper").mkdir()
    (tmp_path / "whisper" / "model.bin").write_bytes(b"weights")
    monkeypatch.setattr(speech_evaluation, "AsrEvaluator", RuleEvaluator)
    RuleEvaluator.clips = 0
    yield store.root


def run(root: Path, *arguments: str) -> str:
    result = CliRunner().invoke(app, ["--root", str(root), "eval", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def _tts(root: Path, *more: str) -> list[str]:
    evaluator = ["--evaluator", str(root.parent / "whisper")]
    return ["tts", "model/reciting", "--corpus", "corpus/held", "--vocoder", "vocoder/v", *evaluator, *more]


def test_tts_is_evaluated_next_to_the_original(root: Path) -> None:
    result = json.loads(run(root, *_tts(root, "--json")))
    assert result["original"]["character_errors"]["value"] == 0
    # "the cat sat" → "the cat": 4 of 11; the others by hand.
    rows = read_parquet(Store(root).find_any(result["scores"]).file(ITEMS_FILE)).to_pylist()
    assert rows[0]["character_errors"] == 4 and rows[0]["transcript"] == "The cat!"
    total = sum(row["character_errors"] for row in rows) / sum(row["characters"] for row in rows)
    assert result["character_errors"]["value"] == pytest.approx(total)
    assert result["character_errors"]["low"] <= total <= result["character_errors"]["high"]
    # A baseline: every token is a position; the end closes the speech and is not read.
    assert result["speech_tokens"] == 30 and result["generation_positions"] == 30
    assert result["context_positions"] == result["text_pieces"] + 2 * 3
    assert 0 <= result["unit_error_rate"] <= 1 and result["not_ended"] == 0
    folder = Store(root).find_any(result["scores"]).path
    for file in result["audio"].values():
        assert len(soundfile.read(folder / file)[0]) == 6400
    assert result["worst"][0]["errors"] > 0


def test_sentences_may_be_asked_for_one_by_one(root: Path) -> None:
    _corpus(Store(root), ["the cat sat. birds sang. a dog ran.", *TEXTS[1:]])
    result = json.loads(run(root, *_tts(root, "--by", "sentence", "--json")))
    # Ten units for each of five sentences; two markers around each.
    assert result["n"] == 3 and result["speech_tokens"] == 50
    assert result["context_positions"] == result["text_pieces"] + 2 * 5


def test_the_original_audio_is_transcribed_once(root: Path) -> None:
    run(root, *_tts(root))
    assert RuleEvaluator.clips == 6
    run(root, *_tts(root, "--temperature", "1"))
    assert RuleEvaluator.clips == 9
    run(root, *_tts(root))
    assert RuleEvaluator.clips == 9  # up to date


def test_a_vocoder_is_evaluated_on_speech_tokens_of_the_originals(root: Path) -> None:
    evaluator = ["--evaluator", str(root.parent / "whisper")]
    arguments = ["vocoder", "vocoder/v", "--corpus", "corpus/held", "--tokens", "tokens/held", *evaluator]
    result = json.loads(run(root, *arguments, "--json"))
    assert result["original"]["word_errors"]["value"] == 0 < result["word_errors"]["value"]
    assert result["audio_s"] == pytest.approx(3 * 4 * 0.04)
    assert set(result["audio"]) == {"u0", "u1", "u2"}
    assert "original audio" in run(root, *arguments)


@pytest.mark.parametrize("task", ["tts", "vocoder"])
def test_a_vocoder_of_other_units_is_refused_before_anything_is_heard(root: Path, task: str) -> None:
    store = Store(root)
    stranger = store.build(Request(kind=Kind("quantizer", 1), name="stranger", config={}), lambda draft: None).artifact
    vocoder_artifact(store, "strange", stranger)
    what = {"tts": ["model/reciting", "--vocoder", "vocoder/strange"], "vocoder": ["vocoder/strange", *TOKENS]}[task]
    with pytest.raises(UserError, match="not a vocoder for the quantizer"):
        run(root, task, *what, "--corpus", "corpus/held", "--evaluator", str(root.parent / "whisper"))
    assert RuleEvaluator.clips == 0


def test_texts_that_the_model_cannot_read_are_rejects(root: Path) -> None:
    store = Store(root)
    _corpus(store, [*TEXTS[:2], "мир 🐈"])
    with pytest.raises(UserError, match="1 of 3 inputs were rejected"):
        run(root, *_tts(root))
    result = json.loads(run(root, *_tts(root, "--max-reject-rate", "0.4", "--json")))
    assert result["n"] == 2 and store.find_any(result["scores"]).statistics["rejected"] == 1


def test_an_evaluator_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="no Whisper model"):
        asr_evaluator.find_evaluator(str(tmp_path), "en")
    pytest.importorskip("faster_whisper")
    with pytest.raises(UserError, match="no such Whisper model here"):
        asr_evaluator.find_evaluator("no-such-model", "en")
    monkeypatch.setattr(asr_evaluator, "packaged_whisper", lambda: None)
    monkeypatch.setattr("faster_whisper.utils.download_model", _missing)
    with pytest.raises(UserError, match=r"tiny\.en"):
        asr_evaluator.find_evaluator("tiny.en", "en")


def _missing(*args: object, **named: object) -> str:
    raise ValueError("not downloaded")


def test_examples_are_drawn_not_chosen() -> None:
    ids = [f"u{number}" for number in range(50)]
    kept = example_ids(ids)
    assert len(kept) == EXAMPLES and kept == [name for name in ids if name in kept] != ids[:EXAMPLES]
    assert example_ids(ids[::-1]) == kept[::-1]
