"""Speech tokens as a model's ids, with and without a speech BPE."""

from __future__ import annotations

import numpy as np
import pytest

from lst_cli.text.speech_bpe import SpeechBpe, fit
from lst_cli.text.speech_codec import SpeechCodec
from lst_cli.text.vocabulary import Vocabulary

UNITS = 9


@pytest.fixture(scope="module")
def bpe() -> SpeechBpe:
    return SpeechBpe(fit([np.arange(UNITS)] * 20, UNITS, UNITS + 5))


@pytest.mark.parametrize("merged", [False, True])
def test_round_trip(bpe: SpeechBpe, merged: bool) -> None:
    codec = SpeechCodec(Vocabulary(pieces=300, units=bpe.pieces if merged else UNITS), bpe if merged else None)
    units = np.array([0, 1, 2, 3, 4, 8, 8, 0, 1], np.uint16)
    ids = codec.encode(units)
    assert codec.units == UNITS
    assert (len(ids) < len(units)) == merged
    assert codec.vocabulary.is_speech(ids).all() and ids.max() < codec.vocabulary.size
    assert codec.decode(ids).tolist() == units.tolist()
    assert codec.count(np.concatenate([[5, codec.vocabulary.s_marker, -1], ids])) == len(units)
    assert codec.encode(units[:0]).tolist() == [] and codec.count(units[:0]) == 0
