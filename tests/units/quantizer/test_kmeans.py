from __future__ import annotations

import numpy as np
import pytest

from lst_cli.errors import UserError
from lst_cli.hashing import uniform
from lst_cli.units.quantizer.kmeans import fit_kmeans, measure, perplexity


def _blobs(clusters: int, each: int) -> np.ndarray:
    centres = 20 * uniform(0, np.arange(clusters)[:, None], np.arange(6)[None])
    noise = 0.1 * uniform(1, np.arange(clusters * each)[:, None], np.arange(6)[None])
    return (np.repeat(centres, each, axis=0) + noise).astype(np.float32)


def test_clusters_are_found() -> None:
    found = fit_kmeans(_blobs(20, 50), 20, seed=0, restarts=3)
    assert found.counts_K.tolist() == [50] * 20
    assert found.used == 20
    assert found.perplexity == pytest.approx(20)
    assert found.inertia < 0.01


def test_seed_decides() -> None:
    frames = _blobs(40, 30)
    first, again, other = (fit_kmeans(frames, 15, seed=seed).centroids_KD for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_all_frames_are_used_where_faiss_would_sample() -> None:
    frames = np.repeat(np.eye(2, dtype=np.float32), [3000, 1], axis=0)
    assert fit_kmeans(frames, 2, seed=0).counts_K.tolist() in ([3000, 1], [1, 3000])


def test_measure_is_the_mean_squared_distance() -> None:
    frames = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 1.0]], dtype=np.float32)
    found = measure(frames, np.array([[0.0, 0.0], [2.0, 1.0], [9.0, 9.0]], dtype=np.float32))
    assert found.inertia == pytest.approx((0 + 1 + 1) / 3)
    assert found.counts_K.tolist() == [2, 1, 0]
    assert found.used == 2


def test_perplexity() -> None:
    assert perplexity(np.array([5, 5, 0, 5, 5])) == pytest.approx(4)
    assert perplexity(np.zeros(3, dtype=np.int64)) == 0


def test_bad_input_is_refused() -> None:
    with pytest.raises(UserError, match="more clusters than frames"):
        fit_kmeans(np.zeros((3, 2), np.float32), 4, seed=0)
    with pytest.raises(UserError, match="not finite"):
        fit_kmeans(np.full((10, 2), np.nan, np.float32), 4, seed=0)
