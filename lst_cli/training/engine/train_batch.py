"""A packed batch as the trainer moves it to the device, with its counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from fairseq2.device import Device, SupportsDeviceTransfer
from torch import Tensor

from lst_cli.model.batch import Batch, StagedBatch
from lst_cli.model.model_config import ModelConfig
from lst_cli.patching.packed import IGNORE, PADDING, Packed
from lst_cli.text.speech_codec import SpeechCodec
from lst_cli.training.budget.flops import step_flops
from lst_cli.training.metrics.metric_sums import COUNTS


class TrainBatch(SupportsDeviceTransfer):
    """Some packed sequences in one row, for one process."""

    def __init__(
        self,
        packed: Packed,
        config: ModelConfig,
        speech: SpeechCodec,
        *,
        sequences: Sequence[int] = (0,),
        sums: Sequence[int] = (),
        aligned: int = 0,
        device_type: str = "cpu",
    ) -> None:
        """Wrap a packed batch.

        :param speech: maps ids to numbers of speech tokens.
        :param sequences: the numbers of the sequences in the step, for error messages.
        :param sums: CRC32 of each sequence's tokens, for the log of the order.
        :param aligned: how many of them have aligned patches.
        :param device_type: the kind of device that it will go to, for its masks and pinned memory.
        """
        self.packed = packed
        self.sequences = tuple(sequences)
        self.sums = tuple(sums)
        self.targets = int(np.count_nonzero(packed.targets_T != IGNORE))
        self.counts = _counts(packed, config, speech, len(self.sequences), aligned)
        if device_type == "cuda":
            self.counts = self.counts.pin_memory()
        self._staged = StagedBatch(packed, config, speech.vocabulary, device_type)
        self._tensors: Batch | None = None

    def to(self, device: Device, *, non_blocking: bool = False) -> None:
        """Copy the tensors to ``device``, without waiting."""
        self._tensors = self._staged.to(device)

    @property
    def tensors(self) -> Batch:
        """The model's input; call :meth:`to` first."""
        assert self._tensors is not None, "the batch is on no device yet"
        return self._tensors


def _counts(packed: Packed, config: ModelConfig, speech: SpeechCodec, sequences: int, aligned: int) -> Tensor:
    """The vector of :data:`~lst_cli.training.metrics.metric_sums.COUNTS`.

    A token of a speech BPE counts as its speech tokens.
    """
    vocabulary = speech.vocabulary
    real_T = packed.document_T != PADDING
    speech_T = real_T & vocabulary.is_speech(packed.tokens_T)
    patch_of_speech = packed.patch_T[speech_T]
    ids, speech_tokens = int(np.count_nonzero(real_T)), speech.count(packed.tokens_T[speech_T])
    counts = {
        "tokens": ids - len(patch_of_speech) + speech_tokens,
        "positions": ids if config.local is None else int(np.count_nonzero(packed.document_P != PADDING)),
        "speech_tokens": speech_tokens,
        "speech_patches": int(np.count_nonzero(np.diff(patch_of_speech))) + bool(len(patch_of_speech)),
        "predicted_speech_tokens": speech.count(packed.targets_T),
        "aligned": aligned,
        "sequences": sequences,
        "padding": int(np.count_nonzero(packed.document_P == PADDING)),
        "flops": step_flops(packed, config, vocabulary),
    }
    return torch.tensor([counts[name] for name in COUNTS], dtype=torch.float64)
