"""``lst align noise``: an alignment with randomly moved word boundaries (Lu et al. 2025, A.11).

Speech tokens are 40 ms long, so a boundary moves by whole tokens: of those 20 ms would be, every second one moves by
one token; of 40 ms, every one does. Half of them go earlier, half later. Words keep their order and at least one
token, and nothing moves beyond the first and the last token that the words of the utterance had. The characters of a
word keep their distance from its start, as far as the word still reaches: where one begins does not depend on the end.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import TYPE_CHECKING

from lst_cli.alignment.kinds import ALIGNMENT, ALIGNMENT_FILE, CHAR_STARTS, schema_of
from lst_cli.artifacts import Artifact, Draft, Request
from lst_cli.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TOKEN_MS = 40
"""Length of a speech token at 25 Hz."""

_AMOUNT, _SIDE = 0, 1
"""The two draws of a boundary."""


def plan_noise(
    alignment: Artifact, parents: dict[str, Artifact], name: str, ms: float, seed: int
) -> tuple[Request, Callable[[Draft], None]]:
    """The request and the function that fills its draft.

    :param parents: the alignment's own, ``corpus`` and ``tokens``, those that are on disk.
    :param ms: mean shift of a boundary.
    :raises UserError: ``ms`` is not a length.
    """
    if not (isfinite(ms) and ms >= 0):
        raise UserError(f"--ms {ms}", expected="milliseconds, 0 or more", fix="the paper moves boundaries by 20 and 40")
    config = {"made_by": "noise", "noise_ms": float(ms), "seed": seed}
    request = Request(kind=ALIGNMENT, name=name, config=config, parents={**parents, "alignment": alignment})

    def make(draft: Draft) -> None:
        import numpy as np
        import pyarrow as pa

        from lst_cli.artifacts.parquet import read_parquet, write_parquet
        from lst_cli.hashing import text_id

        schema = schema_of(alignment.file(ALIGNMENT_FILE))
        rows = read_parquet(alignment.file(ALIGNMENT_FILE), schema=schema).to_pylist()
        moved = 0
        total = 0
        for row in rows:
            starts, ends = (np.array(row[key], np.int64) for key in ("starts", "ends"))
            new_starts, new_ends = shifted(starts, ends, ms, seed, text_id(row["id"]))
            moved += int(np.abs(new_starts - starts).sum() + np.abs(new_ends - ends).sum())
            total += 2 * len(starts)
            row["starts"], row["ends"] = new_starts.tolist(), new_ends.tolist()
            if CHAR_STARTS in row:
                lengths = (new_ends - new_starts).tolist()
                row[CHAR_STARTS] = [
                    [min(start, length) for start in word]
                    for word, length in zip(row[CHAR_STARTS], lengths, strict=True)
                ]
        write_parquet(draft.path / ALIGNMENT_FILE, pa.Table.from_pylist(rows, schema=schema))
        draft.statistics.update(utterances=len(rows), mean_shift_ms=moved * TOKEN_MS / max(total, 1))

    return request, make


def shifted(
    starts_W: NDArray[np.int64], ends_W: NDArray[np.int64], ms: float, seed: int, utterance: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Move the boundaries of one utterance's words; where two words meet, their boundary stays one.

    Legend: W words, B boundaries (start and end of each word in turn).

    :param utterance: number of the utterance, for the draws.
    """
    import numpy as np

    from lst_cli.hashing import uniform

    if not len(starts_W):
        return starts_W, ends_W
    bounds_B = np.stack([starts_W, ends_W], axis=1).ravel()
    # Two words that meet share one draw: that of the earlier one's end.
    drawn_B = np.arange(len(bounds_B))
    meet_W = np.flatnonzero(starts_W[1:] == ends_W[:-1]) + 1
    drawn_B[2 * meet_W] = 2 * meet_W - 1
    whole, part = divmod(ms / TOKEN_MS, 1)
    amount_B = whole + (uniform(seed, utterance, drawn_B, _AMOUNT) < part)
    side_B = np.where(uniform(seed, utterance, drawn_B, _SIDE) < 0.5, -1, 1)
    wanted_B = bounds_B + (amount_B * side_B).astype(np.int64)
    low, high = int(bounds_B[0]), int(bounds_B[-1])
    # A word keeps a token: the earliest place of each boundary from the left, the latest from the right.
    room_B = np.arange(len(bounds_B)) % 2
    earliest_B = low + np.cumsum(room_B)
    latest_B = high - (room_B.sum() - np.cumsum(room_B))
    placed = low
    for index, (wanted, first, last) in enumerate(zip(wanted_B, earliest_B, latest_B, strict=True)):
        floor = max(int(first), placed + int(room_B[index]) if index else low)
        placed = min(max(int(wanted), floor), int(last))
        bounds_B[index] = placed
    return bounds_B[::2].copy(), bounds_B[1::2].copy()
