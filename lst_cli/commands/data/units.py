"""``lst units``: fit, import and look at quantizers."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from lst_cli.commands.common import Device, Json, MaxRejectRate, Seed, build, build_shared, completing, store
from lst_cli.console import say
from lst_cli.errors import UserError

app = typer.Typer(no_args_is_help=True, help="Speech units: features and the k-means that quantizes them.")

Name = Annotated[str, typer.Option(help="Name of the quantizer.")]
Features = Annotated[
    str,
    typer.Option(
        help="mfcc, mfcc:raw, hubert:NAME, torchaudio:BUNDLE, whisper:NAME or transformers:NAME (docs/tokenize.md)."
    ),
]
Layer = Annotated[int | None, typer.Option(help="Transformer layer whose output is used, from 1.")]
Precision = Annotated[Literal["float32", "bfloat16"], typer.Option(help="Precision of the feature model.")]
Workers = Annotated[
    int | None, typer.Option(min=1, help="CPU threads.  \\[default: one per CPU; with a GPU, 8 that decode audio]")
]


@app.command()
def fit(
    ctx: typer.Context,
    corpus: Annotated[
        str, typer.Argument(help="corpus/NAME, corpus/NAME/VERSION, or a path.", autocompletion=completing("corpus"))
    ],
    name: Name,
    features: Features = "mfcc",
    layer: Layer = None,
    clusters: Annotated[int, typer.Option(min=1, max=1 << 16, help="Number of units.")] = 501,
    frames: Annotated[int, typer.Option(min=1, help="Frames to cluster, spread evenly over the corpus.")] = 300_000,
    iterations: Annotated[int, typer.Option(min=1, help="Iterations of k-means.")] = 25,
    restarts: Annotated[int, typer.Option(min=1, help="Initialisations by k-means++, of which the best is kept.")] = 1,
    seed: Seed = 0,
    precision: Precision = "float32",
    device: Device = "auto",
    workers: Workers = None,
    max_reject_rate: MaxRejectRate = 0.01,
    json: Json = False,
) -> None:
    """Fit a quantizer: k-means on a corpus's features, one unit for each 40 ms of audio.

    Under torchrun or srun the ranks share the features; rank 0 clusters them. A killed run resumes.
    """
    from lst_cli.audio.corpus_artifact import CORPUS
    from lst_cli.units.features.registry import describe_features
    from lst_cli.units.quantizer.fit_quantizer import QuantizerFitOptions, plan_quantizer, share_features

    options = QuantizerFitOptions(
        name=name,
        corpus=store(ctx).find(corpus, CORPUS),
        features=describe_features(features, layer),
        clusters=clusters,
        frames=frames,
        iterations=iterations,
        restarts=restarts,
        seed=seed,
        precision=precision,
        device=device,
        workers=workers,
        max_reject_rate=max_reject_rate,
    )
    build_shared(ctx, partial(plan_quantizer, options), partial(share_features, options), json=json)


@app.command("import")
def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="Centroids [K, D]: .npy, .safetensors, or a joblib file.")],
    name: Name,
    features: Features,
    layer: Layer = None,
    trust_pickle: Annotated[
        bool, typer.Option("--trust-pickle", help="Read a joblib file, which can run arbitrary code.")
    ] = False,
    json: Json = False,
) -> None:
    """Import published centroids as a quantizer."""
    from lst_cli.units.features.registry import describe_features
    from lst_cli.units.quantizer.import_quantizer import QuantizerImportOptions, plan_import

    options = QuantizerImportOptions(
        name=name, file=file, features=describe_features(features, layer), trust_pickle=trust_pickle
    )
    build(ctx, *plan_import(options), json=json)


@app.command()
def show(
    ctx: typer.Context,
    reference: Annotated[
        str,
        typer.Argument(
            metavar="TOKENS", help="tokens/NAME, tokens/NAME/VERSION, or a path.", autocompletion=completing("tokens")
        ),
    ],
    phones: Annotated[
        str | None,
        typer.Option(
            help="alignment/NAME whose words are phones: adds phone purity and PNMI.",
            autocompletion=completing("alignment"),
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the report.  \\[default: units-NAME]")] = None,
    json: Json = False,
) -> None:
    """Write an HTML page with statistics of the units in tokens, and audio examples of each."""
    from lst_cli.alignment.kinds import ALIGNMENT
    from lst_cli.audio.corpus_artifact import CORPUS
    from lst_cli.reports.pages.units_page import plan_units_page
    from lst_cli.reports.report_kind import PAGE
    from lst_cli.units.quantizer.codebook import QUANTIZER
    from lst_cli.units.tokens import TOKENS

    artifacts = store(ctx)
    tokens = artifacts.find(reference, TOKENS)
    missing = [role for role in ("quantizer", "corpus") if role not in tokens.parents]
    if missing:
        raise UserError(
            f"{tokens.reference}: made without lst, and without its {' and '.join(missing)}",
            expected="tokens that 'lst tokenize' made",
        )
    quantizer = artifacts.find(tokens.parents["quantizer"].reference, QUANTIZER)
    corpus = artifacts.find(tokens.parents["corpus"].reference, CORPUS)
    aligned = artifacts.find(phones, ALIGNMENT) if phones is not None else None
    planned = plan_units_page(tokens, quantizer, corpus, name or f"units-{tokens.name}", aligned)
    made = build(ctx, *planned, json=json)
    say(f"page: {made.file(PAGE)}")
