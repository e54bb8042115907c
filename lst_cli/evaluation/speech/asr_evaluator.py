"""The ASR evaluator of generated speech: Whisper through faster-whisper, from a folder, a package, or by its name.

Legend: T samples at 16 kHz.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lst_cli.checksum import sha256_of
from lst_cli.errors import UserError
from lst_cli.units.features.whisper_files import CT2_WEIGHTS, PACKAGED, packaged_whisper

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EVALUATOR_VERSION = 1
"""Incremented when the same weights would give other transcripts."""

_BEAMS = 5
_INSTALL = "pip install 'lst-cli[evaluator]'"


@dataclass(frozen=True, kw_only=True)
class EvaluatorFiles:
    """Weights on disk."""

    name: str
    """As the user named it."""
    folder: Path
    sha256: str
    """Checksum of the weights."""
    language: str

    @property
    def config(self) -> Mapping[str, Any]:
        """Identifies the evaluator in a result."""
        return {
            "name": self.name,
            "sha256": self.sha256,
            "language": self.language,
            "beams": _BEAMS,
            "version": EVALUATOR_VERSION,
        }


def find_evaluator(name: str, language: str) -> EvaluatorFiles:
    """The evaluator of a folder or a name.

    :param name: a folder in CTranslate2's format, ``tiny.en`` for the packaged one, or a name that faster-whisper
        has downloaded before.
    :raises UserError: it is not found, or faster-whisper is not installed.
    """
    path = Path(name)
    folder = path if path.is_dir() else packaged_whisper() if name == PACKAGED else None
    if folder is None:
        folder = _downloaded(name)
    weights = folder / CT2_WEIGHTS
    if not weights.is_file():
        raise UserError(
            f"--evaluator {name}: no Whisper model",
            found=f"no {CT2_WEIGHTS} in {folder}",
            expected="a folder in CTranslate2's format",
            fix="convert one with ct2-transformers-converter, or use --evaluator tiny.en",
        )
    called = path.resolve().name if path.is_dir() else name
    return EvaluatorFiles(name=called, folder=folder, sha256=sha256_of(weights), language=language)


def _downloaded(name: str) -> Path:
    try:
        from faster_whisper.utils import download_model
    except ImportError:
        raise _not_installed() from None
    try:
        return Path(download_model(name, local_files_only=True))
    except (ValueError, OSError) as error:
        raise UserError(
            f"--evaluator {name}: no such Whisper model here",
            found=str(error).splitlines()[0] if str(error) else type(error).__name__,
            expected="a folder, tiny.en, or a model that faster-whisper has downloaded",
            fix=f"give a folder, or install the packaged tiny.en: {_INSTALL}",
        ) from None


def _not_installed() -> UserError:
    return UserError("the ASR evaluator needs faster-whisper", found="it is not installed", fix=_INSTALL)


class AsrEvaluator:
    """Transcribes one clip at a time: beam search, no fallback to sampling, no context from earlier clips."""

    def __init__(self, files: EvaluatorFiles, device: str = "cpu") -> None:
        try:
            from faster_whisper import WhisperModel
        except ImportError:
            raise _not_installed() from None
        from lst_cli.units.input.pipeline import cpu_count

        try:
            self._model = WhisperModel(
                str(files.folder),
                device=device,
                compute_type="int8" if device == "cpu" else "float16",
                cpu_threads=cpu_count(),
            )
        except (RuntimeError, ValueError) as error:
            raise UserError(f"--evaluator {files.name}: the model can't be loaded", found=str(error)) from None
        self._language = files.language

    def transcribe(self, wave_T: NDArray[np.float32]) -> str:
        """The transcript of a clip [T] at 16 kHz on one line; empty if the evaluator recognises nothing."""
        segments, _ = self._model.transcribe(
            wave_T,
            language=self._language,
            beam_size=_BEAMS,
            temperature=0.0,
            condition_on_previous_text=False,
        )
        return " ".join(" ".join(segment.text for segment in segments).split())
