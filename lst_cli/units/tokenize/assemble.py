"""Putting the parts of all work units together into the tokens artifact."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lst_cli.artifacts import Draft
from lst_cli.artifacts.parquet import read_parquet
from lst_cli.errors import UserError
from lst_cli.units.frames import RATE_HZ
from lst_cli.units.quantizer.kmeans import perplexity
from lst_cli.units.tokens import TokensWriter, tokens_schema

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lst_cli.distributed.row_units import WorkUnit
    from lst_cli.distributed.shared_work import SharedParts


def drop_rejecting_parts(parts: SharedParts) -> None:
    """Drop parts of an earlier run that are damaged, or in which utterances could not be read.

    The files of those utterances may have been repaired since.
    """

    def drop() -> None:
        for path in parts.folder.glob("rows-*.parquet"):
            try:
                whole = read_parquet(path, columns=["reason"])["reason"].null_count == _rows(path)
            except UserError:
                whole = False
            if not whole:
                path.unlink(missing_ok=True)

    parts.once_a_run(drop)


def _rows(path: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)


def assemble(draft: Draft, units: Sequence[WorkUnit], utterances: int, max_reject_rate: float) -> None:
    """Write the tokens files and the statistics.

    :raises UserError: too many utterances could not be read.
    """
    writer = TokensWriter(draft.path)
    usage = _Usage()
    for unit in units:
        part = read_parquet(draft.parts / unit.file_name)
        rejected = part.filter(pc.is_valid(part["reason"]))
        for id, reason in zip(rejected["id"].to_pylist(), rejected["reason"].to_pylist(), strict=True):
            draft.reject(id, reason)
        table = part.filter(pc.is_null(part["reason"])).select(tokens_schema().names).combine_chunks()
        usage.count(table)
        writer.write(table)
    draft.check_rejects(utterances, max_reject_rate)
    writer.close()
    draft.statistics.update(usage.figures())


class _Usage:
    """Counts how units are used."""

    def __init__(self) -> None:
        self._utterances = self._repeats = self._pairs = 0
        self._counts: NDArray[np.int64] = np.zeros(1 << 16, dtype=np.int64)

    def count(self, table: pa.Table) -> None:
        """Add the utterances of a table."""
        self._utterances += len(table)
        for chunk in table["units"].chunks:
            offsets, units = chunk.offsets.to_numpy(), chunk.values.to_numpy()
            units = units[offsets[0] : offsets[-1]]
            self._counts += np.bincount(units, minlength=len(self._counts))
            same = units[1:] == units[:-1]
            # Pairs across the border of two utterances do not count as repeats.
            borders = offsets[1:-1] - offsets[0] - 1
            self._repeats += int(same.sum() - same[borders].sum())
            self._pairs += len(same) - len(borders)

    def figures(self) -> dict[str, float | int]:
        """The statistics of the artifact."""
        total = int(self._counts.sum())
        return {
            "utterances": self._utterances,
            "hours": round(total / RATE_HZ / 3600, 6),
            "tokens": total,
            "units_used": int((self._counts > 0).sum()),
            "perplexity": round(perplexity(self._counts), 3),
            "repeat_rate": round(self._repeats / max(1, self._pairs), 4),
        }
