"""How like the original speaker a clip sounds: the cosine of x-vectors, by a model for speaker verification.

Legend: T samples at 16 kHz, D dimensions of an x-vector.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

SPEAKER_VERSION = 1
"""Incremented when the same weights would give other similarities."""

SHORTEST_SAMPLES = 6400
"""0.4 s; less does not identify a speaker, and the models' pooling needs a third of a second."""


@dataclass(frozen=True, kw_only=True)
class SpeakerFiles:
    """A model on disk."""

    name: str
    """As the user named it; of a folder its last part."""
    folder: Path
    sha256: str
    """Checksum of its config and weights."""

    @property
    def config(self) -> Mapping[str, Any]:
        """Identifies the model in a result."""
        return {"name": self.name, "sha256": self.sha256, "version": SPEAKER_VERSION}


def find_speaker_model(name: str) -> SpeakerFiles:
    """The model of a folder, or of a name that was downloaded before. Does not load torch.

    :raises UserError: it is missing, or is not a model.
    """
    from lst_cli.units.features.hub_models import find_model, weights_sha256

    expected = "a folder, or the name of a model that was downloaded before, such as microsoft/wavlm-base-plus-sv"
    folder = find_model(name, f"--speaker-model {name}", expected, fetch=False)
    called = folder.resolve().name if Path(name).is_dir() else name
    return SpeakerFiles(name=called, folder=folder, sha256=weights_sha256(folder))


class SpeakerModel:
    """X-vectors of clips, one clip at a time."""

    def __init__(self, files: SpeakerFiles, device: str) -> None:
        """Load the model.

        :raises UserError: transformers can't read one for x-vectors, or it has no weights for them.
        """
        from transformers import AutoModelForAudioXVector
        from transformers.utils import logging

        from lst_cli.units.features.hub_models import normalizes
        from lst_cli.units.features.whole_model import load_whole

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        model = load_whole(
            AutoModelForAudioXVector,
            files.folder,
            f"--speaker-model {files.name}",
            what="a model for x-vectors",
            trained="a model trained for speaker verification, not a pretrained one alone",
        )
        self._model = model.to(device)
        self._normalize = normalizes(files.folder, model.config.to_dict())

    def similarity(self, said_T: NDArray[np.float32], original_T: NDArray[np.float32]) -> float | None:
        """Cosine of the two clips' x-vectors, from -1 to 1; None where one is shorter than 0.4 s."""
        import torch

        if min(len(said_T), len(original_T)) < SHORTEST_SAMPLES:
            return None
        said_D, original_D = self.x_vector(said_T), self.x_vector(original_T)
        return float(torch.nn.functional.cosine_similarity(said_D, original_D, dim=0))

    def x_vector(self, wave_T: NDArray[np.float32]) -> Tensor:
        """The x-vector [D] of a clip."""
        import torch

        input_T = torch.from_numpy(wave_T).to(self._model.device)
        if self._normalize:
            input_T = (input_T - input_T.mean()) / torch.sqrt(input_T.var(unbiased=False) + 1e-7)
        with torch.inference_mode():
            vector_D: Tensor = self._model(input_T[None]).embeddings[0].cpu()
        return vector_D
