"""``lst vocoder import``: a published unit HiFi-GAN becomes a vocoder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lst_cli.artifacts import Artifact, Draft, Request
from lst_cli.errors import UserError
from lst_cli.finite import check_finite_weights
from lst_cli.json_text import parse_json
from lst_cli.vocoder.files import VOCODER, save_hifigan

if TYPE_CHECKING:
    from torch import Tensor

CONFIG_FILE = "config.json"
CHECKPOINT = "g_*"


@dataclass(frozen=True, kw_only=True)
class VocoderImportOptions:
    """Options of ``lst vocoder import``."""

    name: str
    folder: Path
    quantizer: Artifact
    trust_pickle: bool = False


def plan_import(options: VocoderImportOptions) -> tuple[Request, Callable[[Draft], None]]:
    """The request, and the function that builds it.

    :raises UserError: the folder holds no such vocoder, or one that needs more than units.
    """
    file = options.folder / CONFIG_FILE
    try:
        published = parse_json(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{file}: the config can't be read", found=error.strerror) from None
    except ValueError as error:
        raise UserError(f"{file}: not JSON", found=str(error)) from None
    if not isinstance(published, dict):
        found = f"a JSON {type(published).__name__}"
        raise UserError(f"{file}: not the config of a vocoder", found=found, expected="an object")
    checkpoint = _checkpoint(options.folder)
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    request = Request(
        kind=VOCODER,
        name=options.name,
        config={"form": "hifigan", "published": published, "weights_sha256": digest},
        parents={"quantizer": options.quantizer},
    )
    return request, lambda draft: _make(draft, options, published, checkpoint)


def _checkpoint(folder: Path) -> Path:
    found = sorted(folder.glob(CHECKPOINT))
    if not found:
        raise UserError(f"{folder}: no generator", expected="a file such as g_00000000 next to config.json")
    return found[-1]


def _make(draft: Draft, options: VocoderImportOptions, published: dict[str, Any], checkpoint: Path) -> None:
    from lst_cli.units.quantizer.codebook import Codebook
    from lst_cli.vocoder.hifigan.unit_hifigan import UnitHifiGan, check_config, from_published

    config = check_config(published, str(options.folder / CONFIG_FILE))
    units = Codebook.read(options.quantizer.path).units
    if config["num_embeddings"] < units:
        raise UserError(
            f"{options.folder}: fewer units than {options.quantizer.reference} has",
            found=f"{config['num_embeddings']}",
            expected=f"at least {units}",
        )
    weights = from_published(_read(checkpoint, options.trust_pickle))
    network = UnitHifiGan(config)
    # Statistics of a mel input, which units do not have, stay as transformers makes them.
    own = {name: value for name, value in network.state_dict().items() if name in ("generator.mean", "generator.scale")}
    try:
        network.load_state_dict({**own, **weights})
    except RuntimeError as error:
        raise UserError(
            f"{checkpoint}: the weights do not match config.json", found=" ".join(str(error).split())[:300]
        ) from None
    check_finite_weights(network.state_dict(), str(checkpoint))
    speakers = [str(number) for number in range(config["num_speakers"])] or ["unnamed"]
    quantizer = {"reference": options.quantizer.reference, "fingerprint": options.quantizer.fingerprint}
    save_hifigan(draft.path, network, config, quantizer, speakers)
    draft.statistics.update(
        parameters=sum(value.numel() for value in weights.values()),
        sample_rate=config["sampling_rate"],
        imported_from=checkpoint.name,
    )


def _read(checkpoint: Path, trust_pickle: bool) -> dict[str, Tensor]:
    """The generator's weights out of a pickle; without trust only tensors and plain values are taken from it."""
    import pickle

    import torch

    try:
        state = torch.load(checkpoint, map_location="cpu", weights_only=not trust_pickle)
        weights: dict[str, Tensor] = state["generator"]
        if not all(isinstance(value, torch.Tensor) for value in weights.values()):
            raise TypeError("values that are not tensors")
        return weights
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{checkpoint}: a pickle that holds more than tensors",
            found=str(error).splitlines()[0][:200],
            fix="loading it runs code from it: if you trust its source, use --trust-pickle",
        ) from None
    except (OSError, RuntimeError, EOFError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{checkpoint}: not the checkpoint of a generator",
            found=f"{type(error).__name__}: {error}",
            expected="a checkpoint of torch with the weights under 'generator'",
        ) from None
