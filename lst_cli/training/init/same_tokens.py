"""Whether the text tokens of a model to begin from are those of the shards."""

from __future__ import annotations

from pathlib import Path

from lst_cli.errors import UserError
from lst_cli.text.tokenizer import TOKENIZER_FILES, TextTokenizer


def check_same_tokens(folder: Path, tokenizer: Path) -> None:
    """Compare the tokenizer in a text model's folder with the shards', token by token.

    :param tokenizer: the shards' text tokenizer.
    :raises UserError: there is none in the folder, or it is another one.
    """
    names = sorted(TOKENIZER_FILES, key=lambda name: name != tokenizer.name)
    path = next((folder / name for name in names if (folder / name).is_file()), None)
    if path is None:
        raise UserError(
            f"--init {folder}: no {' or '.join(TOKENIZER_FILES)}",
            expected="the text model's tokenizer: its tokens must be those of the shards",
            fix="put it next to the weights, and make the shards with it ('lst text import')",
        )
    ours, theirs = (TextTokenizer.from_file(each).raw_tokens() for each in (tokenizer, path))
    if ours != theirs:
        first = next((i for i, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]), None)
        where = f"; token {first} is {theirs[first]!r} for {ours[first]!r}" if first is not None else ""
        raise UserError(
            f"--init {folder}: other text tokens than the shards'",
            found=f"{len(theirs):,} tokens{where}",
            expected=f"the {len(ours):,} tokens of {tokenizer}",
            fix=f"import the text model's tokenizer with 'lst text import {folder}', and make the shards with it",
        )
