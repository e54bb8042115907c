"""Rank 0 works while the other ranks wait, without a time limit."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

import fairseq2.recipe  # noqa: F401 -- fairseq2.gang can't be imported before it
from fairseq2.gang import Gang, all_sum

from lst_cli.errors import LstError

_MEET_EVERY_S = 10.0
_DONE, _WORKING, _FAILED = range(3)


def first_alone(gang: Gang, work: Callable[[], None]) -> None:
    """Let the first process do something; the others wait for it, and end when it fails.

    Processes that meet have a time limit to do so (15 minutes with fairseq2), and to read and rewrite a large
    checkpoint from a slow disk takes longer. So they synchronise every few seconds until it is done.

    :raises LstError: the first process has failed; in the first process, whatever ``work`` raises.
    """
    if gang.rank == 0:
        _work(gang, work)
        return
    while (state := int(all_sum(gang, 0).item())) == _WORKING:
        pass
    if state == _FAILED:
        raise LstError("rank 0 failed before the first step", fix="see the error that rank 0 printed")


def _work(gang: Gang, work: Callable[[], None]) -> None:
    if gang.size == 1:
        work()
        return
    with ThreadPoolExecutor(1) as pool:
        task = pool.submit(work)
        while not wait([task], timeout=_MEET_EVERY_S).done:
            all_sum(gang, _WORKING)
    all_sum(gang, _FAILED if task.exception() is not None else _DONE)
    task.result()
