"""The tables as Markdown and CSV. The paper's numbers are in separate Markdown tables, not in the CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from lst_cli.artifacts.ancestors import short
from lst_cli.reports.number_text import count, direction_name, interval, markdown_table, percent, points
from lst_cli.reports.page.result_rows import Rows
from lst_cli.reports.page.spoken_rows import SpokenRow, TtsRow
from lst_cli.reports.page.verdicts import Verdict
from lst_cli.reports.paper import published as paper
from lst_cli.reports.training_budget import Budget

CSV_COLUMNS = (
    *("model", "patching", "task", "direction", "metric", "n", "value", "low", "high", "chance"),
    *("steps", "positions", "tokens", "speech_tokens", "scores"),
)


def csv_table(rows: Rows) -> str:
    """All our numbers, one per line. ``n`` counts words for ASR, utterances for synthesised speech."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for row in rows.scores:
        head = (row.model.label, row.model.strategy, row.task, row.direction, row.metric, row.n)
        values = (row.accuracy, row.low, row.high, row.chance)
        writer.writerow((*head, *values, *_budget(row.model.budget), row.scores))
    for asr in rows.asr:
        head = (asr.model.label, asr.model.strategy, "asr", "s-t", "wer", asr.n_words)
        writer.writerow((*head, asr.wer, asr.low, asr.high, None, *_budget(asr.model.budget), asr.scores))
    for spoken in rows.spoken:
        writer.writerows(_csv_spoken(spoken))
    return stream.getvalue()


def _csv_spoken(row: SpokenRow) -> Iterator[tuple[Any, ...]]:
    model = row.model if isinstance(row, TtsRow) else None
    head = (row.label, model.strategy if model else None, row.voice, "t-s" if model else "s-s")
    read = _budget(model.budget if model else Budget())
    for metric, found in (("cer", row.cer), ("wer", row.wer)):
        yield (*head, metric, row.n, found.value, found.low, found.high, None, *read, row.scores)


def _budget(budget: Budget) -> tuple[int | None, ...]:
    return budget.steps, budget.positions, budget.tokens, budget.speech_tokens


def markdown(title: str, rows: Rows, verdicts: Sequence[Verdict], remarks: Sequence[str]) -> str:
    """The page's tables with the summary."""
    parts = [f"# {title}", "\n".join(f"- {remark}" for remark in remarks)]
    if rows.scores:
        parts += ["## Accuracy", _scores(rows, verdicts)]
    if rows.asr:
        parts += ["## Word error rate", _asr(rows)]
    if rows.spoken:
        parts += ["## Synthesised speech", _spoken(rows, verdicts)]
    if cells := paper_cells(rows):
        columns = [f"{task} {direction_name(direction)}" for task, direction in cells[0]]
        note = f"{paper.SOURCE}, Table 3: 1B models on the paper's own data. Not our numbers."
        parts += ["## The paper's numbers", note, markdown_table(("model of the paper", *columns), cells[1])]
    if rows.asr:
        note = f"{paper.SOURCE}, Table 5: LibriSpeech. Not our numbers."
        body = [(model, steps, percent(clean), percent(other)) for model, steps, clean, other in paper.TABLE_5]
        header = ("model of the paper", "fine-tuning steps", "WER test-clean", "WER test-other")
        parts += ["## The paper's word error rates", note, markdown_table(header, body)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _scores(rows: Rows, verdicts: Sequence[Verdict]) -> str:
    by_row = {id(verdict.row): verdict for verdict in verdicts}
    body = []
    for row in rows.scores:
        verdict = by_row.get(id(row))
        budget = row.model.budget
        body.append(
            (
                row.model.label,
                row.model.patching_label,
                row.task,
                direction_name(row.direction),
                row.n,
                percent(row.accuracy),
                f"{percent(row.low)} to {percent(row.high)}",
                percent(row.chance),
                f"{points(verdict.difference)} ({interval(verdict.low, verdict.high)}), {verdict.standing}"
                if verdict is not None
                else "",
                count(budget.positions),
                count(budget.speech_tokens),
            )
        )
    header = (
        *("model", "patching", "task", "direction", "n", "accuracy", "95% interval", "chance"),
        *("minus the baseline, points", "training positions", "training speech tokens"),
    )
    return markdown_table(header, body)


def _asr(rows: Rows) -> str:
    body = [
        (
            row.model.label,
            row.model.patching_label,
            short(row.corpus),
            row.n_words,
            percent(row.wer),
            f"{percent(row.low)} to {percent(row.high)}",
            percent(row.cer),
        )
        for row in rows.asr
    ]
    return markdown_table(("model", "patching", "recordings", "words", "WER", "95% interval", "CER"), body)


def _spoken(rows: Rows, verdicts: Sequence[Verdict]) -> str:
    by_scores = {verdict.row.scores: verdict for verdict in verdicts if verdict.row.task == "tts"}
    body = []
    for row in rows.spoken:
        verdict = by_scores.get(row.scores)
        body.append(
            (
                row.label,
                short(row.corpus),
                row.evaluator,
                row.n,
                f"{percent(row.cer.value)} ({percent(row.cer.low)} to {percent(row.cer.high)})",
                f"{points(verdict.difference)} ({interval(verdict.low, verdict.high)}), {verdict.standing}"
                if verdict is not None
                else "",
                f"{percent(row.wer.value)} ({percent(row.wer.low)} to {percent(row.wer.high)})",
                *((percent(row.unit_error_rate), f"{row.generation:.2f}") if isinstance(row, TtsRow) else ("", "")),
            )
        )
    header = (
        *("voice", "corpus", "ASR evaluator", "n", "CER (95%)", "minus the baseline, points", "WER (95%)"),
        *("unit error rate", "positions per speech token"),
    )
    return markdown_table(header, body)


def paper_cells(rows: Rows) -> tuple[list[tuple[str, str]], list[tuple[str, ...]]] | None:
    """The columns (task, direction) of Table 3 that our rows share, and the paper's rows in them."""
    ours = dict.fromkeys((row.task, row.direction) for row in rows.scores)
    columns = [column for column in ours if (paper.BASELINE, *column) in paper.TABLE_3]
    if not columns:
        return None
    body = [
        (name, *(percent(paper.TABLE_3[strategy, task, direction]) for task, direction in columns))
        for strategy, name in paper.MODELS.items()
    ]
    return columns, body
