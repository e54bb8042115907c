"""``lst tokenize``: audio to units."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from lst_cli.commands.common import Device, Json, MaxRejectRate, build_shared, completing, store
from lst_cli.commands.data.units import Precision, Workers


def tokenize(
    ctx: typer.Context,
    corpus: Annotated[
        str, typer.Argument(help="corpus/NAME, corpus/NAME/VERSION, or a path.", autocompletion=completing("corpus"))
    ],
    quantizer: Annotated[
        str,
        typer.Option(help="quantizer/NAME, quantizer/NAME/VERSION, or a path.", autocompletion=completing("quantizer")),
    ],
    name: Annotated[str | None, typer.Option(help="Name of the tokens.  \\[default: the corpus's]")] = None,
    precision: Precision = "float32",
    device: Device = "auto",
    compile: Annotated[
        bool, typer.Option("--compile", help="Compile the model: worth it for many hours of audio.")
    ] = False,
    workers: Workers = None,
    max_reject_rate: MaxRejectRate = 0.01,
    json: Json = False,
) -> None:
    """Turn a corpus into speech tokens, 25 a second.

    Under torchrun or srun the ranks share the work. A killed run resumes.
    """
    from lst_cli.audio.corpus_artifact import CORPUS
    from lst_cli.units.quantizer.codebook import QUANTIZER
    from lst_cli.units.tokenize.tokenize_stage import TokenizeOptions, plan_tokens, share_tokens

    found = store(ctx).find(corpus, CORPUS)
    options = TokenizeOptions(
        name=name or found.name,
        corpus=found,
        quantizer=store(ctx).find(quantizer, QUANTIZER),
        precision=precision,
        device=device,
        compile=compile,
        workers=workers,
        max_reject_rate=max_reject_rate,
    )
    build_shared(ctx, partial(plan_tokens, options), partial(share_tokens, options), json=json)
