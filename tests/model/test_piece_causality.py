"""No logit depends on where a later text piece begins or a word ends, with patches of pieces (Lu et al. 2025, A.7)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lst_cli.patching.packed import Document
from lst_cli.shards.schema import speech_schema
from lst_cli.shards.shard_rows import speech_rows
from tests.model import helpers
from tests.model.helpers import LST, OWN_PATCH, VOCABULARY, logits, packed, patcher_for

MODELS = {name: helpers.model(config) for name, config in {"lst": LST, "own": OWN_PATCH}.items()}


@dataclass
class Word:
    start: int
    end: int
    begins: list[int]
    """Frame at which each of its pieces begins, not less than before; the first with the word."""


def later_words(rng: np.random.Generator, frame: int) -> list[Word]:
    """Words from a frame on."""
    found = []
    for _ in range(rng.integers(0, 4)):
        start = frame + int(rng.integers(0, 3))
        end = start + int(rng.integers(1, 9))
        inner = rng.integers(start, end + 1, rng.integers(0, 4))
        found.append(Word(start, end, [start, *sorted(inner.tolist())]))
        frame = end
    return found


def changed_after(words: list[Word], t: int, rng: np.random.Generator) -> list[Word]:
    """The same words as far as frame ``t`` shows them: other ends and pieces behind it, and other words."""
    kept = []
    for word in words:
        if word.start > t:
            break
        end = word.end if word.end <= t else t + int(rng.integers(1, 9))
        begins = [begin for begin in word.begins if begin <= t]
        if word.end > t:
            begins += sorted(rng.integers(t + 1, end + 1, rng.integers(0, 4)).tolist())
        kept.append(Word(word.start, end, begins))
    return [*kept, *later_words(rng, max(t + 1, kept[-1].end if kept else 0))]


def spoken(words: list[Word], units: list[int]) -> Document:
    """A document of speech, its tokens' pieces as shards are read."""
    row = {
        "id": "u",
        "units": units,
        "words": ["w"] * len(words),
        "word_pieces": [[3] * len(word.begins) for word in words],
        "starts": [word.start for word in words],
        "ends": [word.end for word in words],
        "piece_starts": [[begin - word.start for begin in word.begins] for word in words],
    }
    rows = speech_rows(pa.Table.from_pylist([row], schema=speech_schema(piece_starts=True)), VOCABULARY, "piece")
    pieces = rows.words_of_pool[rows.unit_start_R[0] : rows.unit_start_R[1]]
    return Document(
        tokens=np.array([VOCABULARY.s_marker, *VOCABULARY.units_to_ids(np.array(units)), VOCABULARY.eos], np.int32),
        words=np.array([-1, *pieces, -1], np.int32),
    )


def drawn_units(rng: np.random.Generator, words: list[Word], least: int = 0) -> list[int]:
    frames = max(words[-1].end if words else 1, least) + int(rng.integers(0, 3))
    return rng.integers(0, VOCABULARY.units, frames).tolist()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("silence", ["separate", "merged"])
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**16), where=st.floats(0, 0.999))
def test_no_logit_depends_on_a_later_border(name: str, silence: str, seed: int, where: float) -> None:
    rng = np.random.default_rng(seed)
    words = later_words(rng, 0)
    units = drawn_units(rng, words)
    t = int(where * len(units))
    others = changed_after(words, t, rng)
    more = drawn_units(rng, others, t + 2)
    patcher = patcher_for("aligned", silence=silence, spans="piece")
    before, after = (
        logits(MODELS[name], packed([spoken(*case)], patcher, "aligned"))
        for case in ((words, units), (others, [*units[: t + 1], *more[t + 1 :]]))
    )
    # The marker stands before frame 0.
    torch.testing.assert_close(after[: t + 2], before[: t + 2], rtol=0, atol=0)


def test_borders_shared_out_evenly_would_tell_how_long_the_word_is() -> None:
    """The check above can fail: with the second piece in the middle of the word, its border tells the word's end."""
    units = list(range(10)) * 2
    patcher = patcher_for("aligned", spans="piece")

    def at_frame_6(begin: int, end: int) -> torch.Tensor:
        return logits(MODELS["lst"], packed([spoken([Word(0, end, [0, begin])], units)], patcher, "aligned"))[: 6 + 2]

    assert torch.equal(at_frame_6(4, 8), at_frame_6(4, 16))
    assert not torch.equal(at_frame_6(8 // 2, 8), at_frame_6(16 // 2, 16))
