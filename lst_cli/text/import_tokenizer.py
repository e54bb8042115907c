"""Finding the tokenizer of a text model, and the token that closes its documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lst_cli.errors import UserError
from lst_cli.text.tokenizer import JSON_FILE, MODEL_FILE, TextTokenizer

_USUAL = ("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<|im_end|>", "[EOS]")
"""Ends of documents by name, for a ``tokenizer.json`` without its model's config."""


def tokenizer_file(name: str) -> Path:
    """The tokenizer file that a file, a folder, or a name on the Hugging Face Hub means.

    :raises UserError: there is none.
    """
    from lst_cli.hub import hub_folder

    if Path(name).is_file():
        return Path(name)
    expected = "a tokenizer file, a text model's folder, or its name on the Hub (USER/MODEL)"
    patterns = (JSON_FILE, MODEL_FILE, "tokenizer_config.json", "config.json")
    folder = hub_folder(name, name, patterns, expected)
    for each in (JSON_FILE, MODEL_FILE):
        if (folder / each).is_file():
            return folder / each
    raise UserError(f"{name}: no tokenizer", found=f"no {JSON_FILE} and no {MODEL_FILE} in {folder}", expected=expected)


def end_token(path: Path, tokenizer: TextTokenizer, named: str | None) -> int:
    """The token that closes a document, for a ``tokenizer.json``.

    That is the one named; else the one that the model's ``config.json`` or ``tokenizer_config.json`` next to the file
    names (the first of several); else one with a usual name.

    :raises UserError: there is no such token.
    """
    tokens = tokenizer.raw_tokens()
    if named is not None:
        if named not in tokens:
            raise UserError(f"--eos {named}: not a token of {path}", expected=f"a token such as {_USUAL[0]}")
        return tokens.index(named)
    found: Any = _setting(path.parent / "config.json", "eos_token_id")
    found = found[0] if isinstance(found, list) and found else found
    if isinstance(found, int) and 0 <= found < len(tokens):
        return found
    token: Any = _setting(path.parent / "tokenizer_config.json", "eos_token")
    token = token.get("content") if isinstance(token, dict) else token
    known = [each for each in (token, *_USUAL) if each in tokens]
    if not known:
        raise UserError(
            f"{path}: no known end-of-document token",
            found=f"no {', '.join(_USUAL)}, and no eos_token_id in a config.json next to it",
            fix="name it with --eos",
        )
    return tokens.index(known[0])


def _setting(path: Path, key: str) -> Any:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return data.get(key) if isinstance(data, dict) else None
