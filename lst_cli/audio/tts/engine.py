"""The interface of an engine, and the names of voices: ``[ENGINE:]WHAT[#SPEAKER][@PITCH[xTEMPO]]``.

A new engine is one module here with ``find(what, speaker)`` and ``load(files, speaker, noise, seed)``, and one line
in :data:`ENGINES`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lst_cli.audio.sample_rates import RATE_HZ
from lst_cli.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ENGINES = {"piper": "lst_cli.audio.tts.piper", "kokoro": "lst_cli.audio.tts.kokoro"}
"""Engine name to the module that speaks with it."""

_FACTORS = (0.5, 2.0)


class Engine(Protocol):
    """One loaded voice."""

    sample_rate: int
    """Hz."""

    def speak(self, text: str, rate: float) -> list[NDArray[np.float32]]:
        """Speak a text, one array of samples ``[N]`` in [-1, 1] for each sentence; none if it says nothing.

        The result depends on the voice, the text, the rate, the noise seed and what was spoken since loading.

        :param rate: speaking rate; 1 is the voice's own, 1.2 is 20% faster.
        """
        ...


@dataclass(frozen=True)
class VoiceFiles:
    """A voice as the engine found it, without loading it."""

    files: tuple[Path, ...]
    """The files that determine how it sounds."""
    label: str
    """A short name; the utterances' speaker."""
    package: str
    """Name of the engine's Python package; its version is part of the fingerprint."""
    noise_scales: bool = True
    """Whether the engine's random variation can be scaled."""


@dataclass(frozen=True)
class Voice:
    """A voice as the user named it, found on disk."""

    engine: str
    files: tuple[Path, ...]
    speaker: str | None
    """Which speaker of a voice that has several."""
    pitch: float
    """Everything sounds higher by this factor (another speaker, roughly) at the same speaking rate."""
    tempo: float
    """Everything is said faster by this factor."""
    label: str
    identity: Mapping[str, Any] = field(hash=False)
    """What determines its sound, for the fingerprint: checksums of its files, versions, speaker, pitch."""


def find_voice(spec: str, noise: float = 1.0) -> Voice:
    """Find a voice: ``piper:PATH.onnx``, ``piper:PACKAGE``, ``kokoro:FOLDER#NAME`` (or the hub's name
    of one that was downloaded); ``piper:`` may be omitted.

    :raises UserError: no such engine, files or speaker, the engine's package is not installed, or it can't scale its
        noise and ``noise`` is not 1.
    """
    from lst_cli.audio.inspect import sha256

    engine, colon, rest = spec.partition(":")
    if not colon:
        engine, rest = "piper", spec
    if engine not in ENGINES:
        raise UserError(
            f"--voice {spec}: unknown engine {engine!r}",
            expected=f"one of: {', '.join(ENGINES)}, then ':' and the voice",
        )
    rest, _, changes = rest.partition("@")
    what, _, speaker = rest.partition("#")
    pitch, tempo = _pitch_and_tempo(spec, changes) if changes else (1.0, 1.0)
    found: VoiceFiles = importlib.import_module(ENGINES[engine]).find(what, speaker or None)
    if noise != 1.0 and not found.noise_scales:
        raise UserError(f"--noise {noise:g}: {engine} can't scale its random variation", fix="remove --noise")
    changed = (f"{pitch:g}" if tempo == 1.0 else f"{pitch:g}x{tempo:g}") if (pitch, tempo) != (1.0, 1.0) else ""
    label = f"{found.label}@{changed}" if changed else found.label
    identity = {
        "engine": engine,
        "package": f"{found.package} {_version(found.package, engine)}",
        "voice": label,
        "files": {path.name: sha256(path) for path in found.files},
        "speaker": speaker or None,
        "pitch": pitch,
    } | ({"tempo": tempo} if tempo != 1.0 else {})
    return Voice(engine, found.files, speaker or None, pitch, tempo, label, identity)


def _pitch_and_tempo(spec: str, text: str) -> tuple[float, float]:
    pitch_text, _, tempo_text = text.partition("x")
    try:
        pitch, tempo = float(pitch_text), float(tempo_text or 1)
    except ValueError:
        pitch = tempo = 0.0
    if not all(_FACTORS[0] <= factor <= _FACTORS[1] for factor in (pitch, tempo)):
        raise UserError(
            f"--voice {spec}: not a pitch, or a pitch and a tempo",
            found=f"@{text}",
            expected="@PITCH or @PITCHxTEMPO, each 0.5 to 2, such as @1.1 or @1.1x0.9",
        )
    return pitch, tempo


def _version(package: str, engine: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        raise UserError(
            f"the engine {engine} is not installed", expected=f"the package {package}", fix=f"pip install {package}"
        ) from None


def load_voice(voice: Voice, *, noise: float, seed: int) -> Engine:
    """Load a voice, its noise drawn from ``seed``.

    :param noise: how much of the voice's own random variation to keep; with 0, a sentence always sounds the same.
    """
    module = importlib.import_module(ENGINES[voice.engine])
    engine: Engine = module.load(voice.files, voice.speaker, noise, seed)
    return engine if (voice.pitch, voice.tempo) == (1.0, 1.0) else Changed(engine, voice.pitch, voice.tempo)


class Changed:
    """A voice that is resampled to another pitch, with the speaking rate changed to compensate.

    A tempo is a factor on the requested speaking rate.
    """

    def __init__(self, engine: Engine, pitch: float, tempo: float) -> None:
        self._engine, self._tempo = engine, tempo
        # A whole number of samples for each speech token.
        self.sample_rate = round(engine.sample_rate * pitch / RATE_HZ) * RATE_HZ
        self._pitch = self.sample_rate / engine.sample_rate

    def speak(self, text: str, rate: float) -> list[NDArray[np.float32]]:
        """See :class:`Engine`."""
        return self._engine.speak(text, rate * self._tempo / self._pitch)


def check_distinct(voices: Sequence[Voice]) -> None:
    """Refuse the same label twice: the label is the speaker's name in the corpus.

    :raises UserError: two voices have one label.
    """
    labels = [voice.label for voice in voices]
    for label in labels:
        if labels.count(label) > 1:
            raise UserError(f"--voice: {label} is given {labels.count(label)} times", fix="give every voice once")
