"""The folder of a text model as ``save_pretrained`` of transformers writes it: config, index and tensors.

As in transformers the index names the files, and no other file is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lst_cli.checksum import sha256_of
from lst_cli.errors import UserError
from lst_cli.json_text import parse_json

if TYPE_CHECKING:
    from torch import Tensor

CONFIG_FILE = "config.json"
_WEIGHTS_FILE = "model.safetensors"
_INDEX_FILE = "model.safetensors.index.json"
_ADAPTER_FILE = "adapter_config.json"
_DTYPES = ("F32", "F16", "BF16", "F64")


@dataclass(frozen=True, kw_only=True)
class HfFolder:
    """A folder with the weights of a text model."""

    folder: Path
    files: tuple[Path, ...]
    """Those with weights."""
    sha256: str
    """Of all weights, file by file."""
    prefix: str = ""
    """Of the tensors' names, where the text model is a part of another one."""

    @staticmethod
    def read_config(folder: Path) -> dict[str, Any]:
        """The contents of ``config.json``.

        :raises UserError: there is none, it is damaged, or the weights are quantised or an adapter's.
        """
        path = folder / CONFIG_FILE
        if (folder / _ADAPTER_FILE).is_file():
            raise UserError(
                f"{folder}: an adapter, not a whole model",
                found=_ADAPTER_FILE,
                expected="a whole model",
                fix="merge it into its base (peft: merge_and_unload()), and save the result with save_pretrained",
            )
        if not path.is_file():
            raise UserError(
                f"{folder}: not a text model",
                found=f"no {CONFIG_FILE}",
                expected=f"{CONFIG_FILE}, {_WEIGHTS_FILE} and a tokenizer, as save_pretrained writes them",
            )
        config = _read_object(path)
        for key in ("rope_parameters", "rope_scaling"):
            if not isinstance(config.get(key), dict | None):
                raise UserError(f"{path}: {key}", found=repr(config[key]), expected="an object or null")
        quantised = config.get("quantization_config")
        if quantised is not None:
            method = quantised.get("quant_method") if isinstance(quantised, dict) else quantised
            raise UserError(
                f"{folder}: quantised weights",
                found=f"quantization_config with quant_method {method}",
                expected="weights in float32, bfloat16 or float16",
                fix="use the model's release in bfloat16, or dequantise it (model.dequantize()) and save it",
            )
        return config

    @classmethod
    def open(cls, folder: Path, prefix: str = "") -> HfFolder:
        """Find and hash the weights.

        :raises UserError: there are none in safetensors, or a file is missing or can't be read.
        """
        files = _weight_files(folder)
        try:
            sha256 = sha256_of(*files)
        except OSError as error:
            raise UserError(f"{error.filename}: the file can't be read", found=error.strerror) from None
        return cls(folder=folder, files=files, sha256=sha256, prefix=prefix)


def _weight_files(folder: Path) -> tuple[Path, ...]:
    index = folder / _INDEX_FILE
    if (folder / _WEIGHTS_FILE).is_file():
        return (folder / _WEIGHTS_FILE,)
    if not index.is_file():
        raise UserError(
            f"{folder}: no weights in safetensors",
            found=f"no {_WEIGHTS_FILE} and no {_INDEX_FILE}",
            expected="one of them, as save_pretrained of transformers writes them",
            fix="load other formats with AutoModelForCausalLM.from_pretrained and save them with save_pretrained",
        )
    names = _read_object(index).get("weight_map")
    if not isinstance(names, dict) or not names or not all(isinstance(name, str) for name in names.values()):
        raise UserError(f"{index}: weight_map", found=type(names).__name__, expected="file names by tensor")
    chosen = sorted(set(names.values()))
    outside = [name for name in chosen if Path(name).name != name]
    if outside:
        raise UserError(f"{index}: a file outside of the folder", found=outside[0], expected="plain file names")
    missing = [name for name in chosen if not (folder / name).is_file()]
    if missing:
        raise UserError(
            f"{folder}: {len(missing)} of {len(chosen)} files of the index are missing",
            found=f"no {', '.join(missing[:5])}",
            fix="download the model again",
        )
    return tuple(folder / name for name in chosen)


def _read_object(path: Path) -> dict[str, Any]:
    try:
        found = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a whole file", found=str(error)) from None
    if not isinstance(found, dict):
        raise UserError(f"{path}: not an object", found=f"a JSON {type(found).__name__}", expected="an object")
    return found


class HfTensors:
    """The tensors of a text model by name, memory-mapped, and which of them were used."""

    def __init__(self, source: HfFolder) -> None:
        """Open the files.

        :raises UserError: one is damaged, or holds quantised numbers.
        """
        from safetensors import SafetensorError, safe_open

        self._source = source
        self._used: set[str] = set()
        self._file_of: dict[str, tuple[Any, str]] = {}
        for path in source.files:
            try:
                file = safe_open(path, framework="pt")
            except SafetensorError as error:
                raise UserError(f"{path}: not a whole file", found=str(error)) from None
            names: list[str] = file.keys()  # type: ignore[no-untyped-call]
            slice_of: Any = file.get_slice
            for name in names:
                dtype = slice_of(name).get_dtype()
                if dtype not in _DTYPES:
                    raise UserError(
                        f"{path}: {name}",
                        found=f"numbers of type {dtype}",
                        expected=f"one of {', '.join(_DTYPES)}: weights that are not quantised",
                        fix="use the model's release in bfloat16, or dequantise it and save it",
                    )
                self._file_of[name.removeprefix(source.prefix)] = file, name

    def __contains__(self, name: str) -> bool:
        return name in self._file_of

    def __getitem__(self, name: str) -> Tensor:
        """A tensor, in its own precision.

        :raises UserError: there is none of that name, or it holds a number that is not finite.
        """
        folder = self._source.folder
        if name not in self._file_of:
            raise UserError(
                f"{folder}: a tensor is missing",
                found=f"{len(self._file_of)} tensors in {len(self._source.files)} files, no {name}",
                fix="give the folder that save_pretrained of transformers wrote, with all its parts",
            )
        self._used.add(name)
        file, stored = self._file_of[name]
        value: Tensor = file.get_tensor(stored)
        bad = int((~value.isfinite()).sum())
        if bad:
            raise UserError(
                f"{folder}: {name}",
                found=f"{bad:,} of {value.numel():,} numbers are not finite",
                expected="finite weights",
                fix="the checkpoint is damaged: download it again, or use another one",
            )
        return value

    def unused(self) -> dict[str, int]:
        """Names of the tensors that nothing was taken from, and how many numbers they hold."""
        left = {name: entry for name, entry in self._file_of.items() if name not in self._used}
        return {name: prod(file.get_slice(stored).get_shape()) for name, (file, stored) in left.items()}
