"""``lst text``: train or import the text tokenizer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lst_cli.artifacts import Draft, Kind, Request
from lst_cli.commands.common import Json, MaxRejectRate, Seed, build
from lst_cli.errors import UserError

if TYPE_CHECKING:
    from lst_cli.text.text_files import TextFile

app = typer.Typer(no_args_is_help=True, help="Text tokenizers: SentencePiece, or the tokenizer.json of a text model.")

Name = Annotated[str, typer.Option(help="Name of the tokenizer.")]
TextFiles = Annotated[
    list[Path], typer.Argument(help="Text files: .txt (a document a line), .jsonl or .parquet; also .gz, .zst, .bz2.")
]
Field = Annotated[str, typer.Option(help="JSON key or Parquet column that holds the text.")]


@app.command()
def fit(
    ctx: typer.Context,
    files: TextFiles,
    name: Name,
    pieces: Annotated[
        int, typer.Option(min=260, max=1 << 24, help="Vocabulary size, including control and byte tokens.")
    ] = 1000,
    field: Field = "text",
    max_documents: Annotated[
        int, typer.Option(min=1, help="If there are more documents, train on a sample of this many.")
    ] = 1_000_000,
    max_reject_rate: MaxRejectRate = 0.01,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Train a byte-fallback BPE tokenizer on text files."""
    from lst_cli.text.text_files import digests, text_files

    inputs = text_files(files)
    config = {"files": digests(inputs), "pieces": pieces, "field": field, "max_documents": max_documents, "seed": seed}

    def make(draft: Draft) -> None:
        from lst_cli.text import tokenizer

        total = sum(1 for _ in _texts(inputs, field, draft))
        draft.check_rejects(total + len(draft.rejects), max_reject_rate)
        model = tokenizer.fit(tokenizer.sample(_texts(inputs, field, None), total, max_documents, seed), pieces)
        trained = tokenizer.TextTokenizer(model)
        (draft.path / tokenizer.MODEL_FILE).write_bytes(model)
        draft.statistics.update(documents=total, pieces=trained.pieces)

    build(ctx, Request(kind=_kind(), name=name, config=config), make, json=json)


@app.command("import")
def import_model(
    ctx: typer.Context,
    source: Annotated[
        str, typer.Argument(help="A tokenizer.json or SentencePiece .model, a text model's folder, or its Hub name.")
    ],
    name: Name,
    eos: Annotated[
        str | None, typer.Option(help="The end-of-document token.  \\[default: that of the model's config]")
    ] = None,
    json: Json = False,
) -> None:
    """Import a text model's tokenizer, if it tokenizes a span as its words."""
    from hashlib import sha256

    from lst_cli.text.import_tokenizer import end_token, tokenizer_file
    from lst_cli.text.tokenizer import JSON_FILE, MODEL_FILE, TextTokenizer

    path = tokenizer_file(source)
    imported = TextTokenizer.from_file(path)
    data = path.read_bytes()
    config: dict[str, Any] = {"imported": sha256(data).hexdigest()}
    if imported.is_json:
        config["eos"] = end_token(path, imported, eos)
    elif eos is not None:
        raise UserError(
            f"--eos {eos}: the end-of-document token of a SentencePiece model is token 2", fix="remove --eos"
        )

    def make(draft: Draft) -> None:
        (draft.path / (JSON_FILE if imported.is_json else MODEL_FILE)).write_bytes(data)
        draft.statistics.update(pieces=imported.pieces)

    build(ctx, Request(kind=_kind(), name=name, config=config), make, json=json)


def _texts(files: list[TextFile], field: str, draft: Draft | None) -> Iterator[str]:
    """Texts of all readable documents; the others are rejected in ``draft``."""
    from lst_cli.text.text_files import read_documents

    for document in read_documents(files, field=field):
        if document.problem is None:
            yield document.text
        elif draft is not None:
            draft.reject(document.id, document.problem)


def _kind() -> Kind:
    from lst_cli.text.tokenizer import TEXT_TOKENIZER

    return TEXT_TOKENIZER
