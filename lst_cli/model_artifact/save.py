"""Writes the files of a ``model`` artifact."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lst_cli.artifacts import Artifact
from lst_cli.model_artifact.card import CARD_FILE, QUANTIZER_FILE, SPEECH_BPE_FILE, WEIGHTS_FILE, ModelCard
from lst_cli.patching_rules.rule_artifact import RULE_FILE, write_rule

if TYPE_CHECKING:
    from torch import Tensor, nn


def quantizer_entry(quantizer: Artifact) -> dict[str, Any]:
    """A quantizer artifact as the card keeps it: which one it was, and the config that its reader needs."""
    return {
        "reference": quantizer.reference,
        "fingerprint": quantizer.fingerprint,
        "config": dict(quantizer.config),
    }


def part_entry(part: Artifact) -> dict[str, Any]:
    """A speech BPE or a patching rule as the card keeps it."""
    return {"reference": part.reference, "fingerprint": part.fingerprint}


def save_model(
    folder: Path,
    model: nn.Module,
    card: ModelCard,
    *,
    tokenizer: Path,
    quantizer: Path,
    speech_bpe: Path | None = None,
) -> None:
    """Write the files of a ``model`` artifact.

    :param folder: where to write, a draft's ``path``.
    :param model: its parameters and persistent buffers are saved in their own precision.
    :param tokenizer: file of the text tokenizer, to copy.
    :param quantizer: ``centroids.safetensors`` of the quantizer artifact, to copy.
    :param speech_bpe: SentencePiece model over speech tokens, to copy; None if the card names none.
    """
    from safetensors.torch import save_file

    from lst_cli.artifacts.parquet import atomic_path, write_bytes_atomic
    from lst_cli.config import to_dict

    text = json.dumps(
        {
            "architecture": to_dict(card.architecture),
            "vocabulary": dataclasses.asdict(card.vocabulary),
            "patching": to_dict(card.patching),
            "quantizer": dict(card.quantizer),
            **({"patching_rule": dict(card.patching_rule)} if card.patching_rule is not None else {}),
            **({"speech_bpe": dict(card.speech_bpe)} if card.speech_bpe is not None else {}),
            "tokenizer_file": card.tokenizer_file,
            **({"merges_repeats": True} if card.merges_repeats else {}),
        },
        indent=2,
        ensure_ascii=False,
    )
    weights = apart({name: value.detach().cpu() for name, value in model.state_dict().items()})
    write_bytes_atomic(folder / card.tokenizer_file, tokenizer.read_bytes())
    write_bytes_atomic(folder / QUANTIZER_FILE, quantizer.read_bytes())
    if card.fitted is not None:
        write_rule(folder / RULE_FILE, card.fitted)
    if speech_bpe is not None:
        write_bytes_atomic(folder / SPEECH_BPE_FILE, speech_bpe.read_bytes())
    with atomic_path(folder / WEIGHTS_FILE) as path:
        save_file(weights, path, metadata={"format": "pt"})  # older transformers want it
    write_bytes_atomic(folder / CARD_FILE, (text + "\n").encode())


def apart(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights as safetensors takes them: tied ones share memory, so each name except the first gets a copy."""
    seen: set[int] = set()
    weights = {}
    for name, value in state.items():
        weights[name] = value.clone() if value.data_ptr() in seen else value.contiguous()
        seen.add(value.data_ptr())
    return weights
