"""Patches of utterances, and where their words are written."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lst_cli.errors import UserError
from lst_cli.patching.strategies import PatchingConfig
from lst_cli.reports.drawing.embedded_audio import data_uri, envelope
from lst_cli.reports.drawing.patches import Aligned, count_lengths, read_aligned, spans
from lst_cli.reports.drawing.recording import _CHARACTER_PX, draw_waveform, place_labels
from lst_cli.reports.drawing.svg import INK, SERIES, panel, themed
from lst_cli.reports.page.utterances import shares
from tests.reports.making import make_spoken


def utterance(lengths: list[int], gaps: list[int], words: list[str] | None = None) -> Aligned:
    """Words of these lengths, each after a gap."""
    starts, ends, at = [], [], 0
    for length, gap in zip(lengths, gaps, strict=True):
        starts.append(at + gap)
        at += gap + length
        ends.append(at)
    texts = words or [f"word{n}" for n in range(len(lengths))]
    return Aligned(id="u", tokens=at, words=texts, starts_W=starts, ends_W=ends, scores_W=[1.0] * len(lengths))


def test_spans_of_both_cuts() -> None:
    one = utterance([5, 2], [3, 0])
    config = PatchingConfig(strategy="curriculum", size=4)
    found = [(span.start, span.end, span.word) for span in spans(one, config, "aligned")]
    assert found == [(0, 3, -1), (3, 8, 0), (8, 10, 1)]
    assert [(span.start, span.end) for span in spans(one, config, "static")] == [(0, 4), (4, 8), (8, 10)]


def test_lengths_are_counted_by_kind() -> None:
    some = [utterance([5, 2], [3, 0]), utterance([4], [0])]
    counted = {kind.name: (kind.patches, kind.mean) for kind in count_lengths(some, PatchingConfig(size=4))}
    assert counted == {
        "words": (3, pytest.approx(11 / 3)),
        "silences": (1, 3.0),
        "words with silence": (3, pytest.approx(14 / 3)),
        "static 4": (4, 3.5),
    }


def test_tokens_of_another_corpus_are_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    from lst_cli.artifacts import Store

    store = Store(tmp_path_factory.mktemp("root"))
    _, alignment = make_spoken(store, "a", {"one": "some words here"})
    tokens, _ = make_spoken(store, "b", {"two": "some words here"})
    with pytest.raises(UserError, match="not an alignment of"):
        read_aligned(alignment, tokens)


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 5), st.integers(1, 12)), min_size=1, max_size=40))
def test_words_never_run_into_each_other(parts: list[tuple[int, int, int]]) -> None:
    lengths, gaps, letters = (list(each) for each in zip(*parts, strict=True))
    ends: dict[int, float] = {}
    for label in place_labels(utterance(lengths, gaps, ["x" * n for n in letters])):
        half = len(label.text) * _CHARACTER_PX / 2
        assert label.x - half > ends.get(label.row, -1.0)
        ends[label.row] = label.x + half


def test_waveform_is_on_the_grid_of_tokens() -> None:
    one = utterance([5, 2], [3, 0])
    config = PatchingConfig()
    wave = draw_waveform(
        one, np.ones(10 * 640, np.float32), spans(one, config, "aligned"), spans(one, config, "static")
    )
    assert wave.seconds == 0.4 and wave.width == 64.0
    assert [(box.x, box.width) for box in wave.words] == [(19.2, 32.0), (51.2, 12.8)]
    assert [len(lane.boxes) for lane in wave.lanes] == [3, 3]
    assert wave.lanes[0].boxes[0].silent and not wave.lanes[0].boxes[1].silent


def test_envelope_of_few_samples() -> None:
    low, high = envelope(np.array([0.5, -0.25], np.float32), 7)
    assert len(low) == len(high) == 7 and high.max() == 1.0 and low.min() == -0.5


def test_loud_audio_is_not_clipped() -> None:
    import base64
    import io

    import soundfile

    address = data_uri(np.array([0.0, 2.0, -1.0], np.float32))
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(address.split(",")[1])))
    assert rate == 16_000 and samples == pytest.approx([0.0, 0.97, -0.485], abs=1e-3)


def test_panels_take_the_pages_colours() -> None:
    with panel("one", 'a "figure"') as drawing:
        drawing.axes.plot([0, 1], [1, 2], color=SERIES[3], marker="o")
        drawing.axes.text(0.5, 1.5, "words", color=INK)
    assert 'aria-label="a &#34;figure&#34;"' in drawing.svg
    assert "var(--series-3)" in drawing.svg and "var(--ink)" in drawing.svg
    assert ">words</text>" in drawing.svg and "font-family" not in drawing.svg
    assert set(re.findall(r"#[0-9a-f]{6}\b", drawing.svg)) <= {"#000000"}
    ids = re.findall(r'\bid="([^"]+)"', drawing.svg)
    assert ids and all(name.startswith("one-") for name in ids)
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', drawing.svg)) <= set(ids)
    with panel("one", 'a "figure"') as again:
        again.axes.plot([0, 1], [1, 2], color=SERIES[3], marker="o")
        again.axes.text(0.5, 1.5, "words", color=INK)
    assert again.svg == drawing.svg


def test_themed_keeps_the_view() -> None:
    svg = '<?xml version="1.0"?><svg width="9pt" viewBox="0 0 9 9"><metadata>x</metadata><g id="a"/></svg>'
    assert themed(svg, "n", "alt") == (
        '<svg class="panel" viewBox="0 0 9 9" role="img" aria-label="alt"><g id="n-a"/></svg>'
    )


@pytest.mark.parametrize(
    ("total", "available", "expected"),
    [(6, [5, 100], [5, 1]), (6, [3, 1, 100], [3, 1, 2]), (1, [5, 5], [1, 0]), (0, [5], [0]), (9, [2, 1], [2, 1])],
)
def test_every_source_is_shown(total: int, available: list[int], expected: list[int]) -> None:
    assert shares(total, available) == expected
