"""Texts and speech in a JSONL file of examples, and their tokens.

A side is a text, ``{"utterance": ID}`` of a tokens artifact, or ``{"units": [3, 14, …]}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lst_cli.errors import UserError

if TYPE_CHECKING:
    from lst_cli.artifacts import Artifact
    from lst_cli.model_artifact.card import ModelCard
    from lst_cli.text.speech_codec import SpeechCodec
    from lst_cli.text.tokenizer import TextTokenizer

Side = str | NDArray[np.uint16]
"""A text, or units of speech."""

SIDE_FORMS = 'a text, {"utterance": ID} or {"units": [3, 14, …]}'

_LARGEST_UNIT = (1 << 16) - 1


@dataclass(frozen=True)
class SideFault:
    """Why a value is not a side."""

    reason: str


def read_side(value: Any, units: Mapping[str, NDArray[np.uint16]]) -> Side | SideFault:
    """A side, never empty; or the fault of the value.

    :param units: speech by utterance id.
    """
    if isinstance(value, str):
        return value.strip() or SideFault("an empty text")
    if isinstance(value, dict) and set(value) == {"utterance"}:
        spoken = units.get(str(value["utterance"]))
        if spoken is None:
            return SideFault(f"no utterance {value['utterance']} in --tokens")
        return spoken if len(spoken) else SideFault("an utterance without speech tokens")
    if isinstance(value, dict) and set(value) == {"units"}:
        return _listed(value["units"])
    return SideFault("missing" if value is None else 'neither a text, {"utterance": …} nor {"units": …}')


def read_spoken(tokens: Artifact | None, model: Artifact, card: ModelCard) -> dict[str, NDArray[np.uint16]]:
    """Units by utterance id; none without a tokens artifact.

    :raises UserError: the tokens are of another quantizer than the model's.
    """
    from lst_cli.inference.speech_tokens import check_quantizer, read_units

    if tokens is None:
        return {}
    check_quantizer(tokens, card.quantizer["fingerprint"], model.reference)
    return read_units(tokens)


def _listed(units: Any) -> Side | SideFault:
    whole = (
        isinstance(units, list) and units and all(type(unit) is int and 0 <= unit <= _LARGEST_UNIT for unit in units)
    )
    return np.array(units, np.uint16) if whole else SideFault("units is not a list of whole numbers from 0")


@dataclass(frozen=True)
class SideEncoder:
    """Sides as a model's token ids."""

    tokenizer: TextTokenizer
    codec: SpeechCodec
    source: str
    """The name of the examples in errors."""

    @classmethod
    def of(cls, model: Artifact, card: ModelCard, source: str) -> SideEncoder:
        """The encoder of a model."""
        from lst_cli.model_artifact.card import load_speech
        from lst_cli.text.tokenizer import TextTokenizer

        tokenizer = TextTokenizer.from_file(model.file(card.tokenizer_file))
        return cls(tokenizer, load_speech(model.path, card, model.reference), source)

    def tokens(self, side: Side, *, continues: bool = False) -> NDArray[np.int32]:
        """Ids of a side, without marker and end.

        :param continues: whether a text follows other text of the same document.
        :raises UserError: units that the model's quantizer does not have.
        """
        if isinstance(side, str):
            return np.asarray(self.tokenizer.encode(side, continues=continues), dtype=np.int32)
        if int(side.max()) >= self.codec.units:
            raise UserError(
                f"{self.source}: not tokens of the model's quantizer",
                found=f"unit {int(side.max())}",
                expected=f"units below {self.codec.units}",
            )
        return self.codec.encode(side)

    def marker(self, side: Side) -> NDArray[np.int32]:
        """The marker that opens a segment of its modality."""
        vocabulary = self.codec.vocabulary
        return np.array([vocabulary.t_marker if isinstance(side, str) else vocabulary.s_marker], dtype=np.int32)
