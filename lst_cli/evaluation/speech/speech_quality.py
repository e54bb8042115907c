"""Optional measures of judged speech, in addition to error rates.

Legend: T samples at 16 kHz.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
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
    """What is asked for."""

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
        """What of them is part of a result; nothing where nothing is asked for."""
        found = {"speaker_model": self.speaker, DNSMOS: self.dnsmos}
        return {key: dict(files.config) for key, files in found.items() if files is not None}


class Listener:
    """Measures clips as they pass by."""

    def __init__(self, extras: Extras, device: str) -> None:
        """Load the models that are asked for.

        :raises UserError: a model can't be loaded.
        """
        self._speaker = SpeakerModel(extras.speaker, device) if extras.speaker is not None else None
        self._dnsmos = Dnsmos(extras.dnsmos) if extras.dnsmos is not None else None
        self.columns: list[dict[str, float | None]] = []
        """Of each clip that has passed; no entries where nothing is asked for."""

    def passing(
        self, utterances: Sequence[Utterance], waves: Iterable[NDArray[np.float32]]
    ) -> Iterator[NDArray[np.float32]]:
        """The same clips, one for each utterance, each measured against the original audio."""
        from lst_cli.audio.decode import read_utterance

        for utterance, wave_T in zip(utterances, waves, strict=True):
            row: dict[str, float | None] = {}
            if self._speaker is not None or self._dnsmos is not None:
                original_T = read_utterance(utterance)
                if self._speaker is not None:
                    row[SIMILARITY] = self._speaker.similarity(wave_T, original_T)
                if self._dnsmos is not None:
                    row |= _opinions(self._dnsmos, wave_T, "") | _opinions(self._dnsmos, original_T, ORIGINAL)
            self.columns.append(row)
            yield wave_T

    def figures(self) -> dict[str, Any]:
        """Means over all clips that could be measured, with 95% bootstrap intervals and their number."""
        found: dict[str, Any] = {}
        if self._speaker is not None:
            found[SIMILARITY] = self._mean(SIMILARITY)
        if self._dnsmos is not None:
            opinions = {scale: self._mean(f"{DNSMOS}_{scale}") for scale in SCALES}
            original = {scale: self._mean(f"{ORIGINAL}{DNSMOS}_{scale}") for scale in SCALES}
            found[f"{DNSMOS}_scores"] = {**opinions, "original": original}
        return found

    def _mean(self, column: str) -> dict[str, Any] | None:
        """None where no clip could be measured."""
        values = [value for row in self.columns if (value := row[column]) is not None]
        return {**asdict(bootstrap_mean(values)), "n": len(values)} if values else None


def _opinions(dnsmos: Dnsmos, wave_T: NDArray[np.float32], prefix: str) -> dict[str, float | None]:
    scores = dnsmos.score(wave_T)
    return {f"{prefix}{DNSMOS}_{scale}": scores[scale] if scores is not None else None for scale in SCALES}
