"""One rank's part in ``lst align run``: the utterances in work units that ranks share and a killed run keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lst_cli.alignment.kinds import alignment_schema
from lst_cli.distributed.shared_work import SharedParts, SharedWork
from lst_cli.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lst_cli.alignment.emissions.emitters import Emitter
    from lst_cli.artifacts import Artifact
    from lst_cli.audio.corpus_artifact import Corpus, Utterance
    from lst_cli.distributed.row_units import WorkUnit


@dataclass(frozen=True, kw_only=True)
class AlignmentModel:
    """The model of a rank."""

    aligner: Artifact | None
    """A small aligner; None for a pretrained model."""
    model: str | None
    """Name or path of a pretrained CTC model."""
    language: str
    min_score: float
    device: str = "auto"
    """Device of a pretrained model, as :func:`lst_cli.distributed.device.pick_device` takes it."""


class SharedAlignment:
    """Aligns work units until none is missing."""

    def __init__(
        self,
        corpus: Corpus,
        lengths: Mapping[str, int],
        model: AlignmentModel,
        parts: SharedParts,
        unit_samples: int | None = None,
    ) -> None:
        """Divide the work.

        :param lengths: speech tokens of every utterance, in the order of the alignment.
        :param unit_samples: audio in a work unit, in samples at 16 kHz; None to choose by the size of the corpus.
        """
        import numpy as np

        from lst_cli.units.frames import FRAME_SAMPLES
        from lst_cli.units.tokenize.work_units import divide

        self._corpus, self._lengths, self._model = corpus, lengths, model
        self._ids = list(lengths)
        samples_U = np.fromiter(lengths.values(), np.int64, len(lengths)) * FRAME_SAMPLES
        self._shared = SharedWork(divide(samples_U, unit_samples), parts)

    @property
    def paths(self) -> list[Path]:
        """The part files, in order."""
        return self._shared.paths

    def run(self) -> None:
        """Align this rank's units, then help with those still missing."""
        self._shared.run(self.rows, write_part, what="align", counted="utterances")

    def rows(self, unit: WorkUnit) -> list[dict[str, Any]]:
        """Rows of a unit's utterances in their order, with ``reason`` where one was rejected."""
        from lst_cli.alignment.align_batch import align_batch
        from lst_cli.audio.decode import read_utterances

        ids = self._ids[unit.start : unit.stop]
        rows: dict[str, dict[str, Any]] = {}

        def unreadable(utterance: Utterance, error: UserError) -> None:
            rows[utterance.id] = {"id": utterance.id, "reason": str(error)}

        by_length = sorted(map(self._corpus.find, ids), key=lambda utterance: utterance.seconds)
        for batch in _batches(read_utterances(by_length, on_error=unreadable), self._emitter.batch_s):
            tokens = [self._lengths[utterance.id] for utterance, _ in batch]
            for row in align_batch(batch, tokens, self._emitter, self._model.language, self._model.min_score):
                rows[row["id"]] = row
        return [rows[id] for id in ids]

    @cached_property
    def _emitter(self) -> Emitter:
        from lst_cli.alignment.align_batch import load_emitter

        return load_emitter(self._model.aligner, self._model.model, self._model.device, self._shared.parts.rank.local)


def _batches(
    clips: Iterator[tuple[Utterance, NDArray[np.float32]]], batch_s: float
) -> Iterator[list[tuple[Utterance, NDArray[np.float32]]]]:
    """Clips of rising length, as many as ``batch_s`` holds when all are padded to the longest; one at least."""
    batch: list[tuple[Utterance, NDArray[np.float32]]] = []
    for clip in clips:
        if batch and (len(batch) + 1) * clip[0].seconds > batch_s:
            yield batch
            batch = []
        batch.append(clip)
    if batch:
        yield batch


def write_part(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows of the alignment, or with an ``id`` and the ``reason`` of their rejection."""
    import pyarrow as pa

    from lst_cli.artifacts.parquet import write_parquet

    schema = alignment_schema(chars=True).append(pa.field("reason", pa.string()))
    write_parquet(path, pa.Table.from_pylist(list(rows), schema=schema))
