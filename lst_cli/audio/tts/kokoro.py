"""Kokoro-82M, the engine of the paper's spoken benchmarks (Lu et al. 2025, section 5), in ONNX.

A folder holds the model (one ``.onnx`` file) and the voices: ``voices/NAME.bin`` (float32, a style of 256 numbers for
each length, as npm's ``kokoro-js`` ships them), or one ``.bin`` or ``.npz`` archive of them (as the kokoro-onnx project
publishes). kokoro-onnx turns text into phonemes through phonemizer, which is GPL-3: only this module imports it, and
only when it speaks.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lst_cli.audio.tts.engine import Engine, VoiceFiles
from lst_cli.audio.tts.onnx import seeded_session
from lst_cli.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LANGUAGES = {"a": "en-us", "b": "en-gb", "e": "es", "f": "fr-fr", "h": "hi", "i": "it", "p": "pt-br"}
"""espeak-ng's names of languages by the first letter of a voice."""

_STYLE = 256
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def find(what: str, speaker: str | None) -> VoiceFiles:
    """Find the model in a folder, and the voice named behind ``#``.

    :param what: the folder, or a name on the Hugging Face hub of a model that was downloaded before, such as
        ``onnx-community/Kokoro-82M-v1.0-ONNX``; there the model is ``onnx/model.onnx``.
    :raises UserError: the folder lacks a model or that voice, or nothing of that name was downloaded.
    """
    folder = _folder(what)
    models = sorted(folder.glob("*.onnx")) or sorted(folder.glob("onnx/model.onnx"))
    if len(models) != 1:
        raise UserError(
            f"--voice kokoro:{what}: not a folder with a Kokoro model",
            found=", ".join(path.name for path in models) or f"no .onnx file in {folder}",
            expected="one .onnx file, and the voices as voices/NAME.bin or in one voices*.bin",
        )
    voices = _voices(folder)
    if speaker is None or speaker not in voices:
        raise UserError(
            f"--voice kokoro:{what}: no such voice in the folder",
            found=f"#{speaker}" if speaker else "none",
            expected=f"# and one of: {', '.join(sorted(voices)) or '(the folder has no voices)'}",
        )
    return VoiceFiles((models[0], voices[speaker]), speaker, "kokoro-onnx", noise_scales=False)


def _folder(what: str) -> Path:
    """A folder, or the folder of a name in the Hub's cache."""
    if Path(what).is_dir() or what.startswith((".", "/")) or what.count("/") != 1:
        return Path(what)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(what, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError) as error:
        raise UserError(
            f"--voice kokoro:{what}: neither a local folder nor downloaded before",
            found=str(error).strip().splitlines()[0],
            expected="a folder with a Kokoro model, or a model's name on the Hugging Face Hub",
            fix=f"hf download {what}, or give the folder's path",
        ) from None


def _voices(folder: Path) -> dict[str, Path]:
    """Every voice of a language that can be spoken, and the file it is in."""
    found = {path.stem: path for path in sorted(folder.glob("voices/*.bin"))}
    for archive in (*folder.glob("voices*.bin"), *folder.glob("voices*.npz")):
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as members:
                found.update((name.removesuffix(".npy"), archive) for name in members.namelist())
    return {name: path for name, path in found.items() if name[:1] in _LANGUAGES}


def load(files: Sequence[Path], speaker: str | None, noise: float, seed: int) -> Engine:
    """Load the model on one thread; its noise has no scale, so ``noise`` is 1."""
    return _Kokoro(files[0], files[1], str(speaker), seed)


class _Kokoro:
    sample_rate = 24_000

    def __init__(self, model: Path, voice: Path, name: str, seed: int) -> None:
        import numpy as np
        from kokoro_onnx.tokenizer import Tokenizer

        self._session = seeded_session(model, seed)
        self._tokens_input: str = self._session.get_inputs()[0].name  # 'tokens', in newer exports 'input_ids'
        self._tokenizer = Tokenizer()
        self._language = _LANGUAGES[name[0]]
        table = np.load(voice)[name] if zipfile.is_zipfile(voice) else np.fromfile(voice, np.float32)
        self._styles: NDArray[np.float32] = table.reshape(-1, 1, _STYLE)

    def speak(self, text: str, rate: float) -> list[NDArray[np.float32]]:
        """See :class:`Engine`. A sentence beyond 510 phonemes is spoken in pieces, each levelled as a sentence."""
        from kokoro_onnx.chunker import split_phonemes
        from kokoro_onnx.config import MAX_PHONEME_LENGTH

        pieces = []
        for sentence in _SENTENCE_END.split(text):
            phonemes = self._tokenizer.phonemize(sentence, self._language)
            pieces += [self._say(piece, rate) for piece in split_phonemes(phonemes, MAX_PHONEME_LENGTH) if piece]
        return [piece for piece in pieces if len(piece)]

    def _say(self, phonemes: str, rate: float) -> NDArray[np.float32]:
        import numpy as np

        tokens = self._tokenizer.tokenize(phonemes)
        if not tokens:
            return np.zeros(0, np.float32)
        inputs = {
            self._tokens_input: np.array([[0, *tokens, 0]], np.int64),
            "style": self._styles[min(len(tokens), len(self._styles)) - 1],
            "speed": np.array([rate], np.float32),
        }
        samples: NDArray[np.float32] = np.ravel(self._session.run(None, inputs)[0]).astype(np.float32, copy=False)
        return samples
