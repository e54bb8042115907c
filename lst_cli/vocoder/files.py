"""The vocoder artifact: ``vocoder.safetensors`` and ``vocoder.json``, its card.

The card says which quantizer's units the vocoder speaks; it refuses those of another one, which mean other sounds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lst_cli.artifacts import Artifact, Kind
from lst_cli.errors import UserError
from lst_cli.json_text import parse_json
from lst_cli.vocoder.vocoder_config import SpectrumConfig, VocoderNetworkConfig

if TYPE_CHECKING:
    from lst_cli.artifacts.manifest import Parent
    from lst_cli.vocoder.hifigan.unit_hifigan import UnitHifiGan
    from lst_cli.vocoder.mel.unit_to_mel import UnitToMel

VOCODER = Kind("vocoder", 1)
WEIGHTS_FILE = "vocoder.safetensors"
CARD_FILE = "vocoder.json"


@dataclass(frozen=True, kw_only=True)
class Card:
    """``vocoder.json`` of a vocoder of the mel form."""

    quantizer: Mapping[str, str]
    """``reference`` and ``fingerprint`` of the quantizer."""
    units: int
    speakers: list[str]
    """The first is the default voice."""
    spectrum: SpectrumConfig
    network: VocoderNetworkConfig


def quantizer_of(tokens: Artifact) -> Parent:
    """The quantizer that made some tokens.

    :raises UserError: the artifact names none.
    """
    quantizer = tokens.parents.get("quantizer")
    if quantizer is None:
        raise UserError(
            f"{tokens.reference}: the quantizer of the tokens is unknown",
            fix="make them with 'lst tokenize' from a corpus",
        )
    return quantizer


def save_vocoder(folder: Path, network: UnitToMel, card: Card) -> None:
    """Write weights and card into a draft's folder."""
    from safetensors.torch import save

    from lst_cli.artifacts.parquet import write_bytes_atomic
    from lst_cli.config import to_dict

    weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    write_bytes_atomic(folder / WEIGHTS_FILE, save(weights))
    data = {
        "form": "mel",
        "quantizer": dict(card.quantizer),
        "units": card.units,
        "speakers": card.speakers,
        "spectrum": to_dict(card.spectrum),
        "network": to_dict(card.network),
    }
    write_card(folder, data)


def save_hifigan(
    folder: Path,
    network: UnitHifiGan,
    config: Mapping[str, Any],
    quantizer: Mapping[str, str],
    speakers: Sequence[str],
) -> None:
    """Write weights and card of a unit HiFi-GAN, fitted or imported, into a draft's folder.

    :param config: the network's, as published ones name it.
    """
    from safetensors.torch import save

    from lst_cli.artifacts.parquet import write_bytes_atomic

    weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    write_bytes_atomic(folder / WEIGHTS_FILE, save(weights))
    card = {"form": "hifigan", "quantizer": dict(quantizer), "speakers": list(speakers), "config": dict(config)}
    write_card(folder, card)


def write_card(folder: Path, data: Mapping[str, Any]) -> None:
    """Write ``vocoder.json`` into a draft's folder."""
    from lst_cli.artifacts.parquet import write_bytes_atomic

    write_bytes_atomic(folder / CARD_FILE, (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode())


def read_card(artifact: Artifact) -> dict[str, Any]:
    """The card as plain data.

    :raises UserError: ``vocoder.json`` is missing or damaged.
    """
    path = artifact.file(CARD_FILE)
    try:
        data: dict[str, Any] = parse_json(path.read_text(encoding="utf-8"))
        if not isinstance(data["quantizer"]["fingerprint"], str) or data["form"] not in ("mel", "hifigan"):
            raise ValueError("no vocoder's card")
    except (ValueError, TypeError, KeyError) as error:
        raise damaged(artifact, CARD_FILE, error) from None
    return data


def damaged(artifact: Artifact, file: str, error: Exception) -> UserError:
    """The error about a damaged file of an artifact."""
    return UserError(
        f"{artifact.reference}: {file}: not a whole file",
        found=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
        fix=f"remove it with 'lst artifact rm {artifact.reference}' and make it again",
    )


def check_quantizer(vocoder: Artifact, fingerprint: str | None, whose: str) -> None:
    """Refuse a vocoder of other units.

    :param fingerprint: of the quantizer of the units.
    :param whose: the reference of that model or tokens artifact, for the message.
    """
    quantizer = read_card(vocoder)["quantizer"]
    if quantizer["fingerprint"] != fingerprint:
        raise UserError(
            f"{vocoder.reference}: not a vocoder for the quantizer of {whose}",
            found=f"a vocoder for {quantizer['reference']}",
            expected=f"one for the quantizer of fingerprint {(fingerprint or 'unknown')[:12]}",
            fix="fit one on tokens of that quantizer with 'lst vocoder fit'",
        )
