"""Log-probabilities of preference pairs under the reference model, computed once and kept with the run."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from fairseq2.gang import Gangs
from numpy.typing import NDArray

from lst_cli.artifacts import Artifact
from lst_cli.artifacts.parquet import write_bytes_atomic
from lst_cli.console import progress
from lst_cli.distributed.first_rank import first_alone
from lst_cli.inference.likelihood import log_probabilities
from lst_cli.inference.shared_prompt import Question
from lst_cli.model_artifact.card import load_model

REFERENCE_FILE = "reference.npy"


def reference_log_probs(
    model: Artifact, questions: Sequence[Question], folder: Path, gangs: Gangs
) -> NDArray[np.float64]:
    """Log-probability (P, 2) of chosen and rejected of every pair, in nats, by the model in float32.

    The first process computes them, unless an earlier start of the run has; the others read its file.

    :param folder: the run's working folder.
    """
    path = folder / REFERENCE_FILE
    work = partial(_write, model, questions, path, str(gangs.device))
    first_alone(gangs.root, work, "scores the pairs by the reference model")
    found: NDArray[np.float64] = np.load(path, allow_pickle=False)
    return found


def _write(model: Artifact, questions: Sequence[Question], path: Path, device: str) -> None:
    if path.is_file():
        return
    loaded = load_model(model, device, "float32")
    log_probs = np.zeros((len(questions), 2))
    with progress("reference", len(questions), "pairs") as bar:
        for index, sums in log_probabilities(loaded, questions):
            log_probs[index] = sums
            bar.advance()
    buffer = io.BytesIO()
    np.save(buffer, log_probs)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes_atomic(path, buffer.getvalue())
