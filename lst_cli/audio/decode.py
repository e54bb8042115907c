"""From an utterance to mono float32 samples at 16 kHz, one at a time or prefetched.

Legend: N samples at the file's own rate, T samples at 16 kHz, C channels.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING

import numpy as np

from lst_cli.audio.corpus_artifact import Utterance
from lst_cli.audio.formats import NotDecodable, open_recording
from lst_cli.audio.sample_rates import SAMPLE_RATE
from lst_cli.audio.workers import process_pool
from lst_cli.errors import LstError, UserError
from lst_cli.storage.bucket_path import AnyPath

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ADD_AGAIN = "put the file back as it was, or run 'lst corpus add' again"


def resampled_length(samples: int, sample_rate: int) -> int:
    """Number of samples at 16 kHz of ``samples`` at ``sample_rate`` Hz: the nearest whole number, at least 1."""
    return max(1, (2 * samples * SAMPLE_RATE + sample_rate) // (2 * sample_rate))


def read_samples(
    path: AnyPath, offset: int = 0, samples: int | None = None, *, channel: int | None = None, gain: float = 1.0
) -> tuple[NDArray[np.float32], int]:
    """Read a segment of an audio file, on a disk or in a bucket, as mono, at its own rate.

    :param offset: first sample to read.
    :param samples: how many; None reads to the end.
    :param channel: the one to read; None averages all.
    :param gain: factor for every sample.
    :return: samples ``[N]`` in [-1, 1], and the rate in Hz.
    :raises UserError: the file is missing, was changed, is not audio, or ends before the segment does.
    :raises LstError: the store of a bucket can't be reached, or refuses access.
    """
    blocks: list[NDArray[np.float32]] = []
    try:
        with open_recording(path) as recording:
            rate = recording.rate
            for block_NC in recording.blocks(offset, samples):
                blocks.append(to_mono(block_NC, channel, gain))
    except FileNotFoundError:
        raise UserError(f"{path}: the audio file is gone", fix=_ADD_AGAIN) from None
    except (OSError, NotDecodable) as error:
        found = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{path}: the audio can't be read", found=found, fix=_ADD_AGAIN) from None
    mono_N = blocks[0] if len(blocks) == 1 else np.concatenate([np.zeros(0, np.float32), *blocks])
    if samples is not None and len(mono_N) < samples:
        raise UserError(
            f"{path}: the audio file is shorter than when the corpus was made",
            found=f"the end after sample {offset + len(mono_N):,}",
            expected=f"samples {offset:,} to {offset + samples:,}",
            fix=_ADD_AGAIN,
        )
    return mono_N, rate


def to_mono(frames_NC: NDArray[np.float32], channel: int | None, gain: float) -> NDArray[np.float32]:
    """One channel, or the mean of all; ``[N]``."""
    if channel is not None and channel < frames_NC.shape[1]:
        mono_N = frames_NC[:, channel]
    elif frames_NC.shape[1] == 1:
        mono_N = frames_NC[:, 0]
    else:
        mono_N = frames_NC.mean(axis=1, dtype=np.float32)
    return mono_N if gain == 1.0 else mono_N * np.float32(gain)


def resample(samples_N: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """Resample to 16 kHz with soxr's high-quality filter (linear phase, no delay), the same on every call.

    :return: samples ``[T]``, T as :func:`resampled_length` says.
    """
    if sample_rate == SAMPLE_RATE:
        return samples_N
    import soxr

    length = resampled_length(len(samples_N), sample_rate)
    samples_T: NDArray[np.float32] = soxr.resample(samples_N, sample_rate, SAMPLE_RATE, quality="HQ")
    # soxr rounds the length in its own way; the rule above must hold to the sample, for frames are counted by it.
    return np.pad(samples_T[:length], (0, max(0, length - len(samples_T))))


def read_utterance(utterance: Utterance) -> NDArray[np.float32]:
    """Decode one utterance to mono float32 ``[T]`` at 16 kHz.

    :raises UserError: its file was removed or changed since the corpus was made.
    """
    samples_N, rate = read_samples(utterance.path, utterance.offset, utterance.samples, **utterance.mending)
    if rate != utterance.sample_rate:
        raise UserError(
            f"{utterance.path}: the audio file was changed after the corpus was made",
            found=f"{rate} Hz",
            expected=f"{utterance.sample_rate} Hz",
            fix=_ADD_AGAIN,
        )
    return resample(samples_N, rate)


def read_utterances(
    utterances: Iterable[Utterance],
    *,
    workers: int = 2,
    processes: bool = False,
    ahead_s: float = 600.0,
    on_error: Callable[[Utterance, UserError], None] | None = None,
) -> Iterator[tuple[Utterance, NDArray[np.float32]]]:
    """Decode utterances in order, running ahead of the reader.

    The result depends neither on the number of workers nor on their kind.

    :param workers: threads (or processes) that decode; 0 decodes in the caller's thread.
    :param processes: use processes: worth it only where several threads are held up by the resampler, which
        keeps the interpreter's lock (beyond some 2,000 audio-seconds per second).
    :param ahead_s: seconds of audio to decode ahead at most; bounds the memory.
    :param on_error: called with each utterance that can't be read, which is then skipped; without it the error
        is raised.
    """
    if workers <= 0:
        waiting = ((utterance, _done(utterance)) for utterance in utterances)
        yield from _results(waiting, on_error)
        return
    with _pool(workers, processes) as pool:
        try:
            yield from _results(_submitted(pool, utterances, workers, ahead_s), on_error)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _done(utterance: Utterance) -> Future[NDArray[np.float32]]:
    future: Future[NDArray[np.float32]] = Future()
    try:
        future.set_result(read_utterance(utterance))
    except UserError as error:
        future.set_exception(error)
    return future


def _pool(workers: int, processes: bool) -> Executor:
    if processes:
        return process_pool(workers)
    return ThreadPoolExecutor(workers, thread_name_prefix="decode")


def _submitted(
    pool: Executor, utterances: Iterable[Utterance], workers: int, ahead_s: float
) -> Iterator[tuple[Utterance, Future[NDArray[np.float32]]]]:
    """Keep ``ahead_s`` seconds of audio, or one utterance for each worker, in the making."""
    waiting: deque[tuple[Utterance, Future[NDArray[np.float32]]]] = deque()
    seconds = 0.0
    for utterance in utterances:
        waiting.append((utterance, pool.submit(read_utterance, utterance)))
        seconds += utterance.seconds
        while len(waiting) > workers and seconds > ahead_s:
            seconds -= waiting[0][0].seconds
            yield waiting.popleft()
    yield from waiting


def _results(
    waiting: Iterable[tuple[Utterance, Future[NDArray[np.float32]]]],
    on_error: Callable[[Utterance, UserError], None] | None,
) -> Iterator[tuple[Utterance, NDArray[np.float32]]]:
    for utterance, future in waiting:
        try:
            samples_T = future.result()
        except UserError as error:
            if on_error is None:
                raise
            on_error(utterance, error)
            continue
        except BrokenProcessPool:
            raise LstError(
                "a decoding process died",
                found=f"while it read {utterance.path} or a file near it",
                fix="it may have run out of memory: use fewer workers, or shorter utterances",
            ) from None
        yield utterance, samples_T
