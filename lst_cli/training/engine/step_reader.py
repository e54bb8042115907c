"""From the shards' reader to fairseq2's trainer: steps in batches, and a state that all processes share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zlib import crc32

import torch.distributed as dist
from fairseq2.datasets import DataReader
from fairseq2.gang import Gang
from typing_extensions import Self

from lst_cli.model.model_config import ModelConfig
from lst_cli.patching.strategies import Patcher
from lst_cli.shards.documents.forms import Source
from lst_cli.shards.read.reader import Reader, ReaderConfig
from lst_cli.shards.read.resume import merge_states
from lst_cli.shards.read.step import StepData
from lst_cli.text.speech_codec import SpeechCodec
from lst_cli.training.config.train_config import TrainConfig
from lst_cli.training.engine.nonfinite_guard import NonfiniteGuard
from lst_cli.training.engine.train_batch import TrainBatch


def read_steps(
    config: TrainConfig,
    reading: ReaderConfig,
    sources: Sequence[Source],
    patcher: Patcher,
    model: ModelConfig,
    speech: SpeechCodec,
    *,
    sequences: int,
    gang: Gang,
    guard: NonfiniteGuard,
) -> StepReader:
    """The steps of a run, for one process.

    :param sequences: sequences of a step that this process takes.
    :param gang: the processes that read different data.
    """
    reader = Reader(
        reading,
        sources,
        speech.vocabulary,
        patcher,
        total_steps=config.budget.steps,
        speech_bpe=speech.bpe,
        rank=gang.rank,
        world_size=gang.size,
    )
    return StepReader(
        reader,
        model,
        speech,
        sequences=sequences,
        micro_batch_size=config.run.micro_batch_size,
        gang=gang,
        guard=guard,
    )


class StepReader(DataReader[TrainBatch]):
    """Yields one step of the run at a time, in as many micro-batches as memory requires."""

    def __init__(
        self,
        reader: Reader,
        config: ModelConfig,
        speech: SpeechCodec,
        *,
        sequences: int,
        micro_batch_size: int | None,
        gang: Gang,
        guard: NonfiniteGuard,
    ) -> None:
        """Read for one process.

        :param sequences: sequences of a step that this process takes.
        :param gang: the processes that read different data.
        """
        self._reader = reader
        self._config = config
        self._speech = speech
        self._sequences = sequences
        self._per_batch = min(micro_batch_size or sequences, sequences)
        self._gang = gang
        self._guard = guard
        reader.prepare = self._batches

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> list[TrainBatch]:
        """The batches of the next step."""
        batches: list[TrainBatch] = next(self._reader).prepared
        return batches

    def _batches(self, data: StepData) -> list[TrainBatch]:
        """The batches of a step, up to the copy to the device; runs in the reader's thread."""
        batches = []
        for first in range(0, len(data.sequences), self._per_batch):
            last = first + self._per_batch
            batch = TrainBatch(
                data.packed(first, last),
                self._config,
                self._speech,
                sequences=data.numbers[first:last],
                sums=[crc32(sequence.tokens_T.tobytes()) for sequence in data.sequences[first:last]],
                aligned=data.cuts[first:last].count("aligned"),
                device_type=self._gang.device.type,
            )
            batches.append(batch)
        return batches

    def reset(self) -> None:
        """The stream of steps has no end to go back from."""

    def close(self) -> None:
        """Stop the reader's thread. One that runs while Python ends would abort the process (exit code 134)."""
        self._reader.close()

    def state_dict(self) -> dict[str, object]:
        """The state of all processes, from which any number of them can resume.

        fairseq2 calls it only to save a checkpoint: weights that are not finite are not saved.
        """
        self._guard.check()
        mine = self._reader.state_dict()
        states: list[Any] = [mine]
        if self._gang.size > 1:
            states = [None] * self._gang.size
            dist.all_gather_object(states, mine, group=self._gang.as_process_group())
        return merge_states(states)

    def load_state_dict(self, state_dict: dict[str, object]) -> None:
        """Resume from a state."""
        self._reader.load_state_dict(state_dict)

    @property
    def num_accumulate(self) -> int:
        """Batches of a step."""
        return batches_of_step(self._sequences, self._per_batch)


def batches_of_step(sequences: int, micro_batch_size: int | None) -> int:
    """Batches that a process's share of a step is read in."""
    return -(-sequences // min(micro_batch_size or sequences, sequences))
