from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import lst_cli.audio.synth as synth
from lst_cli.artifacts import Artifact, Store
from lst_cli.audio.corpus_artifact import Corpus
from lst_cli.audio.decode import read_samples, read_utterance
from lst_cli.audio.show import read_rejects
from lst_cli.audio.synth import SpokenLine, SynthOptions, draw_voices, plan_synthesis, read_lines
from lst_cli.audio.tts.engine import ENGINES
from lst_cli.errors import UserError
from tests.audio import fake_engine

LINES = [SpokenLine(f"l{n}", f"this is line {n % 7}. it is spoken", f"l{n}") for n in range(20)]


@pytest.fixture(autouse=True)
def fake_voices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "fake", "tests.audio.fake_engine")
    monkeypatch.setattr(synth, "_CHARACTERS_IN_A_PART", 100)
    fake_engine.SPOKEN.clear()


def build(root: Path, lines: list[SpokenLine], voices: tuple[str, ...] = ("fake:bob",), **options) -> Artifact:
    plan = plan_synthesis(lines, SynthOptions(name="s", voices=voices, workers=1, **options))
    return Store(root).build(*plan).artifact


def sums(artifact: Artifact) -> dict[str, str]:
    return {record.path: record.sha256 for record in artifact.files}


def test_lines_become_utterances_in_order(tmp_path: Path) -> None:
    artifact = build(tmp_path, LINES)
    corpus = Corpus(artifact)
    assert corpus.ids == [line.id for line in LINES]
    assert [one.text for one in corpus] == [line.text for line in LINES]
    assert {one.speaker for one in corpus} == {"bob"}
    assert {one.source for one in corpus} == {"s"}
    files = {one.path for one in corpus}
    assert len(files) > 1
    assert all(path.parent == artifact.path for path in files)
    assert all(one.samples % 320 == 0 and np.abs(read_utterance(one)).max() > 0.01 for one in corpus)


def test_the_same_text_voice_and_rate_is_spoken_once(tmp_path: Path) -> None:
    corpus = Corpus(build(tmp_path, LINES))
    assert len(fake_engine.SPOKEN) == 7
    same = [corpus.find("l0"), corpus.find("l7"), corpus.find("l14")]
    assert len({(one.path, one.offset, one.samples) for one in same}) == 1


def test_utterances_of_a_file_lie_end_to_end(tmp_path: Path) -> None:
    corpus = Corpus(build(tmp_path, LINES))
    spans: dict[Path, set[tuple[int, int]]] = {}
    for one in corpus:
        spans.setdefault(one.path, set()).add((one.offset, one.offset + one.samples))
    for path, found in spans.items():
        ordered = sorted(found)
        assert [start for start, _ in ordered] == [0, *(end for _, end in ordered[:-1])]
        assert len(read_samples(path)[0]) == ordered[-1][1]


def test_the_same_request_gives_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    options = {"voices": ("fake:bob", "fake:ann"), "rate": (0.8, 1.2)}
    first = build(tmp_path / "1", LINES, **options)
    assert sums(build(tmp_path / "2", LINES, **options)) == sums(first)
    other = build(tmp_path / "3", LINES, **options, seed=1)
    assert other.version != first.version
    assert sums(other) != sums(first)


def test_voices_and_rates_depend_on_seed_and_group_alone() -> None:
    drawn = draw_voices(LINES, 3, (0.9, 1.1), 5)
    assert draw_voices(LINES[::-1], 3, (0.9, 1.1), 5) == drawn[::-1]
    assert {voice for voice, _ in drawn} == {0, 1, 2}
    assert all(0.9 <= rate <= 1.1 and rate == round(rate, 2) for _, rate in drawn)
    item = [SpokenLine(f"i/{piece}", piece, "i") for piece in ("prompt", "ending1", "ending2")]
    assert len(set(draw_voices(item, 9, (0.5, 2.0), 0))) == 1
    many = [SpokenLine(str(n), "", str(n)) for n in range(3000)]
    counts = np.bincount([voice for voice, _ in draw_voices(many, 3, (1, 1), 0)])
    assert counts.min() > 900


def test_a_faster_rate_or_tempo_is_shorter_and_a_pitch_keeps_the_duration(tmp_path: Path) -> None:
    seconds = {}
    cases = (("own", "bob", 1.0), ("fast", "bob", 2.0), ("high", "bob@1.25", 1.0), ("tempo", "bob@1.25x2", 1.0))
    for name, voice, rate in cases:
        one = Corpus(build(tmp_path / name, LINES[:1], (f"fake:{voice}",), rate=(rate, rate)))[0]
        seconds[name] = one.seconds
        assert one.sample_rate == (10_000 if "@" in voice else 8000)
    assert seconds["fast"] < 0.7 * seconds["own"]
    assert seconds["high"] == pytest.approx(seconds["own"], abs=0.09)
    assert seconds["tempo"] == pytest.approx(seconds["fast"], abs=0.09)


def test_a_line_without_a_sound_is_rejected(tmp_path: Path) -> None:
    lines = [*LINES, SpokenLine("mute", "...", "mute")]
    with pytest.raises(UserError, match=r"mute: the voice produced no sound for '\.\.\.'"):
        build(tmp_path, lines)
    corpus = Corpus(build(tmp_path, lines, max_reject_rate=0.1))
    assert len(corpus) == len(LINES)
    assert [reject["id"] for reject in read_rejects(corpus)] == ["mute"]


def test_finished_parts_are_kept_over_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = sums(build(tmp_path / "1", LINES))
    fake_engine.SPOKEN.clear()
    real = fake_engine.Engine.speak

    def stops(engine: fake_engine.Engine, text: str, rate: float):
        if len(fake_engine.SPOKEN) == 5:
            raise KeyboardInterrupt
        return real(engine, text, rate)

    monkeypatch.setattr(fake_engine.Engine, "speak", stops)
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "2", LINES)
    monkeypatch.setattr(fake_engine.Engine, "speak", real)
    fake_engine.SPOKEN.clear()
    assert sums(build(tmp_path / "2", LINES)) == expected
    assert 0 < len(fake_engine.SPOKEN) < 7


_SLOWLY = """
import sys
from pathlib import Path
import lst_cli.audio.synth as synth
from lst_cli.audio.tts.engine import ENGINES
from tests.audio import fake_engine, test_synth
ENGINES["fake"] = "tests.audio.fake_engine"
synth._CHARACTERS_IN_A_PART = 100
fake_engine.PAUSE_S[0] = 0.3
test_synth.build(Path(sys.argv[1]), test_synth.LINES)
"""


def test_a_killed_synthesis_goes_on_to_the_same_artifact(tmp_path: Path) -> None:
    expected = build(tmp_path / "1", LINES)
    root = tmp_path / "2"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", _SLOWLY, str(root)], env=environment)
    until = time.monotonic() + 60
    while not list(root.rglob("parts/*.json")) and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not list(root.rglob("artifact.json"))
    fake_engine.SPOKEN.clear()
    assert sums(build(root, LINES)) == sums(expected)
    assert len(fake_engine.SPOKEN) < 7
    assert not list(root.rglob("*.partial"))


def test_lines_are_read_with_ids_or_without(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_text("one  line\n\nanother\n")
    assert [(line.id, line.text) for line in read_lines(path)] == [
        ("line-000001", "one line"),
        ("line-000003", "another"),
    ]
    path.write_text("a\tone\nb\ttwo\tx\n")
    assert read_lines(path) == [SpokenLine("a", "one", "a"), SpokenLine("b", "two x", "b")]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\n \n", "no text in this file"),
        (b"a\tone\ntwo\n", "line 2: no id"),
        (b"a\tone\na\ttwo\n", "line 2: not a unique id(.|\n)*as on line 1"),
        (b"\tone\n", "line 1: not a unique id"),
        (b"caf\xe9\n", "not UTF-8"),
    ],
)
def test_a_faulty_file_of_lines_is_refused(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "lines.txt").write_bytes(content)
    with pytest.raises(UserError, match=expected):
        read_lines(tmp_path / "lines.txt")


@pytest.mark.parametrize(
    ("voices", "options", "expected"),
    [
        (("siri:x",), {}, "unknown engine 'siri'"),
        (("fake:bob@9",), {}, "not a pitch, or"),
        (("fake:bob@high",), {}, "not a pitch, or"),
        (("fake:bob@1x9",), {}, "not a pitch, or"),
        (("fake:bob", "fake:bob"), {}, "bob is given 2 times"),
        (("no/such/voice.onnx",), {}, "no such voice"),
        (("no-such-package",), {}, "no such voice"),
        (("fake:bob",), {"rate": (1.2, 0.8)}, "not a range of speaking rates"),
        (("fake:bob",), {"rate": (0.0, 1.0)}, "not a range of speaking rates"),
    ],
)
def test_a_bad_voice_or_option_is_refused_before_anything_is_made(
    tmp_path: Path, voices: tuple[str, ...], options: dict, expected: str
) -> None:
    with pytest.raises(UserError, match=expected):
        build(tmp_path / "root", LINES, voices, **options)
    assert not (tmp_path / "root").exists()
