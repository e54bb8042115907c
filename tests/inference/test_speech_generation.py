"""``lst speak`` and ``lst continue`` to audio, with a model that counts units and a vocoder of random weights."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from typer.testing import CliRunner

from lst_cli.artifacts import Artifact, Kind, Request, Store
from lst_cli.errors import UserError
from lst_cli.inference.speech_generation import sentences, speak_texts, speakable, tts_prompt, unspeakable
from lst_cli.inference.speech_stream import voice_live
from lst_cli.main import app
from lst_cli.model.model_config import ModelConfig
from lst_cli.model_artifact.card import load_model
from lst_cli.text.tokenizer import TextTokenizer
from lst_cli.vocoder.files import VOCODER, Card, save_vocoder
from lst_cli.vocoder.mel.unit_to_mel import new_network
from lst_cli.vocoder.vocoder_config import SpectrumConfig, VocoderNetworkConfig
from tests.inference.models import (
    UNITS,
    baseline_config,
    latent_config,
    model_artifact,
    quantizer_artifact,
    random_model,
    tokenizer_bytes,
)
from tests.inference.reciting import reciting_artifact, taught_artifact


def vocoder_artifact(store: Store, name: str = "v", quantizer: Artifact | None = None) -> Artifact:
    """A vocoder of random weights, for the units of the test models."""
    quantizer = quantizer or quantizer_artifact(store)
    spectrum, network = SpectrumConfig(iterations=2), VocoderNetworkConfig(width=16, blocks=1, fine_blocks=0)
    card = Card(
        quantizer={"reference": quantizer.reference, "fingerprint": quantizer.fingerprint},
        units=UNITS,
        speakers=["ann", "bob"],
        spectrum=spectrum,
        network=network,
    )
    made = new_network(network, 0, units=UNITS, speakers=2, bands=spectrum.bands, frames_per_unit=4)
    request = Request(kind=VOCODER, name=name, config={"q": quantizer.fingerprint})
    return store.build(request, lambda draft: save_vocoder(draft.path, made, card)).artifact


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    reciting_artifact(Store(root))
    vocoder_artifact(Store(root))
    return root


def run(root: Path, *arguments: str, stdin: str | None = None) -> str:
    result = CliRunner().invoke(app, ["--root", str(root), *arguments], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def speak(root: Path, *arguments: str, stdin: str | None = None) -> str:
    return run(root, "speak", "model/reciting", *arguments, "--vocoder", "vocoder/v", stdin=stdin)


def test_a_text_becomes_a_wav_file(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "a" / "said.wav"
    told = json.loads(speak(root, "the cat sat", "--output", str(out), "--json"))
    wave, rate = soundfile.read(out)
    assert (len(wave), rate) == (10 * 640, 16_000)
    assert told["texts"][0]["units"] == list(range(10)) and told["texts"][0]["ended"]
    assert told["audio_s"] == pytest.approx(0.4) and told["real_time_factor"] > 0


def test_lines_of_a_file_and_of_standard_input_follow_one_another(root: Path, tmp_path: Path) -> None:
    out, other = tmp_path / "file.wav", tmp_path / "stdin.wav"
    text = "the cat\n\na dog ran.\nbirds sang\n"
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    speak(root, "--file", str(tmp_path / "a.txt"), "--output", str(out), "--rows", "2")
    speak(root, "--file", "-", "--output", str(other), stdin=text)
    assert len(soundfile.read(out)[0]) == 3 * 10 * 640
    assert out.read_bytes() == other.read_bytes()


def test_sentences_may_be_spoken_one_by_one(root: Path, tmp_path: Path) -> None:
    assert sentences('He ran. "Did he?" Yes, 3.5 miles! ') == ["He ran.", '"Did he?"', "Yes, 3.5 miles!"]
    out = tmp_path / "a.wav"
    speak(root, "the cat sat. a dog ran.", "--by", "sentence", "--output", str(out))
    assert len(soundfile.read(out)[0]) == 2 * 10 * 640


def test_raw_samples_on_standard_output(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.wav"
    speak(root, "the cat", "--output", str(out))
    arguments = ["--root", str(root), "speak", "model/reciting", "the cat", "--vocoder", "vocoder/v", "--output", "-"]
    raw = CliRunner().invoke(app, arguments).stdout_bytes
    heard = np.frombuffer(raw, "<i2")[:6400].astype(int)
    assert np.abs(heard - soundfile.read(out, dtype="int16")[0]).max() <= 4


class OneByOne:
    """A vocoder's stream that says each unit at once, and two samples of silence at the end."""

    def add(self, units_U: NDArray[np.integer]) -> NDArray[np.float32]:
        return units_U.astype(np.float32)

    def end(self) -> NDArray[np.float32]:
        return np.zeros(2, np.float32)


def test_audio_comes_while_a_text_is_being_spoken(root: Path) -> None:
    vocoder = SimpleNamespace(stream=lambda speaker: OneByOne())
    loaded = load_model(reciting_artifact(Store(root)))
    pieces: list[list[float]] = []

    def write(piece_T: NDArray[np.float32]) -> None:
        pieces.append(piece_T.tolist())

    live = voice_live(loaded, vocoder, ["the cat", "birds"], None, write)  # type: ignore[arg-type]
    first = next(live)
    assert pieces == [*([float(unit)] for unit in range(10)), [0, 0]]
    assert first.wave_T.tolist() == [*range(10), 0, 0] and first.said.units.tolist() == list(range(10))
    assert [each.text for each in live] == ["birds"] and len(pieces) == 22


def test_texts_on_standard_output_may_be_spoken_side_by_side(root: Path) -> None:
    arguments = ["--root", str(root), "speak", "model/reciting", "the cat. birds.", "--by", "sentence"]
    arguments += ["--vocoder", "vocoder/v", "--output", "-"]
    live, grouped = (CliRunner().invoke(app, [*arguments, *more]).stdout_bytes for more in ([], ["--rows", "2"]))
    waves = [np.frombuffer(raw, "<i2")[: 20 * 640].astype(int) for raw in (live, grouped)]
    assert len(waves[0]) == 20 * 640 and np.abs(waves[0] - waves[1]).max() <= 4


def test_voices_differ(root: Path, tmp_path: Path) -> None:
    for name in ("ann", "bob"):
        speak(root, "the cat", "--output", str(tmp_path / f"{name}.wav"), "--speaker", name)
    assert (tmp_path / "ann.wav").read_bytes() != (tmp_path / "bob.wav").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["", "--output", "o.wav"], "nothing to speak"),
        (["   ", "--output", "o.wav"], "nothing to speak"),
        (["... !", "--output", "o.wav"], "nothing to speak"),
        (["the cat 🐈", "--output", "o.wav"], r"U\+1F408"),
        (["мир", "--output", "o.wav"], "characters that the tokenizer lacks"),
        (["🐈", "--drop-unknown", "--output", "o.wav"], "nothing to speak"),
        (["--output", "o.wav"], "either TEXT or --file"),
        (["the", "--file", "x", "--output", "o.wav"], "either TEXT or --file"),
        (["--file", "no/such.txt", "--output", "o.wav"], "can't be read"),
        (["the cat", "--output", "o.wav", "--speaker", "eve"], "no such voice"),
        (["the cat", "--output", "-", "--json"], "standard output"),
    ],
)
def test_bad_input_is_named_and_leaves_no_file(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        speak(root, *arguments)
    assert not list(tmp_path.iterdir())


def test_unknown_characters_may_be_left_out(root: Path, tmp_path: Path) -> None:
    speak(root, "the cat 🐈", "--drop-unknown", "--output", str(tmp_path / "a.wav"))
    tokenizer = TextTokenizer(tokenizer_bytes())
    assert unspeakable(tokenizer, "the 🐈 мир") == ["🐈", "м", "и", "р"]
    assert speakable(tokenizer, " the🐈cat\n sat ", drop=True) == "the cat sat"


def test_a_model_that_was_taught_something_else_does_not_speak(root: Path, tmp_path: Path) -> None:
    arguments = ["speak", "model/taught", "the cat", "--vocoder", "vocoder/v", "--output", str(tmp_path / "a.wav")]
    for task, found in [("asr", "fine-tuned for asr"), ("pretrain", "pretrained only")]:
        taught_artifact(Store(root), task)
        with pytest.raises(UserError, match="can't speak") as caught:
            run(root, *arguments)
        assert found in str(caught.value)
    taught_artifact(Store(root), "asr,tts")
    run(root, *arguments)


def test_a_vocoder_of_other_units_is_refused(root: Path, tmp_path: Path) -> None:
    store = Store(root)
    stranger = store.build(Request(kind=Kind("quantizer", 1), name="stranger", config={}), lambda draft: None).artifact
    vocoder_artifact(store, "strange", stranger)
    with pytest.raises(UserError, match="not a vocoder for the quantizer"):
        run(
            root,
            *("speak", "model/reciting", "the cat", "--vocoder", "vocoder/strange"),
            *("--output", str(tmp_path / "a.wav")),
        )


@pytest.mark.parametrize("config", [baseline_config(), latent_config()], ids=["baseline", "lst"])
def test_positions_are_counted_as_the_model_computes_them(tmp_path: Path, config: ModelConfig) -> None:
    loaded = load_model(model_artifact(Store(tmp_path), "m", config, random_model(config)))
    texts = ["the cat sat on a mat", "birds", "a dog ran to a tree"]
    said = speak_texts(loaded, texts)
    size = 1 if config.local is None else 4
    for text, each in zip(texts, said, strict=True):
        pieces = len(loaded.tokenizer.encode(text))
        assert (each.pieces, each.context_positions) == (pieces, pieces + 2)
        # The last token is predicted, but not read any more.
        read = len(each.units) - (0 if each.ended else 1)
        assert each.new_positions == read // size
        assert len(each.units) <= tts_prompt(loaded, text).limit


def test_a_continuation_in_speech_becomes_audio(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.wav"
    go_on = ["continue", "model/reciting", "--vocoder", "vocoder/v", "--output", str(out), "--temperature", "0"]
    units = run(root, *go_on, "--text", "the cat", "--into", "speech").split()
    assert units == [str(unit) for unit in range(10)]
    assert len(soundfile.read(out)[0]) == 10 * 640
    soundfile.write(tmp_path / "prompt.wav", np.random.default_rng(0).normal(0, 0.1, 16_000), 16_000)
    more = run(root, *go_on, "--audio", str(tmp_path / "prompt.wav"), "--samples", "2", "--json")
    for number, each in enumerate(json.loads(more), start=1):
        # The prompt is heard first.
        assert len(soundfile.read(tmp_path / f"a-{number}.wav")[0]) == (25 + len(each["units"])) * 640


def test_a_continuation_in_text_has_no_audio(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--vocoder speaks speech tokens"):
        run(root, "continue", "model/reciting", "--text", "the", "--vocoder", "vocoder/v", "--output", "a.wav")
    with pytest.raises(UserError, match="both --vocoder and --output"):
        run(root, "continue", "model/reciting", "--text", "the", "--into", "speech", "--vocoder", "vocoder/v")
