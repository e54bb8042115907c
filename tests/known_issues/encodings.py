"""One clip in many encodings, as tools in the field write them."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

CLIP = Path(__file__).parents[2] / "recipes" / "tiny" / "librivox" / "austen-0870.wav"
SAMPLES, RATE = 113_600, 16_000


def clip() -> NDArray[np.int16]:
    samples: NDArray[np.int16] = soundfile.read(CLIP, dtype="int16")[0]
    return samples


def wav(subtype: str = "PCM_16", form: str = "WAV", samples: NDArray | None = None) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, clip() if samples is None else samples, RATE, format=form, subtype=subtype)
    return stream.getvalue()


def with_data_size(data: bytes, size: int, riff: int | None = None) -> bytes:
    """A WAV with another size in the header of its audio."""
    at = data.index(b"data") + 4
    start = data[:4] + struct.pack("<I", size + 36 if riff is None else riff) + data[8:at]
    return start + struct.pack("<I", size) + data[at + 4 :]


def ffmpeg(
    codec: str,
    form: str,
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    samples: NDArray[np.int16] | None = None,
) -> bytes:
    stream = io.BytesIO()
    # Not seekable streams: a muxer that goes back writes what a file on disk would hold.
    with av.open(stream, "w", format=form, options=container or {}) as file:
        audio = file.add_stream(codec, rate=RATE, layout="mono", options=options or {})
        sound = clip() if samples is None else samples
        for start in range(0, len(sound), 10 * RATE):
            frame = av.AudioFrame.from_ndarray(sound[None, start : start + 10 * RATE], format="s16", layout="mono")
            frame.sample_rate, frame.pts = RATE, start
            for packet in audio.encode(frame):
                file.mux(packet)
        for packet in audio.encode(None):
            file.mux(packet)
    return stream.getvalue()


def mp3(*, quality: int | None = None, rate: str = "64000", xing: bool = True, abr: bool = False) -> bytes:
    options = {"b": rate, "abr": "1" if abr else "0"}
    if quality is not None:
        options = {"flags": "+qscale", "global_quality": str(quality * 118)}
    return ffmpeg("libmp3lame", "mp3", options, {"write_xing": "1" if xing else "0"})


def flac_of_unknown_length() -> bytes:
    data = bytearray(wav(form="FLAC"))
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    return bytes(data)


def chained(form: str) -> bytes:
    """Two links of Ogg: the first 3 s of the clip, and the rest."""
    subtype = {"opus": "OPUS", "vorbis": "VORBIS"}[form]
    return wav(subtype, "OGG", clip()[: 3 * RATE]) + wav(subtype, "OGG", clip()[3 * RATE :])


def float_clip() -> NDArray[np.float32]:
    return clip().astype(np.float32) / np.float32(32768)


Encoding = tuple[str, Callable[[], bytes], int]
"""(file name, its bytes, samples of a codec frame: 0 for lossless ones)."""

LOSSLESS: dict[str, Callable[[], bytes]] = {
    "wav-16.wav": wav,
    "wav-24.wav": lambda: wav("PCM_24"),
    "wav-32.wav": lambda: wav("PCM_32"),
    "wav-float.wav": lambda: wav("FLOAT", samples=float_clip()),
    "wav-double.wav": lambda: wav("DOUBLE", samples=float_clip()),
    "extensible.wav": lambda: wav(form="WAVEX"),
    "rf64.wav": lambda: wav(form="RF64"),
    "w64.w64": lambda: wav(form="W64"),
    "aiff.aiff": lambda: wav(form="AIFF"),
    "au.au": lambda: wav(form="AU"),
    "caf.caf": lambda: wav(form="CAF"),
    "sphere.WAV": lambda: wav(form="NIST"),
    "streamed-0.wav": lambda: with_data_size(wav(), 0, riff=0),
    "streamed-0-riff-ok.wav": lambda: with_data_size(wav(), 0, riff=36),
    "streamed-80000000.wav": lambda: with_data_size(wav(), 0x80000000),
    "streamed-7fffff00.wav": lambda: with_data_size(wav(), 0x7FFFFF00),
    "streamed-ffffffff.wav": lambda: with_data_size(wav(), 0xFFFFFFFF, riff=0xFFFFFFFF),
    "streamed-16-too-many.wav": lambda: with_data_size(wav(), 2 * SAMPLES + 16),
    "streamed-float.wav": lambda: with_data_size(wav("FLOAT", samples=float_clip()), 0xFFFFFFFF, riff=0xFFFFFFFF),
    "flac.flac": lambda: wav(form="FLAC"),
    "flac-unknown-length.flac": flac_of_unknown_length,
    "flac-behind-id3.flac": lambda: b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + wav(form="FLAC"),
    "alac.m4a": lambda: ffmpeg("alac", "ipod"),
}
LOSSY: dict[str, tuple[Callable[[], bytes], int]] = {
    "wav-8.wav": (lambda: wav("PCM_U8"), 0),
    "mu-law.wav": (lambda: wav("ULAW"), 0),
    "a-law.wav": (lambda: wav("ALAW"), 0),
    "mp3-cbr.mp3": (mp3, 576),
    "mp3-cbr-no-xing.mp3": (lambda: mp3(xing=False), 576),
    "mp3-vbr.mp3": (lambda: mp3(quality=6), 576),
    "mp3-vbr-no-xing.mp3": (lambda: mp3(quality=6, xing=False), 576),
    "mp3-abr.mp3": (lambda: mp3(rate="48000", abr=True), 576),
    "mp3-abr-no-xing.mp3": (lambda: mp3(rate="48000", abr=True, xing=False), 576),
    "mp3-named.wav": (mp3, 576),
    "mp3-with-info-in-id3.mp3": (
        lambda: b"ID3\x03\0\0\0\0\0\x21" + b"TIT2\0\0\0\x0c\0\0\0Information\0" + bytes(10) + mp3(xing=False),
        576,
    ),
    "vorbis.ogg": (lambda: wav("VORBIS", "OGG"), 1024),
    "opus.opus": (lambda: wav("OPUS", "OGG"), 320),
    "vorbis-chained.ogg": (lambda: chained("vorbis"), 1024),
    "opus-chained.opus": (lambda: chained("opus"), 320),
    "aac.m4a": (lambda: ffmpeg("aac", "ipod"), 1024),
    "aac-fragmented.mp4": (
        lambda: ffmpeg("aac", "mp4", container={"movflags": "frag_keyframe+empty_moov+default_base_moof"}),
        1024,
    ),
    "aac.aac": (lambda: ffmpeg("aac", "adts"), 2048),
    "opus.webm": (lambda: ffmpeg("libopus", "webm"), 960),
}
