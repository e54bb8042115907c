from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from lst_cli.artifacts import Artifact, Store
from lst_cli.config import load_config
from lst_cli.errors import UserError
from lst_cli.main import app
from lst_cli.units.tokens import Tokens
from lst_cli.vocoder.files import WEIGHTS_FILE, check_quantizer
from lst_cli.vocoder.fit_vocoder import VocoderFitOptions, plan_fit
from lst_cli.vocoder.mel import train_mel as train
from lst_cli.vocoder.speaking import load_vocoder
from lst_cli.vocoder.vocoder_config import VocoderConfig
from tests.vocoder.making import World, make_quantizer, make_world, tokenized

SMALL = [
    "steps=12",
    "save_every=4",
    "batch=4",
    "segment_s=0.8",
    "held_out=0",
    "network.width=32",
    "network.blocks=1",
    "network.fine_blocks=1",
    "spectrum.iterations=4",
]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "artifacts")


def _options(world: World, name: str = "v", *changes: str) -> VocoderFitOptions:
    config = load_config(VocoderConfig, None, [*SMALL, *changes])
    return VocoderFitOptions(name=name, corpus=world.corpus, tokens=world.tokens, config=config)


def _fit(store: Store, world: World, name: str = "v", *changes: str) -> Artifact:
    return store.build(*plan_fit(_options(world, name, *changes), store)).artifact


def test_speaks_640_samples_a_unit_that_sound_like_the_original(store: Store) -> None:
    world = make_world(store, ["a"] * 6)
    vocoder = load_vocoder(_fit(store, world, "v", "steps=150", "network.width=64", "learning_rate=5e-3"))
    name, units_U = next(iter(Tokens(world.tokens)))
    wave_T = vocoder.speak(units_U)
    assert len(wave_T) == 640 * len(units_U)
    assert np.isfinite(wave_T).all() and np.abs(wave_T).max() <= 0.97
    # The original's loudness comes and goes six times a second; so does the vocoder's.
    original_T, _ = soundfile.read(store.root.parent / "clips" / f"{name[1:]}.wav")
    loud = [np.sqrt((w[: len(wave_T)].reshape(-1, 640) ** 2).mean(1)) for w in (wave_T, np.pad(original_T, (0, 640)))]
    assert np.corrcoef(loud)[0, 1] > 0.7


def test_the_same_request_gives_the_same_bytes_also_after_a_crash(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(store, ["a"] * 4)
    whole = _fit(store, world).file(WEIGHTS_FILE).read_bytes()
    other = Store(tmp_path / "other")
    again = make_world(other, ["a"] * 4)
    steps = []

    def broken(*args: object) -> float:
        steps.append(args)
        if len(steps) == 7:
            raise KeyboardInterrupt
        return rate(*args)  # type: ignore[arg-type]

    rate = train._learning_rate
    monkeypatch.setattr(train, "_learning_rate", broken)
    with pytest.raises(KeyboardInterrupt):
        _fit(other, again)
    assert _fit(other, again).file(WEIGHTS_FILE).read_bytes() == whole
    assert len(steps) == 7 + 8  # from the state after four steps


def test_several_voices(store: Store) -> None:
    world = make_world(store, ["deep", "high", "deep", None])
    artifact = _fit(store, world)
    vocoder = load_vocoder(artifact)
    assert list(vocoder.speakers) == ["deep", "high", "unnamed"]
    units_U = next(iter(Tokens(world.tokens)))[1]
    assert np.array_equal(vocoder.speak(units_U), vocoder.speak(units_U, "deep"))
    assert not np.array_equal(vocoder.speak(units_U), vocoder.speak(units_U, "high"))
    with pytest.raises(UserError, match="no such voice"):
        vocoder.speak(units_U, "nobody")


def test_short_and_empty_and_unknown_units(store: Store) -> None:
    vocoder = load_vocoder(_fit(store, make_world(store, ["a"] * 2)))
    assert len(vocoder.speak(np.zeros(0, np.uint16))) == 0
    assert len(vocoder.speak(np.array([3], np.uint16))) == 640
    with pytest.raises(UserError, match="a unit that the vocoder does not have"):
        vocoder.speak(np.array([99], np.uint16))


def test_refuses_tokens_of_another_corpus_or_quantizer(store: Store) -> None:
    world = make_world(store, ["a"] * 2)
    vocoder = _fit(store, world)
    stranger = make_quantizer(store, world.corpus, "stranger", units=8)
    with pytest.raises(UserError, match="not a vocoder for the quantizer"):
        check_quantizer(vocoder, stranger.fingerprint, "tokens/x")
    check_quantizer(vocoder, world.quantizer.fingerprint, "tokens/x")
    other = make_world(store, ["a"] * 3)
    mixed = World(corpus=world.corpus, quantizer=world.quantizer, tokens=other.tokens)
    with pytest.raises(UserError, match="not the speech tokens of"):
        _options_plan(store, mixed)


def _options_plan(store: Store, world: World) -> None:
    plan_fit(_options(world), store)


def test_settings_that_cannot_be(store: Store) -> None:
    world = make_world(store, ["a"] * 2)
    for change in ("spectrum.hop=150", "spectrum.window=2048", "network.kernel=4", "held_out=0.999"):
        with pytest.raises(UserError):
            _fit(store, world, "v", change)


def test_damaged_weights_are_named(store: Store) -> None:
    artifact = _fit(store, make_world(store, ["a"] * 2))
    artifact.file(WEIGHTS_FILE).write_bytes(b"nothing")
    with pytest.raises(UserError, match=WEIGHTS_FILE):
        load_vocoder(artifact)


def test_commands(store: Store, tmp_path: Path) -> None:
    world = make_world(store, ["a", "b"])
    settings = [part for change in SMALL for part in ("--set", change)]
    root = ["--root", str(store.root)]
    fit = [*root, "vocoder", "fit", "corpus/sounds", "--tokens", "tokens/sounds", "--name", "v", *settings]
    run = CliRunner()
    assert run.invoke(app, fit, catch_exceptions=False).exit_code == 0
    again = run.invoke(app, fit, catch_exceptions=False)
    assert "up to date" in again.output
    out = tmp_path / "heard"
    hear = [*root, "vocoder", "synth", "vocoder/v", "tokens/sounds", "--output", str(out), "--speaker", "b", "--json"]
    result = run.invoke(app, hear, catch_exceptions=False)
    files = json.loads(result.stdout)["files"]
    assert [file["id"] for file in files] == ["u000", "u001"]
    wave, rate = soundfile.read(out / "u001.wav")
    assert (len(wave), rate) == (640 * 37, 16_000)
    tokenized(store, world.corpus, make_quantizer(store, world.corpus, "stranger", 8), "strange")
    with pytest.raises(UserError, match="not a vocoder for the quantizer"):
        run.invoke(app, [*hear[:5], "tokens/strange", *hear[6:]], catch_exceptions=False)
