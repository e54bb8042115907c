"""The files of a ``model`` artifact, written from the weights and the metrics log of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lst_cli.artifacts import Draft
from lst_cli.distributed.launcher import world_size
from lst_cli.model_artifact.card import ModelCard
from lst_cli.model_artifact.save import save_model
from lst_cli.training.metrics.metrics_log import METRICS_FILE, Record, write_metrics_log

if TYPE_CHECKING:
    from torch import Tensor


def fill_model(
    draft: Draft,
    state: Mapping[str, Tensor],
    card: ModelCard,
    records: Sequence[Record],
    reached: Mapping[str, int],
    *,
    tokenizer: Path,
    quantizer: Path,
    speech_bpe: Path | None,
) -> None:
    """Write the artifact's files.

    :param state: the weights.
    :param records: the metrics log up to them, with timing if it is known.
    :param reached: step counts for the manifest.
    """
    from lst_cli.model.model import build_model
    from lst_cli.training.metrics.metrics_recorder import reproducible

    model = build_model(card.architecture, card.vocabulary.size)
    model.load_state_dict(state)
    save_model(draft.path, model, card, tokenizer=tokenizer, quantizer=quantizer, speech_bpe=speech_bpe)
    write_metrics_log(draft.path / METRICS_FILE, [reproducible(record) for record in records])
    parameters = sum(parameter.numel() for parameter in model.parameters())
    draft.statistics.update({"parameters": parameters, **reached, **_figures(records)})


def _figures(records: Sequence[Record]) -> dict[str, Any]:
    """Figures for the manifest. Those under ``timing`` are measured, and differ from run to run."""
    train = [record for record in records if record["split"] == "train"]
    if not train:
        return {}
    last = train[-1]
    seconds = last.get("seconds", 0.0)
    return {
        "tokens": last["tokens"],
        "positions": last["positions"],
        "speech_tokens": last["speech_tokens"],
        "flops": last["flops"],
        "loss": last["loss"],
        "timing": {
            "seconds": seconds,
            "tokens_per_second": last["tokens"] / seconds if seconds else None,
            "positions_per_second": last["positions"] / seconds if seconds else None,
            "processes": world_size(),
        },
    }
