"""Runs an iterator ahead in a thread, a bounded number of items."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

_LOOK_EVERY_S = 0.1
"""How often a full queue looks whether it has been closed."""


@dataclass(frozen=True)
class _Ended:
    """Behind the last item; the error that ended the iterator, if it was one."""

    error: BaseException | None


class Prefetch(Generic[T]):
    """Iterates over ``items`` in a separate thread; an error there is raised at the position of its item.

    :param ahead: items to prefetch; 0 for none, without a thread.
    """

    def __init__(self, items: Iterator[T], ahead: int) -> None:
        self._items = items
        self._queue: queue.Queue[T | _Ended] = queue.Queue(max(ahead, 1))
        self._closed = threading.Event()
        self._ended: _Ended | None = None
        self._thread: threading.Thread | None = None
        if ahead:
            self._thread = threading.Thread(target=self._run, name="lst-reader", daemon=True)
            self._thread.start()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if self._thread is None:
            return next(self._items)
        if self._ended is None:
            item = self._queue.get()
            if not isinstance(item, _Ended):
                return item
            self._ended = item
        raise self._ended.error or StopIteration

    def close(self) -> None:
        """Stop the thread and drop what it has made."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            for item in self._items:
                if not self._put(item):
                    return
            self._put(_Ended(None))
        except BaseException as error:  # noqa: BLE001 -- raised again in the consumer's thread
            self._put(_Ended(error))

    def _put(self, item: T | _Ended) -> bool:
        """Put an item; False when the consumer has closed meanwhile."""
        while not self._closed.is_set():
            try:
                self._queue.put(item, timeout=_LOOK_EVERY_S)
                return True
            except queue.Full:
                continue
        return False
