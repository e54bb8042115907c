"""Borders of patches against those of words and silences, on aligned speech that was published as tokens with words.

FILE has one utterance a line: {"file_id": …, "interleaved": "<LST MODE SEP>TEXT word <LST MODE SEP>HUBERT 7 7 12 …"},
with [SIL] for silence; 25 tokens a second. Each rule is fitted on all utterances but one and scored on that one, in
turn. Prints a table, and JSON on the last line; --picture draws how each rule cuts the first utterance.

    python benchmarks/patch_borders.py FILE [--units 501] [--tolerance 1] [--picture docs/pictures/patches.svg]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import pairwise
from operator import add
from pathlib import Path

import numpy as np

from lst_cli.alignment.read_alignment import Aligned
from lst_cli.console import print_table
from lst_cli.patching.aligned import aligned
from lst_cli.patching.random_lengths import RandomLengths
from lst_cli.patching.static import Static
from lst_cli.patching.stream import Patches, TokenStream
from lst_cli.patching_rules.aligned_stream import utterance_stream
from lst_cli.patching_rules.borders import BorderScore, score_borders
from lst_cli.patching_rules.fit_hazard import fit_hazard
from lst_cli.patching_rules.fit_rule import DEPTH
from lst_cli.patching_rules.fit_unit_lm import fit_unit_lm
from lst_cli.patching_rules.threshold import with_mean

LONGEST = 20
PICTURE_S = 6.0
PICTURED = ("aligned", "static 4", "random 4", "hazard 4", "hazard 5", "entropy 4")


def read(path: Path) -> list[Aligned]:
    """The utterances of a file."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        units: list[int] = []
        words, starts, ends, text = [], [], [], "[SIL]"
        for part in row["interleaved"].split("<LST MODE SEP>"):
            kind, _, content = part.strip().partition(" ")
            if kind == "TEXT":
                text = content.strip()
            elif kind == "HUBERT":
                more = [int(unit) for unit in content.split()]
                if text != "[SIL]":
                    words.append(text)
                    starts.append(len(units))
                    ends.append(len(units) + len(more))
                units += more
        units_T = np.array(units, np.uint16)
        scores = [1.0] * len(words)
        found.append(
            Aligned(id=row["file_id"], units_T=units_T, words=words, starts_W=starts, ends_W=ends, scores_W=scores)
        )
    return found


def cuts(train: TokenStream, held_out: TokenStream, units: int) -> dict[str, Patches]:
    """The held-out stream under every strategy; rules learn from the other one."""
    hazard = fit_hazard(train, units, depth=DEPTH, longest=LONGEST)
    lm = fit_unit_lm(train, units, rises=False, longest=LONGEST, seed=0)
    rising = dataclasses.replace(lm.rule, rises=True)
    rules = {
        **{f"static {size}": Static(size) for size in (3, 4, 5)},
        **{f"random {mean}": RandomLengths(mean) for mean in (3, 4, 5)},
        **{f"hazard {mean}": with_mean(hazard, train, mean) for mean in (3, 4, 5)},
        **{f"entropy {mean}": with_mean(lm.rule, lm.held_out, mean) for mean in (3, 4, 5)},
        **{f"entropy rise {mean}": with_mean(rising, lm.held_out, mean) for mean in (3, 4, 5)},
    }
    return {
        "aligned": aligned(held_out, merge_silence=False),
        "aligned, silence merged": aligned(held_out, merge_silence=True),
        **{name: rule.patch(held_out) for name, rule in rules.items()},
    }


def draw(utterance: Aligned, patches: Mapping[str, Patches], path: Path) -> None:
    """The beginning of an utterance: words, and the patches of each rule on the grid of the tokens."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    tokens = round(PICTURE_S * 25)
    plt.rcParams["svg.hashsalt"] = "lst"
    plt.rcParams["svg.fonttype"] = "none"
    figure, axis = plt.subplots(figsize=(13, 3.2), layout="constrained")
    word_T = utterance.word_T()
    for text, start, end in zip(utterance.words, utterance.starts_W, utterance.ends_W, strict=True):
        if end <= tokens:
            axis.text((start + end) / 2, 0.75, text, ha="center", va="bottom", fontsize=8, rotation=35)
    for lane, name in enumerate(PICTURED):
        starts = [*np.flatnonzero(patches[name].opens_T).tolist(), utterance.tokens]
        for start, end in pairwise(starts):
            if start < tokens:
                silent = name == "aligned" and word_T[start] < 0
                colour = "#d8d8d8" if silent else "#2f6db3" if name == "aligned" else "#8fb8de"
                axis.barh(-lane, min(end, tokens) - start - 0.25, left=start + 0.12, height=0.72, color=colour)
    axis.set_yticks(-np.arange(len(PICTURED)), PICTURED, fontsize=9)
    axis.set_xticks(np.arange(0, tokens + 1, 25), [f"{second} s" for second in range(tokens // 25 + 1)], fontsize=8)
    axis.set_xlim(0, tokens)
    axis.set_ylim(-len(PICTURED) + 0.4, 2.2)
    for edge in ("top", "right", "left"):
        axis.spines[edge].set_visible(False)
    axis.tick_params(axis="y", length=0)
    figure.savefig(path, metadata={"Date": None}, facecolor="white")


def main() -> None:
    """Score every strategy by cross-validation over utterances."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--units", type=int, default=501)
    parser.add_argument("--tolerance", type=int, default=1)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    utterances = read(options.file)
    scores: dict[str, list[BorderScore]] = {}
    for number, utterance in enumerate(utterances):
        train = utterance_stream([*utterances[:number], *utterances[number + 1 :]])
        held_out = utterance_stream([utterance])
        found = cuts(train, held_out, options.units)
        for name, patches in found.items():
            scores.setdefault(name, []).append(score_borders(held_out, patches, options.tolerance))
        if number == 0 and options.picture is not None:
            draw(utterance, found, options.picture)
    show({name: reduce(add, each) for name, each in scores.items()}, options.tolerance)


def show(scores: Mapping[str, BorderScore], tolerance: int) -> None:
    """Print the table."""
    columns: Sequence[str] = ("patches", "F1", "precision", "recall", "mean length")
    rows = [
        (name, f"{each.f1:.3f}", f"{each.precision:.3f}", f"{each.recall:.3f}", f"{each.mean_length:.2f}")
        for name, each in scores.items()
    ]
    total = next(iter(scores.values()))
    print_table(f"{total.true} borders within {tolerance} tokens, {total.tokens} tokens", columns, rows)
    print(json.dumps({name: {"f1": each.f1, "mean_length": each.mean_length} for name, each in scores.items()}))


if __name__ == "__main__":
    main()
