"""A trained model in Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy.io import wavfile

import lst_cli
from lst_cli.api import LanguageModel, TextOrSpeech
from lst_cli.artifacts import Store
from lst_cli.errors import UserError
from lst_cli.model.batch import make_batch
from lst_cli.patching.packed import Document, pack_documents
from lst_cli.patching.strategies import FITTED, PatchingConfig
from tests.inference.models import UNITS, baseline_config, latent_config, model_artifact, random_model
from tests.inference.reciting import recited_text, reciting_artifact, taught_artifact


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifacts")
    store = Store(folder)
    for name, config in (("lst", latent_config()), ("baseline", baseline_config())):
        model_artifact(store, name, config, random_model(config))
    for seed, strategy in enumerate(FITTED, 1):
        config = latent_config()
        model_artifact(store, strategy, config, random_model(config, seed), PatchingConfig(strategy=strategy))
    reciting_artifact(store)
    return folder


@pytest.fixture(params=["lst", "baseline", *FITTED])
def model(request: pytest.FixtureRequest, root: Path) -> LanguageModel:
    return lst_cli.load(f"model/{request.param}", root=root, device="cpu")


SPEECH = np.arange(9, dtype=np.uint16) % UNITS


def test_parameters_are_those_of_the_saved_weights(model: LanguageModel) -> None:
    saved = load_file(model.artifact.file("model.safetensors"))
    assert model.parameters() == sum(value.numel() for value in saved.values())


@pytest.mark.parametrize("prompt", ["the cat sat", SPEECH], ids=["text", "speech"])
@pytest.mark.parametrize("ending", ["on a mat", SPEECH[:4]], ids=["text", "speech"])
def test_scores_are_those_of_the_whole_document(
    model: LanguageModel, prompt: TextOrSpeech, ending: TextOrSpeech
) -> None:
    other: TextOrSpeech = "a tree" if isinstance(ending, str) else SPEECH[::-1]
    ending_T = model._encode(ending)
    tokens_T = np.concatenate([model._open(prompt, "text" if isinstance(ending, str) else "speech"), ending_T])
    card = model.loaded.card
    packed = pack_documents([Document(tokens=tokens_T)], card.vocabulary, card.patcher, card.cut)
    with torch.no_grad():
        batch = make_batch(packed, card.architecture, card.vocabulary, model.loaded.device)
        log_p_TV = model.loaded.model.logits(batch).log_softmax(-1)[-len(ending_T) - 1 : -1]
    expected_T = log_p_TV.gather(1, torch.from_numpy(ending_T.astype(np.int64))[:, None])
    assert model.score(prompt, [ending, other])[0] == pytest.approx(float(expected_T.sum()), abs=1e-3)


def test_logits_predict_the_next_token(model: LanguageModel) -> None:
    logits_TV = model.logits("the cat sat", SPEECH)
    tokens_T = np.concatenate([model._segment("the cat sat"), model._segment(SPEECH)])
    assert logits_TV.shape == (len(tokens_T), model.loaded.card.vocabulary.size)
    log_p_TV = torch.from_numpy(logits_TV).log_softmax(-1).numpy()
    spoken = range(len(tokens_T) - len(SPEECH) - 1, len(tokens_T) - 1)
    expected = sum(float(log_p_TV[row, tokens_T[row + 1]]) for row in spoken)
    assert model.score("the cat sat", [SPEECH])[0] == pytest.approx(expected, abs=1e-3)


def test_endings_of_both_modalities_keep_their_order(model: LanguageModel) -> None:
    mixed = model.score("the cat", ["sat", SPEECH, "ran"])
    assert mixed[0] == model.score("the cat", ["sat", "ran"])[0]
    assert mixed[1] == model.score("the cat", [SPEECH])[0]


def test_generating_in_both_modalities(root: Path) -> None:
    model = lst_cli.load("model/reciting", root=root, device="cpu")
    units = model.generate(SPEECH[:1])
    assert isinstance(units, np.ndarray)
    assert units.tolist() == list(range(1, 10))
    text = model.generate(SPEECH[:1], "text")
    assert isinstance(text, str)
    assert text.strip() == recited_text()


def test_an_audio_file_becomes_tokens_and_a_transcript(root: Path, tmp_path: Path) -> None:
    taught_artifact(Store(root), "asr")
    model = lst_cli.load("model/taught", root=root, device="cpu")
    path = tmp_path / "a.wav"
    wavfile.write(path, 16_000, (np.sin(np.arange(16_000) / 9) * 9_000).astype(np.int16))
    tokens = model.tokens(path)
    assert (tokens.dtype, len(tokens)) == (np.uint16, 25)
    assert model.transcribe(path) == model.transcribe(tokens) == recited_text()
    with pytest.raises(UserError, match="can't speak"):
        model.speak("the cat")


def test_speech_without_a_vocoder_is_speech_tokens(root: Path) -> None:
    taught_artifact(Store(root), "tts")
    assert lst_cli.load("model/taught", root=root, device="cpu").speak("the cat").tolist() == list(range(10))


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        lst_cli.load("model/nothing", root=tmp_path)


@pytest.mark.parametrize("units", [[UNITS], [-1], [0.5], [[1, 2]]])
def test_speech_of_another_quantizer_is_refused(model: LanguageModel, units: list[int]) -> None:
    for call in (lambda: model.score(units, ["a"]), lambda: model.logits("a", units), lambda: model.generate(units)):
        with pytest.raises(UserError, match=f"integers from 0 to {UNITS - 1}"):
            call()


def test_lists_of_speech_tokens_are_speech(model: LanguageModel) -> None:
    assert model.score(SPEECH.tolist(), ["a", [1, 2]]) == model.score(SPEECH, ["a", np.array([1, 2])])
    assert np.array_equal(model.logits([]), model.logits(SPEECH[:0]))


def test_an_exported_folder_is_imported_first(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'lst import' makes one"):
        lst_cli.load(tmp_path)
