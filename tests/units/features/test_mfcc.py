from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lst_cli.errors import UserError
from lst_cli.units.features.mfcc import MfccFeatures, _mean_around
from lst_cli.units.features.mfcc_config import MFCC
from lst_cli.units.features.registry import describe_features
from lst_cli.units.frames import n_frames
from tests.units.speech import sound

EXTRACTOR = MfccFeatures(MFCC)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 20_000), min_size=1, max_size=4))
def test_every_clip_has_its_frames_whatever_its_company(lengths: list[int]) -> None:
    waves = [sound(n / 16_000, seed) for seed, n in enumerate(lengths)]
    together = EXTRACTOR.extract(waves)
    assert together.shape == (sum(n_frames(n) for n in lengths), 39)
    assert torch.isfinite(together).all()
    assert torch.equal(together, torch.cat([EXTRACTOR.extract([wave]) for wave in waves]))


def test_frames_lie_where_the_rule_says() -> None:
    """A click in frame 20 moves frame 20 most, and frames further off than the differences reach not at all."""
    plain = MfccFeatures(describe_features("mfcc:raw", None))
    quiet = 0.01 * sound(2.0, 3)
    click = quiet.copy()
    click[20 * 640 + 300 : 20 * 640 + 340] += 0.5
    moved = (plain.extract([click]) - plain.extract([quiet])).norm(dim=1)
    assert int(moved.argmax()) == 20
    assert set(torch.nonzero(moved > 1e-4)[:, 0].tolist()) <= {18, 19, 20, 21, 22}


def test_raw_frames_depend_on_their_neighbourhood_alone() -> None:
    """So a sentence has the same units wherever it stands; with the mean taken out, what else is said moves them."""
    before, sentence, after = sound(2.0, 1), sound(2.0, 2), sound(3.0, 3)
    joined = np.concatenate([before, sentence, after])
    for spec, alike in (("mfcc:raw", True), ("mfcc", False)):
        features = MfccFeatures(describe_features(spec, None))
        inner, alone = features.extract([joined])[52:98], features.extract([sentence])[2:48]
        assert torch.allclose(inner, alone, atol=1e-3) == alike


def test_unknown_forms_are_refused() -> None:
    with pytest.raises(UserError, match="mfcc:row"):
        describe_features("mfcc:row", None)


def test_a_channel_is_taken_out() -> None:
    """Filtering and loudness add to the cepstra, so they go with the mean."""
    wave = sound(5.0, 1) + np.float32(0.01) * sound(5.0, 2)
    filtered = np.convolve(wave, np.array([1.0, 0.4, 0.2], dtype=np.float32))[: len(wave)].astype(np.float32)
    with_mean = MfccFeatures(MFCC | {"mean_s": 0.0})
    near = (EXTRACTOR.extract([wave]) - EXTRACTOR.extract([filtered])).norm()
    far = (with_mean.extract([wave]) - with_mean.extract([filtered])).norm()
    assert near < 0.3 * far


def test_the_mean_is_that_of_the_hops_around() -> None:
    cepstra = torch.randn(1200, 13, generator=torch.Generator().manual_seed(0))
    mean = _mean_around(cepstra, 500)
    for row in (0, 300, 700, 1199):
        torch.testing.assert_close(mean[row], cepstra[max(0, row - 500) : row + 501].mean(dim=0), atol=1e-6, rtol=0)
    short = cepstra[:100]
    torch.testing.assert_close(_mean_around(short, 500), short.mean(dim=0).expand(100, -1), atol=1e-6, rtol=0)


def test_weights_say_how_much_each_dimension_counts() -> None:
    weights = EXTRACTOR.weights_D
    assert weights is not None and len(weights) == EXTRACTOR.dim
    assert weights[:2].tolist() == [1.0, 1.0]
    assert np.all(np.diff(weights[1:13]) < 0)
    np.testing.assert_allclose(weights[13:26], 0.7 * weights[:13], rtol=1e-6)
