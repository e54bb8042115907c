"""The stage ``lst units fit``: features of a corpus become a quantizer.

Legend: N frames, D feature dimensions.

Ranks share the features of the chosen frames in part files of at most half an hour of audio each, so a killed run
resumes where it was. Rank 0 clusters them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from lst_cli.artifacts import Artifact, Draft, Request
from lst_cli.distributed.device import Precision, pick_device
from lst_cli.distributed.launcher import ALONE, Rank
from lst_cli.distributed.shared_work import SharedParts, SharedWork
from lst_cli.units.frames import RATE_HZ
from lst_cli.units.quantizer.codebook import MAX_UNITS, QUANTIZER, Codebook

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from lst_cli.distributed.row_units import WorkUnit
    from lst_cli.units.waveform import Waveform

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
    unit_samples: int | None = None
    """Audio in a work unit, in samples at 16 kHz; None to choose by the size of the sample."""

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


def plan_quantizer(options: QuantizerFitOptions, rank: Rank = ALONE) -> tuple[Request, Callable[[Draft], None]]:
    """The arguments of :meth:`lst_cli.artifacts.Store.build`, on rank 0 (or alone).

    :raises UserError: more clusters than units can be stored.
    """
    from lst_cli.errors import UserError

    if not 1 <= options.clusters <= MAX_UNITS:
        raise UserError(f"--clusters {options.clusters}", expected=f"1 to {MAX_UNITS:,}")
    return options.request, lambda draft: _fit(draft, options, SharedParts(rank, draft.parts))


def share_features(options: QuantizerFitOptions, parts: SharedParts) -> None:
    """The work of a rank other than 0: compute features of the chosen frames until none are missing."""
    _SharedFeatures(options, parts).run()


def _fit(draft: Draft, options: QuantizerFitOptions, parts: SharedParts) -> None:
    from lst_cli.units.quantizer.kmeans import fit_kmeans

    features = _SharedFeatures(options, parts)
    features.run()
    frames_ND = features.frames(draft.reject)
    draft.check_rejects(features.utterances, options.max_reject_rate)
    mean_D, scale_D = normalisation(frames_ND, features.extractor.weights_D)
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
        dimensions=features.extractor.dim,
        inertia=round(found.inertia, 6),
        clusters_used=found.used,
        perplexity=round(found.perplexity, 3),
    )


def normalisation(
    frames_ND: NDArray[np.float32], weights_D: NDArray[np.float32] | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and scale [D] that give each dimension the variance ``weights_D ** 2``; 0 and 1 without weights.

    HuBERT's hidden states are clustered without normalisation, as in all published quantizers.
    """
    import numpy as np

    dim = frames_ND.shape[1]
    if weights_D is None:
        return np.zeros(dim, dtype=np.float32), np.ones(dim, dtype=np.float32)
    mean_D = frames_ND.mean(axis=0, dtype=np.float64)
    deviation_D = np.maximum(frames_ND.std(axis=0, dtype=np.float64), _LEAST_SCALE)
    return mean_D.astype(np.float32), (deviation_D / weights_D).astype(np.float32)


class _SharedFeatures:
    """The features of the chosen frames of a corpus, which ranks compute in work units of audio."""

    def __init__(self, options: QuantizerFitOptions, parts: SharedParts) -> None:
        import numpy as np

        from lst_cli.audio.corpus_artifact import Corpus
        from lst_cli.units.features.registry import load_features
        from lst_cli.units.input.pieces import input_samples
        from lst_cli.units.quantizer.frame_sample import sample_frames
        from lst_cli.units.tokenize.work_units import divide

        device = pick_device(options.device, parts.rank.local)
        self.extractor = load_features(options.features, device, options.precision)
        self._corpus = Corpus(options.corpus)
        self._samples = sample_frames(input_samples(self._corpus), options.frames, options.seed, self.extractor)
        self._workers = options.workers
        samples_S = np.array([sample.piece.samples for sample in self._samples], np.int64)
        self._shared = SharedWork(divide(samples_S, options.unit_samples), parts)

    @property
    def utterances(self) -> int:
        """How many the chosen frames are of."""
        return len({sample.piece.row for sample in self._samples})

    def run(self) -> None:
        """Compute the features of this rank's work units, then help with those still missing."""
        from lst_cli.artifacts.parquet import write_parquet
        from lst_cli.units.tokenize.assemble import drop_rejecting_parts

        drop_rejecting_parts(self._shared.parts)
        self._shared.run(self._make, write_parquet, what="features", counted="windows")

    def frames(self, reject: Callable[[str, str], None]) -> NDArray[np.float32]:
        """The features [N, D] of all chosen frames, in the order of the corpus.

        :param reject: is given the id of each utterance that could not be read, and the reason.
        """
        import numpy as np

        from lst_cli.artifacts.parquet import read_parquet

        found = [np.zeros((0, self.extractor.dim), dtype=np.float32)]
        rejected: dict[str, str] = {}
        for path in self._shared.paths:
            for row in read_parquet(path).to_pylist():
                if row["reason"] is None:
                    found.append(np.frombuffer(row["frames"], np.float32).reshape(-1, self.extractor.dim))
                else:
                    rejected.setdefault(row["id"], row["reason"])
        for id, reason in rejected.items():
            reject(id, reason)
        return np.concatenate(found)

    def _make(self, unit: WorkUnit) -> pa.Table:
        import pyarrow as pa

        from lst_cli.errors import UserError
        from lst_cli.units.input.pipeline import run_batches
        from lst_cli.units.quantizer.quantize import batched

        samples = self._samples[unit.start : unit.stop]
        pieces = [(self._corpus[sample.piece.row], sample.piece) for sample in samples]
        batches = batched(pieces, [sample.piece.samples for sample in samples], self.extractor.batch_samples)
        results = chain.from_iterable(run_batches(batches, self._features, self.extractor.device, self._workers))
        rows: list[dict[str, Any]] = []
        for sample, (utterance, _), (piece, found) in zip(samples, pieces, results, strict=True):
            if isinstance(found, UserError):
                rows.append({"id": utterance.id, "reason": " ".join(str(found).split())})
            else:
                frames_ND = found[piece.window.first + sample.rows]
                rows.append({"id": utterance.id, "frames": frames_ND.tobytes()})
        schema = pa.schema([("id", pa.string()), ("reason", pa.string()), ("frames", pa.binary())])
        return pa.Table.from_pylist(rows, schema=schema)

    def _features(self, waves: Sequence[Waveform]) -> list[NDArray[np.float32]]:
        import torch

        from lst_cli.units.frames import n_frames

        counts = [n_frames(len(wave)) for wave in waves]
        return [part.cpu().contiguous().numpy() for part in torch.split(self.extractor.extract(waves), counts)]
