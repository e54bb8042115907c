"""Folders as the field has them, and things in folders that are no recordings."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lst_cli.audio.corpus_artifact import Corpus
from lst_cli.audio.decode import read_utterance
from lst_cli.audio.inspect import inspect_audio
from lst_cli.audio.layouts import choose_layout
from tests.audio.sounds import save, tone
from tests.known_issues.encodings import LOSSLESS, LOSSY, mp3, wav, with_data_size
from tests.known_issues.test_corpus_tables import add, reasons, texts


def put(path: Path, data: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)


def mfa(at: Path) -> None:
    put(at / "s" / "u.wav", wav())
    put(at / "s" / "u.lab", "hello")


def upper_case(at: Path) -> None:
    put(at / "UTT1.WAV", wav())
    put(at / "UTT1.TXT", "hello")


def libritts(at: Path) -> None:
    put(at / "84" / "121" / "84_121_000000_000000.wav", wav())
    put(at / "84" / "121" / "84_121_000000_000000.normalized.txt", "hello")
    put(at / "84" / "121" / "84_121_000000_000000.original.txt", "Hello!")
    put(at / "84" / "121" / "84_121.trans.tsv", "84_121_000000_000000\tHello!\thello")


def timit(at: Path) -> None:
    put(at / "TRAIN" / "DR1" / "FCJF0" / "SA1.WAV", LOSSLESS["sphere.WAV"]())
    put(at / "TRAIN" / "DR1" / "FCJF0" / "SA1.TXT", "0 46797 hello\n")
    put(at / "TRAIN" / "DR1" / "FCJF0" / "SA1.PHN", "0 3050 h#\n")
    put(at / "TRAIN" / "DR1" / "FCJF0" / "SA1.WRD", "3050 5723 hello\n")


def ljspeech(at: Path) -> None:
    put(at / "wavs" / "LJ001-0001.wav", wav())
    put(at / "metadata.csv", 'LJ001-0001|"Hello|hello\n')


def vctk(at: Path) -> None:
    put(at / "wav48_silence_trimmed" / "p225" / "p225_001_mic1.flac", wav(form="FLAC"))
    put(at / "wav48_silence_trimmed" / "p225" / "p225_001_mic2.flac", wav(form="FLAC"))
    put(at / "txt" / "p225" / "p225_001.txt", "hello")


def common_voice(at: Path) -> None:
    put(at / "clips" / "common_voice_en_1.mp3", mp3(xing=False))
    put(at / "validated.tsv", "client_id\tpath\tsentence_id\tsentence\nx\tcommon_voice_en_1.mp3\t9\thello\n")
    put(at / "other.tsv", "client_id\tpath\tsentence_id\tsentence\n")


def audio_folder_csv(at: Path) -> None:
    put(at / "train" / "a b.wav", wav())
    put(at / "train" / "metadata.csv", "file_name,transcription\na b.wav,hello\n")


def audio_folder_jsonl(at: Path) -> None:
    put(at / "data" / "x.mp3", mp3())
    put(at / "metadata.jsonl", '{"file_name": "data/x.mp3", "text": "hello"}\n')


@pytest.mark.parametrize(
    "make",
    [mfa, upper_case, libritts, timit, ljspeech, vctk, common_voice, audio_folder_csv, audio_folder_jsonl],
    ids=lambda make: make.__name__,
)
def test_a_layout_that_people_have_was_refused(tmp_path: Path, make) -> None:
    make(tmp_path / "in")
    corpus = add(tmp_path / "in", tmp_path / "root")
    assert texts(corpus) == ["hello"]
    assert reasons(corpus) == []
    assert len(read_utterance(corpus[0])) == pytest.approx(113_600, abs=576)


def test_a_link_to_a_parent_folder_gave_41_copies_of_an_utterance(tmp_path: Path) -> None:
    mfa(tmp_path / "in")
    (tmp_path / "in" / "s" / "loop").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "again").symlink_to(tmp_path / "in" / "s")
    (tmp_path / "in" / "up").symlink_to(tmp_path)
    mfa(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "round").symlink_to(tmp_path / "elsewhere" / "s")
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "elsewhere")
    assert add(tmp_path / "in", tmp_path / "root").ids in (["linked/round/u", "s/u"], ["linked/s/u", "s/u"])


def test_a_pipe_or_a_device_with_an_audio_name_hung_the_command(tmp_path: Path) -> None:
    mfa(tmp_path / "in")
    os.mkfifo(tmp_path / "in" / "pipe.wav")
    put(tmp_path / "in" / "pipe.txt", "x")
    os.mkfifo(tmp_path / "in" / "text.txt")
    put(tmp_path / "in" / "text.wav", wav())
    (tmp_path / "in" / "zero.wav").symlink_to("/dev/zero")
    put(tmp_path / "in" / "zero.txt", "x")
    corpus = add(tmp_path / "in", tmp_path / "root")
    assert corpus.ids == ["s/u"]
    assert all("not a regular file" in reason for reason in reasons(corpus))


def test_stereo_in_opposite_phase_became_silence(tmp_path: Path, capsys) -> None:
    save(tmp_path / "in" / "a.wav", np.stack([tone(1.0), -tone(1.0)], axis=1), subtype="FLOAT")
    (one,) = add(tmp_path / "in", tmp_path / "root", with_text=False)
    np.testing.assert_array_equal(read_utterance(one), tone(1.0))
    assert "cancel each other" in capsys.readouterr().err


def test_floats_with_the_scale_of_integers_were_taken_as_they_are(tmp_path: Path, capsys) -> None:
    save(tmp_path / "in" / "a.wav", tone(1.0) * 32768, subtype="FLOAT")
    (one,) = add(tmp_path / "in", tmp_path / "root", with_text=False)
    np.testing.assert_array_equal(read_utterance(one), tone(1.0))
    assert "divided by 32,768" in capsys.readouterr().err


def wrong_size(data: bytes) -> bytes:
    return with_data_size(data, 16_000, riff=len(data) - 8)


def second_half_missing(data: bytes) -> bytes:
    return data[: len(data) // 2]


DAMAGED = {
    "wrapped.wav": (lambda: wrong_size(wav()), "16,000 bytes of audio, but 211,200 more"),
    "wrapped-float.wav": (lambda: wrong_size(wav("PCM_24")), "16,000 bytes of audio, but"),
    "half.wav": (lambda: second_half_missing(wav()), "truncated: .* of 227,200 bytes"),
    "half.rf64.wav": (lambda: second_half_missing(LOSSLESS["rf64.wav"]()), "truncated: .* of 227,200 bytes"),
    "half.aiff": (lambda: second_half_missing(LOSSLESS["aiff.aiff"]()), "truncated"),
    "half.au": (lambda: second_half_missing(LOSSLESS["au.au"]()), "truncated"),
    "half.caf": (lambda: second_half_missing(LOSSLESS["caf.caf"]()), "truncated"),
    "half.w64": (lambda: second_half_missing(LOSSLESS["w64.w64"]()), "truncated"),
    "half.flac": (lambda: second_half_missing(wav(form="FLAC")), "decoded|truncated"),
    "half.ogg": (lambda: second_half_missing(wav("VORBIS", "OGG")), "truncated: the last page"),
    "half.opus": (lambda: second_half_missing(LOSSY["opus-chained.opus"][0]()), "truncated: the last page"),
    "half.mp3": (lambda: second_half_missing(mp3()), r"truncated"),
    "half-no-xing.mp3": (lambda: second_half_missing(mp3(xing=False)), "of the last MPEG frame"),
    "half.m4a": (lambda: second_half_missing(LOSSY["aac.m4a"][0]()), "not audio"),
    "hole.ogg": (lambda: (data := wav("VORBIS", "OGG"))[:9000] + data[9100:], "damaged"),
    "hole.mp3": (lambda: (data := mp3())[:9000] + bytes(range(256)) * 8 + data[9000:], "damaged"),
}


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("embedded", [False, True])
def test_a_recording_that_lost_a_part_was_accepted(tmp_path: Path, name: str, embedded: bool) -> None:
    import re

    from lst_cli.audio.inspect import examine

    make, expected = DAMAGED[name]
    put(tmp_path / name, make())
    problem = (examine((tmp_path / name).read_bytes()) if embedded else inspect_audio(tmp_path / name)).problem
    assert problem is not None
    assert re.search(expected, problem), problem


def test_flac_with_too_small_a_length_in_its_header_lost_its_end(tmp_path: Path) -> None:
    data = bytearray(wav(form="FLAC"))
    data[22:26] = (50_000).to_bytes(4, "big")
    put(tmp_path / "a.flac", bytes(data))
    assert "50,000 samples, but the stream has 113,600" in str(inspect_audio(tmp_path / "a.flac").problem)


def test_audio_in_a_container_of_another_name_is_read_by_its_contents(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.wav", wav(form="FLAC"))
    put(tmp_path / "in" / "b.mp3", LOSSY["aac.m4a"][0]())
    corpus: Corpus = add(tmp_path / "in", tmp_path / "root", with_text=False)
    assert len(corpus) == 2
    assert choose_layout(tmp_path / "in").name == "folder"
    assert soundfile.info(tmp_path / "in" / "a.wav").frames == corpus[0].samples
