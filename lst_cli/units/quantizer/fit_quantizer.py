"""The stage ``lst units fit``: features of a corpus become a quantizer.

Legend: N frames, D feature dimensions.

The features of the chosen frames are kept in part files of about half an hour of audio each, so a killed run resumes
where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lst_cli.artifacts import Artifact, Draft, Request
from lst_cli.console import progress
from lst_cli.distributed.device import Precision
from lst_cli.units.features.registry import FeatureExtractor
from lst_cli.units.frames import RATE_HZ, SAMPLE_RATE
from lst_cli.units.quantizer.codebook import MAX_UNITS, QUANTIZER, Codebook

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lst_cli.audio.corpus_artifact import Corpus
    from lst_cli.units.quantizer.frame_sample import FrameSample
    from lst_cli.units.waveform import Waveform

_PART_SAMPLES = 1800 * SAMPLE_RATE
_LEAST_SCALE = 1e-6
"""Floor of a dimension's standard deviation, for dimensions that never change."""


@dataclass(frozen=True, kw_only=True)
class QuantizerFitOptions:
    """Options of ``lst units fit``."""

    name: str
    corpus: Artifact
    features: Mapping[str, Any]
    """A features config."""
    clusters: int = 501
    frames: int = 300_000
    """How many frames to cluster at most."""
    iterations: int = 25
    restarts: int = 1
    seed: int = 0
    precision: Precision = "float32"
    device: str = "auto"
    workers: int | None = None
    max_reject_rate: float = 0.01

    @property
    def request(self) -> Request:
        """The artifact that is requested."""
        config = {
            "features": dict(self.features),
            "rate_hz": RATE_HZ,
            "clusters": self.clusters,
            "frames": self.frames,
            "iterations": self.iterations,
            "restarts": self.restarts,
            "seed": self.seed,
            "precision": self.precision,
        }
        return Request(kind=QUANTIZER, name=self.name, config=config, parents={"corpus": self.corpus})


def plan_quantizer(options: QuantizerFitOptions) -> tuple[Request, Callable[[Draft], None]]:
    """What :meth:`lst_cli.artifacts.Store.build` needs.

    :raises UserError: more clusters than units can be stored.
    """
    from lst_cli.errors import UserError

    if not 1 <= options.clusters <= MAX_UNITS:
        raise UserError(f"--clusters {options.clusters}", expected=f"1 to {MAX_UNITS:,}")
    return options.request, lambda draft: _fit(draft, options)


def _fit(draft: Draft, options: QuantizerFitOptions) -> None:
    from lst_cli.audio.corpus_artifact import Corpus
    from lst_cli.units.features.registry import load_features
    from lst_cli.units.input.pieces import input_samples
    from lst_cli.units.quantizer.frame_sample import sample_frames
    from lst_cli.units.quantizer.kmeans import fit_kmeans

    corpus = Corpus(options.corpus)
    extractor = load_features(options.features, options.device, options.precision)
    samples = sample_frames(input_samples(corpus), options.frames, options.seed, extractor)
    frames_ND = _Collector(draft, corpus, extractor, options.workers).collect(samples)
    draft.check_rejects(len({sample.piece.row for sample in samples}), options.max_reject_rate)
    mean_D, scale_D = normalisation(frames_ND, extractor.weights_D)
    frames_ND -= mean_D
    frames_ND /= scale_D
    found = fit_kmeans(
        frames_ND, options.clusters, seed=options.seed, iterations=options.iterations, restarts=options.restarts
    )
    codebook = Codebook(
        centroids_KD=found.centroids_KD, mean_D=mean_D, scale_D=scale_D, features=dict(options.features)
    )
    codebook.save(draft.path)
    draft.statistics.update(
        frames=len(frames_ND),
        dimensions=extractor.dim,
        inertia=round(found.inertia, 6),
        clusters_used=found.used,
        perplexity=round(found.perplexity, 3),
    )


def normalisation(
    frames_ND: NDArray[np.float32], weights_D: NDArray[np.float32] | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and scale [D] that give each dimension the variance ``weights_D ** 2``; 0 and 1 without weights.

    HuBERT's hidden states are clustered as they are, as all published quantizers do.
    """
    import numpy as np

    dim = frames_ND.shape[1]
    if weights_D is None:
        return np.zeros(dim, dtype=np.float32), np.ones(dim, dtype=np.float32)
    mean_D = frames_ND.mean(axis=0, dtype=np.float64)
    deviation_D = np.maximum(frames_ND.std(axis=0, dtype=np.float64), _LEAST_SCALE)
    return mean_D.astype(np.float32), (deviation_D / weights_D).astype(np.float32)


class _Collector:
    """Gathers the chosen frames of a corpus, part by part."""

    def __init__(self, draft: Draft, corpus: Corpus, extractor: FeatureExtractor, workers: int | None) -> None:
        self._draft, self._corpus, self._extractor, self._workers = draft, corpus, extractor, workers
        self._rejected: set[int] = set()

    def collect(self, samples: Sequence[FrameSample]) -> NDArray[np.float32]:
        """The features [N, D] of all chosen frames, in the order of the corpus."""
        import numpy as np

        from lst_cli.units.quantizer.quantize import batched

        seconds = sum(sample.piece.samples for sample in samples) / SAMPLE_RATE
        parts = []
        with progress("features", seconds, "audio s") as bar:
            lengths = [sample.piece.samples for sample in samples]
            for number, part in enumerate(batched(samples, lengths, _PART_SAMPLES)):
                parts.append(self._part(self._draft.parts / f"frames-{number:05d}.npy", part))
                bar.advance(sum(sample.piece.samples for sample in part) / SAMPLE_RATE)
        empty = np.zeros((0, self._extractor.dim), dtype=np.float32)
        return np.concatenate([empty, *parts])

    def _part(self, path: Path, samples: Sequence[FrameSample]) -> NDArray[np.float32]:
        import numpy as np

        if path.exists():
            made: NDArray[np.float32] = np.load(path)
            return made
        rejected = len(self._rejected)
        frames_ND = self._make(samples)
        if len(self._rejected) == rejected:
            # An incomplete part is rebuilt next time: the files may have been repaired.
            _save_atomic(path, frames_ND)
        return frames_ND

    def _make(self, samples: Sequence[FrameSample]) -> NDArray[np.float32]:
        import numpy as np

        from lst_cli.errors import UserError
        from lst_cli.units.input.pipeline import run_batches
        from lst_cli.units.quantizer.quantize import batched

        extractor = self._extractor
        pieces = [(self._corpus[sample.piece.row], sample.piece) for sample in samples]
        batches = batched(pieces, [sample.piece.samples for sample in samples], extractor.batch_samples)
        results = chain.from_iterable(run_batches(batches, self._features, extractor.device, self._workers))
        frames: list[NDArray[np.float32]] = [np.zeros((0, extractor.dim), dtype=np.float32)]
        for sample, (piece, found) in zip(samples, results, strict=True):
            if not isinstance(found, UserError):
                frames.append(found[piece.window.first + sample.rows])
            elif piece.row not in self._rejected:
                self._rejected.add(piece.row)
                self._draft.reject(self._corpus[piece.row].id, " ".join(str(found).split()))
        return np.concatenate(frames)

    def _features(self, waves: Sequence[Waveform]) -> list[NDArray[np.float32]]:
        import torch

        from lst_cli.units.frames import n_frames

        counts = [n_frames(len(wave)) for wave in waves]
        # Rows in memory order: sums over columns round by the layout, and a part read from disk must give the same.
        return [part.cpu().contiguous().numpy() for part in torch.split(self._extractor.extract(waves), counts)]


def _save_atomic(path: Path, array: NDArray[np.float32]) -> None:
    import numpy as np

    from lst_cli.artifacts.parquet import atomic_path

    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, array)
