"""Interleaving keeps every word once, in the right place, and depends on the ids only."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lst_cli.config import from_dict
from lst_cli.errors import UserError
from lst_cli.shards.documents.document import Documents, assemble
from lst_cli.shards.documents.interleave import InterleaveConfig, interleaved
from tests.shards.making import VOCABULARY, Utterance, rows, utterance, utterance_lists, utterances

CONFIG = InterleaveConfig()


@dataclass
class Segment:
    """A segment read back from a document's tokens."""

    speech: bool
    ids: list[int]
    words: list[int]


def documents(made: list[Utterance], config: InterleaveConfig = CONFIG, seed: int = 0, epoch: int = 0) -> Documents:
    flat = rows(made)
    return assemble(flat, interleaved(flat, np.arange(len(made)), config, seed, epoch), len(made), VOCABULARY)


def document(found: Documents, d: int) -> tuple[list[int], list[int]]:
    part = slice(found.start_D[d], found.start_D[d + 1])
    return found.tokens_T[part].tolist(), found.words_T[part].tolist()


def segments(tokens: list[int], words: list[int]) -> list[Segment]:
    assert tokens[-1] == VOCABULARY.eos
    assert tokens.count(VOCABULARY.eos) == 1
    found: list[Segment] = []
    for token, word in zip(tokens[:-1], words[:-1], strict=True):
        if token in (VOCABULARY.t_marker, VOCABULARY.s_marker):
            assert word == -1
            found.append(Segment(token == VOCABULARY.s_marker, [], []))
        else:
            found[-1].ids.append(token)
            found[-1].words.append(word)
    return found


def word_range(segment: Segment, u: Utterance) -> range:
    """The words of a segment, from its ids alone."""
    if not segment.speech:
        assert all(word == -1 for word in segment.words)
        words = [id - 10 for id in segment.ids]
        assert words == [w for w in range(words[0], words[-1] + 1) for _ in range(u.pieces[w])]
        return range(words[0], words[-1] + 1)
    frames = [id - VOCABULARY.speech_start for id in segment.ids]
    assert frames == list(range(frames[0], frames[-1] + 1))
    inside = [w for w in range(len(u.starts)) if frames[0] <= u.starts[w] and u.ends[w] <= frames[-1] + 1]
    for frame, word in zip(frames, segment.words, strict=True):
        expected = next((w for w in inside if u.starts[w] <= frame < u.ends[w]), -1)
        assert word == expected
    return range(inside[0], inside[-1] + 1) if inside else range(0)


@given(utterance_lists(), st.integers(0, 5), st.integers(0, 3))
def test_every_word_once_in_one_modality(made: list[Utterance], seed: int, epoch: int) -> None:
    found = documents(made, seed=seed, epoch=epoch)
    for d, u in enumerate(made):
        parts = segments(*document(found, d))
        assert all(a.speech != b.speech for a, b in itertools.pairwise(parts))
        if not u.starts:
            assert [part.speech for part in parts] == [True]
            assert len(parts[0].ids) == u.frames
            continue
        ranges = [word_range(part, u) for part in parts]
        assert [w for words in ranges for w in words] == list(range(len(u.starts)))
        check_silence(u, parts, ranges)
        check_lengths(u, parts, ranges)


def check_silence(u: Utterance, parts: list[Segment], ranges: list[range]) -> None:
    """Speech reaches to the middle of the silence at a cut, and to the ends of the utterance."""
    for part, words in zip(parts, ranges, strict=True):
        if part.speech:
            first, last = words[0], words[-1]
            left = 0 if first == 0 else (u.ends[first - 1] + u.starts[first]) // 2
            right = u.frames if last == len(u.starts) - 1 else (u.ends[last] + u.starts[last + 1]) // 2
            frames = [id - VOCABULARY.speech_start for id in part.ids]
            assert (frames[0], frames[-1] + 1) == (left, right)


def check_lengths(u: Utterance, parts: list[Segment], ranges: list[range]) -> None:
    """Spans are as long as the config says, but for the last one."""
    most = max(1, int(CONFIG.max_share * len(u.starts)))
    longest = min(most, CONFIG.max_text_words)
    shortest = min(CONFIG.min_text_words, longest)
    for i, (part, words) in enumerate(zip(parts, ranges, strict=True)):
        last = i == len(parts) - 1
        if not part.speech:
            assert len(words) <= longest
            assert last or len(words) >= shortest
        elif i and not last:
            assert len(words) == max(1, int(len(ranges[i - 1]) / 2 + 0.5))


@given(utterance_lists(), st.randoms(use_true_random=False))
def test_same_id_same_draw_in_any_company(made: list[Utterance], random: object) -> None:
    found = documents(made)
    turned = made[::-1]
    found_turned = documents(turned)
    for d, u in enumerate(made):
        assert document(found, d) == document(found_turned, turned.index(u))


def test_epochs_and_seeds_differ() -> None:
    made = utterances(20, words=40)
    texts = {documents(made, seed=seed, epoch=epoch).tokens_T.tobytes() for seed in (0, 1) for epoch in (0, 1)}
    assert len(texts) == 4


def test_span_statistics() -> None:
    made = [utterance(f"u{i}", 200, i) for i in range(300)]
    found = documents(made)
    texts, first_speech = [], 0
    for d, u in enumerate(made):
        parts = segments(*document(found, d))
        first_speech += parts[0].speech
        texts += [len(word_range(part, u)) for part in parts[:-1] if not part.speech]
    assert 0.4 < first_speech / len(made) < 0.6
    assert set(texts) == set(range(5, 31))
    # Long spans are cut off by the utterance's end more often, so a little under the middle of 5 to 30.
    assert 16 < np.mean(texts) < 18


def test_one_word_is_text_or_speech() -> None:
    kinds = set()
    for i in range(40):
        made = [utterance(f"one{i}", 1, i)]
        parts = segments(*document(documents(made), 0))
        assert len(parts) == 1
        kinds.add(parts[0].speech)
    assert kinds == {True, False}


def test_some_utterances_stay_speech_as_a_whole() -> None:
    made = [utterance(f"u{i}", 30, i) for i in range(300)]
    mixed = documents(made, config=InterleaveConfig(whole_speech=0.3))
    plain = documents(made)
    whole = 0
    for d, u in enumerate(made):
        parts = segments(*document(mixed, d))
        if [part.speech for part in parts] == [True] and len(parts[0].ids) == u.frames:
            whole += 1
        else:
            assert document(mixed, d) == document(plain, d)
    assert 0.2 < whole / len(made) < 0.4


@pytest.mark.parametrize(
    "change", [{"whole_speech": 1.5}, {"min_text_words": 0}, {"max_text_words": 3}, {"max_share": 0.0}]
)
def test_bad_config(change: dict[str, float]) -> None:
    with pytest.raises(UserError, match=r"_words|whole_speech|max_share"):
        from_dict(InterleaveConfig, change, "interleave")
