"""Rank 0 works while the other ranks wait, without a time limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

import fairseq2.recipe  # noqa: F401 -- fairseq2.gang can't be imported before it
from fairseq2.gang import Gang, all_sum

from lst_cli.console import say
from lst_cli.errors import LstError

_MEET_EVERY_S = 10.0
_DONE, _WORKING, _FAILED = range(3)


_SAID_AFTER_S = 10.0
"""A rank reports that it is waiting after this long."""


def first_alone(gang: Gang, work: Callable[[], None], what: str) -> None:
    """Run ``work`` on the first process; the others wait for it, and fail if it fails.

    A barrier has a time limit (15 minutes with fairseq2), and reading and rewriting a large checkpoint on a slow disk
    takes longer. So the processes synchronise every few seconds until it is done.

    :param what: what rank 0 does, for the message of the waiting ranks.
    :raises LstError: the first process has failed; in the first process, whatever ``work`` raises.
    """
    if gang.rank == 0:
        _work(gang, work)
        return
    said, start = False, time.monotonic()
    while (state := int(all_sum(gang, 0).item())) == _WORKING:
        if not said and gang.rank == 1 and time.monotonic() - start >= _SAID_AFTER_S:
            say(f"{gang.size - 1} ranks wait for rank 0, which {what}")
            said = True
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
