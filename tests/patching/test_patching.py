"""Cuts of random streams against what they must be, token by token."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lst_cli.patching.packed import IGNORE, PADDING, Document, pack_documents
from lst_cli.patching.strategies import Patcher, PatchingConfig, aligned_probability, drawn_cut, inference_cut
from lst_cli.patching.stream import TokenStream
from lst_cli.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary(pieces=10, units=5)

TOKENS = st.lists(
    st.tuples(st.booleans(), st.booleans(), st.integers(-1, 2)), min_size=1, max_size=40
)  # (speech, opens a document, word)


def stream_of(tokens) -> TokenStream:
    speech, opens, words = (np.array(column) for column in zip(*tokens, strict=True))
    unit_T, word_T = np.where(speech, words + 1, -1), np.where(speech, words, -1)
    return TokenStream(unit_T=unit_T, document_T=np.cumsum(opens), word_T=word_T)


def runs(stream: TokenStream) -> list[list[int]]:
    """Runs of speech, and single text tokens, by walking through the stream."""
    found: list[list[int]] = []
    for t in range(len(stream.speech_T)):
        joins = (
            t > 0 and stream.speech_T[t] and stream.speech_T[t - 1] and stream.document_T[t] == stream.document_T[t - 1]
        )
        if joins:
            found[-1].append(t)
        else:
            found.append([t])
    return found


def patches_of(opens_T) -> list[list[int]]:
    starts = [*np.flatnonzero(opens_T), len(opens_T)]
    return [list(range(a, b)) for a, b in itertools.pairwise(starts)]


@given(tokens=TOKENS, size=st.integers(1, 5))
def test_static_patches(tokens, size):
    stream = stream_of(tokens)
    cut = Patcher(PatchingConfig(size=size)).patch(stream, "static")
    expected = [run[i : i + size] for run in runs(stream) for i in range(0, len(run), size)]
    assert patches_of(cut.opens_T) == expected
    for tokens_of_patch in expected:
        full = len(tokens_of_patch) == size or not stream.speech_T[tokens_of_patch[0]]
        assert cut.closes_T[tokens_of_patch].tolist() == [False] * (len(tokens_of_patch) - 1) + [full]


@given(tokens=TOKENS)
def test_aligned_patches_fall_on_word_borders(tokens):
    stream = stream_of(tokens)
    cut = Patcher(PatchingConfig()).patch(stream, "aligned")
    expected = []
    for run in runs(stream):
        expected.append([run[0]])
        for t in run[1:]:
            if stream.word_T[t] == stream.word_T[t - 1]:
                expected[-1].append(t)
            else:
                expected.append([t])
    assert patches_of(cut.opens_T) == expected
    assert (cut.closes_T == ~stream.speech_T).all()


@given(tokens=TOKENS)
def test_merged_silence_joins_the_word_before_or_the_first_word(tokens):
    stream = stream_of(tokens)
    cut = Patcher(PatchingConfig(silence="merged")).patch(stream, "aligned")
    expected = []
    for run in runs(stream):
        spoken = [stream.word_T[t] for t in run if stream.word_T[t] >= 0]
        word = spoken[0] if spoken else -1
        owner = []
        for t in run:
            word = stream.word_T[t] if stream.word_T[t] >= 0 else word
            owner.append(word)
        starts = [i for i in range(len(run)) if i == 0 or owner[i] != owner[i - 1]]
        expected += [run[a:b] for a, b in zip(starts, [*starts[1:], len(run)], strict=True)]
    assert patches_of(cut.opens_T) == expected


@given(tokens=TOKENS)
def test_given_boundaries_close_every_patch_with_its_last_token(tokens):
    cut = Patcher(PatchingConfig(boundaries="given", size=3)).patch(stream_of(tokens), "static")
    last = [tokens_of_patch[-1] for tokens_of_patch in patches_of(cut.opens_T)]
    assert np.flatnonzero(cut.closes_T).tolist() == last


def test_aligned_needs_an_alignment():
    stream = TokenStream(unit_T=np.ones(3, dtype=int), document_T=np.zeros(3, dtype=int))
    with pytest.raises(ValueError, match="needs the words"):
        Patcher(PatchingConfig()).patch(stream, "aligned")


def test_the_curriculum_goes_in_thirds():
    config = PatchingConfig(strategy="curriculum")
    shares = [aligned_probability(config, step, 300) for step in (0, 99, 100, 150, 175, 200, 299)]
    assert shares == [1.0, 1.0, 1.0, 0.5, 0.25, 0.0, 0.0]
    assert [drawn_cut(config, 150, 300, draw) for draw in (0.49, 0.5)] == ["aligned", "static"]


@pytest.mark.parametrize("strategy,share,cut", [("none", 0, "none"), ("static", 0, "static"), ("aligned", 1, "static")])
def test_other_strategies_are_constant_and_inference_is_static(strategy, share, cut):
    config = PatchingConfig(strategy=strategy)
    assert {aligned_probability(config, step, 9) for step in range(9)} == {share}
    assert inference_cut(config) == cut
    assert drawn_cut(config, 0, 9, 0.5) == ("aligned" if share else cut)


@given(lengths=st.lists(st.integers(0, 9), min_size=1, max_size=4).filter(any), loss_from=st.integers(1, 12))
def test_packed_documents_predict_each_token_after_the_first_once(lengths, loss_from):
    documents, token = [], 0
    for length in lengths:
        documents.append(Document(tokens=np.arange(token, token + length) % VOCABULARY.size, loss_from=loss_from))
        token += length
    packed = pack_documents(documents, VOCABULARY, Patcher(PatchingConfig(size=2)), "static")
    start = 0
    for number, document in enumerate(documents):
        stop = start + len(document.tokens)
        assert (packed.document_T[start:stop] == number).all()
        expected = [t if i >= loss_from else IGNORE for i, t in enumerate(document.tokens)][1:]
        assert packed.targets_T[start:stop].tolist() == [*expected, IGNORE][: stop - start]
        start = stop
    assert (packed.document_P[packed.patch_T] == packed.document_T).all()
    padded = packed.padded(100, 90)
    assert len(padded.tokens_T) == 100 and (padded.document_T[start:] == PADDING).all() and len(padded.document_P) == 90
    with pytest.raises(ValueError, match="do not fit"):
        packed.padded(1, 0)
