"""``lst vocoder``: from speech tokens back to audio."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from lst_cli.commands.common import Device, Json, MaxRejectRate, build, build_shared, completing, store
from lst_cli.console import print_json, progress, say

app = typer.Typer(no_args_is_help=True, help="Speech tokens to audio: fit a vocoder, synthesise tokens.")

Speaker = Annotated[
    str | None, typer.Option(help="Voice, by its name in the corpus.  \\[default: the one with the most speech]")
]


@app.command()
def fit(
    ctx: typer.Context,
    corpus: Annotated[
        str, typer.Argument(help="corpus/NAME: the audio to learn from.", autocompletion=completing("corpus"))
    ],
    tokens: Annotated[
        str, typer.Option(help="tokens/NAME, made from the corpus.", autocompletion=completing("tokens"))
    ],
    name: Annotated[str, typer.Option(help="Name of the vocoder.")],
    config: Annotated[Path | None, typer.Option(help="A YAML file of settings (docs/speak.md).")] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE, such as steps=1500.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights and order.  \\[default: 0]")] = None,
    device: Device = "auto",
    max_reject_rate: MaxRejectRate = 0.01,
    json: Json = False,
) -> None:
    """Fit a vocoder to a quantizer's units, in minutes on a CPU. A killed run resumes.

    Under torchrun or srun the ranks share the reading of examples; rank 0 fits.
    """
    from lst_cli.audio.corpus_artifact import CORPUS
    from lst_cli.config import load_config
    from lst_cli.distributed.device import pick_device
    from lst_cli.units.tokens import TOKENS
    from lst_cli.vocoder.fit_vocoder import VocoderFitOptions, plan_fit, share_examples
    from lst_cli.vocoder.vocoder_config import VocoderConfig

    artifacts = store(ctx)
    changes = [*(overrides or []), *([f"seed={seed}"] if seed is not None else [])]
    options = VocoderFitOptions(
        name=name,
        corpus=artifacts.find(corpus, CORPUS),
        tokens=artifacts.find(tokens, TOKENS),
        config=load_config(VocoderConfig, config, changes),
        device=pick_device(device),
        max_reject_rate=max_reject_rate,
    )
    build_shared(ctx, partial(plan_fit, options, artifacts), partial(share_examples, options), json=json)


@app.command("import")
def import_(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder with config.json and g_00000000 of a unit HiFi-GAN.")],
    quantizer: Annotated[
        str, typer.Option(help="quantizer/NAME whose units it speaks.", autocompletion=completing("quantizer"))
    ],
    name: Annotated[str, typer.Option(help="Name of the vocoder.")],
    trust_pickle: Annotated[
        bool,
        typer.Option(
            "--trust-pickle", help="Load a checkpoint that holds more than tensors, which can run arbitrary code."
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Import a published unit HiFi-GAN (textless, 25 units a second)."""
    from lst_cli.units.quantizer.codebook import QUANTIZER
    from lst_cli.vocoder.import_vocoder import VocoderImportOptions, plan_import

    found = store(ctx).find(quantizer, QUANTIZER)
    options = VocoderImportOptions(name=name, folder=folder, quantizer=found, trust_pickle=trust_pickle)
    build(ctx, *plan_import(options), json=json)


@app.command()
def synth(
    ctx: typer.Context,
    vocoder: Annotated[str, typer.Argument(help="vocoder/NAME", autocompletion=completing("vocoder"))],
    tokens: Annotated[
        str, typer.Argument(help="tokens/NAME, by the vocoder's quantizer.", autocompletion=completing("tokens"))
    ],
    output: Annotated[Path, typer.Option(help="Folder for one wav file per utterance.")],
    ids: Annotated[list[str] | None, typer.Option("--id", help="Utterance to synthesise.  \\[default: all]")] = None,
    speaker: Speaker = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Synthesise audio from the speech tokens of an artifact."""
    import time

    from lst_cli.distributed.device import pick_device
    from lst_cli.units.tokens import TOKENS
    from lst_cli.vocoder.wav_files import synthesise_tokens

    artifacts = store(ctx)
    start = time.monotonic()
    files = []
    with progress("vocoder", unit="s of speech") as bar:
        for file in synthesise_tokens(
            artifacts, vocoder, artifacts.find(tokens, TOKENS), output, ids, speaker, pick_device(device)
        ):
            files.append(file)
            bar.advance(file.seconds)
    took, seconds = time.monotonic() - start, sum(file.seconds for file in files)
    if json:
        print_json(
            {
                "files": [{"id": file.id, "path": str(file.path), "seconds": file.seconds} for file in files],
                "audio_s": seconds,
                "seconds": took,
            }
        )
    factor = f" (real-time factor {took / seconds:.3f})" if seconds else ""
    say(f"wrote {len(files)} files, {seconds:,.1f} s of speech in {took:,.1f} s{factor}")
