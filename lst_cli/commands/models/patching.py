"""``lst patching``: rules that cut speech into patches without an aligner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from lst_cli.commands.common import Json, Seed, build, completing, store
from lst_cli.console import print_json, print_table
from lst_cli.errors import UserError

if TYPE_CHECKING:
    from lst_cli.artifacts import Artifact

app = typer.Typer(no_args_is_help=True, help="Patching rules, which need no aligner: fit a rule, score its borders.")
_fit = typer.Typer(no_args_is_help=True, help="Fit a causal rule for where patches end.")
app.add_typer(_fit, name="fit")

_ALIGNMENT = completing("alignment")
_TOKENS = completing("tokens")
Name = Annotated[str, typer.Option(help="Name of the rule.")]
Mean = Annotated[float, typer.Option(min=1.0, help="Target mean length of patches, in tokens.")]
Longest = Annotated[int, typer.Option(min=2, max=1000, help="Maximum length of a patch, in tokens.")]


@_fit.command()
def hazard(
    ctx: typer.Context,
    alignment: Annotated[
        str, typer.Argument(help="Aligned speech to learn from: alignment/NAME.", autocompletion=_ALIGNMENT)
    ],
    name: Name,
    tokens: Annotated[
        str | None,
        typer.Option(
            help="tokens/NAME to set the threshold on.  \\[default: those that were aligned]", autocompletion=_TOKENS
        ),
    ] = None,
    mean: Mean = 4.0,
    longest: Longest = 20,
    minutes: Annotated[
        float | None, typer.Option(min=0.01, help="Minutes of aligned speech to learn from.  \\[default: all]")
    ] = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """End patches where the last four units predict the end of a word or silence."""
    from lst_cli.alignment.kinds import ALIGNMENT
    from lst_cli.patching_rules.fit_rule import RuleOptions, plan_hazard
    from lst_cli.units.tokens import TOKENS

    artifacts = store(ctx)
    found = artifacts.find(tokens, TOKENS) if tokens is not None else None
    options = RuleOptions(name=name, mean=mean, longest=longest, seed=seed)
    build(ctx, *plan_hazard(artifacts, artifacts.find(alignment, ALIGNMENT), found, options, minutes), json=json)


@_fit.command()
def entropy(
    ctx: typer.Context,
    tokens: Annotated[str, typer.Argument(help="Speech tokens to learn from: tokens/NAME.", autocompletion=_TOKENS)],
    name: Name,
    mean: Mean = 4.0,
    longest: Longest = 20,
    rise: Annotated[
        bool, typer.Option("--rise", help="Split where the entropy rises, instead of where it is high.")
    ] = False,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """End patches where a small language model of units has high next-unit entropy."""
    from lst_cli.patching_rules.fit_rule import RuleOptions, plan_entropy
    from lst_cli.units.tokens import TOKENS

    artifacts = store(ctx)
    options = RuleOptions(name=name, mean=mean, longest=longest, seed=seed)
    build(ctx, *plan_entropy(artifacts, artifacts.find(tokens, TOKENS), options, rises=rise), json=json)


@app.command()
def score(
    ctx: typer.Context,
    alignment: Annotated[
        str,
        typer.Argument(help="Held-out aligned speech: alignment/NAME.", autocompletion=_ALIGNMENT),
    ],
    rules: Annotated[
        list[str] | None,
        typer.Option("--rule", help="patching_rule/NAME; repeatable.", autocompletion=completing("patching_rule")),
    ] = None,
    size: Annotated[int, typer.Option(min=1, help="Tokens in a static patch, and on average in a random one.")] = 4,
    tolerance: Annotated[int, typer.Option(min=0, help="Tolerance of a border, in tokens.")] = 1,
    json: Json = False,
) -> None:
    """Compare the borders of patches with those of words and silences."""
    from dataclasses import asdict

    from lst_cli.alignment.kinds import ALIGNMENT
    from lst_cli.alignment.read_alignment import read_aligned
    from lst_cli.patching_rules.fit_rule import aligned_with
    from lst_cli.patching_rules.rule_artifact import PATCHING_RULE, find_rules
    from lst_cli.patching_rules.score_rules import score_rules

    artifacts = store(ctx)
    found = artifacts.find(alignment, ALIGNMENT)
    _check_held_out(found, [artifacts.find(reference, PATCHING_RULE) for reference in rules or []])
    scores = score_rules(
        read_aligned(found, aligned_with(artifacts, found)),
        find_rules(artifacts, rules or []),
        size,
        tolerance,
    )
    if json:
        print_json(
            {
                name: {
                    **asdict(each),
                    "precision": each.precision,
                    "recall": each.recall,
                    "f1": each.f1,
                    "mean_length": each.mean_length,
                }
                for name, each in scores.items()
            }
        )
        return
    rows = [
        (name, *(f"{value:.3f}" for value in (each.f1, each.precision, each.recall)), f"{each.mean_length:.2f}")
        for name, each in scores.items()
    ]
    print_table(
        f"borders within {tolerance} tokens, of {next(iter(scores.values())).true:,}",
        ("patches", "F1", "precision", "recall", "mean length"),
        rows,
    )


def _check_held_out(alignment: Artifact, rules: Sequence[Artifact]) -> None:
    """Check that no rule was fitted on an alignment.

    :raises UserError: one was.
    """
    for rule in rules:
        own = rule.parents.get("alignment")
        if own is not None and own.fingerprint == alignment.fingerprint:
            raise UserError(
                f"--rule {rule.reference}: fitted on {alignment.reference}",
                expected="speech that the rule was not fitted on",
                fix="align other utterances, or fit the rule on others",
            )
