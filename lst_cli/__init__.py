"""lst: the Latent Speech-Text Transformer, from audio to the paper's tables.

The command line is ``lst``; from Python, :func:`load` opens a trained model.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lst_cli.version import __version__

if TYPE_CHECKING:
    from lst_cli.api import LanguageModel
    from lst_cli.distributed.device import Precision

__all__ = ["__version__", "load"]


def load(
    reference: str | Path,
    *,
    root: str | Path = "artifacts",
    device: str = "auto",
    precision: Precision | None = None,
) -> LanguageModel:
    """Load a model artifact for inference.

    :param reference: ``model/NAME``, ``model/NAME/VERSION``, or the path of an artifact or exported model.
    :param root: folder of all artifacts.
    :param device: ``cpu``, ``cuda``, ``cuda:N``, or ``auto`` for a GPU where there is one.
    :param precision: of weights and arithmetic; by default that in which the weights were saved.
    :raises UserError: there is no such model, a file is damaged, or the device is missing.
    """
    from lst_cli.api import load_language_model

    return load_language_model(reference, Path(root), device, precision)
