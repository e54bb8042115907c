"""Cutting the line of documents into sequences loses nothing and patches every sequence as it stands."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lst_cli.errors import UserError
from lst_cli.hashing import integers
from lst_cli.patching.packed import IGNORE
from lst_cli.patching.strategies import Cut, Patcher, PatchingConfig
from lst_cli.patching.stream import TokenStream
from lst_cli.shards.documents.forms import Form, Maker
from lst_cli.shards.documents.interleave import InterleaveConfig
from lst_cli.shards.read.mixture import Merged
from lst_cli.shards.read.packing import PackingWindow, Sequence
from tests.model.rules import fitted_rules
from tests.shards.making import VOCABULARY, Utterance, rows, utterance_lists, utterances

FITTED_RULES = fitted_rules(VOCABULARY.units)
CUTS: tuple[Cut, ...] = ("none", "static", "aligned", "random")


def merged(made: list[Utterance], form: Form = "interleaved", epoch: int = 0) -> Merged:
    documents = Maker(vocabulary=VOCABULARY, interleave=InterleaveConfig(), seed=1).documents(
        form, rows(made), np.arange(len(made)), epoch
    )
    return Merged(
        documents=documents,
        source_D=np.zeros(len(made), np.int64),
        cursor_DC=np.zeros((len(made), 5), np.int64),
    )


def cut_all(
    window: PackingWindow, parts: list[Merged], positions: int, cuts: list[Cut], seed: int
) -> list[tuple[Sequence, Cut]]:
    """Sequences under random cuts, from a window that is filled bit by bit."""
    found: list[tuple[Sequence, Cut]] = []
    waiting = list(parts)
    while True:
        cut = cuts[int(integers(0, len(cuts) - 1, seed, len(found)))]
        sequence = window.cut(positions, cut, last=not waiting)
        if sequence is not None:
            found.append((sequence, cut))
        elif waiting:
            window.extend(waiting.pop(0))
        else:
            return found


@pytest.mark.parametrize("strategy", list(FITTED_RULES))
@given(
    st.lists(utterance_lists(), min_size=1, max_size=3),
    st.integers(1, 60),
    st.integers(0, 100),
    st.sampled_from(["separate", "merged"]),
    st.sampled_from(["causal", "given"]),
    st.sampled_from(["interleaved", "speech"]),
)
def test_sequences_hold_all_tokens_once(
    strategy: Any, lists: list[list[Utterance]], positions: int, seed: int, silence: str, boundaries: str, form: Form
) -> None:
    config = PatchingConfig(strategy="mixed", silence=silence, boundaries=boundaries)  # type: ignore[arg-type]
    patching = Patcher(config, FITTED_RULES[strategy])
    parts = [merged(made, form, epoch) for epoch, made in enumerate(lists)]
    found = cut_all(PackingWindow(VOCABULARY, patching), parts, positions, [*CUTS, strategy], seed)

    tokens_T = np.concatenate([part.documents.tokens_T for part in parts])
    words_T = np.concatenate([part.documents.words_T for part in parts])
    assert np.array_equal(np.concatenate([sequence.tokens_T for sequence, _ in found]), tokens_T)
    assert all(sequence.positions == positions for sequence, _ in found[:-1])
    check_targets(parts, np.concatenate([sequence.targets_T for sequence, _ in found]))
    start = 0
    for sequence, cut in found:
        end = start + len(sequence.tokens_T)
        check_patches(sequence, cut, words_T[start:end], patching)
        start = end


def check_targets(parts: list[Merged], targets_T: np.ndarray) -> None:
    """Every token but the first of each document is predicted once, from the token before it."""
    expected: list[int] = []
    for part in parts:
        borders = part.documents.start_D
        for a, b in itertools.pairwise(borders):
            expected += [*part.documents.tokens_T[a + 1 : b].tolist(), IGNORE]
    assert targets_T.tolist() == expected


def check_patches(sequence: Sequence, cut: Cut, words_T: np.ndarray, patching: Patcher) -> None:
    """The patches are those of the sequence alone: nothing of what was cut off shows in them."""
    stream = TokenStream(
        unit_T=VOCABULARY.speech_units(sequence.tokens_T), document_T=sequence.document_T, word_T=words_T
    )
    alone = patching.patch(stream, cut)
    assert np.array_equal(sequence.patches.opens_T, alone.opens_T)
    assert np.array_equal(sequence.patches.closes_T, alone.closes_T)
    assert sequence.positions == alone.opens_T.sum()
    ends = np.flatnonzero(sequence.tokens_T == VOCABULARY.eos)
    assert sequence.document_T[0] == 0
    assert np.array_equal(np.flatnonzero(np.diff(sequence.document_T)), ends[ends < len(sequence.tokens_T) - 1])


@given(utterance_lists(), st.integers(2, 80), st.sampled_from(["asr", "tts", "interleaved"]))
def test_whole_documents(made: list[Utterance], positions: int, form: Form) -> None:
    patching = Patcher(PatchingConfig(strategy="static"))
    part = merged(made, form)
    window = PackingWindow(VOCABULARY, patching)
    window.extend(part)
    found: list[Sequence] = []
    while (sequence := window.whole(positions, "static", last=True)) is not None:
        found.append(sequence)
    documents = part.documents
    kept: list[list[int]] = []
    too_long = 0
    for d in range(len(documents)):
        tokens = documents.tokens_T[documents.start_D[d] : documents.start_D[d + 1]]
        alone = TokenStream(unit_T=VOCABULARY.speech_units(tokens), document_T=np.zeros(len(tokens), int))
        length = int(patching.patch(alone, "static").opens_T.sum())
        too_long += length > positions
        if 0 < length <= positions:
            kept.append(tokens.tolist())
    assert [id for sequence in found for id in sequence.tokens_T.tolist()] == [id for ids in kept for id in ids]
    assert sum(sequence.too_long for sequence in found) == too_long
    assert all(sequence.positions == sequence.patches.opens_T.sum() <= positions for sequence in found)
    targets = np.concatenate([sequence.targets_T for sequence in found]) if found else np.zeros(0)
    answers = sum(
        int(length - loss_from)
        for length, loss_from in zip(documents.lengths_D, documents.loss_from_D, strict=True)
        if length
    )
    if not too_long:
        assert (targets != IGNORE).sum() == answers


def test_no_document_fits() -> None:
    window = PackingWindow(VOCABULARY, Patcher(PatchingConfig()))
    window.extend(merged(utterances(1001, words=10)))
    with pytest.raises(UserError, match="none of 1001 documents fits"):
        window.whole(2, "static", last=False)
