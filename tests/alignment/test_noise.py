from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from typer.testing import CliRunner

from lst_cli.alignment.kinds import ALIGNMENT, ALIGNMENT_FILE, alignment_schema
from lst_cli.alignment.noise import plan_noise, shifted
from lst_cli.artifacts import Draft, Request, Store
from lst_cli.artifacts.parquet import read_parquet, write_parquet
from lst_cli.errors import UserError
from lst_cli.main import app
from tests.reports.making import make_spoken


def _words(gaps: list[tuple[int, int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Words from (silence before, length)."""
    bounds = np.cumsum([part for gap in gaps for part in gap])
    return bounds[::2], bounds[1::2]


WORDS = st.lists(st.tuples(st.integers(0, 4), st.integers(1, 9)), min_size=1, max_size=12)


@given(gaps=WORDS, ms=st.floats(0, 200), seed=st.integers(0, 5))
def test_words_stay_in_order_apart_and_within_the_utterance(gaps: list[tuple[int, int]], ms: float, seed: int) -> None:
    starts, ends = _words(gaps)
    new_starts, new_ends = shifted(starts, ends, ms, seed, 7)
    assert (new_starts < new_ends).all() and (new_ends[:-1] <= new_starts[1:]).all()
    assert new_starts[0] >= starts[0] and new_ends[-1] <= ends[-1]


def test_every_second_boundary_moves_by_a_token_at_20_ms_and_every_one_at_40_ms() -> None:
    starts, ends = _words([(8, 12)] * 2000)
    for ms, share in ((20.0, 0.5), (40.0, 1.0)):
        moves = np.concatenate(
            [new - old for new, old in zip(shifted(starts, ends, ms, 0, 1), (starts, ends), strict=True)]
        )
        assert set(moves.tolist()) <= {-1, 0, 1}
        assert abs(np.abs(moves).mean() - share) < 0.03 and abs(moves.mean()) < 0.05


def test_words_that_meet_go_on_meeting_and_nothing_moves_without_noise() -> None:
    starts, ends = _words([(3, 10), *[(0, 10)] * 50])
    new_starts, new_ends = shifted(starts, ends, 40.0, 3, 9)
    assert (new_starts[1:] == new_ends[:-1]).all() and not np.array_equal(new_starts, starts)
    assert all(np.array_equal(a, b) for a, b in zip(shifted(starts, ends, 0.0, 3, 9), (starts, ends), strict=True))


@pytest.mark.parametrize("ms", ["nan", "inf", "-5"])
def test_what_is_no_length_is_refused(tmp_path: Path, ms: str) -> None:
    _, alignment = make_spoken(Store(tmp_path), "spoken", {"u": "one two"})
    line = ["--root", str(tmp_path), "align", "noise", alignment.reference, "--ms", ms, "--name", "noisy"]
    result = CliRunner().invoke(app, line)
    assert result.exit_code == 2 or (isinstance(result.exception, UserError) and result.exception.exit_code == 2)
    assert not (tmp_path / "alignment" / "noisy").exists()


def test_the_command_makes_an_alignment_of_the_same_corpus(tmp_path: Path) -> None:
    store = Store(tmp_path)
    texts = {f"u{n}": "he looked for it everywhere and found nothing" for n in range(4)}
    _, alignment = make_spoken(store, "spoken", texts)
    line = ["--root", str(tmp_path), "align", "noise", alignment.reference, "--ms", "40", "--name", "noisy"]
    result = CliRunner().invoke(app, line)
    assert result.exit_code == 0, result.output
    noisy = store.find("alignment/noisy", ALIGNMENT)
    assert set(noisy.parents) == {"corpus", "tokens", "alignment"} and noisy.config["noise_ms"] == 40.0
    old, new = (read_parquet(each.file(ALIGNMENT_FILE)).to_pylist() for each in (alignment, noisy))
    assert [row["words"] for row in new] == [row["words"] for row in old]
    assert [row["starts"] for row in new] != [row["starts"] for row in old]


def test_characters_move_with_the_start_of_their_word_and_end_with_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    starts, ends = ([5 * word + 1 for word in range(40)], [5 * word + 4 for word in range(40)])
    row = {"id": "u", "words": ["abc"] * 40, "starts": starts, "ends": ends, "scores": [1.0] * 40}
    rows = [{**row, "char_starts": [[0, 1, 3]] * 40}]

    def make(draft: Draft) -> None:
        write_parquet(draft.path / ALIGNMENT_FILE, pa.Table.from_pylist(rows, schema=alignment_schema(chars=True)))

    exact = store.build(Request(kind=ALIGNMENT, name="exact", config={}), make).artifact
    noisy = store.build(*plan_noise(exact, {}, "noisy", 40.0, 0)).artifact
    (moved,) = read_parquet(noisy.file(ALIGNMENT_FILE)).to_pylist()
    lengths = [end - start for start, end in zip(moved["starts"], moved["ends"], strict=True)]
    assert {1, 3, 5} == set(lengths[1:-1])
    assert moved["char_starts"] == [[0, 1, min(3, length)] for length in lengths]
