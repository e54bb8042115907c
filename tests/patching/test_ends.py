"""Rules that decide where a patch ends: against a walk token by token, and with streams that are continued."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lst_cli.patching.ends import cut_at_ends
from lst_cli.patching.hazard import Hazard
from lst_cli.patching.random_lengths import RandomLengths
from lst_cli.patching.stream import Rule, TokenStream
from tests.model.rules import entropy, fitted_rules, hazard

STREAMS = st.lists(st.tuples(st.integers(-1, 4), st.booleans()), min_size=1, max_size=60)
"""(Unit or -1 for text, opens a document)."""
RULES: dict[str, Rule] = {
    **fitted_rules(5),
    "entropy by threshold": entropy(5, rises=False),
    "random": RandomLengths(3),
    "every token": RandomLengths(1),
}


def stream_of(tokens: list[tuple[int, bool]]) -> TokenStream:
    units, opens = zip(*tokens, strict=True)
    return TokenStream(unit_T=np.array(units), document_T=np.cumsum(opens))


@given(tokens=STREAMS, longest=st.integers(1, 5), seed=st.integers(0, 99))
def test_cut_at_ends_is_a_walk(tokens: list[tuple[int, bool]], longest: int, seed: int) -> None:
    stream = stream_of(tokens)
    ends_TL = np.random.default_rng(seed).random((len(tokens), longest)) < 0.3
    cut = cut_at_ends(stream, ends_TL)
    starts, length = stream.run_starts(), 0
    ended = False
    for t in range(len(tokens)):
        opens = bool(starts[t]) or ended
        length = 1 if opens else length + 1
        ended = length == longest or bool(ends_TL[t, length - 1])
        assert cut.opens_T[t] == opens
        assert cut.closes_T[t] == (ended or tokens[t][0] < 0)


def logit(rule: Hazard, units: list[int], length: int) -> float:
    history = [units[-1 - d] if d < len(units) else -1 for d in range(len(rule.weight_DU))]
    return sum(float(rule.weight_DU[d, u]) for d, u in enumerate(history)) + float(rule.length_L[length - 1])


@given(units=st.lists(st.integers(0, 4), min_size=1, max_size=30))
def test_the_hazard_is_the_formula(units: list[int]) -> None:
    rule = hazard(5)
    cut = rule.patch(stream_of([(unit, False) for unit in units]))
    length = 0
    for t in range(len(units)):
        length = 1 if cut.opens_T[t] else length + 1
        z = logit(rule, units[: t + 1], length)
        ends = length == rule.longest or (length >= 2 and z > rule.threshold)
        assert cut.closes_T[t] == ends or abs(z - rule.threshold) < 1e-5
        assert t + 1 == len(units) or cut.opens_T[t + 1] == cut.closes_T[t]


@pytest.mark.parametrize("name", list(RULES))
@given(tokens=STREAMS, data=st.data())
def test_the_past_alone_decides(name: str, tokens: list[tuple[int, bool]], data: st.DataObject) -> None:
    rule = RULES[name]
    whole = rule.patch(stream_of(tokens))
    t = data.draw(st.integers(1, len(tokens)))
    other = data.draw(STREAMS)
    for after in ([], other):
        begun = rule.patch(stream_of([*tokens[:t], *after]))
        assert (begun.opens_T[:t] == whole.opens_T[:t]).all() and (begun.closes_T[:t] == whole.closes_T[:t]).all()


@pytest.mark.parametrize("name", list(RULES))
@given(before=STREAMS, tokens=STREAMS)
def test_documents_and_runs_do_not_matter_to_each_other(name: str, before: list, tokens: list) -> None:
    rule = RULES[name]
    alone = rule.patch(stream_of(tokens))
    for border in ([(-1, False)], []):
        both = rule.patch(stream_of([*before, *border, (tokens[0][0], not border), *tokens[1:]]))
        assert (both.opens_T[-len(tokens) :] == alone.opens_T).all()
        assert (both.closes_T[-len(tokens) :] == alone.closes_T).all()


@pytest.mark.parametrize("name", list(RULES))
@given(units=st.lists(st.integers(0, 4), min_size=2, max_size=40), data=st.data())
def test_a_stream_is_continued_from_an_open_patch_and_its_context(
    name: str, units: list[int], data: st.DataObject
) -> None:
    rule = RULES[name]
    whole = rule.patch(stream_of([(unit, False) for unit in units]))
    opened = data.draw(st.sampled_from(np.flatnonzero(whole.opens_T).tolist()))
    first = max(0, opened - rule.context)
    resumes_T = np.arange(first, len(units)) == opened
    rest = rule.patch(
        TokenStream(unit_T=np.array(units[first:]), document_T=np.zeros(len(resumes_T), int), resumes_T=resumes_T)
    )
    assert (rest.opens_T[opened - first :] == whole.opens_T[opened:]).all()
    assert (rest.closes_T[opened - first :] == whole.closes_T[opened:]).all()


def test_entropies_do_not_depend_on_the_shape_of_the_batch() -> None:
    """To the bit: decoding sees one token where training sees thousands."""
    rule = entropy(501, rises=False)
    history_TD = np.random.default_rng(0).integers(-1, 501, (3000, 3))
    together = rule.entropies(history_TD)
    assert together.min() >= 0 and together.max() <= np.log(501) + 1e-5 and together.std() > 0.01
    for size in (1, 7, 100):
        apart = np.concatenate([rule.entropies(history_TD[t : t + size]) for t in range(0, 700, size)])
        assert (apart == together[: len(apart)]).all()


@pytest.mark.parametrize("mean", [1, 3, 4])
def test_random_patches_have_the_mean_length(mean: int) -> None:
    units = np.random.default_rng(0).integers(0, 500, 40_000)
    cut = RandomLengths(mean).patch(TokenStream(unit_T=units, document_T=np.zeros(len(units), int)))
    assert len(units) / cut.opens_T.sum() == pytest.approx(mean, rel=0.02)
