"""Stops a run with a non-finite gradient before its weights are saved, and writes the batch for debugging."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from fairseq2.metrics import Mean
from torch import Tensor

from lst_cli.errors import LstError
from lst_cli.training.engine.train_batch import TrainBatch
from lst_cli.training.metrics.batch_log import BatchLog
from lst_cli.training.run.checkpoints import last_step


class NonfiniteGuard:
    """Keeps the batches of the current step, so that it can name them."""

    def __init__(self, checkpoints: Path, evidence: Path, rank: int, batch_log: BatchLog | None = None) -> None:
        """NonfiniteGuard one process.

        :param checkpoints: folder of the checkpoints.
        :param evidence: folder to write a bad batch to.
        :param batch_log: logs every batch; by default, batches are not logged.
        """
        self.step = 0
        self._checkpoints = checkpoints
        self._evidence = evidence
        self._rank = rank
        self._batch_log = batch_log
        self._norm: Mean | None = None
        self._batches: list[TrainBatch] = []
        self._batches_step = 0

    def saw(self, batch: TrainBatch, norm: Mean) -> None:
        """Note a batch of the current step; the step before must have been fine.

        :raises LstError: see :meth:`check`.
        """
        self._norm = norm
        if self._batches_step != self.step:
            self.check()
            self._batches, self._batches_step = [], self.step
        self._batches.append(batch)
        if self._batch_log is not None:
            self._batch_log.add(self.step, batch.sequences, batch.sums)

    def check(self, norm: float | None = None) -> None:
        """Stop if the gradient of the last step was not finite: its weights must not be saved.

        :param norm: the mean gradient norm since the last log record; by default, that of this process.
        :raises LstError: names the step, its sequences and the file with its batches.
        """
        if norm is None:
            norm = self._known_norm()
        if math.isfinite(norm):
            return
        paths = [self._write(number, batch) for number, batch in enumerate(self._batches)]
        sequences = [sequence for batch in self._batches for sequence in batch.sequences]
        last = last_step(self._checkpoints)
        resumes = f"resumes from the checkpoint of step {last}" if last else "starts over"
        raise LstError(
            f"the gradient of step {self._batches_step} is not finite",
            found=f"norm {norm} for sequences {sequences} of that step; batch written to "
            + ", ".join(str(path) for path in paths),
            fix=f"the same command {resumes} and reaches the same batch; lower optimizer.lr or raise "
            "schedule.warmup_steps, which makes another model",
        )

    def _known_norm(self) -> float:
        if self._norm is None:
            return 0.0
        total = self._norm.state_dict()["weighted_sum"]
        assert isinstance(total, Tensor)
        return float(total)

    def _write(self, number: int, batch: TrainBatch) -> Path:
        self._evidence.mkdir(parents=True, exist_ok=True)
        path = self._evidence / f"step-{self._batches_step}-rank-{self._rank}-batch-{number}.npz"
        np.savez(path, sequences=np.array(batch.sequences), **vars(batch.packed))
        return path
