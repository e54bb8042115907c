"""Readers of examples in memory, shuffled in each epoch.

Step ``s`` takes the examples ``[s N, (s + 1) N)`` of an endless line of epochs, each in an order drawn by seed and
epoch; rank ``r`` of ``R`` takes every ``R``-th of them. So a step is the same for any number of ranks, and resuming
needs the number of steps only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from fairseq2.datasets import DataReader
from fairseq2.gang import Gang
from typing_extensions import Self

from lst_cli.errors import UserError
from lst_cli.hashing import permutation
from lst_cli.training.engine.nonfinite_guard import NonfiniteGuard
from lst_cli.training.engine.step_reader import batches_of_step
from lst_cli.training.engine.stopping import StopRequest
from lst_cli.training.engine.train_batch import TrainBatch
from lst_cli.training.engine.validation_unit import OnceReader

MakeBatch = Callable[[Sequence[int]], TrainBatch]
"""From places in the list of examples to a batch."""


class EpochReader(DataReader[TrainBatch]):
    """Yields one step of the run at a time, in as many micro-batches as memory requires."""

    def __init__(
        self,
        make: MakeBatch,
        chosen: Sequence[int],
        *,
        per_step: int,
        micro_batch_size: int | None,
        seed: int,
        gang: Gang,
        guard: NonfiniteGuard,
    ) -> None:
        """Read for one process.

        :param chosen: the examples to train on.
        :param per_step: examples of a step over all processes, whose number divides it.
        """
        self._make = make
        self._chosen = np.asarray(chosen)
        self._per_step = per_step
        self._share = per_step // gang.size
        self._per_batch = min(micro_batch_size or self._share, self._share)
        self._seed = seed
        self._gang = gang
        self._guard = guard
        self._step = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> list[TrainBatch]:
        """The batches of the next step."""
        mine = self.step_examples(self._step)[self._gang.rank :: self._gang.size]
        self._step += 1
        return [self._make(mine[first : first + self._per_batch]) for first in range(0, self._share, self._per_batch)]

    def step_examples(self, step: int) -> list[int]:
        """The examples of a step (from 0), over all processes."""
        place = np.arange(step * self._per_step, (step + 1) * self._per_step)
        epoch, within = np.divmod(place, len(self._chosen))
        orders = {int(each): permutation(len(self._chosen), self._seed, int(each)) for each in np.unique(epoch)}
        return [int(self._chosen[orders[int(e)][w]]) for e, w in zip(epoch, within, strict=True)]

    def reset(self) -> None:
        """No-op: the stream of steps has no end."""

    def state_dict(self) -> dict[str, object]:
        """The number of steps read; the same in all processes.

        fairseq2 calls it only to save a checkpoint: weights that are not finite are not saved.
        """
        self._guard.check()
        return {"step": self._step, "per_step": self._per_step, "examples": len(self._chosen)}

    def load_state_dict(self, state_dict: dict[str, object]) -> None:
        """Resume from there.

        :raises UserError: the state is of other examples.
        """
        mine = {"per_step": self._per_step, "examples": len(self._chosen)}
        if any(state_dict.get(key) != value for key, value in mine.items()):
            raise UserError("the checkpoint is of a run on other examples", found=str(state_dict), expected=str(mine))
        self._step = int(str(state_dict["step"]))

    @property
    def num_accumulate(self) -> int:
        """Batches of a step."""
        return batches_of_step(self._share, self._per_batch)


class HeldOutReader(OnceReader):
    """All held-out examples once, in batches of a fixed number."""

    def __init__(self, make: MakeBatch, chosen: Sequence[int], size: int, *, gang: Gang, stop: StopRequest) -> None:
        """Read for one process.

        :param size: examples of a batch.
        """

        def batches() -> Iterator[Sequence[int]]:
            return (chosen[first : first + size] for first in range(0, len(chosen), size))

        super().__init__(batches, make, most=None, gang=gang, stop=stop)
