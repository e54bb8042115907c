"""The tables and figures of the paper that are made of scores: their rows, their columns, the paper's numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from lst_cli.reports.paper import published as paper
from lst_cli.reports.paper.table_spec import ROWS, TableColumn, TableLine, TableSpec

_STORIES = tuple(
    TableColumn(label=f"{name} {direction.upper().replace('-', '→')}", task=task, direction=direction)
    for task, name in paper.TASKS.items()
    for direction in ("s-s", "t-t")
)
_HELLASWAG = _STORIES[:2]

_ROWS = ("baseline", "bpe", "static", "aligned", "mixed", "curriculum")


def _line(row: str, values: paper.Numbers = (), std: paper.Numbers = (), **facts: Any) -> TableLine:
    label, own = ROWS[row]
    return TableLine(
        row=row,
        label=label,
        facts={**own, **facts},
        scored_with="as-trained" if own["kind"] == "aligned" else "static",
        paper=values,
        paper_std=std,
    )


def _to_baseline(lines: Sequence[TableLine], baseline: str = "Base") -> dict[str, str]:
    return {line.label: baseline for line in lines if line.label != baseline}


def _table3() -> TableSpec:
    key = {"baseline": "none"}
    cells = [(column.task, column.direction) for column in _STORIES]
    lines = [_line(row, tuple(paper.TABLE_3.get((key.get(row, row), *cell)) for cell in cells)) for row in _ROWS]
    return TableSpec(
        name="table3",
        title="Table 3: story completion, compute-controlled",
        about="The same number of steps and of positions per step for every model.",
        columns=_STORIES,
        lines=lines,
        against=_to_baseline(lines),
    )


def _table4() -> TableSpec:
    # LST with static patches of 4 sets the data budget: both budgets give it the same steps.
    # The paper has fewer rows than Table 3; rows that were not scored are dropped from ours too.
    lines = [
        _line(
            row,
            (paper.TABLE_4_SAVED[row], *paper.TABLE_4[row]) if row in paper.TABLE_4 else (),
            budget="compute-controlled" if row == "static" else "data-controlled",
        )
        for row in _ROWS
    ]
    return TableSpec(
        name="table4",
        title="Table 4: story completion, data-controlled",
        about="The same number of tokens for every model; LST spends fewer FLOPs on them.",
        columns=(TableColumn(label="compute saved", measure="saved"), *_STORIES),
        lines=lines,
        against=_to_baseline(lines),
    )


_SHARES = ("25%", "50%", "100%")
_PAIR = (("baseline", "Base"), ("curriculum", "LST"))


def _shares_of_steps(
    papers: Mapping[tuple[str, int], paper.Numbers], **facts: Any
) -> tuple[list[TableLine], dict[str, str]]:
    """Baseline and LST after each share of the steps, and which line is compared with which.

    :param papers: the paper's numbers of a row at a rank.
    """
    lines = [
        TableLine(
            row=row,
            label=f"{model}, {share} of the steps",
            facts={**ROWS[row][1], **facts},
            rank=rank,
            paper=papers.get((row, rank), ()),
        )
        for rank, share in enumerate(_SHARES)
        for row, model in _PAIR
    ]
    return lines, {f"LST, {share} of the steps": f"Base, {share} of the steps" for share in _SHARES}


def _figure1(name: str, title: str, about: str, ends: Mapping[str, paper.Numbers], over: Any, budget: str) -> TableSpec:
    lines, against = _shares_of_steps({(row, 2): values for row, values in ends.items()}, budget=budget)
    return TableSpec(
        name=name,
        title=title,
        about=f"Every point is a separate run with a complete schedule, of 25%, 50% or 100% of the steps. {about}",
        columns=_HELLASWAG,
        lines=lines,
        against=against,
        ranked="steps",
        over=over,
    )


def _table5() -> TableSpec:
    papers: dict[tuple[str, int], paper.Numbers] = {}
    for model, steps, clean, other in paper.TABLE_5:
        row = "curriculum" if model == "LST" else "baseline"
        papers[row, ("1k", "2k", "4k").index(steps)] = (clean, other, paper.TABLE_5_UNITS[row], None, None, None)
    for row, (clean, other) in paper.TABLE_5_TTS.items():
        recognised = papers.get((row, 2), (None, None, None))[:3]
        papers[row, 2] = (*recognised, clean, other, paper.TABLE_5_UNITS[row])
    lines, against = _shares_of_steps(papers)
    return TableSpec(
        name="table5",
        title="Table 5: speech recognition and synthesis after fine-tuning",
        about="Fine-tuned for 25%, 50% and 100% of the steps. The paper: 1k, 2k and 4k steps for ASR, 20k for TTS, on "
        "LibriSpeech test-clean, and on test-other where a column says other. Positions of the global transformer "
        "include the markers; the paper's LST needs 0.25 of the baseline's. Wall times of a step depend on what else "
        "the machine was doing.",
        columns=(
            TableColumn(label="ASR, WER", measure="wer", task="asr"),
            TableColumn(label="ASR, WER, other", measure="wer", task="asr", part="other"),
            TableColumn(label="ASR, prompt positions per speech token", measure="context", task="asr"),
            TableColumn(label="TTS, CER", measure="cer", task="tts"),
            TableColumn(label="TTS, CER, other", measure="cer", task="tts", part="other"),
            TableColumn(label="TTS, generated positions per speech token", measure="generation", task="tts"),
        ),
        lines=lines,
        against=against,
        ranked="tuned_steps",
    )


def _sizes(name: str, title: str, numbers: Mapping[tuple[str, str], paper.Numbers], note: str = "") -> TableSpec:
    """Two sizes, each with and without patches."""
    sizes = list(dict.fromkeys(size for _, size in numbers))
    lines = []
    for (row, size), values in numbers.items():
        rank = sizes.index(size)
        label = f"{'Base' if row == 'baseline' else 'LST'}, {('smaller', 'larger')[rank]} (paper: {size})"
        lines.append(TableLine(row=row, label=label, facts=ROWS[row][1], rank=rank, paper=values))
    labels = [line.label for line in lines]
    return TableSpec(
        name=name,
        title=title,
        about=f"Two sizes of the global transformer, each with and without patches.{note}",
        columns=_HELLASWAG,
        lines=lines,
        against=dict(zip(labels[1::2], labels[::2], strict=True)),
        ranked="shape",
        over="parameters" if name == "fig4" else "",
    )


def _ablation(name: str, title: str, about: str, numbers: Mapping[str, paper.Numbers], base: str) -> TableSpec:
    lines = [_line(row, values) for row, values in numbers.items()]
    against = _to_baseline(lines, ROWS[base][0])
    return TableSpec(name=name, title=title, about=about, columns=_STORIES, lines=lines, against=against)


def _table9() -> TableSpec:
    lines = [_line(row, values, paper.TABLE_9_STD[row]) for row, values in paper.TABLE_9.items()]
    return TableSpec(
        name="table9",
        title="Table 9: spread over runs",
        about="The same runs with several seeds, which change the initial weights and the order of the data. The "
        "paper: three runs.",
        columns=_STORIES,
        lines=lines,
        against=_to_baseline(lines),
    )


def _table11() -> TableSpec:
    columns = [
        TableColumn(label=f"{paper.TASKS[task]} S→S, {label}", task=task, direction="s-s", part=part)
        for task in ("storycloze", "topicstorycloze")
        for part, label in (("original", "original recordings"), ("", "own recordings"))
    ]
    lines = [_line(row, values) for row, values in paper.TABLE_11.items()]
    return TableSpec(
        name="table11",
        title="Table 11: original and own recordings of the benchmarks",
        about="The same models on the recordings that the benchmarks are published with, and on recordings of prompt "
        "and endings synthesised apart.",
        columns=columns,
        lines=lines,
        against=_to_baseline(lines),
    )


def _table12() -> TableSpec:
    lines = [_line(row, values) for row, values in paper.TABLE_12.items()]
    return TableSpec(
        name="table12",
        title="Table 12: lexicon and syntax",
        about="Which of two spoken utterances is a word; which of two is grammatical.",
        columns=[TableColumn(label=label, task=label.lower(), direction="s-s") for label in ("sWUGGY", "sBLIMP")],
        lines=lines,
        against=_to_baseline(lines),
    )


def _figure6() -> TableSpec:
    lines, against = [], {}
    for share in (4, 3, 2, 1):
        for row, model in _PAIR:
            label = f"{model}, speech to text 1:{share}"
            facts = {**ROWS[row][1], "text_per_speech": float(share)}
            lines.append(TableLine(row=row, label=label, facts=facts, paper=paper.FIGURE_6.get((row, share), ())))
        against[f"LST, speech to text 1:{share}"] = f"Base, speech to text 1:{share}"
    return TableSpec(
        name="fig6",
        title="Figure 6: mixtures of speech and text data",
        about="Tokens of speech data to tokens of text data. The paper's numbers of some mixtures are not known to us.",
        columns=_HELLASWAG,
        lines=lines,
        against=against,
    )


def _table13() -> TableSpec:
    labels = ("speech", "interleaved text", "text data", "all", "of the baseline's")
    total = paper.TABLE_13["baseline"][-1]
    names = {"baseline": "Base", "static": "LST static"}
    lines = [
        TableLine(row=row, label=names[row], facts={}, paper=(*positions, positions[-1] / total))
        for row, positions in paper.TABLE_13.items()
    ]
    return TableSpec(
        name="table13",
        title="Table 13: positions for the same data",
        about="Positions of the global transformer for each token of the baseline's interleaved data, with two tokens "
        "of text data for each of them.",
        columns=[TableColumn(label=label, measure="positions") for label in labels],
        lines=lines,
    )


def _boundary_noise() -> TableSpec:
    own = _line("aligned")
    moved = [
        dataclasses.replace(own, label=f"{own.label}, boundaries moved by {ms} ms", noise_ms=float(ms))
        for ms in (20, 40)
    ]
    return TableSpec(
        name="boundary-noise",
        title="A.11: noise on the boundaries of aligned patches",
        about="One model trained with aligned patches only, scored with the word boundaries of the spoken items as the "
        "aligner found them, and moved at random by 20 and 40 ms. The paper loses about 1 point at most.",
        columns=_HELLASWAG[:1],
        lines=[own, *moved],
        against=_to_baseline([own, *moved], own.label),
    )


_FIGURE_1A = "Compute-controlled. The paper's numbers are the ends of its curves, after 500k steps."
_FIGURE_1B = "Data-controlled. The paper's numbers are the ends of its curves, after some 330 B tokens."
_TABLE_6 = "Length of static patches; silence as separate patches or merged into the words."
_TABLE_10 = "A patch for each word, or for each BPE text token. The paper's runs mix speech and text data 1:4."
_FIGURE_4 = " The paper's runs are compute-optimal."

SPECS: dict[str, TableSpec] = {
    spec.name: spec
    for spec in (
        _table3(),
        _table4(),
        _table5(),
        _ablation("table6", "Table 6: patch lengths", _TABLE_6, paper.TABLE_6, "static"),
        _sizes("table8", "Table 8: a larger model", paper.TABLE_8),
        _table9(),
        _ablation("table10", "Table 10: words or BPE tokens aligned", _TABLE_10, paper.TABLE_10, "aligned"),
        _table11(),
        _table12(),
        _table13(),
        _figure1(
            "fig1", "Figure 1a: accuracy over compute", _FIGURE_1A, paper.FIGURE_1A, "flops", "compute-controlled"
        ),
        _figure1("fig1b", "Figure 1b: accuracy over data", _FIGURE_1B, paper.FIGURE_1B, "tokens", "data-controlled"),
        _sizes("fig4", "Figure 4: growing models", paper.FIGURE_4, _FIGURE_4),
        _figure6(),
        _boundary_noise(),
    )
}
"""Every table made of scores, by name."""
