"""``lst eval asr`` with a model that hears the same words in everything."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lst_cli.artifacts import Request, Store
from lst_cli.artifacts.parquet import read_parquet
from lst_cli.audio.corpus_artifact import CORPUS, write_utterances
from lst_cli.distributed.launcher import ALONE
from lst_cli.distributed.shared_work import SharedParts
from lst_cli.errors import UserError
from lst_cli.evaluation.scores import SCORES
from lst_cli.evaluation.speech import asr
from lst_cli.evaluation.speech.asr import SharedTranscription, summarise
from lst_cli.inference.transcription import asr_prompt
from lst_cli.main import app
from lst_cli.model.decode.decoding import DecodingState
from lst_cli.model_artifact.card import load_model
from tests.distributed.children import run_ranks
from tests.inference.models import latent_config, model_artifact, quantizer_artifact, random_model, tokens_artifact
from tests.inference.reciting import recited_text, reciting_artifact, taught_artifact

COMMAND = ["eval", "asr", "model/reciting", "--tokens", "tokens/t", "--corpus", "corpus/c"]


def make_corpus(store: Store, texts: dict[str, str | None]) -> None:
    rows = [
        {
            "id": name,
            "path": "audio.flac",
            "offset": 0,
            "samples": 16_000,
            "sample_rate": 16_000,
            "speaker": None,
            "source": "test",
            "text": text,
        }
        for name, text in texts.items()
    ]
    store.build(
        Request(kind=CORPUS, name="c", config={"texts": texts}), lambda draft: write_utterances(draft.path, rows)
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    store = Store(tmp_path)
    reciting_artifact(store)
    tokens_artifact(
        store, "t", {name: [1] * 40 for name in ("same", "less", "more", "extra")}, quantizer_artifact(store)
    )
    return tmp_path


def run(root: Path, *arguments: str) -> str:
    result = CliRunner().invoke(app, ["--root", str(root), *COMMAND, *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_counts(root: Path) -> None:
    words = recited_text().split()
    texts = {
        "same": recited_text().upper() + "!",
        "less": " ".join(words[:-2]),
        "more": " ".join(["new", *words[1:], "word"]),
    }
    make_corpus(Store(root), texts)
    data = json.loads(run(root, "--json"))
    n = len(words)
    assert data["words"] == {"substitutions": 1, "deletions": 1, "insertions": 2}
    assert data["n_words"] == n + (n - 2) + (n + 1) and data["n"] == 3
    assert data["wer"] == pytest.approx(4 / data["n_words"]) and data["low"] <= data["wer"] <= data["high"]
    assert [each["id"] for each in data["worst"]] == ["less", "more"]
    assert data["speech_tokens"] == 120 and data["context_positions"] == 126 and data["not_ended"] == 0
    scores = Store(root).find("scores/reciting-asr", SCORES)
    table = read_parquet(scores.file("items.parquet"))
    assert table["id"].to_pylist() == ["same", "less", "more"]
    assert data["context_ratio"] == 1
    shown = run(root, "--worst", "1")
    assert "WER" in shown and "less" in shown and "more" not in shown


@pytest.mark.parametrize("units", [1, 4, 7, 40])
def test_context_positions_are_those_that_decoding_computes(tmp_path: Path, units: int) -> None:
    config = latent_config()
    loaded = load_model(model_artifact(Store(tmp_path), "lst", config, random_model(config)))
    spoken = np.arange(units) % 12
    parts = SharedParts(ALONE, tmp_path / "parts")
    work = SharedTranscription(loaded, {"u": spoken}, {"u": "the cat"}, parts, rows=1, beams=1)
    work.run()
    ((recognised,), _) = work.recognised()
    state = DecodingState(loaded.model, loaded.card.vocabulary, loaded.card.rule, 1)
    state.feed(np.arange(1), [asr_prompt(loaded.speech, spoken).tokens])
    assert recognised.context == state.global_positions == 2 + -(-units // 4)
    assert summarise([recognised])["context_ratio"] == pytest.approx(recognised.context / (units + 2))


def test_missing_tokens_and_empty_references_are_rejects(root: Path) -> None:
    make_corpus(Store(root), {"same": recited_text(), "gone": "a cat", "less": "...", "more": None})
    with pytest.raises(UserError) as caught:
        run(root)
    for part in ("3 of 4", "gone: no speech tokens", "less: no words", "more: no words"):
        assert part in str(caught.value)
    run(root, "--max-reject-rate", "0.8")
    scores = Store(root).find("scores/reciting-asr", SCORES)
    assert read_parquet(scores.file("rejects.parquet"))["id"].to_pylist() == ["gone", "less", "more"]


@pytest.mark.parametrize(("task", "found"), [("tts", "fine-tuned for tts"), ("pretrain", "pretrained only")])
def test_a_model_that_does_not_transcribe_is_not_scored(root: Path, task: str, found: str) -> None:
    make_corpus(Store(root), {"same": recited_text()})
    taught_artifact(Store(root), task)
    arguments = ["--root", str(root), "eval", "asr", "model/taught", "--tokens", "tokens/t", "--corpus", "corpus/c"]
    with pytest.raises(UserError, match="can't transcribe") as caught:
        app(arguments, standalone_mode=False)
    assert caught.value.exit_code == 2 and found in str(caught.value)
    assert not list((root / "scores").glob("*"))


def test_any_number_of_ranks_makes_the_same_bytes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asr, "_LEAST_TOKENS", 1)
    store = Store(root)
    names = [f"u{number}" for number in range(12)]
    make_corpus(store, {name: recited_text() for name in names})
    units = {name: [1 + number % 5] * (10 + 7 * number % 31) for number, name in enumerate(names)}
    tokens_artifact(store, "t", units, quantizer_artifact(store))
    found = []
    for world in (1, 2):
        run_ranks(world, lambda world=world: run(root, "--name", f"by-{world}", "--beams", "2") and None)  # type: ignore[misc]
        scores = store.find(f"scores/by-{world}", SCORES)
        found.append({file.path: file.sha256 for file in scores.files})
    assert found[1] == found[0]


def test_a_kill_costs_only_the_open_unit(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asr, "_LEAST_TOKENS", 1)
    make_corpus(Store(root), {name: recited_text() for name in ("same", "less", "more", "extra")})
    transcribe, started = asr.transcribe_units, []

    def interrupted(*arguments: object, **options: object) -> object:
        started.append(arguments)
        if len(started) == 3:
            raise RuntimeError("killed")
        return transcribe(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(asr, "transcribe_units", interrupted)
    with pytest.raises(RuntimeError, match="killed"):
        app(["--root", str(root), *COMMAND], standalone_mode=False)
    run(root)
    assert len(started) == 5
