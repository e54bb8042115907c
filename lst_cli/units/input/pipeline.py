"""Decoding and computing in parallel, with results in order and in bounded memory.

On a CPU each batch is decoded and computed by one thread, several batches at a time: clips are independent, so that
keeps every core busier than dividing single operations would, and what a batch gives does not depend on the number
of cores. On a GPU threads decode ahead while the caller's thread computes.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import torch

from lst_cli.errors import UserError
from lst_cli.units.input.pieces import Piece, read_piece

if TYPE_CHECKING:
    from lst_cli.audio.corpus_artifact import Utterance
    from lst_cli.units.waveform import Waveform

T = TypeVar("T")
R = TypeVar("R")

_DECODERS_PER_GPU = 8
"""Threads that decode for one GPU: each gives some 2,000 audio-seconds a second of FLAC at 16 kHz."""

AudioBatch = Sequence[tuple["Utterance", Piece]]


def cpu_count() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_batches(
    batches: Iterable[AudioBatch],
    compute: Callable[[Sequence[Waveform]], Sequence[R]],
    device: torch.device,
    workers: int | None = None,
) -> Iterator[list[tuple[Piece, R | UserError]]]:
    """Decode each batch, compute the pieces that could be read, and yield all results in the order of the batches.

    :param compute: gives one result for each waveform; on a CPU it is called by several threads.
    :param workers: how many threads; by default one for each core, or 8 for a GPU.
    """
    if device.type == "cpu":
        workers = workers or cpu_count()
        threads = torch.get_num_threads()
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            try:
                yield from _in_order(pool, lambda batch: _computed(_decoded(batch), compute), batches, workers + 1)
            finally:
                pool.shutdown(cancel_futures=True)
                torch.set_num_threads(threads)
        return
    workers = workers or min(_DECODERS_PER_GPU, cpu_count())
    with ThreadPoolExecutor(workers) as pool:
        try:
            for decoded in _in_order(pool, _decoded, batches, workers + 1):
                yield _computed(decoded, compute)
        finally:
            pool.shutdown(cancel_futures=True)


def _decoded(batch: AudioBatch) -> list[tuple[Piece, Waveform | UserError]]:
    return [(piece, read_piece(utterance, piece)) for utterance, piece in batch]


def _computed(
    decoded: list[tuple[Piece, Waveform | UserError]], compute: Callable[[Sequence[Waveform]], Sequence[R]]
) -> list[tuple[Piece, R | UserError]]:
    waves = [wave for _, wave in decoded if not isinstance(wave, UserError)]
    results = iter(compute(waves) if waves else [])
    return [(piece, wave if isinstance(wave, UserError) else next(results)) for piece, wave in decoded]


def _in_order(pool: ThreadPoolExecutor, work: Callable[[T], R], items: Iterable[T], ahead: int) -> Iterator[R]:
    """``work`` of every item, in order, with at most ``ahead`` items under way."""
    waiting: deque[Future[R]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
