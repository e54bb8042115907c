"""k-means of speech features: ours (faiss, k-means++ on a part) against scikit-learn, at no worse inertia.

Frames are drawn from a mixture whose clusters are of unequal size and overlap. scikit-learn runs 20 iterations from a
random start; ours comes below its inertia in fewer, since it starts better. Prints a row for each and, as the last
line, JSON with ``ours`` and ``peer`` (seconds), ``ratio`` (peer / ours), ``cpu_ratio`` (the same in CPU seconds, which
other programs disturb less), both inertias and ``inertia_ratio`` (ours / peer), which should be at most 1.01.
``--peer-init k-means++`` compares with scikit-learn's own default start.

    python benchmarks/kmeans.py            # 200,000 x 768, k = 501
    python benchmarks/kmeans.py --quick    # 20,000 x 256, k = 101
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from lst_cli.units.quantizer.kmeans import fit_kmeans, measure

T = TypeVar("T")


def make_frames(frames: int, dim: int) -> np.ndarray:
    """Frames from 1,000 overlapping blobs of unequal size."""
    random = np.random.default_rng(0)
    centres = random.standard_normal((1000, dim)).astype(np.float32)
    which = np.minimum(random.exponential(250, frames).astype(int), 999)
    return centres[which] + random.standard_normal((frames, dim), dtype=np.float32)


def timed(work: Callable[[], T]) -> tuple[T, float, float]:
    """A result, wall seconds and CPU seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return result, time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a twentieth of the work")
    parser.add_argument("--iterations", type=int, default=8, help="ours, from k-means++")
    parser.add_argument("--peer-iterations", type=int, default=20)
    parser.add_argument("--peer-init", choices=("random", "k-means++"), default="random")
    options = parser.parse_args()
    frames, dim, clusters = (20_000, 256, 101) if options.quick else (200_000, 768, 501)
    data = make_frames(frames, dim)

    fit_kmeans(data[:100], 2, seed=0, iterations=1)  # loads faiss, before scikit-learn loads the same OpenMP runtime
    from sklearn.cluster import KMeans

    ours, wall, cpu = timed(lambda: fit_kmeans(data, clusters, seed=0, iterations=options.iterations))
    print(f"ours: {wall:.1f} s, {cpu:.1f} CPU s, inertia {ours.inertia:.4f}, perplexity {ours.perplexity:.1f}")
    peer = KMeans(
        clusters,
        init=options.peer_init,
        n_init=1,
        max_iter=options.peer_iterations,
        tol=0,
        algorithm="lloyd",
        random_state=0,
    )
    _, peer_wall, peer_cpu = timed(lambda: peer.fit(data))
    peer_inertia = measure(data, peer.cluster_centers_.astype(np.float32)).inertia
    print(f"peer: {peer_wall:.1f} s, {peer_cpu:.1f} CPU s, inertia {peer_inertia:.4f}")
    result = {
        "ours": round(wall, 2),
        "peer": round(peer_wall, 2),
        "ratio": round(peer_wall / wall, 3),
        "cpu_ratio": round(peer_cpu / cpu, 3),
        "inertia": round(ours.inertia, 5),
        "peer_inertia": round(peer_inertia, 5),
        "inertia_ratio": round(ours.inertia / peer_inertia, 5),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
