"""``lst units show``: one HTML page of a quantizer's units with examples to play.

Legend: K units, D feature dimensions, T samples at 16 kHz.
"""

from __future__ import annotations

import base64
import dataclasses
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lst_cli.artifacts import Artifact, Draft, Request
from lst_cli.reports.drawing.templates import asset, templates
from lst_cli.reports.pages.transition_map import draw_transitions
from lst_cli.reports.report_kind import PAGE, REPORT

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lst_cli.audio.corpus_artifact import Corpus
    from lst_cli.units.quantizer.codebook import Codebook
    from lst_cli.units.statistics.purity import Purity
    from lst_cli.units.statistics.usage import UnitRun, Usage

PAGE_VERSION = 2
"""Incremented when the same artifacts would give another page."""

_CONTEXT_S = 0.2
"""Audio played before and after a unit: 40 ms alone sound like a click."""

_GAP_S = 0.25
"""Silence between the stretches of a unit."""

_NEXT = 3
"""Following units that the table names."""

_MAP_WIDTH, _MAP_HEIGHT = 860.0, 520.0


@dataclass(frozen=True, kw_only=True)
class UnitRow:
    """A unit on the page."""

    unit: int
    count: int
    share: float
    mean_ms: float
    """How long a run of it lasts."""
    following: list[tuple[int, float]]
    """The units that follow most often, with their share."""
    x: float
    y: float
    radius: float
    """Its circle on the map."""


def plan_units_page(
    tokens: Artifact, quantizer: Artifact, corpus: Artifact, name: str, phones: Artifact | None = None
) -> tuple[Request, Callable[[Draft], None]]:
    """The arguments of :meth:`lst_cli.artifacts.Store.build`.

    :param tokens: made of the corpus with the quantizer.
    :param phones: an alignment whose words are phones; the page then shows phone purity and PNMI.
    """
    request = Request(
        kind=REPORT,
        name=name,
        config={"page": "units", "page_version": PAGE_VERSION},
        parents={"tokens": tokens, "quantizer": quantizer, "corpus": corpus} | ({"phones": phones} if phones else {}),
    )

    def make(draft: Draft) -> None:
        from lst_cli.artifacts.parquet import write_bytes_atomic
        from lst_cli.audio.corpus_artifact import Corpus
        from lst_cli.units.quantizer.codebook import Codebook
        from lst_cli.units.statistics.usage import count_usage
        from lst_cli.units.tokens import Tokens

        codebook = Codebook.read(quantizer.path)
        usage = count_usage(Tokens(tokens).tables(), codebook.units)
        sounds = record(Corpus(corpus), usage.examples)
        purity = compare(tokens, phones) if phones is not None else None
        html = render(tokens.reference, quantizer, codebook, usage, sounds, purity)
        write_bytes_atomic(draft.path / PAGE, html.encode())
        draft.statistics.update(units=codebook.units, playable=len(sounds), page_mb=len(html.encode()) / 1e6)
        if purity is not None:
            draft.statistics.update(dataclasses.asdict(purity))

    return request, make


def render(
    tokens: str,
    quantizer: Artifact,
    codebook: Codebook,
    usage: Usage,
    sounds: dict[int, str],
    purity: Purity | None = None,
) -> str:
    """The page as HTML.

    :param tokens: reference of the tokens artifact.
    :param sounds: of each playable unit, as a ``data:`` address.
    """
    from markupsafe import Markup

    from lst_cli.units.quantizer.kmeans import perplexity
    from lst_cli.version import __version__

    environment = templates()
    rows, explained = _rows(codebook, usage)
    total = int(usage.counts_K.sum())
    page: str = environment.get_template("units_page.html.j2").render(
        version=__version__,
        tokens=tokens,
        quantizer=quantizer.reference,
        features=codebook.features,
        fit=quantizer.statistics,
        rows=rows,
        used=int((usage.counts_K > 0).sum()),
        utterances=usage.utterances,
        hours=total / 25 / 3600,
        perplexity=perplexity(usage.counts_K),
        repeat_rate=1 - float(usage.runs_K.sum()) / max(1, total),
        width=_MAP_WIDTH,
        height=_MAP_HEIGHT,
        explained=explained,
        usage_panel=Markup(_usage_panel(usage)),
        transitions=draw_transitions(usage.transitions_KK, _order(codebook)),
        style=asset("page.css"),
        sounds=Markup(json.dumps(sounds)),
        purity=purity,
    )
    return "\n".join(line for line in page.splitlines() if line.strip()) + "\n"


def compare(tokens: Artifact, phones: Artifact) -> Purity:
    """How well the units go with the phones of the utterances that have both.

    :raises UserError: the alignment is damaged, or has no utterance in common with the tokens.
    """
    import numpy as np

    from lst_cli.alignment.kinds import ALIGNMENT_FILE
    from lst_cli.artifacts.parquet import read_parquet
    from lst_cli.errors import UserError
    from lst_cli.units.statistics.purity import label_frames, measure_purity
    from lst_cli.units.tokens import Tokens

    columns = ["id", "words", "starts", "ends"]
    spans = {row["id"]: row for row in read_parquet(phones.file(ALIGNMENT_FILE), columns=columns).to_pylist()}
    units, labels = [], []
    for id, units_T in Tokens(tokens):
        row = spans.get(id)
        if row is not None:
            units.append(units_T)
            labels.append(label_frames(len(units_T), row["words"], row["starts"], row["ends"]))
    if not units:
        raise UserError(
            f"{phones.reference}: no utterance of {tokens.reference} in it", fix="give the phones of the same corpus"
        )
    return measure_purity(np.concatenate(units), np.concatenate(labels))


def record(corpus: Corpus, stretches: list[list[UnitRun]]) -> dict[int, str]:
    """For each unit its stretches one after the other, as a ``data:`` address of an MP3 file.

    An utterance that can no longer be read is skipped.
    """
    import numpy as np

    from lst_cli.audio.decode import resampled_length
    from lst_cli.audio.sample_rates import SAMPLE_RATE
    from lst_cli.errors import UserError
    from lst_cli.units.frames import FRAME_SAMPLES
    from lst_cli.units.input.pieces import read_window
    from lst_cli.units.input.windows import AudioWindow

    context = round(_CONTEXT_S * SAMPLE_RATE)
    gap_T = np.zeros(round(_GAP_S * SAMPLE_RATE), dtype=np.float32)
    sounds: dict[int, str] = {}
    for unit, runs in enumerate(stretches):
        clips: list[NDArray[np.float32]] = []
        for run in runs:
            utterance = corpus.find(run.id)
            total = resampled_length(utterance.samples, utterance.sample_rate)
            start = max(0, run.first * FRAME_SAMPLES - context)
            stop = min(total, (run.first + run.frames) * FRAME_SAMPLES + context)
            try:
                wave_T = read_window(utterance, AudioWindow(start, stop, 0, 1))
            except UserError:
                continue
            # The unit itself is highlighted in its context.
            level_T = np.full(len(wave_T), 0.35, dtype=np.float32)
            level_T[run.first * FRAME_SAMPLES - start : (run.first + run.frames) * FRAME_SAMPLES - start] = 1
            clips += [wave_T * level_T, gap_T]
        if clips:
            sounds[unit] = _mp3(np.concatenate(clips))
    return sounds


def _mp3(wave_T: NDArray[np.float32]) -> str:
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, wave_T, 16_000, format="MP3", subtype="MPEG_LAYER_III")
    return f"data:audio/mpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _rows(codebook: Codebook, usage: Usage) -> tuple[list[UnitRow], float]:
    """The units, most used first, and the share of the centroids' variance that the map shows."""
    import numpy as np

    places_K2, explained = _project(codebook.centroids_KD)
    counts_K, total = usage.counts_K, max(1, int(usage.counts_K.sum()))
    margin, largest = 24.0, max(1, int(counts_K.max()))
    rows = []
    for unit in np.argsort(-counts_K, kind="stable").tolist():
        following = usage.transitions_KK[unit]
        most = np.argsort(-following, kind="stable")[:_NEXT]
        rows.append(
            UnitRow(
                unit=unit,
                count=int(counts_K[unit]),
                share=int(counts_K[unit]) / total,
                mean_ms=40 * int(counts_K[unit]) / max(1, int(usage.runs_K[unit])),
                following=[(int(n), int(following[n]) / int(following.sum())) for n in most if following[n]],
                x=margin + float(places_K2[unit, 0]) * (_MAP_WIDTH - 2 * margin),
                y=margin + float(places_K2[unit, 1]) * (_MAP_HEIGHT - 2 * margin),
                radius=2 + 10 * float(np.sqrt(counts_K[unit] / largest)),
            )
        )
    return rows, explained


def _project(centroids_KD: NDArray[np.float32]) -> tuple[NDArray[np.float64], float]:
    """The centroids on their two widest axes (PCA), each axis from 0 to 1, and the share of variance kept."""
    import numpy as np

    centred_KD = (centroids_KD - centroids_KD.mean(axis=0)).astype(np.float64)
    left_KD, strength_D, axes_DD = np.linalg.svd(centred_KD, full_matrices=False)
    # The sign of an axis is arbitrary; fixing it keeps the page the same on every machine.
    signs_D = np.sign(axes_DD[np.arange(len(axes_DD)), np.abs(axes_DD).argmax(axis=1)])
    places_K2 = np.zeros((len(centroids_KD), 2))
    kept = min(2, len(strength_D))
    places_K2[:, :kept] = (left_KD * strength_D * signs_D)[:, :kept]
    span_2 = np.ptp(places_K2, axis=0)
    scaled_K2 = (places_K2 - places_K2.min(axis=0)) / np.where(span_2 > 0, span_2, 1)
    total = float((strength_D**2).sum())
    return scaled_K2, float((strength_D[:2] ** 2).sum()) / total if total else 1.0


def _usage_panel(usage: Usage) -> str:
    import numpy as np

    from lst_cli.reports.drawing.svg import colour, panel

    shares = np.sort(usage.counts_K)[::-1] / max(1, int(usage.counts_K.sum()))
    with panel("usage", "share of each unit, most used first") as drawing:
        drawing.axes.plot(np.arange(1, len(shares) + 1), 100 * shares, color=colour(1))
        drawing.axes.axhline(100 / len(shares), color=colour(0), linestyle=(0, (2, 2)), linewidth=1)
        drawing.axes.set(title="Usage, % of all units", xlabel="units, most used first", ylim=(0, None))
    return drawing.svg


def _order(codebook: Codebook) -> NDArray[np.intp]:
    """The units along the map's first axis."""
    import numpy as np

    return np.argsort(_project(codebook.centroids_KD)[0][:, 0], kind="stable")
