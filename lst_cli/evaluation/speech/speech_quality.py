"""Optional measures of evaluated speech, in addition to error rates.

Legend: T samples at 16 kHz.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lst_cli.evaluation.metrics import bootstrap_mean
from lst_cli.evaluation.speech.dnsmos import SCALES, Dnsmos, DnsmosFiles, find_dnsmos
from lst_cli.evaluation.speech.speaker_similarity import SpeakerFiles, SpeakerModel, find_speaker_model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lst_cli.audio.corpus_artifact import Utterance

SIMILARITY = "speaker_similarity"
DNSMOS = "dnsmos"
ORIGINAL = "original_"
"""Before the columns of the original audio."""


@dataclass(frozen=True, kw_only=True)
class Extras:
    """Which measures to compute."""

    speaker: SpeakerFiles | None = None
    dnsmos: DnsmosFiles | None = None

    @classmethod
    def find(cls, speaker_model: str | None, dnsmos: bool) -> Extras:
        """The models' files.

        :raises UserError: one is not here.
        """
        return cls(
            speaker=find_speaker_model(speaker_model) if speaker_model else None,
            dnsmos=find_dnsmos() if dnsmos else None,
        )

    @property
    def config(self) -> dict[str, Any]:
        """Their part of a result's config; empty without measures."""
        found = {"speaker_model": self.speaker, DNSMOS: self.dnsmos}
        return {key: dict(files.config) for key, files in found.items() if files is not None}


class Listener:
    """Measures clips against the original audio. Its models are loaded with the first clip."""

    def __init__(self, extras: Extras, device: str) -> None:
        self._extras = extras
        self._device = device

    def measure(
        self, utterances: Sequence[Utterance], waves: Sequence[NDArray[np.float32]]
    ) -> list[dict[str, float | None]]:
        """The measures of each clip, one per utterance; empty without measures.

        :raises UserError: a model can't be loaded.
        """
        from lst_cli.audio.decode import read_utterance

        found = []
        for utterance, wave_T in zip(utterances, waves, strict=True):
            row: dict[str, float | None] = {}
            if self._speaker is not None or self._dnsmos is not None:
                original_T = read_utterance(utterance)
                if self._speaker is not None:
                    row[SIMILARITY] = self._speaker.similarity(wave_T, original_T)
                if self._dnsmos is not None:
                    row |= _opinions(self._dnsmos, wave_T, "") | _opinions(self._dnsmos, original_T, ORIGINAL)
            found.append(row)
        return found

    @cached_property
    def _speaker(self) -> SpeakerModel | None:
        return SpeakerModel(self._extras.speaker, self._device) if self._extras.speaker is not None else None

    @cached_property
    def _dnsmos(self) -> Dnsmos | None:
        return Dnsmos(self._extras.dnsmos) if self._extras.dnsmos is not None else None


def quality_figures(extras: Extras, columns: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Means over all clips that could be measured, with 95% bootstrap intervals and their number.

    :param columns: of each clip, from :meth:`Listener.measure`.
    """
    found: dict[str, Any] = {}
    if extras.speaker is not None:
        found[SIMILARITY] = _mean(columns, SIMILARITY)
    if extras.dnsmos is not None:
        opinions = {scale: _mean(columns, f"{DNSMOS}_{scale}") for scale in SCALES}
        original = {scale: _mean(columns, f"{ORIGINAL}{DNSMOS}_{scale}") for scale in SCALES}
        found[f"{DNSMOS}_scores"] = {**opinions, "original": original}
    return found


def _mean(columns: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any] | None:
    """None if no clip could be measured."""
    values = [value for row in columns if (value := row[name]) is not None]
    return {**asdict(bootstrap_mean(values)), "n": len(values)} if values else None


def _opinions(dnsmos: Dnsmos, wave_T: NDArray[np.float32], prefix: str) -> dict[str, float | None]:
    scores = dnsmos.score(wave_T)
    return {f"{prefix}{DNSMOS}_{scale}": scores[scale] if scores is not None else None for scale in SCALES}
