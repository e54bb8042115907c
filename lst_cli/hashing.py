"""Random numbers as pure functions of a seed and ids.

No generator state exists anywhere in ``lst``: a draw is a hash of what it is drawn for. So a stream of draws can be
resumed anywhere, by any number of workers, and be vectorised over all ids.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def _splitmix64(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """One step of SplitMix64 (Steele, Lea and Flood 2014), a bijection that mixes all 64 bits."""
    with np.errstate(over="ignore"):
        x = x + _GOLDEN
        x = (x ^ (x >> np.uint64(30))) * _MIX_1
        x = (x ^ (x >> np.uint64(27))) * _MIX_2
    mixed: NDArray[np.uint64] = x ^ (x >> np.uint64(31))
    return mixed


def mix(seed: int, *ids: ArrayLike) -> NDArray[np.uint64]:
    """Hash a seed and integer ids (broadcast against each other) to uint64.

    Negative ids are taken modulo 2**64. The order of the ids matters.
    """
    state = _splitmix64(np.asarray(seed & 0xFFFFFFFFFFFFFFFF, dtype=np.uint64))
    for part in ids:
        array = np.asarray(part)
        state = _splitmix64(state ^ _splitmix64(array.astype(np.uint64)))
    return state


def uniform(seed: int, *ids: ArrayLike) -> NDArray[np.float64]:
    """Draw uniformly from [0, 1), one number for each (broadcast) tuple of integer ids."""
    top_53_bits: NDArray[np.float64] = (mix(seed, *ids) >> np.uint64(11)).astype(np.float64)
    return top_53_bits * 2.0**-53


def integers(low: ArrayLike, high: ArrayLike, seed: int, *ids: ArrayLike) -> NDArray[np.int64]:
    """Draw integers uniformly from [low, high] (both ends included) for each tuple of ids."""
    low_array = np.asarray(low, dtype=np.int64)
    width = np.asarray(high, dtype=np.int64) - low_array + 1
    return low_array + np.floor(uniform(seed, *ids) * width).astype(np.int64)


def permutation(n: int, seed: int, *ids: int) -> NDArray[np.int64]:
    """A permutation of ``range(n)`` that depends on the seed and the ids only."""
    return np.argsort(mix(seed, *ids, np.arange(n)), kind="stable")


def text_id(text: str) -> int:
    """A 64-bit integer id for a string such as an utterance id, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
