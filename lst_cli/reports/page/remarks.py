"""What the numbers say, in sentences, computed from them: also where LST is behind."""

from __future__ import annotations

from collections.abc import Sequence

from lst_cli.reports.number_text import direction_name, interval, points
from lst_cli.reports.page.model_labels import ModelFacts
from lst_cli.reports.page.result_rows import Rows
from lst_cli.reports.page.verdicts import ComparedRow, Standing, Verdict
from lst_cli.reports.paper import published as paper

SPEECH_TASKS = {"asr": "speech recognition", "tts": "speech synthesis"}

_WORDS: tuple[Standing, ...] = ("ahead", "behind", "not told apart")


def remarks(rows: Rows, verdicts: Sequence[Verdict]) -> list[str]:
    """Sentences for the head of the page."""
    said = []
    for model in rows.models:
        own = [verdict for verdict in verdicts if verdict.row.model.fingerprint == model.fingerprint]
        if own:
            said.append(_against_baseline(model, own))
    said += _behind(verdicts)
    if len(verdicts) > 1:
        said.append(
            f"Each of these {len(verdicts)} comparisons stands for itself at 95%: by chance alone about one in twenty "
            "would look like a difference."
        )
    said += _chance(rows)
    said += _speech_read(verdicts)
    said += _unequal(verdicts)
    if rows.unknown:
        said.append(f"Not shown, because this report has no table for them: {', '.join(rows.unknown)}.")
    return said


def _name(verdict: Verdict) -> str:
    if verdict.row.task in SPEECH_TASKS:
        return SPEECH_TASKS[verdict.row.task]
    return _question(verdict.row)


def _question(row: ComparedRow) -> str:
    return f"{paper.TASKS.get(row.task, row.task)} {direction_name(row.direction)}"


def _against_baseline(model: ModelFacts, verdicts: Sequence[Verdict]) -> str:
    parts = []
    for word in _WORDS:
        chosen = [verdict for verdict in verdicts if verdict.word == word]
        if chosen:
            parts.append(f"{word} on {_list([_name(verdict) for verdict in chosen])}")
    return f"{model.label} ({model.patching_label}) against {_baseline(verdicts[0])}: {'; '.join(parts)}."


def _baseline(verdict: Verdict) -> str:
    label = verdict.baseline.model.label
    return "the baseline" if label == "baseline" else f"the baseline ({label})"


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _behind(verdicts: Sequence[Verdict]) -> list[str]:
    """The plain statement that the baseline is ahead, where it is."""
    lost = [verdict for verdict in verdicts if verdict.word == "behind"]
    if not lost:
        return []
    worst = max(lost, key=lambda verdict: abs(verdict.difference))
    size = "at these positions" if worst.equal_positions else "here"
    return [
        f"The baseline is ahead of LST {size} in {len(lost)} of {len(verdicts)} comparisons, most clearly ahead of "
        f"{worst.row.model.label} on {_name(worst)}: {points(worst.difference)} points "
        f"(95%: {interval(worst.low, worst.high)})."
    ]


def _chance(rows: Rows) -> list[str]:
    """Which results could be guesses."""
    guesses = [
        f"{row.model.label} on {_question(row)}" for row in sorted(rows.scores, key=_question) if row.low <= row.chance
    ]
    return [f"Not told apart from guessing: {', '.join(guesses)}."] if guesses else []


def _speech_read(verdicts: Sequence[Verdict]) -> list[str]:
    """How much more speech LST read than the baseline that it is compared with."""
    pairs = {(each.row.model.fingerprint, each.baseline.model.fingerprint): each for each in verdicts}
    said: dict[str, list[str]] = {}
    for verdict in pairs.values():
        ours, theirs = verdict.row.model.budget, verdict.baseline.model.budget
        if ours.speech_tokens and theirs.speech_tokens and ours.positions and theirs.positions:
            share = "equal" if verdict.equal_positions else f"{ours.positions / theirs.positions:.2g} times as many"
            ratio = f"{verdict.row.model.label} {ours.speech_tokens / theirs.speech_tokens:.2g} times"
            said.setdefault(f"Speech read against {_baseline(verdict)}, at {share} positions", []).append(ratio)
    return [f"{head}: {_list(ratios)} as many tokens." for head, ratios in said.items()]


def _unequal(verdicts: Sequence[Verdict]) -> list[str]:
    names = {verdict.row.model.label for verdict in verdicts if verdict.equal_positions is False}
    if not names:
        return []
    return [f"Trained on another number of positions than the baseline, so no equal compute: {_list(sorted(names))}."]
