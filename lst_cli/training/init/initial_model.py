"""Initial models of a run, and the table of which weights went where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lst_cli.hub import hub_folder

if TYPE_CHECKING:
    from torch import Tensor

    from lst_cli.artifacts import Artifact, Store
    from lst_cli.model.model_config import ModelConfig
    from lst_cli.text.vocabulary import Vocabulary
    from lst_cli.training.config.train_config import ModelSection


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """One row of the table of what came from where."""

    ours: str
    theirs: str
    """Empty for what begins fresh."""
    numbers: int
    note: str = ""


class InitialModel(Protocol):
    """A model whose weights initialise training: a text model, or one of ``lst``."""

    @property
    def name(self) -> str:
        """Its name in messages."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """Its part of a run's identity."""

    @property
    def artifact(self) -> Artifact | None:
        """Itself, where it is an artifact: a parent of the model to train."""

    def section(self, section: ModelSection) -> ModelSection:
        """The model to train, with the parts of its shape that are taken over."""

    def check(self, tokenizer: Path, quantizer: Artifact, speech_bpe: Artifact | None) -> None:
        """Refuse one that does not know the tokens of the shards.

        :raises UserError: it knows others.
        """

    def weights(self, config: ModelConfig, vocabulary: Vocabulary, seed: int) -> tuple[dict[str, Tensor], list[Mapped]]:
        """All weights of the model to train, and what came from where."""


def find_initial(store: Store, name: str) -> InitialModel:
    """The model that ``--init`` names: ``model/NAME``, the folder of an export, or a text model's folder or Hub name.

    :raises UserError: there is none, or it can't be begun from.
    """
    from lst_cli.training.init.own_model import OwnModel, is_own
    from lst_cli.training.init.text_model import read_text_model

    if is_own(name):
        return OwnModel.find(store, name)
    patterns = ("*.json", "model*.safetensors", "tokenizer.model")
    expected = "model/NAME, a folder, or the name of a model on the Hub (USER/MODEL)"
    return read_text_model(hub_folder(name, f"--init {name}", patterns, expected))


def table_rows(table: list[Mapped]) -> list[tuple[str, str, str, str]]:
    """The table for a user: layers that are alike stand together."""
    folded: dict[tuple[str, str, str], tuple[int, int]] = {}
    for row in table:
        key = (_folded(row.ours), _folded(row.theirs) or "fresh", row.note)
        count, numbers = folded.get(key, (0, 0))
        folded[key] = (count + 1, numbers + row.numbers)
    return [
        (ours or "-", theirs + (f" (x {count})" if count > 1 else ""), f"{numbers:,}", note)
        for (ours, theirs, note), (count, numbers) in folded.items()
    ]


def _folded(name: str) -> str:
    return ".".join("*" if part.isdecimal() else part for part in name.split("."))
