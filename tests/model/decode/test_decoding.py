"""Feeding tokens piece by piece gives what one forward pass gives, for unequal rows side by side."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lst_cli.model.decode.decoding import DecodingState
from lst_cli.model.decode.step_graph import Outputs
from tests.model.helpers import (
    BASELINE,
    BYPASS,
    FITTED_RULES,
    LST,
    NO_LAYERS,
    OWN_PATCH,
    VOCABULARY,
    WIDE,
    Copies,
    document,
    logits,
    model,
    packed,
    patcher_for,
    torn,
)

CONFIGS = {
    "lst": LST,
    "own": OWN_PATCH,
    "wide": WIDE,
    "no local layers": NO_LAYERS,
    "bypass": BYPASS,
    "baseline": BASELINE,
    "random": LST,
    **dict.fromkeys(FITTED_RULES, LST),
    **{f"{name} bypass": BYPASS for name in FITTED_RULES},
}
CUTS = {"baseline": "none", "random": "random"} | {
    f"{cut}{suffix}": cut for cut in FITTED_RULES for suffix in ("", " bypass")
}
"""Those that are not named cut static patches."""
MODELS = {name: model(config) for name, config in CONFIGS.items()}
SIZE = 3


def cut_documents(name: str, documents):
    cut = CUTS.get(name, "static")
    return packed(documents, patcher_for(cut, size=SIZE), cut, pad=False)


def begun(name: str, rows: int, recorder=None) -> DecodingState:
    cut = CUTS.get(name, "static")
    return DecodingState(MODELS[name], VOCABULARY, patcher_for(cut, size=SIZE).rule(cut), rows, recorder)


def full_logits(name: str, documents):
    all_TV = logits(MODELS[name], cut_documents(name, documents))
    return all_TV.split([len(item.tokens) for item in documents])


@pytest.mark.parametrize("name", list(CONFIGS))
@settings(max_examples=20, deadline=None)
@given(
    segments=st.lists(st.lists(st.tuples(st.booleans(), st.integers(0, 14)), max_size=4), min_size=1, max_size=4),
    seed=st.integers(0, 2**16),
)
def test_incremental_equals_one_pass(name, segments, seed):
    rng = np.random.default_rng(seed)
    documents = [torn(rng, document(rng, item)) for item in segments]
    expected = full_logits(name, documents)
    state = begun(name, len(documents))
    while (left := [len(d.tokens) - n for d, n in zip(documents, state.lengths, strict=True)]) and any(left):
        rows = np.array([row for row, n in enumerate(left) if n and (rng.random() < 0.7 or sum(map(bool, left)) == 1)])
        if not len(rows):
            continue
        begin = state.lengths[rows]
        stop = [int(rng.integers(b + 1, b + min(left[r], 9) + 1)) for r, b in zip(rows, begin, strict=True)]
        fed = [documents[r].tokens[b:s] for r, b, s in zip(rows, begin, stop, strict=True)]
        out = state.feed(rows, fed)
        for row, s, got in zip(rows, stop, out, strict=True):
            torch.testing.assert_close(got, expected[row][s - 1], rtol=1e-4, atol=1e-4)
    used = cut_documents(name, documents)
    # A patch that is still open at the end of a document has not been computed.
    last_T = np.cumsum([len(item.tokens) for item in documents]) - 1
    assert state.global_positions == len(used.document_P) - (~used.closes_T[last_T]).sum()
    assert state.global_positions == state.positions.sum()


@pytest.mark.parametrize("name", list(CONFIGS))
@settings(max_examples=10, deadline=None)
@given(
    segments=st.lists(st.lists(st.tuples(st.booleans(), st.integers(0, 14)), max_size=4), min_size=1, max_size=4),
    seed=st.integers(0, 2**16),
)
def test_chosen_rows_go_on_from_where_they_were(name, segments, seed):
    """Rows are reordered, dropped and doubled between feeds, in the middle of their patches."""
    rng = np.random.default_rng(seed)
    documents = [torn(rng, document(rng, item)) for item in segments]
    expected = full_logits(name, documents)
    state = begun(name, len(documents))
    of_row = np.arange(len(documents))
    while True:
        lengths = np.array([len(documents[d].tokens) for d in of_row])
        rows = np.flatnonzero(state.lengths < lengths)
        if not len(rows):
            break
        begin = state.lengths[rows]
        stop = [int(rng.integers(b + 1, min(lengths[r], b + 7) + 1)) for r, b in zip(rows, begin, strict=True)]
        fed = [documents[of_row[r]].tokens[b:s] for r, b, s in zip(rows, begin, stop, strict=True)]
        for row, s, got in zip(rows, stop, state.feed(rows, fed), strict=True):
            torch.testing.assert_close(got, expected[of_row[row]][s - 1], rtol=1e-4, atol=1e-4)
        chosen = rng.integers(len(of_row), size=rng.integers(1, 5))
        before, state, of_row = state, state.select(chosen), of_row[chosen]
        # What is fed to a state leaves the one that it was chosen from as it was.
        assert (before.lengths[chosen] == state.lengths).all()


@pytest.mark.parametrize("name", list(CONFIGS))
def test_caches_grow_without_losing_anything(name):
    """Hundreds of tokens, some at a time and one at a time, beside a row that stays short."""
    rng = np.random.default_rng(4)
    documents = [document(rng, [(True, 100), (False, 40), (True, 60)]), document(rng, [(True, 5)])]
    expected = full_logits(name, documents)
    state = begun(name, 2)
    state.feed(np.arange(2), [documents[0].tokens[:50], documents[1].tokens[:3]])
    for start, stop in [(50, 70), *((t, t + 1) for t in range(70, 140)), (140, 200)]:
        (got,) = state.feed(np.array([0]), [documents[0].tokens[start:stop]])
        torch.testing.assert_close(got, expected[0][stop - 1], rtol=1e-4, atol=1e-4)
    (got,) = state.feed(np.array([1]), [documents[1].tokens[3:]])
    torch.testing.assert_close(got, expected[1][-1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", list(CONFIGS))
def test_endings_share_a_prompt(name):
    rng = np.random.default_rng(1)
    prompt = document(rng, [(True, 13)], whole=False)
    endings = [VOCABULARY.units_to_ids(rng.integers(0, VOCABULARY.units, n)) for n in (7, 1, 4)]
    state = begun(name, 1)
    state.feed(np.array([0]), [prompt.tokens])
    scores = state.select(np.zeros(3, dtype=np.int64)).score(np.arange(3), endings)
    for ending, score in zip(endings, scores, strict=True):
        whole = dataclasses.replace(prompt, tokens=np.append(prompt.tokens, ending), words=None)
        log_p = full_logits(name, [whole])[0].log_softmax(-1)
        at = torch.arange(len(prompt.tokens), len(whole.tokens))
        expected = log_p[at - 1, torch.from_numpy(ending.astype(np.int64))]
        torch.testing.assert_close(score, expected, rtol=1e-4, atol=1e-4)
    # The shared state is still as it was.
    again = state.select(np.zeros(1, dtype=np.int64)).score(np.arange(1), endings[:1])
    torch.testing.assert_close(again[0], scores[0], rtol=1e-4, atol=1e-4)


def test_nothing_can_be_scored_before_a_first_token():
    state = begun("lst", 1)
    with pytest.raises(ValueError, match="without tokens"):
        state.score(np.array([0]), [np.array([3])])


def emulated(work):
    """A recorder as CUDA graphs are: what is replayed sees nothing but the tensors that it was recorded with."""
    outputs: Outputs = work()

    def replay() -> None:
        for output, new in zip(outputs, work(), strict=True):
            output.copy_(new)

    return outputs, replay


@pytest.mark.parametrize("name", list(CONFIGS))
def test_replayed_steps_equal_one_pass(name):
    """Rows of unequal lengths, some of which stop early: steps differ in rows and in patches."""
    rng = np.random.default_rng(2)
    documents = [document(rng, [(True, n), (False, 3), (True, 30)]) for n in (70, 40, 25)]
    expected = full_logits(name, documents)
    state = begun(name, 3, emulated)
    state.feed(np.arange(3), [item.tokens[:n] for item, n in zip(documents, (5, 9, 4), strict=True)])
    assert state.graphs is not None
    while len(rows := np.flatnonzero(state.lengths < [len(item.tokens) for item in documents])):
        at = state.lengths[rows]
        out = state.feed(rows, [documents[row].tokens[place : place + 1] for row, place in zip(rows, at, strict=True)])
        for row, place, got in zip(rows, at, out, strict=True):
            torch.testing.assert_close(got, expected[row][place], rtol=1e-4, atol=1e-4)
    assert state.graphs.replayed > 40
    ending = VOCABULARY.units_to_ids(rng.integers(0, VOCABULARY.units, 4))
    (score,) = state.select(np.array([1])).score(np.array([0]), [ending])
    whole = dataclasses.replace(documents[1], tokens=np.append(documents[1].tokens, ending), words=None)
    log_p = full_logits(name, [whole])[0].log_softmax(-1)[-5:-1]
    expected_score = log_p.gather(1, torch.from_numpy(ending.astype(np.int64))[:, None])[:, 0]
    torch.testing.assert_close(score, expected_score, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", list(CONFIGS))
def test_a_step_is_one_copy_to_the_device_and_never_waits_for_it(name):
    """On the meta device whatever needs a value of a tensor is an error."""
    net = model(CONFIGS[name]).to("meta")
    state = DecodingState(net, VOCABULARY, begun(name, 2).rule, 2)
    speech = VOCABULARY.units_to_ids(np.arange(5))
    state.feed(np.arange(2), [np.append(VOCABULARY.s_marker, speech), np.array([VOCABULARY.t_marker, 4])])
    for rows in (np.arange(2), np.array([1])):
        with Copies() as copies:
            state.feed(rows, [speech[:1]] * len(rows))
        assert copies.to_device == 1
    with Copies() as copies:
        state.select(np.array([1, 0, 0]))
    assert copies.to_device == 1
