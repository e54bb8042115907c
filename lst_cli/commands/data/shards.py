"""``lst shards``: make and show the Parquet shards that training reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lst_cli.artifacts import Artifact, Draft, Request, Store
from lst_cli.commands.common import Json, MaxRejectRate, Seed, build, build_shared, completing, store
from lst_cli.commands.data.shards_show import show
from lst_cli.commands.data.text import Field, TextFiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from lst_cli.distributed.launcher import Rank
    from lst_cli.shards.build.speech_shards import SpeechShards
    from lst_cli.shards.build.text_shards import TextShards
    from lst_cli.shards.schema import ShardInfo
    from lst_cli.text.text_files import SplitBy

app = typer.Typer(no_args_is_help=True, help="Shards: the Parquet files that training reads.")
app.command("show")(show)

Name = Annotated[str, typer.Option(help="Name of the shards.")]

Tokenizer = Annotated[
    str, typer.Option(help="Text tokenizer: text_tokenizer/NAME.", autocompletion=completing("text_tokenizer"))
]
ShardMb = Annotated[int, typer.Option(min=1, help="Megabytes of input in a shard.")]


@app.command()
def speech(
    ctx: typer.Context,
    tokens: Annotated[str, typer.Option(help="Speech tokens: tokens/NAME.", autocompletion=completing("tokens"))],
    tokenizer: Tokenizer,
    name: Name,
    alignment: Annotated[
        str | None,
        typer.Option(
            help="Word times: alignment/NAME. Without it, the shards hold speech alone.",
            autocompletion=completing("alignment"),
        ),
    ] = None,
    corpus: Annotated[
        str | None,
        typer.Option(
            help="corpus/NAME.  \\[default: the one the tokens were made from]",
            autocompletion=completing("corpus"),
        ),
    ] = None,
    keep_unaligned: Annotated[
        bool, typer.Option(help="Keep utterances without an alignment as speech alone, instead of rejecting them.")
    ] = False,
    shard_mb: ShardMb = 256,
    max_reject_rate: MaxRejectRate = 0.01,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Join speech tokens, alignment and text tokens into shuffled shards.

    Under torchrun or srun the ranks share the work. A killed run resumes.
    """
    from lst_cli.alignment.kinds import ALIGNMENT
    from lst_cli.audio.corpus_artifact import CORPUS
    from lst_cli.shards.build.same_corpus import check_one_corpus
    from lst_cli.shards.schema import SHARDS
    from lst_cli.text.tokenizer import TEXT_TOKENIZER
    from lst_cli.units.tokens import TOKENS

    artifacts = store(ctx)
    found_tokens = artifacts.find(tokens, TOKENS)
    parents = {
        "tokens": found_tokens,
        "corpus": artifacts.find(corpus or _parent(found_tokens, "corpus"), CORPUS),
        "tokenizer": artifacts.find(tokenizer, TEXT_TOKENIZER),
    }
    if alignment is not None:
        parents["alignment"] = artifacts.find(alignment, ALIGNMENT)
    check_one_corpus(parents["corpus"], *parents.values())
    config = {"modality": "speech", "keep_unaligned": keep_unaligned, "shard_mb": shard_mb, "seed": seed}

    def shards() -> SpeechShards:
        from lst_cli.shards.build.build_shards import BuildOptions
        from lst_cli.shards.build.speech_shards import SpeechInputs, SpeechShards

        text_tokenizer, info = _tokenizer(parents["tokenizer"], "speech", _clusters(artifacts, found_tokens))
        inputs = SpeechInputs(
            corpus=parents["corpus"],
            tokens=found_tokens,
            alignment=parents.get("alignment"),
            tokenizer=text_tokenizer,
            info=info,
        )
        options = BuildOptions(shard_mb=shard_mb, seed=seed, max_reject_rate=max_reject_rate)
        return SpeechShards(inputs, options, keep_unaligned=keep_unaligned)

    _build(ctx, Request(kind=SHARDS, name=name, config=config, parents=parents), shards, json)


def _build(ctx: typer.Context, request: Request, shards: Callable[[], SpeechShards | TextShards], json: bool) -> None:
    """Make shards, with the work shared by all ranks."""
    from lst_cli.distributed.shared_work import SharedParts

    def plan(rank: Rank) -> tuple[Request, Callable[[Draft], None]]:
        return request, lambda draft: shards().make(draft, SharedParts(rank, draft.parts))

    build_shared(ctx, plan, lambda parts: shards().share(parts), json=json)


@app.command()
def cut(
    ctx: typer.Context,
    shards: Annotated[
        str, typer.Argument(help="Speech shards with words: shards/NAME.", autocompletion=completing("shards"))
    ],
    name: Name,
    max_reject_rate: MaxRejectRate = 0.01,
    json: Json = False,
) -> None:
    """Split utterances at sentence ends, so that a model learns to start at sentences."""
    from lst_cli.shards.schema import SHARDS

    found = store(ctx).find(shards, SHARDS)

    def make(draft: Draft) -> None:
        from lst_cli.shards.build.sentences import cut_shards

        cut_shards(draft, found, max_reject_rate)

    config = {"modality": "speech", "cut": "sentences", "cut_version": 2}
    build(ctx, Request(kind=SHARDS, name=name, config=config, parents={"shards": found}), make, json=json)


@app.command()
def text(
    ctx: typer.Context,
    files: TextFiles,
    tokenizer: Tokenizer,
    name: Name,
    split: Annotated[
        str, typer.Option(help="What a document is in .txt files: line, paragraph (up to an empty line) or file.")
    ] = "line",
    field: Field = "text",
    threads: Annotated[int, typer.Option(min=1, help="Threads of the tokenizer.")] = 1,
    shard_mb: ShardMb = 256,
    max_reject_rate: MaxRejectRate = 0.01,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Make shuffled shards of text documents.

    Under torchrun or srun the ranks share the work. A killed run resumes.
    """
    from lst_cli.shards.schema import SHARDS
    from lst_cli.text.text_files import digests, text_files
    from lst_cli.text.tokenizer import TEXT_TOKENIZER

    inputs = text_files(files)
    parents = {"tokenizer": store(ctx).find(tokenizer, TEXT_TOKENIZER)}
    config = {
        "modality": "text",
        "files": digests(inputs),
        "split": _split(split),
        "field": field,
        "shard_mb": shard_mb,
        "seed": seed,
    }

    def shards() -> TextShards:
        from lst_cli.shards.build.build_shards import BuildOptions
        from lst_cli.shards.build.text_shards import TextShards

        text_tokenizer, info = _tokenizer(parents["tokenizer"], "text", 0)
        options = BuildOptions(shard_mb=shard_mb, seed=seed, max_reject_rate=max_reject_rate)
        return TextShards(inputs, text_tokenizer, info, options, split=_split(split), field=field, threads=threads)

    _build(ctx, Request(kind=SHARDS, name=name, config=config, parents=parents), shards, json)


@app.command()
def bpe(
    ctx: typer.Context,
    reference: Annotated[str, typer.Argument(help="Speech shards: shards/NAME.", autocompletion=completing("shards"))],
    name: Annotated[str, typer.Option(help="Name of the speech BPE.")],
    pieces: Annotated[int, typer.Option(min=2, help="Vocabulary size, including single speech tokens.")] = 1000,
    sequences: Annotated[int, typer.Option(min=1, help="Utterances to train on.")] = 100_000,
    json: Json = False,
) -> None:
    """Train a BPE over speech tokens, for the BPE SpeechLLM (baseline with merged speech)."""
    from lst_cli.shards.schema import SHARDS
    from lst_cli.text.speech_bpe import SPEECH_BPE

    shards = store(ctx).find(reference, SHARDS)
    config = {"pieces": pieces, "sequences": sequences}

    def make(draft: Draft) -> None:
        from lst_cli.shards.documents.merge_bpe import fit_speech_bpe

        fit_speech_bpe(draft, shards, pieces=pieces, sequences=sequences)

    build(ctx, Request(kind=SPEECH_BPE, name=name, config=config, parents={"shards": shards}), make, json=json)


def _split(value: str) -> SplitBy:
    from typing import get_args

    from lst_cli.errors import UserError
    from lst_cli.text.text_files import SplitBy

    for split in get_args(SplitBy):
        if value == split:
            chosen: SplitBy = split
            return chosen
    raise UserError("--split", found=repr(value), expected=", ".join(get_args(SplitBy)))


def _parent(artifact: Artifact, role: str) -> str:
    from lst_cli.errors import UserError

    parent = artifact.parents.get(role)
    if parent is None:
        raise UserError(f"{artifact.reference}: no {role} among its parents", fix=f"name one with --{role}")
    return parent.reference


def _clusters(artifacts: Store, tokens: Artifact) -> int:
    """Clusters of the quantizer that made the tokens."""
    from lst_cli.units.quantizer.codebook import QUANTIZER, Codebook

    return Codebook.read(artifacts.find(_parent(tokens, "quantizer"), QUANTIZER).path).units


def _tokenizer(artifact: Artifact, modality: Any, units: int) -> tuple[Any, ShardInfo]:
    """The text tokenizer, and the metadata of shards made with it."""
    from hashlib import sha256

    from lst_cli.shards.schema import ShardInfo
    from lst_cli.text.tokenizer import TextTokenizer, artifact_file
    from lst_cli.text.vocabulary import EOS

    path = artifact_file(artifact)
    tokenizer = TextTokenizer.from_file(path)
    digest = sha256(path.read_bytes()).hexdigest()
    eos = artifact.config.get("eos", EOS)
    return tokenizer, ShardInfo(modality=modality, pieces=tokenizer.pieces, units=units, tokenizer=digest, eos=eos)
