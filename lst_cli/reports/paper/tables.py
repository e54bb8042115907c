"""The tables and figures of the paper that are made of scores: their rows, their columns, the paper's numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lst_cli.reports.paper import published as paper
from lst_cli.reports.paper.model_facts import SPEECH_SHARDS
from lst_cli.reports.paper.table_spec import ROWS, TableColumn, TableLine, TableSpec

_HELLASWAG = (
    TableColumn(label="HellaSwag S→S", task="hellaswag", direction="s-s"),
    TableColumn(label="HellaSwag T→T", task="hellaswag", direction="t-t"),
)
_STORIES = tuple(
    TableColumn(label=f"{paper.TASKS[task]} {direction.upper().replace('-', '→')}", task=task, direction=direction)
    for task in ("hellaswag", "storycloze", "topicstorycloze")
    for direction in ("s-s", "t-t")
)

_ROWS = ("baseline", "bpe", "static", "aligned", "mixed", "curriculum")


def _line(row: str, values: Sequence[float | None] = (), std: Sequence[float | None] = (), **facts: Any) -> TableLine:
    label, own = ROWS[row]
    return TableLine(row=row, label=label, facts={**own, **facts}, paper=values, paper_std=std)


def _to_baseline(lines: Sequence[TableLine], baseline: str = "Base") -> dict[str, str]:
    return {line.label: baseline for line in lines if line.label != baseline}


def _table3() -> TableSpec:
    key = {"baseline": "none"}
    cells = [(column.task, column.direction) for column in _STORIES]
    lines = [_line(row, [paper.TABLE_3.get((key.get(row, row), *cell)) for cell in cells]) for row in _ROWS]
    return TableSpec(
        name="table3",
        title="Table 3: story completion, compute-controlled",
        about="Same number of steps and of positions a step for every model.",
        columns=_STORIES,
        lines=lines,
        against=_to_baseline(lines),
    )


def _table4() -> TableSpec:
    # LST with static patches of 4 is what the budget is counted in: both budgets give it the same steps.
    # The paper's table has fewer rows; those that were not scored are left out of ours too.
    lines = [_line(row, paper.TABLE_4.get(row, ()), budget="compute" if row == "static" else "data") for row in _ROWS]
    return TableSpec(
        name="table4",
        title="Table 4: story completion, data-controlled",
        about="Same number of tokens for every model; LST needs fewer operations for them.",
        columns=(TableColumn(label="compute saved", measure="saved"), *_HELLASWAG),
        lines=lines,
        against=_to_baseline(lines),
    )


_SHARES = ("25%", "50%", "100%")
_PAIR = (("baseline", "Base"), ("curriculum", "LST"))


def _shares_of_steps(
    papers: Mapping[tuple[str, int], Sequence[float | None]],
) -> tuple[list[TableLine], dict[str, str]]:
    """Baseline and LST after each share of the steps, beside each other; which line is compared with which."""
    lines = [
        TableLine(
            row=row,
            label=f"{model}, {share} of the steps",
            facts=ROWS[row][1],
            rank=rank,
            paper=papers.get((row, rank), ()),
        )
        for rank, share in enumerate(_SHARES)
        for row, model in _PAIR
    ]
    return lines, {f"LST, {share} of the steps": f"Base, {share} of the steps" for share in _SHARES}


def _figure1() -> TableSpec:
    lines, against = _shares_of_steps({})
    return TableSpec(
        name="fig1",
        title="Figure 1: story completion as training goes on",
        about="Every point is a run of its own with a whole schedule, of 25%, 50% or 100% of the steps. The paper's "
        "numbers of this figure are not known to us.",
        columns=_HELLASWAG,
        lines=lines,
        against=against,
        ranked="steps",
        over="operations",
    )


def _table5() -> TableSpec:
    papers: dict[tuple[str, int], Sequence[float | None]] = {}
    for model, steps, clean, other in paper.TABLE_5:
        row = "curriculum" if model == "LST" else "baseline"
        papers[row, ("1k", "2k", "4k").index(steps)] = (clean, other, paper.TABLE_5_UNITS[row], None, None, None)
    for row, (clean, other) in paper.TABLE_5_TTS.items():
        recognised = papers.get((row, 2), (None, None, None))[:3]
        papers[row, 2] = (*recognised, clean, other, paper.TABLE_5_UNITS[row])
    lines, against = _shares_of_steps(papers)
    return TableSpec(
        name="table5",
        title="Table 5: recognition and synthesis after fine-tuning",
        about="Fine-tuned for 25%, 50% and 100% of the steps. The paper: 1k, 2k and 4k steps for recognition, "
        "20k for synthesis, LibriSpeech test-clean, and test-other where a column says other. Units are positions of "
        "the global transformer, markers included; the paper's are 0.25 of the baseline's. A step's wall time is "
        "that of the machine as busy as it was.",
        columns=(
            TableColumn(label="ASR, WER", measure="wer", task="asr"),
            TableColumn(label="ASR, WER, other", measure="wer", task="asr", part="other"),
            TableColumn(label="ASR, context units a speech token", measure="context", task="asr"),
            TableColumn(label="TTS, CER", measure="cer", task="tts"),
            TableColumn(label="TTS, CER, other", measure="cer", task="tts", part="other"),
            TableColumn(label="TTS, generated units a speech token", measure="generation", task="tts"),
        ),
        lines=lines,
        against=against,
        ranked="tuned_steps",
    )


def _ladder(name: str, title: str, columns: Sequence[TableColumn], numbers: Mapping[tuple[str, str], Any]) -> TableSpec:
    sizes = list(dict.fromkeys(size for _, size in numbers))
    lines = []
    for (row, size), values in numbers.items():
        rank = sizes.index(size)
        lines.append(
            TableLine(
                row=row,
                label=f"{'Base' if row == 'baseline' else 'LST'}, {('smaller', 'larger')[rank]} (paper: {size})",
                facts=ROWS[row][1],
                rank=rank,
                paper=values if isinstance(values, tuple) else (values,),
            )
        )
    labels = [line.label for line in lines]
    return TableSpec(
        name=name,
        title=title,
        about="Two sizes of the global transformer, each with and without patches.",
        columns=columns,
        lines=lines,
        against=dict(zip(labels[1::2], labels[::2], strict=True)),
        ranked="shape",
        over="parameters" if name == "fig4" else "",
    )


def _ablation(name: str, title: str, about: str, numbers: Mapping[str, float], base: str) -> TableSpec:
    lines = [_line(row, (value,)) for row, value in numbers.items()]
    against = _to_baseline(lines, ROWS[base][0])
    return TableSpec(name=name, title=title, about=about, columns=_HELLASWAG[:1], lines=lines, against=against)


def _table9() -> TableSpec:
    lines = [_line(row, (mean,), (std,)) for row, (mean, std) in paper.TABLE_9.items()]
    return TableSpec(
        name="table9",
        title="Table 9: spread over runs",
        about="The same runs from several seeds, which change weights and order of the data. The paper: three runs.",
        columns=_HELLASWAG[:1],
        lines=lines,
        against=_to_baseline(lines),
    )


def _table12() -> TableSpec:
    lines = [_line(row, values) for row, values in paper.TABLE_12.items()]
    columns = [TableColumn(label=label, task=label.lower(), direction="s-s") for label in ("sWUGGY", "sBLIMP")]
    about = "Which of two utterances is a word; which of two is grammatical; both spoken."
    title = "Table 12: lexicon and syntax"
    return TableSpec(
        name="table12", title=title, about=about, columns=columns, lines=lines, against=_to_baseline(lines)
    )


def _figure6() -> TableSpec:
    lines, against = [], {}
    for share in (3, 2, 1):
        for row, model in _PAIR:
            label = f"{model}, speech to text 1:{share}"
            facts = {**ROWS[row][1], "text_per_speech": float(share)}
            lines.append(TableLine(row=row, label=label, facts=facts))
        against[f"LST, speech to text 1:{share}"] = f"Base, speech to text 1:{share}"
    return TableSpec(
        name="fig6",
        title="Figure 6: mixtures of speech and text data",
        about="Tokens of speech data to tokens of text data. The paper's numbers of this figure are not known to us.",
        columns=_HELLASWAG,
        lines=lines,
        against=against,
    )


def _table13() -> TableSpec:
    labels = ("speech", "text beside it", "text data", "all", "of the baseline's")
    total = paper.TABLE_13["baseline"][-1]
    names = {"baseline": "Base", "static": "LST static"}
    lines = [
        TableLine(row=row, label=names[row], facts={}, paper=(*units, units[-1] / total))
        for row, units in paper.TABLE_13.items()
    ]
    return TableSpec(
        name="table13",
        title="Table 13: units for the same data",
        about="Positions of the global transformer for each token of the baseline's interleaved data, with two "
        "tokens of text data for each of them.",
        columns=[TableColumn(label=label, measure="units") for label in labels],
        lines=lines,
    )


def _boundary_noise() -> TableSpec:
    lines = [_line(row) for row in ("aligned", "aligned-noise20", "aligned-noise40")]
    return TableSpec(
        name="boundary-noise",
        title="A.11: noise on the boundaries of aligned patches",
        about="Word boundaries moved before training, pure aligned patching. The paper: at most about 1 point lost.",
        columns=_HELLASWAG,
        lines=lines,
        against=_to_baseline(lines, "LST aligned"),
        varies=frozenset({SPEECH_SHARDS}),
    )


SPECS: dict[str, TableSpec] = {
    spec.name: spec
    for spec in (
        _table3(),
        _table4(),
        _table5(),
        _ablation(
            "table6",
            "Table 6: patches",
            "Length of static patches; silence apart or in the words.",
            paper.TABLE_6,
            "static",
        ),
        _ladder("table8", "Table 8: a larger model", _HELLASWAG, paper.TABLE_8),
        _table9(),
        _ablation(
            "table10",
            "Table 10: what is aligned",
            "A patch for a word, or for a text piece.",
            paper.TABLE_10,
            "aligned",
        ),
        _table12(),
        _table13(),
        _figure1(),
        _ladder("fig4", "Figure 4: growing models", _HELLASWAG[:1], paper.FIGURE_4),
        _figure6(),
        _boundary_noise(),
    )
}
"""Every table made of scores, by name."""
