from __future__ import annotations

import numpy as np
import pytest

from lst_cli.hashing import integers
from lst_cli.units.statistics.purity import label_frames, measure_purity


def test_spans_become_labels_of_frames() -> None:
    assert label_frames(6, ["AH", "S"], [1, 4], [3, 5]).tolist() == ["", "AH", "AH", "", "S", ""]
    assert label_frames(2, [], [], []).tolist() == ["", ""]


def test_units_that_are_the_phones_tell_all() -> None:
    labels = np.array(list("aabbccc"))
    perfect = measure_purity(np.array([4, 4, 2, 2, 7, 7, 7]), labels)
    assert (perfect.phone_purity, perfect.cluster_purity) == pytest.approx((1, 1))
    assert perfect.pnmi == pytest.approx(1)
    finer = measure_purity(np.arange(7), labels)
    assert finer.pnmi == pytest.approx(1)
    assert finer.cluster_purity == pytest.approx(3 / 7)


def test_units_drawn_at_random_tell_nothing() -> None:
    units, labels = integers(0, 4, 0, np.arange(100_000)), integers(0, 3, 1, np.arange(100_000))
    assert measure_purity(units, labels.astype(str)).pnmi < 0.001
    assert measure_purity(np.zeros(10, int), np.array(["a"] * 10)).pnmi == 0
    assert measure_purity(np.zeros(0, int), np.zeros(0, "<U1")).frames == 0
