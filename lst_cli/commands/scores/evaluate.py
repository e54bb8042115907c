"""``lst eval``: score a model on the benchmarks, and compare scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lst_cli.artifacts import Artifact, Draft, Request, Store
from lst_cli.commands.common import Device, Json, build_shared, completing, store
from lst_cli.commands.scores import evaluate_asr, evaluate_continuation, evaluate_speech
from lst_cli.console import print_json, print_line, print_table
from lst_cli.distributed.device import Precision
from lst_cli.evaluation.scores import ScoredWith
from lst_cli.evaluation.tasks import TASKS, Task

if TYPE_CHECKING:
    from lst_cli.distributed.launcher import Rank
    from lst_cli.distributed.shared_work import SharedParts
    from lst_cli.evaluation.ablation import Ablation

app = typer.Typer(no_args_is_help=True, help="Benchmarks: score a model, compare two scores.")

ModelReference = Annotated[str, typer.Argument(help="model/NAME to score.", autocompletion=completing("model"))]
Items = Annotated[Path, typer.Option(help="The benchmark's published file, or the folder of a spoken release.")]
Tokens = Annotated[
    str | None,
    typer.Option(
        help="tokens/NAME of the spoken items: {item}/prompt, {item}/ending1, {item}/ending2, …",
        autocompletion=completing("tokens"),
    ),
]
Directions = Annotated[
    str, typer.Option(help="Some of s-s, t-t, s-t, t-s, separated by commas: modality of prompt and endings.")
]
Patching = Annotated[
    ScoredWith,
    typer.Option(
        help="How speech is patched. static: by the model's own rule; models trained with aligned patches get static "
        "ones. as-trained: models of patching.strategy aligned get the patches of --alignment, as in the paper."
    ),
]
ItemAlignment = Annotated[
    str | None,
    typer.Option(
        "--alignment",
        help="alignment/NAME of the spoken items, for --patching as-trained.",
        autocompletion=completing("alignment"),
    ),
]
Ablate = Annotated[
    str | None,
    typer.Option(
        help="Ablate a part of the model: cross-attention (the decoder reads no patch), prompt:N (only the last N "
        "tokens of the prompt) or window:N (the patch encoder and decoder see N tokens). Kept out of paper tables."
    ),
]
WithEnd = Annotated[
    bool, typer.Option("--with-end", help="Score the end of the document as a token of each ending, as slamkit does.")
]
Name = Annotated[str | None, typer.Option(help="Name of the scores.  \\[default: MODEL-TASK, with the variant]")]
PrecisionOption = Annotated[Precision, typer.Option(help="Precision of the model; part of the result.")]


def _choice_command(task: Task) -> Callable[..., None]:
    """The command that scores one multiple-choice task."""

    def command(
        ctx: typer.Context,
        model: ModelReference,
        items: Items,
        tokens: Tokens = None,
        directions: Directions = "t-t",
        patching: Patching = "static",
        alignment: ItemAlignment = None,
        ablate: Ablate = None,
        with_end: WithEnd = False,
        name: Name = None,
        precision: PrecisionOption = "float32",
        device: Device = "auto",
        json: Json = False,
    ) -> None:
        from lst_cli.evaluation.ablation import Ablation
        from lst_cli.evaluation.directions import parse_directions

        chosen = parse_directions(directions, spoken=tokens is not None)
        ablation = Ablation.parse(ablate) if ablate is not None else None
        scores = _score_choice(
            ctx,
            task,
            model,
            items,
            tokens,
            chosen,
            (patching, alignment),
            ablation,
            with_end,
            name,
            precision,
            device,
        )
        if scores is not None:
            _show(scores, json)

    command.__doc__ = (
        f"{task.about[0].upper()}{task.about[1:]}.\n\n"
        "Under torchrun or srun the ranks share the items. A killed run resumes."
    )
    return command


for _task in TASKS.values():
    app.command(_task.name)(_choice_command(_task))


def _score_choice(
    ctx: typer.Context,
    task: Task,
    model: str,
    items_file: Path,
    tokens: str | None,
    directions: list[str],
    patching: tuple[ScoredWith, str | None],
    ablation: Ablation | None,
    with_end: bool,
    name: str | None,
    precision: Precision,
    device: str,
) -> Artifact | None:
    """Build the scores of a multiple-choice task; None on any rank but 0.

    :param patching: how speech is patched, and the alignment for it.
    """
    from lst_cli.evaluation.choice import SCORER_VERSION
    from lst_cli.evaluation.directions import check_prompts
    from lst_cli.evaluation.scores import SCORES, file_sum
    from lst_cli.evaluation.tasks import read_items

    parents = _choice_parents(store(ctx), model, tokens, patching)
    items = read_items(task.name, items_file)
    check_prompts(items, directions)
    config = {
        "task": task.name,
        "task_version": task.version,
        "scorer_version": SCORER_VERSION,
        "items_file": items_file.name,
        "items_sha256": file_sum(items_file),
        "directions": directions,
        "precision": precision,
    }
    if "alignment" in parents:
        config["patching"] = patching[0]
    if ablation is not None:
        config["ablation"] = str(ablation)
    if with_end:
        config["with_end"] = True
    own = name or _default_name(parents["model"], config, ablation)
    request = Request(kind=SCORES, name=own, config=config, parents=parents)

    def plan(rank: Rank) -> tuple[Request, Callable[[Draft], None]]:
        def make(draft: Draft) -> None:
            from lst_cli.evaluation.score_stages import make_choice

            make_choice(draft, task, items, config, parents, device, rank)

        return request, make

    def work(parts: SharedParts) -> None:
        from lst_cli.evaluation.score_stages import share_choice

        share_choice(items, config, parents, device, parts)

    return build_shared(ctx, plan, work)


def _default_name(model: Artifact, config: Mapping[str, Any], ablation: Ablation | None) -> str:
    """``MODEL-TASK``, and what else tells these scores from others of the model and the task."""
    parts = [config.get("patching"), ablation and ablation.slug, "with-end" if "with_end" in config else None]
    return "-".join([model.name, str(config["task"]), *filter(None, parts)])


def _choice_parents(
    place: Store, model: str, tokens: str | None, patching: tuple[ScoredWith, str | None]
) -> dict[str, Artifact]:
    """The model, the tokens of spoken items and their alignment."""
    from lst_cli.evaluation.aligned_items import check_patching, find_alignment
    from lst_cli.model_artifact.card import MODEL
    from lst_cli.units.tokens import TOKENS

    parents = {"model": place.find(model, MODEL)}
    if tokens is not None:
        parents["tokens"] = place.find(tokens, TOKENS)
    check_patching(*patching, parents)
    if patching[1] is not None:
        parents["alignment"] = find_alignment(place, patching[1], parents["tokens"])
    return parents


def _show(scores: Artifact, json: bool) -> None:
    """Print a result."""
    from lst_cli.evaluation.scores import read_scores

    result = read_scores(scores)
    if json:
        print_json({"scores": scores.reference, **result})
        return
    how = " · aligned patches" if "patching" in result else ""
    how += f", boundaries moved by {result['noise_ms']:g} ms" if "noise_ms" in result else ""
    how += f" · ablated: {result['ablation']}" if "ablation" in result else ""
    print_table(
        f"{result['task']} · {result['model']['reference']}{how}",
        ("direction", "accuracy", "95% interval", "n", "chance", "by"),
        [
            shown
            for row in result["results"]
            for shown in (
                _row(row["direction"], row, f"{row['accuracy']:.1%}", f"{row['chance']:.0%}", row["metric"]),
                *(
                    _row(f"  {part}", figures, f"{figures['value']:.1%}", "", "")
                    for part, figures in row.get("categories", {}).items()
                ),
            )
        ],
    )


def _row(label: str, figures: Mapping[str, Any], accuracy: str, chance: str, metric: str) -> tuple[Any, ...]:
    """A direction, or a part of the benchmark in it."""
    return label, accuracy, f"{figures['low']:.1%} to {figures['high']:.1%}", figures["n"], chance, metric


app.command("asr")(evaluate_asr.asr)
app.command("tts")(evaluate_speech.tts)
app.command("vocoder")(evaluate_speech.vocoder)
app.command("continuation")(evaluate_continuation.continuation)


@app.command()
def compare(
    ctx: typer.Context,
    first: Annotated[str, typer.Argument(help="A: scores/NAME.", autocompletion=completing("scores"))],
    second: Annotated[
        str, typer.Argument(help="B: scores/NAME, on the same items.", autocompletion=completing("scores"))
    ],
    flips: Annotated[
        int, typer.Option(min=0, help="Maximum number of flipped items to list, for each direction of the flip.")
    ] = 10,
    json: Json = False,
) -> None:
    """Test whether B differs from A item by item, and list the items that flipped."""
    from dataclasses import asdict

    from lst_cli.evaluation.compare import compare as compare_scores
    from lst_cli.evaluation.compare import comparison_rows
    from lst_cli.evaluation.scores import SCORES

    a, b = store(ctx).find(first, SCORES), store(ctx).find(second, SCORES)
    comparisons = compare_scores(a, b)
    if json:
        rows = [asdict(comparison) for comparison in comparisons]
        print_json({"a": a.reference, "b": b.reference, "comparisons": rows})
        return
    columns = ("direction", "A", "B", "B - A in points (95% interval)", "p (sign test)", "flipped", "n")
    print_table(f"A {a.reference}\nB {b.reference}", columns, comparison_rows(comparisons))
    for comparison in comparisons:
        for what, ids in (("B better", comparison.gained), ("A better", comparison.lost)):
            if ids[:flips]:
                more = f" and {len(ids) - flips} more" if len(ids) > flips else ""
                print_line(f"{comparison.direction} {what}: {', '.join(ids[:flips])}{more}")
