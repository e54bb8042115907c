"""Patches of utterances, and where their words are written."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lst_cli.alignment.read_alignment import Aligned
from lst_cli.patching.static import Static
from lst_cli.patching.strategies import PatchingConfig
from lst_cli.reports.drawing.embedded_audio import data_uri, envelope
from lst_cli.reports.drawing.patches import count_lengths, lanes
from lst_cli.reports.drawing.recording import _CHARACTER_PX, TOKEN_PX, draw_waveform, place_labels
from lst_cli.reports.drawing.svg import (
    DASHES,
    DOTTED,
    INK,
    LINE_WIDTH,
    PAPER_TONE,
    SERIES,
    panel,
    stroke,
    svg_file,
    themed,
)
from lst_cli.reports.drawing.templates import FOLDER
from lst_cli.reports.page.utterances import shares


def utterance(lengths: list[int], gaps: list[int], words: list[str] | None = None) -> Aligned:
    """Words of these lengths, each after a gap."""
    starts, ends, at = [], [], 0
    for length, gap in zip(lengths, gaps, strict=True):
        starts.append(at + gap)
        at += gap + length
        ends.append(at)
    texts = words or [f"word{n}" for n in range(len(lengths))]
    return Aligned(
        id="u",
        units_T=np.zeros(at, np.uint16),
        words=texts,
        starts_W=starts,
        ends_W=ends,
        scores_W=[1.0] * len(lengths),
    )


def test_spans_of_every_cut() -> None:
    one = utterance([5, 2], [3, 0])
    found = lanes(one, PatchingConfig(strategy="curriculum", size=4), {"rule": Static(5)})
    assert [(span.start, span.end, span.word) for span in found["aligned"]] == [(0, 3, -1), (3, 8, 0), (8, 10, 1)]
    assert [(span.start, span.end) for span in found["static"]] == [(0, 4), (4, 8), (8, 10)]
    assert [(span.start, span.end) for span in found["rule"]] == [(0, 5), (5, 10)]


def test_lengths_are_counted_by_kind() -> None:
    some = [utterance([5, 2], [3, 0]), utterance([4], [0])]
    counted = {kind.name: (kind.patches, kind.mean) for kind in count_lengths(some, PatchingConfig(size=4))}
    assert counted == {
        "words": (3, pytest.approx(11 / 3)),
        "silences": (1, 3.0),
        "words with silence": (3, pytest.approx(14 / 3)),
        "static 4": (4, 3.5),
    }


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 5), st.integers(1, 12)), min_size=1, max_size=40))
def test_words_never_run_into_each_other(parts: list[tuple[int, int, int]]) -> None:
    lengths, gaps, letters = (list(each) for each in zip(*parts, strict=True))
    ends: dict[int, float] = {}
    for label in place_labels(utterance(lengths, gaps, ["x" * n for n in letters]), TOKEN_PX):
        half = len(label.text) * _CHARACTER_PX / 2
        assert label.x - half > ends.get(label.row, -1.0)
        ends[label.row] = label.x + half


def test_waveform_is_on_the_grid_of_tokens() -> None:
    one = utterance([5, 2], [3, 0])
    wave = draw_waveform(one, np.ones(10 * 640, np.float32), lanes(one, PatchingConfig(), {"rule": Static(2)}))
    # A short clip is stretched, by four at most.
    assert (wave.seconds, wave.width, wave.pixels_per_second) == (0.4, 256.0, 640.0)
    assert [(box.x, box.width) for box in wave.words] == [(76.8, 128.0), (204.8, 51.2)]
    assert [len(lane.boxes) for lane in wave.lanes] == [3, 3, 5]
    assert wave.lanes[2].boxes[0].tip == "rule patch of 2" and wave.lanes[2].caption.startswith("rule: 5 patches")
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


@pytest.mark.parametrize("tokens", [20, 60, 100, 168, 169, 400])
def test_recordings_fill_the_page_and_long_ones_keep_their_scale(tokens: int) -> None:
    one = utterance([tokens], [0])
    wave = draw_waveform(one, np.ones(tokens * 640, np.float32), lanes(one, PatchingConfig(), {}))
    assert wave.width == pytest.approx(min(max(1080, 6.4 * tokens), 25.6 * tokens), abs=0.005 * tokens + 0.1)
    assert wave.pixels_per_second * wave.seconds == pytest.approx(wave.width, abs=0.1)


def test_no_model_is_drawn_dotted() -> None:
    strokes = {stroke(number) for number in range(4)}
    assert len(strokes) == 4 and DOTTED not in DASHES
    # A dot is a mark no longer than the line is wide, between gaps; a model's first mark is longer.
    assert all(not pattern or float(pattern.split()[0]) > 2 * LINE_WIDTH for pattern in strokes)


def test_files_have_the_pages_light_colours() -> None:
    with svg_file(2, 2) as (_, (axes,), stream):
        axes.plot([0, 1], [1, 2], color=SERIES[1])
        axes.plot([0, 1], [2, 2], color=PAPER_TONE)
    svg = stream.getvalue().decode()
    css = (FOLDER / "page.css").read_text(encoding="utf-8")
    light = css[: css.index("@media")]
    used = set(re.findall(r"#[0-9a-f]{6}\b", svg)) - {"#ffffff", "#000000"}
    assert used and used <= set(re.findall(r"#[0-9a-f]{6}\b", light))
