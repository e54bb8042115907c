"""The stage ``lst units import``: published centroids become a quantizer.

Legend: K centroids, D feature dimensions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import TYPE_CHECKING, Any

from lst_cli.artifacts import Draft, Request
from lst_cli.errors import UserError
from lst_cli.finite import check_finite_weights
from lst_cli.units.frames import RATE_HZ
from lst_cli.units.quantizer.codebook import QUANTIZER, Codebook

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PICKLES = (".bin", ".joblib", ".km", ".pkl", ".pickle", ".pt")


@dataclass(frozen=True, kw_only=True)
class QuantizerImportOptions:
    """Options of ``lst units import``."""

    name: str
    file: Path
    features: Mapping[str, Any]
    """The config of the centroids' features."""
    trust_pickle: bool = False


def plan_import(options: QuantizerImportOptions) -> tuple[Request, Callable[[Draft], None]]:
    """The arguments of :meth:`lst_cli.artifacts.Store.build`.

    :raises UserError: the file can't be read, or holds no centroids for these features.
    """
    import numpy as np

    centroids_KD = read_centroids(options.file, trust_pickle=options.trust_pickle)
    dim = centroids_KD.shape[1]
    codebook = Codebook(
        centroids_KD=centroids_KD,
        mean_D=np.zeros(dim, dtype=np.float32),
        scale_D=np.ones(dim, dtype=np.float32),
        features=dict(options.features),
    )
    config = {
        "features": dict(options.features),
        "rate_hz": RATE_HZ,
        "clusters": codebook.units,
        "centroids_sha256": hashlib.sha256(centroids_KD.tobytes()).hexdigest(),
    }

    def make(draft: Draft) -> None:
        from lst_cli.units.features.registry import load_features
        from lst_cli.units.quantizer.quantize import Quantizer

        Quantizer(codebook, load_features(options.features, "cpu"))  # refuses centroids of another size
        codebook.save(draft.path)
        draft.statistics.update(clusters=codebook.units, dimensions=dim, imported_from=options.file.name)

    return Request(kind=QUANTIZER, name=options.name, config=config), make


def read_centroids(file: Path, *, trust_pickle: bool) -> NDArray[np.float32]:
    """Centroids [K, D] from ``.npy``, ``.safetensors`` or, if trusted, a pickled scikit-learn k-means.

    :raises UserError: the file can't be read, holds no centroids, or is a pickle that was not trusted.
    """
    import numpy as np

    if not file.is_file():
        raise UserError(f"{file}: no such file")
    if file.suffix in _PICKLES:
        array = _from_pickle(file, trust_pickle)
    elif file.suffix == ".safetensors":
        array = _from_safetensors(file)
    else:
        try:
            array = np.load(file, allow_pickle=False)
        except (ValueError, OSError, EOFError, TypeError, KeyError, SyntaxError, TokenError, MemoryError) as error:
            raise UserError(
                f"{file}: no centroids in a known format",
                found=str(error),
                expected=".npy, .safetensors, or with --trust-pickle a joblib file: " + ", ".join(_PICKLES),
            ) from None
    if not isinstance(array, np.ndarray) or array.ndim != 2:
        raise UserError(f"{file}: no centroids", found=str(getattr(array, "shape", array)), expected="shape [K, D]")
    if array.dtype.kind != "f":
        raise UserError(
            f"{file}: the centroids are not floating-point numbers", found=str(array.dtype), expected="float32"
        )
    with np.errstate(over="ignore"):  # beyond float32 is infinite, and refused as such
        centroids_KD = np.ascontiguousarray(array, dtype=np.float32)
    check_finite_weights({"centroids": centroids_KD}, str(file))
    return centroids_KD


def _from_safetensors(file: Path) -> Any:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(file)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{file}: not a safetensors file", found=str(error)) from None
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and tensor.element_size() == 1:
            raise UserError(f"{file}: {name} is quantised", found=str(tensor.dtype), expected="float32")
    # NumPy has no bfloat16.
    arrays = {
        name: (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy() for name, tensor in tensors.items()
    }
    tables = [name for name, array in arrays.items() if array.ndim == 2]
    chosen = "centroids" if "centroids" in tables else tables[0] if len(tables) == 1 else None
    if chosen is None:
        raise UserError(
            f"{file}: no unique tensor of centroids",
            found=", ".join(f"{name} {array.shape}" for name, array in arrays.items()),
            expected="one two-dimensional tensor, or one that is called centroids",
        )
    return arrays[chosen]


def _from_pickle(file: Path, trusted: bool) -> Any:
    if not trusted:
        raise UserError(
            f"{file}: a pickle, which can run arbitrary code when it is read",
            fix="if you trust its source, add --trust-pickle; or save its cluster_centers_ with numpy.save",
        )
    import pickle

    try:
        import joblib

        model = joblib.load(file)
    except ImportError as error:
        raise UserError(
            f"{file}: reading it needs the packages that it was written with",
            found=str(error),
            fix="pip install joblib scikit-learn",
        ) from None
    except (pickle.UnpicklingError, ValueError, EOFError, KeyError, AttributeError, OSError) as error:
        raise UserError(f"{file}: not a joblib file", found=f"{type(error).__name__}: {error}") from None
    return getattr(model, "cluster_centers_", model)
