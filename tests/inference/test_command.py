"""``lst transcribe`` from end to end, with a model that hears the same words in everything."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save
from typer.testing import CliRunner

from lst_cli.alignment.emissions.aligner_network import LetterNetwork
from lst_cli.alignment.fit.aligner_config import AlignerConfig, AlignerNetworkConfig
from lst_cli.alignment.fit.fit_aligner import WEIGHTS
from lst_cli.alignment.imports.textgrid import parse_textgrid
from lst_cli.alignment.imports.timed import TimedWord
from lst_cli.alignment.kinds import ALIGNER
from lst_cli.artifacts import Draft, Request, Store
from lst_cli.config import to_dict
from lst_cli.errors import UserError
from lst_cli.inference.subtitles import cues_of_words, srt, vtt
from lst_cli.main import app
from tests.inference.models import quantizer_artifact, tokens_artifact
from tests.inference.reciting import recited_text, reciting_artifact, taught_artifact

RATE = 16_000


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    store = Store(root)
    reciting_artifact(store)
    tokens_artifact(store, "two", {"one": [1] * 40, "other": [2] * 50}, quantizer_artifact(store))
    return root


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 3 * RATE), RATE)
    return path


def run(root: Path, *arguments: str) -> str:
    result = CliRunner().invoke(app, ["--root", str(root), "transcribe", "model/reciting", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_one_file_prints_its_text(root: Path, wav: Path) -> None:
    assert run(root, str(wav)) == recited_text() + "\n"


def test_several_clips_print_their_names(root: Path, wav: Path) -> None:
    lines = run(root, str(wav), "tokens/two").splitlines()
    assert lines == [f"{name}\t{recited_text()}" for name in (str(wav), "one", "other")]


def test_json(root: Path, wav: Path) -> None:
    data = json.loads(run(root, str(wav), "--segment-s", "2", "--json"))
    (clip,) = data["clips"]
    assert clip["seconds"] == 3.0 and data["audio_s"] == 3.0 and data["real_time_factor"] > 0
    assert len(clip["segments"]) == 2 and clip["text"] == f"{recited_text()} {recited_text()}"
    assert clip["segments"][0]["end_s"] == clip["segments"][1]["start_s"]


def test_subtitles(root: Path, wav: Path, tmp_path: Path) -> None:
    assert run(root, str(wav), "--format", "srt") == f"1\n00:00:00,000 --> 00:00:03,000\n{recited_text()}\n"
    out = tmp_path / "out"
    run(root, "tokens/two", "--format", "vtt", "--output", str(out))
    assert sorted(path.name for path in out.iterdir()) == ["one.vtt", "other.vtt"]
    assert (out / "one.vtt").read_text().startswith("WEBVTT\n\n00:00:00.000 --> 00:00:01.600\n")
    with pytest.raises(UserError, match="--output"):
        run(root, "tokens/two", "--format", "srt")


def test_bad_files_are_named_and_the_others_transcribed(root: Path, wav: Path) -> None:
    (wav.parent / "b.wav").write_text("no audio")
    with pytest.raises(UserError) as caught:
        run(root, str(wav.parent))
    assert "1 of 2 clips" in str(caught.value) and "b.wav" in str(caught.value)


def test_what_has_no_sound_has_no_text(root: Path, wav: Path) -> None:
    silent, one = wav.parent / "silent.wav", wav.parent / "single.wav"
    soundfile.write(silent, np.zeros(2 * RATE), RATE)
    soundfile.write(one, np.full(1, 0.5), RATE)
    result = CliRunner().invoke(app, ["--root", str(root), "transcribe", "model/reciting", str(silent), str(one)])
    assert result.exit_code == 0 and result.stdout == f"{silent}\t\n{one}\t\n"
    assert "2 clips have silent segments" in result.stderr
    # Beside other clips, and in the middle of one, only the silence is passed over.
    wave, _ = soundfile.read(wav)
    soundfile.write(wav.parent / "middle.wav", np.concatenate([wave[: 2 * RATE], np.zeros(2 * RATE)]), RATE)
    data = json.loads(run(root, str(wav.parent / "middle.wav"), str(wav), "--segment-s", "2", "--json"))
    middle, whole = data["clips"]
    sounding = [each for each in middle["segments"] if not each["soundless"]]
    assert middle["segments"][-1]["soundless"] and len(sounding) < len(middle["segments"])
    assert middle["text"] == " ".join([recited_text()] * len(sounding))
    assert whole["text"] == f"{recited_text()} {recited_text()}"


def test_a_model_that_learnt_something_else_is_refused(root: Path, wav: Path) -> None:
    for task, found in [("pretrain", "pretrained only"), ("tts", "fine-tuned for tts")]:
        taught_artifact(Store(root), task)
        with pytest.raises(UserError, match="can't transcribe") as caught:
            app(["--root", str(root), "transcribe", "model/taught", str(wav)], standalone_mode=False)
        assert found in str(caught.value) and "lst finetune asr CONFIG --model model/taught" in str(caught.value)
    taught_artifact(Store(root), "asr,tts")
    app(["--root", str(root), "transcribe", "model/taught", str(wav)], standalone_mode=False)


def test_manifests(root: Path, wav: Path) -> None:
    table = wav.parent / "clips.tsv"
    table.write_text("path\tid\tstart\tend\na.wav\tfirst\t0\t1.5\na.wav\trest\t1.5\t\ngone.wav\tgone\t\t\n")
    with pytest.raises(UserError, match="1 of 3 clips could not be transcribed") as caught:
        run(root, str(table), "--output", str(wav.parent / "out"))
    assert "gone: the audio file is gone" in str(caught.value)
    written = {path.name: path.read_text() for path in (wav.parent / "out").iterdir()}
    assert written == {"first.txt": recited_text() + "\n", "rest.txt": recited_text() + "\n"}
    with pytest.raises(UserError, match="--output"):
        run(root, str(table), "--format", "srt")


def test_clips_of_one_name_get_a_file_each(root: Path, wav: Path) -> None:
    table, out = wav.parent / "twice.jsonl", wav.parent / "out"
    table.write_text("".join(json.dumps({"path": "a.wav", "id": name}) + "\n" for name in ("x/y", "x_y")))
    run(root, str(table), "--output", str(out))
    assert sorted(path.name for path in out.iterdir()) == ["x_y-2.txt", "x_y.txt"]


@pytest.fixture(scope="module")
def aligner(root: Path) -> str:
    """An aligner that never learnt anything: its times are times, not right ones."""

    def make(draft: Draft) -> None:
        torch.manual_seed(0)
        network = LetterNetwork(config.network)
        network.log_prior_V.zero_()
        (draft.path / WEIGHTS).write_bytes(save(dict(network.state_dict())))

    config = AlignerConfig(network=AlignerNetworkConfig(width=8, layers=1))
    Store(root).build(Request(kind=ALIGNER, name="untaught", config=to_dict(config)), make)
    return "aligner/untaught"


def test_words_have_times(root: Path, wav: Path, aligner: str) -> None:
    data = json.loads(run(root, str(wav), "--aligner", aligner, "--segment-s", "2", "--json"))
    assert data["aligner"] == aligner
    for segment in data["clips"][0]["segments"]:
        words = segment["words"]
        assert [word["word"] for word in words] == recited_text().split()
        edges = [edge for word in words for edge in (word["start_s"], word["end_s"])]
        assert edges == sorted(edges) and segment["start_s"] <= edges[0] and edges[-1] <= segment["end_s"]
        assert all(word["start_s"] < word["end_s"] for word in words)


def test_the_language_is_that_of_word_times(root: Path, wav: Path, aligner: str) -> None:
    run(root, str(wav), "--aligner", aligner, "--language", "de")
    with pytest.raises(UserError, match="no --aligner"):
        run(root, str(wav), "--language", "de")


def test_textgrids_are_what_praat_reads(root: Path, wav: Path, aligner: str) -> None:
    for options, tier in [((), "segments"), (("--aligner", aligner), "words")]:
        out = wav.parent / tier
        run(root, str(wav), "--format", "textgrid", "--output", str(out), *options)
        (path,) = out.iterdir()
        assert path.suffix == ".TextGrid"
        text = path.read_text()
        assert f'name = "{tier}"' in text and "xmax = 3.000" in text
        (found,) = (each for each in parse_textgrid(path, text) if each.name == tier)
        assert " ".join(label for _, _, label in found.intervals or [] if label) == recited_text()


def test_subtitles_follow_the_words(root: Path, wav: Path, aligner: str) -> None:
    text = run(root, str(wav), "--format", "srt", "--aligner", aligner)
    spoken = [line for line in text.splitlines() if line and not line.isdigit() and "-->" not in line]
    assert " ".join(spoken) == recited_text()


def test_tokens_have_no_sound_to_align(root: Path, aligner: str) -> None:
    with pytest.raises(UserError, match="needs audio"):
        run(root, "tokens/two", "--aligner", aligner)


def test_a_rate_at_which_nobody_speaks(root: Path, wav: Path) -> None:
    soundfile.write(wav.parent / "slow.wav", np.full(5000, 0.5), 2000)
    with pytest.raises(UserError) as caught:
        run(root, str(wav.parent / "slow.wav"))
    assert "not a recording of speech (found: 2,000 samples a second)" in str(caught.value)


def test_formats() -> None:
    cues = [(0.0, 1.5, "a  <b>"), (1.5, 2.0, " "), (3599.9996, 3661.25, "c & d")]
    assert srt(cues) == "1\n00:00:00,000 --> 00:00:01,500\na <b>\n\n2\n01:00:00,000 --> 01:01:01,250\nc & d\n"
    assert vtt(cues) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\na &lt;b&gt;\n\n01:00:00.000 --> 01:01:01.250\nc &amp; d\n"
    )


def test_cues_end_at_pauses_and_before_they_get_long() -> None:
    words = [TimedWord("one", 0.0, 0.5), TimedWord("two", 0.6, 1.0), TimedWord("three", 1.8, 2.0)]
    assert list(cues_of_words(words)) == [(0.0, 1.0, "one two"), (1.8, 2.0, "three")]
    steady = [TimedWord("word", i * 0.5, i * 0.5 + 0.4) for i in range(40)]
    assert all(end - start <= 7 and len(text) <= 84 for start, end, text in cues_of_words(steady))
    assert " ".join(text for _, _, text in cues_of_words(steady)).split() == ["word"] * 40
