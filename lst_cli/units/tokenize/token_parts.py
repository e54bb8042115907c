"""Making work units: decode, tokenize, write a part file for each."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pyarrow as pa

from lst_cli.artifacts.parquet import write_parquet
from lst_cli.distributed.row_units import WorkUnit
from lst_cli.errors import UserError
from lst_cli.units.input.pieces import Piece, cut_pieces
from lst_cli.units.input.pipeline import AudioBatch, run_batches
from lst_cli.units.quantizer.quantize import Quantizer, batched, kept

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lst_cli.audio.corpus_artifact import Corpus

    Heard: TypeAlias = tuple[Piece, NDArray[np.uint16] | UserError]

PART_SCHEMA = pa.schema([("id", pa.string()), ("units", pa.list_(pa.uint16())), ("reason", pa.string())])
"""A part file: a row for each utterance, with either its units or the reason why it has none."""


class PartMaker:
    """Tokenizes work units of one corpus.

    :param samples_U: length of each utterance at 16 kHz.
    :param workers: threads; None for the default of :func:`lst_cli.units.input.pipeline.run_batches`.
    """

    def __init__(self, quantizer: Quantizer, corpus: Corpus, samples_U: NDArray[np.int64], workers: int | None) -> None:
        self._quantizer = quantizer
        self._corpus = corpus
        self._samples_U = samples_U
        self._workers = workers

    def make(self, units: Iterable[WorkUnit], parts: Path) -> Iterator[WorkUnit]:
        """Make the part of each unit, in order, and yield the unit once its part is on disk."""
        under_way: deque[tuple[WorkUnit, bool]] = deque()

        def batches() -> Iterator[AudioBatch]:
            # One stream over all units, so that the last batch of one is computed with the first of the next.
            for unit in units:
                cut = self._batches(unit)
                under_way.extend((unit, batch is cut[-1]) for batch in cut)
                yield from cut

        heard: list[Heard] = []
        device = self._quantizer.extractor.device
        for results in run_batches(batches(), self._quantizer.tokenize, device, self._workers):
            heard += results
            unit, last = under_way.popleft()
            if last:
                write_parquet(parts / unit.file_name, self._table(unit, heard))
                yield unit
                heard = []

    def _batches(self, unit: WorkUnit) -> list[AudioBatch]:
        extractor = self._quantizer.extractor
        pieces = [
            (utterance, piece)
            for row, utterance in enumerate(self._corpus.rows(unit.start, unit.stop), start=unit.start)
            for piece in cut_pieces(row, int(self._samples_U[row]), extractor)
        ]
        return list(batched(pieces, [piece.samples for _, piece in pieces], extractor.batch_samples))

    def _table(self, unit: WorkUnit, heard: list[Heard]) -> pa.Table:
        units: list[NDArray[np.uint16] | None] = []
        reasons: list[str | None] = []
        for _, windows in groupby(heard, key=lambda item: item[0].row):
            found = list(windows)
            errors = [result for _, result in found if isinstance(result, UserError)]
            whole = [kept(result, piece.window) for piece, result in found if not isinstance(result, UserError)]
            units.append(None if errors else np.concatenate(whole))
            reasons.append(" ".join(str(errors[0]).split()) if errors else None)
        ids = self._corpus.table.column("id").slice(unit.start, unit.stop - unit.start).to_pylist()
        return pa.table({"id": ids, "units": units, "reason": reasons}, schema=PART_SCHEMA)
