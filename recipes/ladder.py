"""The ladder: how accuracy rises with compute, row by row and seed by seed.

    python recipes/ladder.py docs/results/tiny --root artifacts --rows baseline static curriculum --seeds 0 1 2

writes `ladder.md` and `ladder.svg` into the folder from the scores that `make ladder` has made so far. The page
says how many runs are still missing.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lst_cli.artifacts import Store
from lst_cli.artifacts.ancestors import parent_of_kind
from lst_cli.errors import UserError
from lst_cli.evaluation.scores import SCORES, read_scores
from lst_cli.reports.drawing.svg import MUTED, colour, svg_file
from lst_cli.reports.paper.seed_statistics import SeedSpread, spread
from lst_cli.reports.training_budget import read_budget

LENGTHS = {"-quarter": 1, "-half": 2, "": 4, "-double": 8}
"""Ending of a row's name, and units of compute."""
ASKED = {
    "StoryCloze S→S": ("storycloze", "s-s"),
    "StoryCloze T→T": ("storycloze", "t-t"),
    "TopicStoryCloze S→S": ("topicstorycloze", "s-s"),
    "transfer S→S": ("transfer", "s-s"),
    "without cross-attention S→S": ("without", "s-s"),
}


@dataclass(frozen=True, kw_only=True)
class Rung:
    """The runs of a row at one number of steps."""

    row: str
    units: int
    flops: float
    """Mean over the runs."""
    tokens: float
    accuracy: dict[str, dict[int, float]]
    """For each question the accuracy of each seed."""


def rungs(store: Store, rows: Sequence[str], seeds: Sequence[int]) -> Iterator[Rung]:
    """The models that were trained and scored so far."""
    for row in rows:
        for ending, units in LENGTHS.items():
            accuracy: dict[str, dict[int, float]] = {question: {} for question in ASKED}
            cost: dict[int, tuple[float, int]] = {}
            for seed in seeds:
                name = f"{row}{ending}" + (f"-seed{seed}" if seed else "")
                for question, (task, direction) in ASKED.items():
                    try:
                        scores = store.find(f"scores/{name}-{task}", SCORES)
                    except UserError:
                        continue
                    model = parent_of_kind(store, scores, "model")
                    if model is not None:
                        cost[seed] = (float(model.statistics["flops"]), read_budget(model).tokens or 0)
                    for found in read_scores(scores)["results"]:
                        if found["direction"] == direction:
                            accuracy[question][seed] = found["accuracy"]
            if cost:
                flops, tokens = (sum(values) / len(cost) for values in zip(*cost.values(), strict=True))
                yield Rung(row=row, units=units, flops=flops, tokens=tokens, accuracy=accuracy)


def interval(values: Sequence[float]) -> SeedSpread | None:
    """Mean and Student's 95% interval over seeds; None with fewer than two."""
    return spread(values) if len(values) > 1 else None


def cell(by_seed: dict[int, float]) -> str:
    """The mean with its interval, and every seed's figure."""
    if not by_seed:
        return ""
    values = [by_seed[seed] for seed in sorted(by_seed)]
    each = ", ".join(f"{value:.1%}" for value in values)
    found = interval(values)
    return each if found is None else f"{found.mean:.1%} ({found.low:.1%} to {found.high:.1%}): {each}"


def difference(a: dict[int, float], b: dict[int, float]) -> SeedSpread | None:
    """The difference of b and a, seed by seed."""
    return interval([b[seed] - a[seed] for seed in sorted(a.keys() & b.keys())])


def sentences(found: Sequence[Rung]) -> list[str]:
    """The conclusions for each benchmark: the rows apart from the baseline at equal steps, and at equal compute."""
    baseline = {rung.units: rung for rung in found if rung.row == "baseline"}
    others = [rung for rung in found if rung.row != "baseline"]
    said = []
    for question in ("StoryCloze S→S", "StoryCloze T→T", "transfer S→S"):
        pairs = [(baseline[rung.units], rung) for rung in others if rung.units in baseline]
        said += compared(question, "at as many steps", pairs)
    said += compared(
        "StoryCloze S→S",
        "at as many FLOPs or up to a half more",
        [(base, rung) for rung in others if (base := of_equal_cost(baseline.values(), rung)) is not None],
    )
    through = []
    for rung in found:
        lost = difference(rung.accuracy["without cross-attention S→S"], rung.accuracy["StoryCloze S→S"])
        through += [f"{rung.row} at {rung.units}: {points(lost)}"] if lost is not None else []
    if through:
        said.append(f"StoryCloze S→S points that come through the patches: {'; '.join(through)}.")
    return said


def of_equal_cost(baseline: Iterable[Rung], rung: Rung) -> Rung | None:
    """The cheapest of the baseline's runs of as many FLOPs as this rung's or up to a half more."""
    found = [each for each in baseline if rung.flops <= each.flops <= 1.5 * rung.flops]
    return min(found, key=lambda each: each.flops, default=None)


def compared(question: str, against: str, pairs: Iterable[tuple[Rung, Rung]]) -> list[str]:
    """A sentence: which rows are above the baseline's run that they are paired with, and which below."""
    ahead, behind, number = [], [], 0
    for base, rung in pairs:
        gain = difference(base.accuracy[question], rung.accuracy[question])
        if gain is None:
            continue
        number += 1
        text = f"{rung.row} at {rung.units} ({points(gain)})"
        if gain.low > 0:
            ahead.append(text)
        elif gain.high < 0:
            behind.append(text)
    if not number:
        return []
    return [
        f"{question}, points more than the baseline {against} (95% over seeds), {number} compared. "
        f"Ahead: {', '.join(ahead) or 'none'}. Behind: {', '.join(behind) or 'none'}."
    ]


def points(found: SeedSpread) -> str:
    """A difference with its interval, in points."""
    return f"{100 * found.mean:+.1f}, {100 * found.low:+.1f} to {100 * found.high:+.1f}".replace("-", "−")


def page(found: Sequence[Rung], rows: Sequence[str], seeds: Sequence[int]) -> str:
    """The Markdown page."""
    wanted = len(rows) * len(LENGTHS) * len(seeds)
    made = sum(len(rung.accuracy["StoryCloze S→S"]) for rung in found)
    head = [
        "# The ladder: accuracy over compute",
        "Made by `make ladder`. One unit of compute is a quarter of the steps of `pretrain.yaml`; every length is a "
        "run with a whole schedule. Each cell: mean (Student's 95% interval over seeds): each seed's figure.",
        f"{made} of {wanted} runs were made.",
        "![Accuracy over training FLOPs](ladder.svg)",
    ]
    columns = ("row", "units", "FLOPs", "tokens", *ASKED)
    lines = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    lines += [
        f"| {rung.row} | {rung.units} | {rung.flops:.2e} | {rung.tokens / 1e6:.2f} M | "
        f"{' | '.join(cell(rung.accuracy[question]) for question in ASKED)} |"
        for rung in found
    ]
    said = [f"- {sentence}" for sentence in sentences(found)]
    return "\n\n".join([*head, "\n".join(lines), "## What follows", "\n".join(said)]) + "\n"


def picture(found: Sequence[Rung], rows: Sequence[str]) -> bytes:
    """A panel for each question: a curve for each row, a dot for each seed."""
    questions = [question for question in ASKED if any(rung.accuracy[question] for rung in found)]
    with svg_file(2.9 * len(questions), 3.2, len(questions)) as (drawn, axes, stream):
        for question, panel in zip(questions, axes, strict=True):
            panel.set_title(question)
            panel.set_xlabel("training FLOPs")
            panel.set_xscale("log")
            panel.axhline(50, color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)))
            for number, row in enumerate(rows):
                own = [rung for rung in found if rung.row == row and rung.accuracy[question]]
                means = [sum(rung.accuracy[question].values()) / len(rung.accuracy[question]) for rung in own]
                panel.plot(
                    [rung.flops for rung in own], [100 * mean for mean in means], color=colour(number), label=row
                )
                for rung in own:
                    values = [100 * value for value in rung.accuracy[question].values()]
                    panel.plot([rung.flops] * len(values), values, ".", color=colour(number))
        axes[0].set_ylabel("%")
        handles, labels = axes[0].get_legend_handles_labels()
        drawn.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    return stream.getvalue()


def main() -> None:
    """Write the page and the picture, each whole or not at all."""
    parser = argparse.ArgumentParser(description="Accuracy over compute.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--root", type=Path, required=True, help="root of the artifacts")
    parser.add_argument("--rows", nargs="+", required=True)
    parser.add_argument("--seeds", nargs="+", type=int, required=True)
    options = parser.parse_args()
    found = list(rungs(Store(options.root), options.rows, options.seeds))
    if not found:
        parser.exit(2, f"{options.root}: no scores of the ladder; 'make ladder' makes them\n")
    options.folder.mkdir(parents=True, exist_ok=True)
    files = {
        "ladder.md": page(found, options.rows, options.seeds).encode(),
        "ladder.svg": picture(found, options.rows),
    }
    for name, content in files.items():
        part = options.folder / f".{name}.part"
        part.write_bytes(content)
        part.replace(options.folder / name)


if __name__ == "__main__":
    main()
