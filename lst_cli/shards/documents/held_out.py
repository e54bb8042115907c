"""How many utterances are held out: at least one, and never all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lst_cli.errors import UserError
from lst_cli.hashing import text_id, uniform
from lst_cli.shards.documents.draws import Draw
from lst_cli.shards.schema import utterance_id
from lst_cli.shards.shard_set import ShardSet, read_row_group

_ENOUGH = 1000
"""If at least this many rows are expected in both splits, the draw is not checked."""


def held_out_draws(utterances: NDArray[np.uint64]) -> NDArray[np.float64]:
    """The draw of each utterance; it is held out where this is below the share."""
    return uniform(0, Draw.HELD_OUT, utterances)


def held_out_share(shards: ShardSet, share: float, *, skip_corrupt: bool = False) -> float:
    """The share, raised where no utterance would be held out, so that the one with the lowest draw is.

    :param skip_corrupt: leave damaged row groups out of account.
    :raises UserError: no utterance would be left to train on.
    """
    rows = sum(group.rows for group in shards.groups)
    if not share or min(share, 1 - share) * rows > _ENOUGH:
        return share
    draws = held_out_draws(_utterances(shards, skip_corrupt))
    if not len(draws):
        return share
    least = float(np.nextafter(draws.min(), 1.0))
    raised = max(share, least)
    if (draws < raised).all():
        raise UserError(
            f"data.held_out {share:g}: no utterance is left to train on",
            found=f"{len(draws)} utterances, all held out for validation",
            expected="at least one to train on and one held out",
            fix="lower data.held_out, give more utterances, or train without validation: "
            "--set data.held_out=0 --set validation.keep=last",
        )
    return raised


def _utterances(shards: ShardSet, skip_corrupt: bool) -> NDArray[np.uint64]:
    found: set[int] = set()
    for group in shards.groups:
        try:
            ids = read_row_group(group, ("id",)).column("id").to_pylist()
        except UserError:
            if not skip_corrupt:
                raise
            continue
        found.update(text_id(utterance_id(id)) for id in ids)
    return np.array(sorted(found), np.uint64)
