"""No logit depends on a later token or on another document, with the patches recomputed from the changed input."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lst_cli.patching.packed import Document
from lst_cli.patching.strategies import Cut, Patcher, PatchingConfig, drawn_cut
from tests.model import helpers
from tests.model.helpers import (
    BASELINE,
    BYPASS,
    FITTED_RULES,
    LST,
    NO_LAYERS,
    OWN_PATCH,
    VOCABULARY,
    WIDE,
    document,
    logits,
    packed,
    patcher_for,
    torn,
)

SEGMENTS = st.lists(st.tuples(st.booleans(), st.integers(0, 14)), min_size=0, max_size=4)
"""No segment: the document is its end token. No length: an empty segment, its marker alone."""
DOCUMENTS = st.lists(SEGMENTS, min_size=1, max_size=3)
CUTS = ["none", "static", "aligned", "mixed", "random", *FITTED_RULES]
"""``mixed`` draws a cut for each document, as the mixed and the curriculum strategy do for each sequence."""
PATCHINGS = st.fixed_dictionaries({"size": st.integers(2, 5), "silence": st.sampled_from(["separate", "merged"])})

MODELS = {
    name: helpers.model(config)
    for name, config in {
        "lst": LST,
        "own": OWN_PATCH,
        "wide": WIDE,
        "no layers": NO_LAYERS,
        "bypass": BYPASS,
        "base": BASELINE,
    }.items()
}
NOISE = {"bypass": 1e-5}
"""Where text bypasses the local layers, the number of speech tokens sets their shapes, and shapes the rounding."""
CASES = [(name, cut) for name in MODELS for cut in CUTS if name != "base" or cut == "none"]


def drawn_documents(rng: np.random.Generator, segments: list[list[tuple[bool, int]]]) -> list[Document]:
    """Whole documents, and parts of them."""
    documents = [document(rng, item) for item in segments]
    return [torn(rng, item) if rng.random() < 0.4 else item for item in documents]


def drawn_cuts(rng: np.random.Generator, cut: str, documents: int) -> list[Cut]:
    """The cut of each document, halfway through a curriculum where cuts are mixed."""
    if cut != "mixed":
        return [cut] * documents  # type: ignore[list-item]
    curriculum = PatchingConfig(strategy="curriculum")
    return [drawn_cut(curriculum, 50, 100, float(rng.random())) for _ in range(documents)]


def changed_after(doc: Document, t: int, how: str, rng: np.random.Generator) -> Document:
    """The same document up to token t, something else after it."""
    tokens, words = doc.tokens[: t + 1], doc.words[: t + 1]
    rest = len(doc.tokens) - t - 1
    if how == "end":
        return Document(tokens=tokens, words=words)
    if how == "text":
        more, more_words = rng.integers(3, VOCABULARY.pieces, rest), np.full(rest, -1)
    else:
        more = VOCABULARY.units_to_ids(rng.integers(0, VOCABULARY.units, rest))
        # The word at t goes on, or ends there: neither may show at t.
        more_words = np.full(rest, words[-1] if how == "same word" else 99)
    return Document(tokens=np.append(tokens, more), words=np.append(words, more_words))


@pytest.mark.parametrize(("name", "cut"), CASES)
@settings(max_examples=20, deadline=None)
@given(segments=DOCUMENTS, seed=st.integers(0, 2**16), where=st.floats(0, 0.999), config=PATCHINGS)
def test_no_logit_depends_on_a_later_token(name, cut, segments, seed, where, config):
    rng = np.random.default_rng(seed)
    documents = drawn_documents(rng, segments)
    cuts = drawn_cuts(rng, cut, len(documents))
    chosen = int(rng.integers(len(documents)))
    t = int(where * len(documents[chosen].tokens))
    start = sum(len(doc.tokens) for doc in documents[:chosen])
    patcher = patcher_for(cut, **config)
    before = logits(MODELS[name], packed(documents, patcher, cuts))
    for how in ("end", "text", "same word", "new word"):
        other = changed_after(documents[chosen], t, how, rng)
        after = logits(MODELS[name], packed([*documents[:chosen], other, *documents[chosen + 1 :]], patcher, cuts))
        torch.testing.assert_close(after[: start + t + 1], before[: start + t + 1], rtol=0, atol=NOISE.get(name, 0))


@pytest.mark.parametrize(("name", "cut"), CASES)
@settings(max_examples=20, deadline=None)
@given(segments=st.lists(SEGMENTS, min_size=2, max_size=3), seed=st.integers(0, 2**16), config=PATCHINGS)
def test_no_logit_depends_on_another_document(name, cut, segments, seed, config):
    rng = np.random.default_rng(seed)
    documents = drawn_documents(rng, segments)
    cuts = drawn_cuts(rng, cut, len(documents))
    chosen = int(rng.integers(len(documents)))
    doc = documents[chosen]
    start = sum(len(item.tokens) for item in documents[:chosen])
    stop, end = start + len(doc.tokens), sum(len(item.tokens) for item in documents)

    patcher = patcher_for(cut, **config)

    def with_other(other: Document) -> torch.Tensor:
        return logits(MODELS[name], packed([*documents[:chosen], other, *documents[chosen + 1 :]], patcher, cuts))

    before = with_other(doc)
    speech_T = VOCABULARY.is_speech(doc.tokens)
    # Other ids in the same patches: no other document moves by a bit.
    ids = np.where(
        speech_T,
        VOCABULARY.units_to_ids(rng.integers(0, VOCABULARY.units, len(speech_T))),
        rng.integers(3, VOCABULARY.pieces, len(speech_T)),
    )
    after = with_other(dataclasses.replace(doc, tokens=ids))
    torch.testing.assert_close(after[:start], before[:start], rtol=0, atol=NOISE.get(name, 0))
    moves = 5e-6 if cut in ("random", *FITTED_RULES) else 0  # these cut by the ids, so documents behind it move
    torch.testing.assert_close(after[stop:end], before[stop:end], rtol=0, atol=NOISE.get(name, moves))
    # Other patches: documents behind it move along the global sequence, those before it not by a bit.
    after = with_other(Document(tokens=np.roll(doc.tokens, 1)[::-1], words=doc.words[::-1]))
    torch.testing.assert_close(after[:start], before[:start], rtol=0, atol=NOISE.get(name, 0))
    torch.testing.assert_close(after[stop:end], before[stop:end], rtol=0, atol=5e-6)


def test_given_boundaries_tell_the_future_and_causal_ones_do_not():
    """The check above can fail: with boundaries as the reference draws them it does."""
    rng = np.random.default_rng(0)
    long = document(rng, [(True, 9)])
    t = 4  # the second token of a patch of three: whether it is the patch's last depends on what follows
    short = Document(tokens=np.append(long.tokens[: t + 2], VOCABULARY.t_marker), words=None)
    for boundaries, same in (("causal", True), ("given", False)):
        config = Patcher(PatchingConfig(size=3, boundaries=boundaries))
        a, b = (
            logits(MODELS["lst"], packed([dataclasses.replace(doc, words=None)], config, "static"))[t + 1]
            for doc in (long, short)
        )
        assert torch.equal(a, b) is same
