"""``lst align``: align the words of transcripts to speech tokens."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lst_cli.commands.common import Device, Json, MaxRejectRate, Seed, build, build_shared, completing, store
from lst_cli.console import print_json, print_table, say
from lst_cli.errors import UserError

if TYPE_CHECKING:
    from lst_cli.alignment.fit.fit_aligner import KnownTimes
    from lst_cli.artifacts import Store

app = typer.Typer(
    no_args_is_help=True, help="Word-level alignments to speech tokens: train an aligner, align, import, show."
)


@app.command()
def fit(
    ctx: typer.Context,
    corpora: Annotated[
        list[str],
        typer.Argument(
            help="corpus/NAME …, with transcripts.", metavar="CORPUS...", autocompletion=completing("corpus")
        ),
    ],
    name: Annotated[str, typer.Option(help="Name of the aligner.")],
    config: Annotated[Path | None, typer.Option(help="A YAML file of settings (docs/align.md).")] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE, such as steps=400.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, order and augmentation.  \\[default: 0]")] = None,
    check: Annotated[
        str | None,
        typer.Option(
            help="alignment/NAME with known times: print the boundary errors of the new aligner on it.",
            autocompletion=completing("alignment"),
        ),
    ] = None,
    max_reject_rate: MaxRejectRate = 0.01,
    json: Json = False,
) -> None:
    """Train a small aligner on the corpora's own transcripts, on the CPU in a minute or two."""
    from lst_cli.alignment.fit.aligner_config import AlignerConfig
    from lst_cli.alignment.fit.fit_aligner import plan_fit
    from lst_cli.audio.corpus_artifact import CORPUS
    from lst_cli.config import load_config

    artifacts = [store(ctx).find(reference, CORPUS) for reference in corpora]
    changes = [*(overrides or []), *([f"seed={seed}"] if seed is not None else [])]
    settings = load_config(AlignerConfig, config, changes)
    known = _known_times(store(ctx), check) if check is not None else None
    build(ctx, *plan_fit(artifacts, name, settings, max_reject_rate, known), json=json)


def _known_times(artifacts: Store, reference: str) -> KnownTimes:
    """An alignment and its corpus, which its lineage names."""
    from lst_cli.alignment.fit.fit_aligner import KnownTimes
    from lst_cli.alignment.kinds import ALIGNMENT
    from lst_cli.audio.corpus_artifact import CORPUS

    alignment = artifacts.find(reference, ALIGNMENT)
    parents = dict(alignment.parents)
    if "corpus" not in parents and "tokens" in parents:
        parents = dict(artifacts.find_any(parents["tokens"].reference).parents)
    if "corpus" not in parents:
        raise UserError(
            f"--check {reference}: its lineage names no corpus",
            found=", ".join(parents) or "no parents",
            expected="an alignment of tokens that were made from a corpus",
        )
    return KnownTimes(alignment, artifacts.find(parents["corpus"].reference, CORPUS))


@app.command()
def run(
    ctx: typer.Context,
    corpus: Annotated[str, typer.Argument(help="corpus/NAME, with transcripts.", autocompletion=completing("corpus"))],
    tokens: Annotated[
        str, typer.Option(help="tokens/NAME, made from the corpus.", autocompletion=completing("tokens"))
    ],
    name: Annotated[str, typer.Option(help="Name of the alignment.")],
    aligner: Annotated[
        str | None, typer.Option(help="aligner/NAME, from 'lst align fit'.", autocompletion=completing("aligner"))
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Instead: a wav2vec2 CTC model by hub name or path, or torchaudio:BUNDLE."),
    ] = None,
    language: Annotated[str, typer.Option(help="Language for reading out numbers.")] = "en",
    min_score: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Reject utterances with a lower score; a wrong transcript scores about 0."),
    ] = 0.15,
    device: Device = "auto",
    max_reject_rate: MaxRejectRate = 0.01,
    json: Json = False,
) -> None:
    """Find the first and last speech token of every word.

    Under torchrun or srun the ranks share the work. A killed run resumes.
    """
    from lst_cli.alignment.align_corpus import RunOptions, plan_run, share_alignment
    from lst_cli.alignment.kinds import ALIGNER
    from lst_cli.alignment.shared_alignment import AlignmentModel
    from lst_cli.audio.corpus_artifact import CORPUS
    from lst_cli.units.tokens import TOKENS

    if (aligner is None) == (model is None):
        raise UserError("lst align run needs one aligner", expected="either --aligner, or --model")
    if aligner is not None and device not in ("auto", "cpu"):
        raise UserError(
            f"--device {device}: the small aligner runs on the CPU",
            expected="auto or cpu with --aligner",
            fix="remove --device, or use a pretrained --model",
        )
    artifacts = store(ctx)
    options = RunOptions(
        corpus=artifacts.find(corpus, CORPUS),
        tokens=artifacts.find(tokens, TOKENS),
        model=AlignmentModel(
            aligner=artifacts.find(aligner, ALIGNER) if aligner is not None else None,
            model=model,
            language=language,
            min_score=min_score,
            device=device,
        ),
        name=name,
        max_reject_rate=max_reject_rate,
    )
    build_shared(ctx, partial(plan_run, options), partial(share_alignment, options), json=json)


@app.command("import")
def import_(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Files or folders of another aligner's output.")],
    tokens: Annotated[str, typer.Option(help="tokens/NAME of the same speech.", autocompletion=completing("tokens"))],
    name: Annotated[str, typer.Option(help="Name of the alignment.")],
    format: Annotated[
        str | None,
        typer.Option(help="textgrid (Montreal Forced Aligner), ctm or json.  \\[default: by the file extension]"),
    ] = None,
    tier: Annotated[
        str | None,
        typer.Option(help="Tier of words in TextGrids and MFA's JSON.  \\[default: words, SPEAKER - words or ORT-MAU]"),
    ] = None,
    max_reject_rate: MaxRejectRate = 0.01,
    json: Json = False,
) -> None:
    """Import word times from TextGrid, CTM or JSON files."""
    from lst_cli.alignment.imports.import_alignment import AlignmentImportOptions, plan_import
    from lst_cli.units.tokens import TOKENS

    options = AlignmentImportOptions(
        sources=files,
        format=format,
        tier=tier,
        tokens=store(ctx).find(tokens, TOKENS),
        name=name,
        max_reject_rate=max_reject_rate,
    )
    build(ctx, *plan_import(options), json=json)


@app.command()
def noise(
    ctx: typer.Context,
    alignment: Annotated[str, typer.Argument(help="alignment/NAME", autocompletion=completing("alignment"))],
    ms: Annotated[float, typer.Option(min=0.0, help="Mean shift of a boundary, in milliseconds.")],
    name: Annotated[str, typer.Option(help="Name of the new alignment.")],
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Move word boundaries at random, to measure the effect of alignment errors (Lu et al. 2025, A.11)."""
    from lst_cli.alignment.kinds import ALIGNMENT
    from lst_cli.alignment.noise import plan_noise
    from lst_cli.artifacts.manifest import MANIFEST

    artifacts = store(ctx)
    found = artifacts.find(alignment, ALIGNMENT)
    parents = {
        role: artifacts.find_any(parent.reference)
        for role, parent in found.parents.items()
        if role in ("corpus", "tokens") and (artifacts.root / parent.reference / MANIFEST).is_file()
    }
    build(ctx, *plan_noise(found, parents, name, ms, seed), json=json)


@app.command()
def show(
    ctx: typer.Context,
    alignment: Annotated[str, typer.Argument(help="alignment/NAME", autocompletion=completing("alignment"))],
    ids: Annotated[list[str] | None, typer.Option("--id", help="Utterance to show.  \\[default: the first]")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with waveform, words and patches here.")] = None,
    corpus: Annotated[
        str | None,
        typer.Option(
            help="corpus/NAME of the audio, if it is not in the lineage.", autocompletion=completing("corpus")
        ),
    ] = None,
    patch_size: Annotated[int, typer.Option(min=1, help="Tokens in a static patch.")] = 4,
    rules: Annotated[
        list[str] | None,
        typer.Option(
            "--rule",
            help="patching_rule/NAME, whose patches the page shows too; repeatable.",
            autocompletion=completing("patching_rule"),
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show the words of utterances with their tokens, times and confidence."""
    from lst_cli.alignment.kinds import ALIGNMENT
    from lst_cli.audio.corpus_artifact import CORPUS
    from lst_cli.reports.pages.alignment_page import choose, render

    artifacts = store(ctx)
    audio = artifacts.find(corpus, CORPUS) if corpus is not None else None
    choice = choose(artifacts, artifacts.find(alignment, ALIGNMENT), ids or [], audio)
    if html is not None:
        from lst_cli.artifacts.parquet import write_bytes_atomic
        from lst_cli.patching.strategies import PatchingConfig
        from lst_cli.patching_rules.rule_artifact import find_rules

        page = render(choice, PatchingConfig(size=patch_size), find_rules(artifacts, rules or []))
        write_bytes_atomic(html, page.encode())
        say(f"wrote {html}")
        return
    tables = {row.id: list(zip(row.words, row.starts_W, row.ends_W, row.scores_W, strict=True)) for row in choice.rows}
    if json:
        keys = ("word", "start", "end", "score")
        print_json({id: [dict(zip(keys, word, strict=True)) for word in words] for id, words in tables.items()})
        return
    for id, words in tables.items():
        rows = [
            (word, f"{start}–{end - 1}", f"{start / 25:.2f}", f"{end / 25:.2f}", f"{score:.2f}")
            for word, start, end, score in words
        ]
        print_table(id, ("word", "tokens", "from (s)", "to (s)", "confidence"), rows)
