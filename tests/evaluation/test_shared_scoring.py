"""Scoring that ranks share gives the scores of one process alone, and a kill costs no finished chunk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from lst_cli.artifacts import Artifact, Store
from lst_cli.evaluation import shared_scoring
from lst_cli.evaluation.scores import ITEMS_FILE, SCORES
from lst_cli.inference import likelihood
from lst_cli.inference.shared_prompt import Question
from lst_cli.main import app
from tests.inference.models import (
    UNITS,
    latent_config,
    model_artifact,
    quantizer_artifact,
    random_model,
    tokens_artifact,
)

ITEMS = 24
HEADER = "storyid,sentence1,sentence2,sentence3,sentence4,sentencequiz1,sentencequiz2,AnswerRightEnding\n"


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    rows = [f"s{n},the cat sat,on a mat,the dog,to {n},birds sang,the {'sun ' * n},{1 + n % 2}" for n in range(ITEMS)]
    (tmp_path / "stories.csv").write_text(HEADER + "\n".join(rows) + "\n")
    return [
        *("eval", "storycloze", "model/lst", "--items", str(tmp_path / "stories.csv"), "--tokens", "tokens/spoken"),
        *("--directions", "s-s,t-t"),
    ]


def make_root(root: Path) -> Path:
    store = Store(root)
    model_artifact(store, "lst", latent_config(), random_model(latent_config()))
    units = {
        f"s{n}/{part}": [(n * 7 + k * k) % UNITS for k in range(3 + n % 5 + len(part))]
        for n in range(ITEMS)
        for part in ("prompt", "ending1", "ending2")
    }
    tokens_artifact(store, "spoken", units, quantizer_artifact(store))
    return root


def run(root: Path, *arguments: str) -> str:
    result = CliRunner().invoke(app, ["--root", str(root), *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def as_rank(patch: pytest.MonkeyPatch, number: int, world: int) -> None:
    for name, value in {"RANK": number, "WORLD_SIZE": world, "LOCAL_RANK": number}.items():
        patch.setenv(name, str(value))


def scores(root: Path) -> Artifact:
    return Store(root).find("scores/lst-storycloze", SCORES)


def count_scored(patch: pytest.MonkeyPatch) -> list[int]:
    """Items that are scored from now on, by chunk."""
    seen: list[int] = []
    real = likelihood.log_probabilities

    def counted(loaded: Any, questions: Sequence[Question]) -> Iterator[tuple[int, list[float]]]:
        seen.append(len(questions))
        return real(loaded, questions)

    patch.setattr(likelihood, "log_probabilities", counted)
    return seen


def test_chunks_hold_every_item_once_longest_first() -> None:
    questions = [Question(prompt_T=np.zeros(n % 5 + 1, np.int32), endings=(np.zeros(n, np.int32),)) for n in range(30)]
    chunks = shared_scoring.divide("s-s", questions, 40)
    size = [len(question.prompt_T) + len(question.endings[0]) for question in questions]
    order = [item for chunk in chunks for item in chunk.items]
    assert sorted(order) == list(range(30)) and [size[item] for item in order] == sorted(size, reverse=True)
    assert all(sum(size[item] for item in chunk.items) <= 40 for chunk in chunks)
    assert len({chunk.file_name for chunk in chunks}) == len(chunks)
    assert [chunk.items for chunk in shared_scoring.divide("s-s", questions[-1:], 1)] == [(0,)]
    assert shared_scoring.divide("s-s", [], 40) == []


def test_ranks_give_the_scores_of_one_process_alone(
    tmp_path: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_scoring, "CHUNK_TOKENS", 120)
    alone = make_root(tmp_path / "alone")
    run(alone, *arguments)
    shared = make_root(tmp_path / "shared")
    scored = count_scored(monkeypatch)
    as_rank(monkeypatch, 1, 2)
    assert run(shared, *arguments) == ""
    # With nobody else at work it has helped with all there was.
    assert sum(scored) == 2 * ITEMS and len(scored) > 8
    assert not (shared / "scores" / "lst-storycloze" / "current").exists()
    as_rank(monkeypatch, 0, 2)
    assert "s-s" in run(shared, *arguments)
    assert sum(scored) == 2 * ITEMS
    files = [scores(root).file(ITEMS_FILE).read_bytes() for root in (alone, shared)]
    assert files[0] == files[1]
    as_rank(monkeypatch, 1, 2)
    assert run(shared, *arguments) == "" and sum(scored) == 2 * ITEMS


def test_a_rank_whose_folder_is_taken_away_as_it_writes_ends_well(
    tmp_path: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, shared = make_root(tmp_path / "alone"), make_root(tmp_path / "shared")
    run(alone, *arguments)

    def too_late(path: Path, data: bytes) -> None:
        """Rank 0 has finished since this rank looked."""
        shutil.rmtree(path.parents[1], ignore_errors=True)
        shutil.copytree(alone / "scores", shared / "scores", symlinks=True, dirs_exist_ok=True)
        raise FileNotFoundError(path)

    as_rank(monkeypatch, 1, 2)
    monkeypatch.setattr(shared_scoring, "write_bytes_atomic", too_late)
    assert run(shared, *arguments) == ""
    assert scores(shared).fingerprint == scores(alone).fingerprint
    assert not list((shared / "scores" / "lst-storycloze").glob(".*.partial"))


def test_a_kill_costs_no_finished_chunk(tmp_path: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_scoring, "CHUNK_TOKENS", 120)
    root = make_root(tmp_path / "root")
    scored = count_scored(monkeypatch)
    write = shared_scoring.write_bytes_atomic
    written: list[Path] = []

    def killed(path: Path, data: bytes) -> None:
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(path)
        write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(shared_scoring, "write_bytes_atomic", killed)
        assert CliRunner().invoke(app, ["--root", str(root), *arguments]).exit_code != 0
    done, scored[:] = sum(scored[:3]), []
    run(root, *arguments)
    assert sum(scored) == 2 * ITEMS - done
    assert scores(root).statistics["ranks"] == 1
