"""``lst vocoder fit`` in the form hifigan, with networks of a minute size."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file
from torch import Tensor
from typer.testing import CliRunner

from lst_cli.artifacts import Artifact, Store
from lst_cli.config import load_config
from lst_cli.errors import LstError, UserError
from lst_cli.main import app
from lst_cli.units.tokens import Tokens
from lst_cli.vocoder.files import WEIGHTS_FILE, check_quantizer
from lst_cli.vocoder.fit_vocoder import VocoderFitOptions, plan_fit
from lst_cli.vocoder.hifigan import train_hifigan as hifigan_train
from lst_cli.vocoder.hifigan.discriminators import Discriminators, adversarial_loss, discriminator_loss, feature_loss
from lst_cli.vocoder.hifigan.fit_hifigan import METRICS_FILE, generator_config, pcm
from lst_cli.vocoder.hifigan.train_hifigan import Fitting, fit_hifigan
from lst_cli.vocoder.speaking import load_vocoder
from lst_cli.vocoder.vocoder_config import VocoderConfig, check_form
from tests.vocoder.making import World, make_world

RECIPES = Path(__file__).parents[2] / "recipes"
MINUTE = [
    "form=hifigan",
    "held_out=0",
    "spectrum.bands=20",
    "hifigan.embedding_dim=8",
    "hifigan.upsample_initial_channel=32",
    "hifigan.resblock_kernel_sizes=[3]",
    "hifigan.resblock_dilation_sizes=[[1, 3]]",
    "hifigan.discriminator_width=4",
    "hifigan.periods=[2]",
    "hifigan.scales=1",
    "hifigan.steps=6",
    "hifigan.batch=2",
    "hifigan.segment_s=0.2",
    "hifigan.save_every=2",
]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "artifacts")


def _config(*changes: str) -> VocoderConfig:
    return load_config(VocoderConfig, None, [*MINUTE, *changes])


def _fit(store: Store, world: World, name: str = "v", *changes: str) -> Artifact:
    options = VocoderFitOptions(name=name, corpus=world.corpus, tokens=world.tokens, config=_config(*changes))
    return store.build(*plan_fit(options, store)).artifact


def _fitting(*changes: str, speakers: int = 1) -> Fitting:
    config = _config(*changes)
    return Fitting(generator_config(config.hifigan, 24, speakers), config, "cpu")


def _batch(speakers: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Units, speakers, and tones as high as the units say."""
    units_BU = torch.arange(10).reshape(2, 5)
    phase_BT = (2 * torch.pi * (200 + 100 * units_BU) / 16_000).repeat_interleave(640, dim=1).cumsum(dim=1)
    return units_BU, torch.arange(2) % speakers, 0.3 * phase_BT.sin()


def test_the_made_comes_nearer_to_the_real_and_is_told_from_it() -> None:
    fitting = _fitting("hifigan.learning_rate=1e-2")
    losses = [fitting.learn(*_batch()) for _ in range(20)]
    assert losses[-1]["mel"] < 0.6 * losses[0]["mel"]
    assert losses[-1]["discriminators"] < 0.7 * losses[0]["discriminators"]


def test_the_same_request_gives_the_same_weights_also_after_a_crash(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(store, ["a", "b", "a", "b"])
    whole = _fit(store, world)
    other = Store(tmp_path / "other")
    again = make_world(other, ["a", "b", "a", "b"])
    drawn, steps = hifigan_train.draw_segments, []

    def broken(count: int, batch: int, step: int, seed: int) -> list[tuple[int, float]]:
        steps.append(step)
        if len(steps) == 6:
            raise KeyboardInterrupt
        return drawn(count, batch, step, seed)

    monkeypatch.setattr(hifigan_train, "draw_segments", broken)
    with pytest.raises(KeyboardInterrupt):
        _fit(other, again)
    torch.manual_seed(1)  # nothing is drawn from torch's own state
    resumed = _fit(other, again)
    assert steps == [0, 1, 2, 3, 4, 5, 4, 5]  # from the state after four steps
    weights, others = load_file(whole.file(WEIGHTS_FILE)), load_file(resumed.file(WEIGHTS_FILE))
    assert weights.keys() == others.keys() and all(torch.equal(value, others[key]) for key, value in weights.items())
    assert whole.file(METRICS_FILE).read_bytes() == resumed.file(METRICS_FILE).read_bytes()


def test_new_weights_are_the_seeds_and_leave_torchs_generator_alone() -> None:
    before = torch.get_rng_state()
    one = _fitting()
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    same, other = _fitting(), _fitting("seed=1")
    for kept, equal, differing in zip(_weights(one), _weights(same), _weights(other), strict=True):
        assert torch.equal(kept, equal)
        assert kept.count_nonzero() == 0 or not torch.equal(kept, differing)


def _weights(fitting: Fitting) -> list[Tensor]:
    return list(fitting.generator.parameters())


def test_weight_norm_is_taken_out_without_a_change(tmp_path: Path) -> None:
    fitting = _fitting("hifigan.learning_rate=1e-2", speakers=2)
    for _ in range(10):
        fitting.learn(*_batch(2))
    units_BU, speaker_B, _ = _batch(2)
    with torch.no_grad():
        before_BT = fitting.generator(units_BU, speaker_B)
        fitting.step = fitting.config.steps
        fit_hifigan(fitting, [], ["a", "b"], 0, tmp_path)
        assert not any("parametrizations" in name for name in fitting.generator.state_dict())
        assert torch.allclose(fitting.generator(units_BU, speaker_B), before_BT, atol=1e-6)
        assert not torch.equal(before_BT, fitting.generator(units_BU, 1 - speaker_B))


def test_several_voices_through_the_artifact(store: Store) -> None:
    world = make_world(store, ["deep", "high", "deep", None])
    artifact = _fit(store, world, "v", "held_out=0.3", "hifigan.learning_rate=1e-2", "hifigan.steps=10")
    vocoder = load_vocoder(artifact)
    assert list(vocoder.speakers) == ["deep", "high", "unnamed"] and vocoder.sample_rate == 16_000
    units_U = next(iter(Tokens(world.tokens)))[1]
    wave_T = vocoder.speak(units_U)
    assert len(wave_T) == 640 * len(units_U) and np.isfinite(wave_T).all() and np.abs(wave_T).max() <= 0.97
    assert np.array_equal(wave_T, vocoder.speak(units_U, "deep"))
    assert not np.array_equal(wave_T, vocoder.speak(units_U, "high"))
    check_quantizer(artifact, world.quantizer.fingerprint, "tokens/x")
    figures = artifact.statistics
    assert figures["speakers"] == 3 and figures["too_short"] == 0 and 0 < figures["held_out_mel_loss"] < 20
    curve = [json.loads(line) for line in artifact.file(METRICS_FILE).read_text().splitlines()]
    assert curve[-1]["step"] == 10 and curve[-1]["mel"] == figures["mel_loss"]


def test_one_voice_has_no_embedding_and_short_utterances_are_left_out(store: Store) -> None:
    world = make_world(store, ["a"] * 2)
    artifact = _fit(store, world)
    assert not any("spkr" in name for name in load_file(artifact.file(WEIGHTS_FILE)))
    assert list(load_vocoder(artifact).speakers) == ["a"]
    with pytest.raises(UserError, match="no utterance is as long as a segment"):
        _fit(store, world, "v", "hifigan.segment_s=3")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["steps=3"], "keys of form mel were changed.*found: steps"),
        (["network.width=8", "spectrum.iterations=3"], r"network, spectrum\.iterations"),
        (["form=mel"], r"keys of form hifigan.*hifigan\.steps"),
        (["hifigan.upsample_rates=[5, 4, 4, 4, 4]"], "multiply to 1280"),
        (["hifigan.upsample_kernel_sizes=[11, 8, 8, 8]"], "4 upsample_kernel_sizes for 5"),
        (["hifigan.upsample_kernel_sizes=[10, 8, 8, 8, 4]"], "even numbers"),
        (["hifigan.upsample_initial_channel=48"], "halved 5 times"),
        (["hifigan.resblock_kernel_sizes=[4]"], "odd"),
        (["hifigan.periods=[]"], "periods"),
        (["form=wavenet"], "form"),
    ],
)
def test_configs_that_cannot_be(changes: list[str], message: str) -> None:
    with pytest.raises(UserError) as refused:
        check_form(_config(*changes))
    assert re.search(message, " ".join(str(refused.value).split())), refused.value


def test_a_loss_that_is_no_number_stops_the_fit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Fitting, "learn", lambda *_: dict.fromkeys(hifigan_train.LOSSES, float("nan")))
    with pytest.raises(LstError, match="diverged"):
        _fit(store, make_world(store, ["a"] * 2))


def test_discriminators_see_periods_and_scales_and_score_by_least_squares() -> None:
    discriminators = Discriminators(_config("hifigan.periods=[2, 3, 5, 7, 11]", "hifigan.scales=3").hifigan)
    wave_BT = torch.rand(2, 1601, requires_grad=True)
    outputs = discriminators(wave_BT)
    assert [len(each) for each in outputs] == [6] * 5 + [8] * 3
    assert [each[0].shape[-1] for each in outputs[:5]] == [2, 3, 5, 7, 11]
    assert [each[0].shape[-1] for each in outputs[5:]] == [1601, 801, 401]
    one, nought = [[torch.ones(3)]], [[torch.zeros(3)]]
    assert discriminator_loss(one, nought) == 0 and discriminator_loss(nought, one) == 2
    assert adversarial_loss(one) == 0 and adversarial_loss(nought) == 1
    assert feature_loss(outputs, outputs) == 0 and feature_loss(one, nought) == 1
    adversarial_loss(outputs).backward()  # type: ignore[no-untyped-call]
    assert wave_BT.grad is not None and wave_BT.grad.abs().sum() > 0


def test_samples_are_kept_in_16_bits() -> None:
    wave_T = torch.cat([torch.tensor([0.5, -1.0, 1.5]), torch.zeros(500)])
    kept_T = pcm(wave_T, 1)
    assert kept_T[:3].tolist() == [16384, -32768, 32767] and len(kept_T) == 640


def test_the_shipped_recipe_is_a_hifigan_of_the_papers_size() -> None:
    config = load_config(VocoderConfig, RECIPES / "small" / "vocoder.yaml")
    check_form(config)
    with torch.device("meta"):
        network = hifigan_train.UnitHifiGan(generator_config(config.hifigan, 501, 1))
    assert 13e6 < sum(weight.numel() for weight in network.parameters()) < 15e6


def test_commands(store: Store, tmp_path: Path) -> None:
    make_world(store, ["a", "b"])
    settings = [part for change in MINUTE for part in ("--set", change)]
    root = ["--root", str(store.root)]
    fit = [*root, "vocoder", "fit", "corpus/sounds", "--tokens", "tokens/sounds", "--name", "v", *settings]
    run = CliRunner()
    assert run.invoke(app, fit, catch_exceptions=False).exit_code == 0
    again = run.invoke(app, [*fit, "--set", "hifigan.save_every=5"], catch_exceptions=False)
    assert "up to date" in again.output
    hear = [*root, "vocoder", "synth", "vocoder/v", "tokens/sounds", "--output", str(tmp_path / "heard")]
    assert run.invoke(app, hear, catch_exceptions=False).exit_code == 0
    wave, rate = soundfile.read(tmp_path / "heard" / "u001.wav")
    assert (len(wave), rate) == (640 * 37, 16_000)
