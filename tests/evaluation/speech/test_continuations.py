"""``lst eval continuation``: generative perplexity, with an ASR evaluator that answers by rule."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from typer.testing import CliRunner

from lst_cli.artifacts import Store
from lst_cli.artifacts.parquet import read_parquet
from lst_cli.errors import UserError
from lst_cli.evaluation.scores import ITEMS_FILE
from lst_cli.evaluation.speech import continuations
from lst_cli.evaluation.speech.asr_evaluator import EvaluatorFiles
from lst_cli.evaluation.speech.continuations import TranscribedSpeech, choose_prompts, summarise
from lst_cli.evaluation.speech.text_lm import TextLm, find_text_lm
from lst_cli.main import app
from tests.inference.models import latent_config, model_artifact, quantizer_artifact, random_model, tokens_artifact
from tests.inference.test_speech_generation import vocoder_artifact

SAID = ["the cat sat on the mat", "a dog ran", "", "birds sang and birds sang"]


def language_model(folder: Path, *, bos: bool = False) -> Path:
    """A tiny random GPT-2 over bytes; its tokenizer puts a token before the text where ``bos``."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({"<bos>": 0, **{each: n + 1 for n, each in enumerate(alphabet)}}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 0)])
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<bos>").save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 64}
    GPT2LMHeadModel(GPT2Config(vocab_size=1 + len(alphabet), **sizes)).save_pretrained(folder)
    return folder


class RuleEvaluator:
    """Transcribes clips by their number."""

    clips: ClassVar[list[int]] = []

    def __init__(self, files: EvaluatorFiles) -> None:
        assert files.folder.is_dir()

    def transcribe(self, wave_T: NDArray[np.float32]) -> str:
        RuleEvaluator.clips.append(len(wave_T))
        return SAID[(len(RuleEvaluator.clips) - 1) % len(SAID)]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    store = Store(tmp_path / "root")
    model_artifact(store, "lst", latent_config(), random_model(latent_config()))
    vocoder_artifact(store)
    units = {f"u{n}": [(n + k) % 12 for k in range(20)] for n in range(4)} | {"short": [1] * 15}
    tokens_artifact(store, "held", units, quantizer_artifact(store))
    (tmp_path / "whisper").mkdir()
    (tmp_path / "whisper" / "model.bin").write_bytes(b"weights")
    language_model(tmp_path / "gpt")
    monkeypatch.setattr(continuations, "AsrEvaluator", RuleEvaluator)
    RuleEvaluator.clips.clear()
    yield store.root


def run(root: Path, *more: str) -> Any:
    known = ["--tokens", "tokens/held", "--vocoder", "vocoder/v", "--lm", str(root.parent / "gpt")]
    lengths = ["--evaluator", str(root.parent / "whisper"), "--prompt-seconds", "0.32", "--seconds", "0.4"]
    command = ["--root", str(root), "eval", "continuation", "model/lst", *known, *lengths, *more, "--json"]
    result = CliRunner().invoke(app, command)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_text_is_scored_as_transformers_scores_it(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    for bos in (False, True):
        folder = language_model(tmp_path / f"bos-{bos}", bos=bos)
        nll, tokens = TextLm(find_text_lm(str(folder)), "cpu").score("the cat sat")
        ids = AutoTokenizer.from_pretrained(folder)("the cat sat", return_tensors="pt").input_ids
        loss = AutoModelForCausalLM.from_pretrained(folder)(ids, labels=ids).loss
        assert tokens == ids.shape[1] - 1 == 10 + bos
        assert nll / tokens == pytest.approx(float(loss), rel=1e-6)
        assert TextLm(find_text_lm(str(folder)), "cpu").score("a") != (0.0, 0) or not bos


def test_perplexity_is_over_utterances_that_have_text() -> None:
    said = [
        TranscribedSpeech(transcript="a a a", nll=6.0, tokens=3, seconds=1.0),
        TranscribedSpeech(transcript="b c", nll=4.0, tokens=1, seconds=1.0),
        TranscribedSpeech(transcript="", nll=0.0, tokens=0, seconds=0.5),
    ]
    found = summarise(said)
    assert found["perplexity"]["value"] == pytest.approx(math.exp((2 + 4) / 2))
    assert found["perplexity_of_tokens"] == pytest.approx(math.exp(10 / 4))
    assert found["auto_bleu"]["value"] == 0.5 and found["auto_bleu_2"]["value"] == 0.5
    assert (found["without_text"], found["lm_tokens"], found["words"], found["audio_s"]) == (1, 4, 5, 2.5)
    silent = summarise(said[2:])
    assert silent["perplexity"] is None and silent["auto_bleu"] is None and silent["without_text"] == 1


def test_continuations_are_scored_beside_the_recordings_own(root: Path) -> None:
    result = run(root)
    assert result["n"] == 4 and result["too_short"] == 1
    rows = read_parquet(Store(root).find_any(result["scores"]).file(ITEMS_FILE)).to_pylist()
    assert [row["id"] for row in rows] == ["u0", "u1", "u2", "u3"]
    # 0.4 s of every recording; the model may say less.
    assert all(len(row["units"]) <= 10 for row in rows) and RuleEvaluator.clips[-4:] == [6400] * 4
    for prefix, found in (("", result), ("original_", result["original"])):
        scored = [row for row in rows if row[f"{prefix}lm_tokens"]]
        mean = sum(row[f"{prefix}nll"] / row[f"{prefix}lm_tokens"] for row in scored) / len(scored)
        assert found["perplexity"]["value"] == pytest.approx(math.exp(mean))
        assert found["without_text"] == sum(not row[f"{prefix}transcript"] for row in rows) == 4 - len(scored) > 0


def test_draws_do_not_depend_on_the_other_utterances(root: Path) -> None:
    def units(*more: str) -> dict[str, list[int]]:
        rows = read_parquet(Store(root).find_any(run(root, *more)["scores"]).file(ITEMS_FILE)).to_pylist()
        return {row["id"]: row["units"] for row in rows}

    every, some = units("--rows", "3"), units("--utterances", "2", "--rows", "1")
    assert len(some) == 2 and all(every[name] == each for name, each in some.items())
    with_prompt = units("--with-prompt")
    assert all(with_prompt[name][8:] == each for name, each in every.items())


def test_utterances_are_twice_as_long_as_the_prompt() -> None:
    units = {f"u{n}": np.zeros(n, np.uint16) for n in range(20)}
    assert choose_prompts(units, 8, 0, "tokens/t") == ["u16", "u17", "u18", "u19"]
    assert len(choose_prompts(units, 2, 5, "tokens/t")) == 5
    with pytest.raises(UserError, match="no utterance is long enough"):
        choose_prompts(units, 10, 0, "tokens/t")


def test_a_language_model_that_is_none(tmp_path: Path) -> None:
    folder = language_model(tmp_path / "gpt")
    with pytest.raises(UserError, match="longer than the model's context"):
        TextLm(find_text_lm(str(folder)), "cpu").score("a" * 65)
    for path in folder.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(UserError, match="no tokenizer"):
        find_text_lm(str(folder))
    with pytest.raises(UserError, match="no such folder"):
        find_text_lm(str(tmp_path / "nothing"))
