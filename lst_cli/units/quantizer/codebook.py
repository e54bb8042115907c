"""The quantizer artifact: centroids, the normalisation of features before them, and how the features are made.

Legend: T frames, K centroids, D feature dimensions.

``centroids.safetensors`` holds ``centroids`` [K, D], ``mean`` [D] and ``scale`` [D], float32, and in its metadata the
features config as JSON. So this one file, wherever it is copied, is all it takes to turn audio into units.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lst_cli.artifacts import Kind
from lst_cli.errors import UserError
from lst_cli.finite import check_finite_weights
from lst_cli.json_text import parse_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUANTIZER = Kind("quantizer", 1)
CENTROIDS_FILE = "centroids.safetensors"

MAX_UNITS = 1 << 16
"""Units are stored as uint16."""


@dataclass(frozen=True, kw_only=True)
class Codebook:
    """Centroids and the normalisation of the features: unit = the centroid nearest to ``(feature - mean) / scale``."""

    centroids_KD: NDArray[np.float32]
    mean_D: NDArray[np.float32]
    scale_D: NDArray[np.float32]
    features: Mapping[str, Any]
    """The features config."""

    def __post_init__(self) -> None:
        shape, dim = self.centroids_KD.shape, self.mean_D.shape
        if len(shape) != 2 or not 1 <= shape[0] <= MAX_UNITS or dim != shape[1:] or self.scale_D.shape != dim:
            raise UserError(
                "the centroids don't fit together",
                found=f"centroids {shape}, mean {dim}, scale {self.scale_D.shape}",
                expected=f"[K, D], [D] and [D], with K from 1 to {MAX_UNITS:,}",
            )
        if not all(np.isfinite(a).all() for a in (self.centroids_KD, self.mean_D, self.scale_D)):
            raise UserError("the centroids are not finite numbers", fix="fit or import the quantizer again")

    @property
    def units(self) -> int:
        """The number of different units, K."""
        return len(self.centroids_KD)

    def save(self, folder: Path) -> None:
        """Write ``centroids.safetensors``. Equal codebooks give the same bytes."""
        from safetensors.numpy import save

        from lst_cli.artifacts.parquet import write_bytes_atomic

        views = {"centroids": self.centroids_KD, "mean": self.mean_D, "scale": self.scale_D}
        # safetensors writes the memory as it lies, also that of a strided view.
        arrays = {name: np.ascontiguousarray(view, dtype=np.float32) for name, view in views.items()}
        # One entry only: safetensors writes several in an order of chance, and equal codebooks would be unequal files.
        metadata = {"features": json.dumps(dict(self.features), sort_keys=True)}
        write_bytes_atomic(folder / CENTROIDS_FILE, save(arrays, metadata=metadata))

    @classmethod
    def read(cls, path: Path) -> Codebook:
        """Read a codebook from a ``quantizer`` artifact's folder, or from a file in the same format.

        :raises UserError: there is no such file, or it holds something else.
        """
        from safetensors import SafetensorError, safe_open

        file = path / CENTROIDS_FILE if path.is_dir() else path
        try:
            with safe_open(file, framework="numpy") as stream:
                features = parse_json((stream.metadata() or {})["features"])
                if not isinstance(features, dict):
                    raise TypeError(f"features is {type(features).__name__}, not a mapping")
                arrays = {name: stream.get_tensor(name) for name in ("centroids", "mean", "scale")}
        except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
            raise UserError(
                f"{file}: not a quantizer",
                found=f"{type(error).__name__}: {error}",
                expected="centroids, mean and scale, and the features config in the metadata",
                fix="use the centroids.safetensors of an artifact that 'lst units fit' or 'lst units import' made",
            ) from None
        as_float = {name: array.astype(np.float32) for name, array in arrays.items()}
        check_finite_weights(as_float, str(file))
        return cls(
            centroids_KD=as_float["centroids"], mean_D=as_float["mean"], scale_D=as_float["scale"], features=features
        )
