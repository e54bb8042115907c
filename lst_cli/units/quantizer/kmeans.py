"""k-means by faiss, on the GPU where there is one.

Legend: N frames, K clusters, D feature dimensions.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lst_cli.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_START_FRAMES = 50
"""Frames for each cluster that the start is made from."""

_START_ITERATIONS = 5

_CHUNK = 1 << 18
"""Frames assigned at once when the result is measured."""


@dataclass(frozen=True, kw_only=True)
class Clustering:
    """The result of k-means."""

    centroids_KD: NDArray[np.float32]
    inertia: float
    """Mean squared distance of a frame to its centroid."""
    counts_K: NDArray[np.int64]
    """Frames in each cluster."""

    @property
    def used(self) -> int:
        """Clusters that have frames."""
        return int((self.counts_K > 0).sum())

    @property
    def perplexity(self) -> float:
        """How many equally used clusters would be as hard to guess."""
        return perplexity(self.counts_K)


def perplexity(counts_K: NDArray[np.int64]) -> float:
    """The exponential of the entropy of a distribution given by counts; 0 without any."""
    total = counts_K.sum()
    if not total:
        return 0.0
    share = counts_K[counts_K > 0] / total
    return float(np.exp(-(share * np.log(share)).sum()))


def fit_kmeans(
    frames_ND: NDArray[np.float32], clusters: int, *, seed: int, iterations: int = 25, restarts: int = 1
) -> Clustering:
    """Lloyd's algorithm on all frames, started by k-means++ on a part; the same input and seed give the same centroids.

    :param restarts: number of k-means++ starts; the best one is kept.
    :raises UserError: there are fewer frames than clusters, or a frame is not finite.
    """
    total = len(frames_ND)
    if total < clusters:
        raise UserError(
            f"--clusters {clusters}: more clusters than frames",
            found=f"{total:,} frames",
            expected="at least as many frames as clusters, preferably 100 times as many",
            fix="give more audio or more --frames, or fewer --clusters",
        )
    if not np.isfinite(frames_ND).all():
        raise UserError("the features hold values that are not finite numbers", fix="check the model's weights")
    # k-means++ reads all frames once for each cluster, which on many frames takes longer than all the rest.
    few_ND = frames_ND[:: max(1, total // (_START_FRAMES * clusters))]
    start_KD = _lloyd(few_ND, clusters, seed, _START_ITERATIONS, restarts, start_KD=None)
    return measure(frames_ND, _lloyd(frames_ND, clusters, seed, iterations, 1, start_KD))


def _lloyd(
    frames_ND: NDArray[np.float32],
    clusters: int,
    seed: int,
    iterations: int,
    restarts: int,
    start_KD: NDArray[np.float32] | None,
) -> NDArray[np.float32]:
    """Lloyd's algorithm from given centroids, or from those of k-means++."""
    faiss = _faiss()
    total, dim = frames_ND.shape
    parameters = faiss.ClusteringParameters()
    parameters.niter = iterations
    parameters.nredo = restarts
    parameters.seed = seed % (1 << 31)
    # Every frame was sampled to be used: faiss would otherwise take 256 a cluster, and warn below 39.
    parameters.max_points_per_centroid = total
    parameters.min_points_per_centroid = 1
    parameters.init_method = faiss.ClusteringInitMethod_KMEANS_PLUS_PLUS
    clustering = faiss.Clustering(dim, clusters, parameters)
    if start_KD is not None:
        faiss.copy_array_to_vector(start_KD.ravel(), clustering.centroids)
    clustering.train(np.ascontiguousarray(frames_ND), _index(dim))
    centroids_KD: NDArray[np.float32] = faiss.vector_to_array(clustering.centroids).reshape(clusters, dim)
    return centroids_KD.astype(np.float32)


def measure(frames_ND: NDArray[np.float32], centroids_KD: NDArray[np.float32]) -> Clustering:
    """How well centroids represent frames."""
    index = _index(centroids_KD.shape[1])
    index.add(centroids_KD)
    counts_K = np.zeros(len(centroids_KD), dtype=np.int64)
    total = 0.0
    for start in range(0, len(frames_ND), _CHUNK):
        distances, nearest = index.search(frames_ND[start : start + _CHUNK], 1)
        total += float(distances.sum(dtype=np.float64))
        counts_K += np.bincount(nearest[:, 0], minlength=len(centroids_KD))
    return Clustering(centroids_KD=centroids_KD, inertia=total / len(frames_ND), counts_K=counts_K)


def _index(dim: int) -> Any:
    faiss = _faiss()
    if faiss.get_num_gpus() == 0:
        return faiss.IndexFlatL2(dim)
    config = faiss.GpuIndexFlatConfig()
    config.useFloat16 = False
    return faiss.GpuIndexFlatL2(faiss.StandardGpuResources(), dim, config)


def _faiss() -> Any:
    """Import faiss so that its threads sleep while they wait for each other.

    By default they spin for a while, and on a machine that has other work to do that costs up to ten times the work
    itself. faiss brings its own OpenMP runtime, which reads this setting once, when it is loaded.
    """
    before = os.environ.get("OMP_WAIT_POLICY")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        import faiss
    finally:
        if before is None:
            del os.environ["OMP_WAIT_POLICY"]
    return faiss
