from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from lst_cli.artifacts import Store
from lst_cli.audio.corpus_artifact import Corpus
from lst_cli.errors import UserError
from lst_cli.units.input import pipeline
from lst_cli.units.input.pieces import Piece
from lst_cli.units.input.pipeline import AudioBatch, run_batches
from lst_cli.units.input.windows import AudioWindow
from tests.units.speech import make_corpus, sound


@pytest.fixture
def batches(store: Store) -> list[AudioBatch]:
    corpus = list(Corpus(make_corpus(store, [sound(0.1 + 0.01 * i, i) for i in range(24)])))
    Path(corpus[5].path).unlink()
    pieces = [(u, Piece(row, AudioWindow(0, u.samples, 0, 1), whole=True)) for row, u in enumerate(corpus)]
    return [pieces[i : i + 3] for i in range(0, 24, 3)]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_order_and_errors_in_their_place(batches: list[AudioBatch], device: str, workers: int) -> None:
    """The GPU's way of working needs no GPU: only the threads in which things run differ."""
    threads: set[int] = set()

    def compute(waves: Sequence[np.ndarray]) -> list[int]:
        threads.add(threading.get_ident())
        time.sleep(0.002 * (len(waves[0]) % 3))
        return [len(wave) for wave in waves]

    before = torch.get_num_threads()
    results = list(run_batches(batches, compute, torch.device(device), workers))
    assert torch.get_num_threads() == before
    assert (threads == {threading.get_ident()}) == (device == "cuda")
    assert [len(result) for result in results] == [3] * 8
    flat = [item for result in results for item in result]
    assert [piece.row for piece, _ in flat] == list(range(24))
    for row, (_, result) in enumerate(flat):
        if row == 5:
            assert isinstance(result, UserError) and "gone" in str(result)
        else:
            assert result == len(sound(0.1 + 0.01 * row, row))


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_reading_keeps_only_a_little_ahead(
    batches: list[AudioBatch], device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []
    read_piece = pipeline.read_piece
    monkeypatch.setattr(pipeline, "read_piece", lambda u, piece: started.append(piece.row) or read_piece(u, piece))
    run = run_batches(batches, lambda waves: waves, torch.device(device), 2)
    for done, _ in enumerate(run, start=1):
        time.sleep(0.005)
        # Two threads, and one batch that waits to be fetched.
        assert len(started) <= 3 * (done + 3)
    assert len(started) == 24


def test_a_fault_in_computing_is_not_swallowed(batches: list[AudioBatch]) -> None:
    def fail(waves: Sequence[np.ndarray]) -> list[int]:
        raise ZeroDivisionError

    for device in ("cpu", "cuda"):
        with pytest.raises(ZeroDivisionError):
            list(run_batches(batches, fail, torch.device(device), 2))
