"""The summary of a page: sentences computed from the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lst_cli.reports.number_text import direction_name, interval, points
from lst_cli.reports.page.model_labels import ModelFacts
from lst_cli.reports.page.result_rows import Rows
from lst_cli.reports.page.verdicts import ComparedRow, Standing, Verdict
from lst_cli.reports.paper import published as paper

SPEECH_TASKS = {"asr": "ASR", "tts": "TTS"}

_PHRASES: Mapping[Standing, str] = {
    "ahead": "ahead on",
    "behind": "behind on",
    "no clear difference": "no clear difference on",
}


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
            f"These {len(verdicts)} comparisons are not corrected for multiple testing: without any true difference, "
            "about one in twenty 95% intervals excludes zero."
        )
    said += _chance(rows)
    said += _speech_read(verdicts)
    said += _unequal(verdicts)
    if rows.unknown:
        said.append(f"Not shown, because the report has no table for them: {', '.join(rows.unknown)}.")
    return said


def _name(verdict: Verdict) -> str:
    if verdict.row.task in SPEECH_TASKS:
        return SPEECH_TASKS[verdict.row.task]
    return _question(verdict.row)


def _question(row: ComparedRow) -> str:
    return f"{paper.TASKS.get(row.task, row.task)} {direction_name(row.direction)}"


def _against_baseline(model: ModelFacts, verdicts: Sequence[Verdict]) -> str:
    parts = []
    for word in _PHRASES:
        chosen = [verdict for verdict in verdicts if verdict.standing == word]
        if chosen:
            parts.append(f"{_PHRASES[word]} {_list([_name(verdict) for verdict in chosen])}")
    return f"{model.label} ({model.patching_label}) against {_baseline(verdicts[0])}: {'; '.join(parts)}."


def _baseline(verdict: Verdict) -> str:
    label = verdict.baseline.model.label
    return "the baseline" if label == "baseline" else f"the baseline ({label})"


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _behind(verdicts: Sequence[Verdict]) -> list[str]:
    """Where the baseline is ahead."""
    lost = [verdict for verdict in verdicts if verdict.standing == "behind"]
    if not lost:
        return []
    worst = max(lost, key=lambda verdict: abs(verdict.difference))
    size = " after the same number of positions" if worst.equal_positions else ""
    return [
        f"The baseline is ahead of LST{size} in {len(lost)} of {len(verdicts)} comparisons, by most against "
        f"{worst.row.model.label} on {_name(worst)}: {points(worst.difference)} points "
        f"(95%: {interval(worst.low, worst.high)})."
    ]


def _chance(rows: Rows) -> list[str]:
    """Which results do not differ from chance."""
    guesses = [
        f"{row.model.label} on {_question(row)}" for row in sorted(rows.scores, key=_question) if row.low <= row.chance
    ]
    return [f"No clear difference from chance: {', '.join(guesses)}."] if guesses else []


def _speech_read(verdicts: Sequence[Verdict]) -> list[str]:
    """How much more speech LST was trained on than the baseline that it is compared with."""
    pairs = {(each.row.model.fingerprint, each.baseline.model.fingerprint): each for each in verdicts}
    said: dict[str, list[str]] = {}
    for verdict in pairs.values():
        ours, theirs = verdict.row.model.budget, verdict.baseline.model.budget
        if ours.speech_tokens and theirs.speech_tokens and ours.positions and theirs.positions:
            share = "equal" if verdict.equal_positions else f"{ours.positions / theirs.positions:.2g} times as many"
            ratio = f"{verdict.row.model.label} {ours.speech_tokens / theirs.speech_tokens:.2g} times"
            said.setdefault(f"Training speech relative to {_baseline(verdict)}, at {share} positions", []).append(ratio)
    return [f"{head}: {_list(ratios)} as many tokens." for head, ratios in said.items()]


def _unequal(verdicts: Sequence[Verdict]) -> list[str]:
    names = {verdict.row.model.label for verdict in verdicts if verdict.equal_positions is False}
    if not names:
        return []
    return [
        f"Trained on a different number of positions from the baseline, so compute differs: {_list(sorted(names))}."
    ]
