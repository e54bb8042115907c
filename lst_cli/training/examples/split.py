"""Which examples of a file are trained on, and which are held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lst_cli.console import say
from lst_cli.errors import UserError
from lst_cli.hashing import text_id, uniform


@dataclass(frozen=True, kw_only=True)
class ExampleSplit:
    """Places in a list of examples."""

    train: list[int]
    held_out: list[int]


def split_examples(
    ids: Sequence[str], lengths: Sequence[int], *, max_tokens: int, held_out: float, source: str
) -> ExampleSplit:
    """Skip examples that are too long, and hold out a share by a hash of the ids; examples of one id stay together.

    :param lengths: tokens of each example.
    :raises UserError: none is left to train on, or to validate on.
    """
    kept = [index for index, length in enumerate(lengths) if length <= max_tokens]
    if skipped := len(lengths) - len(kept):
        say(f"{skipped} of {len(lengths)} examples are longer than data.max_tokens and are skipped")
    held = {index for index in kept if float(uniform(0, text_id(ids[index]))) < held_out}
    train = [index for index in kept if index not in held]
    if not train or (held_out and not held):
        raise UserError(
            f"{source}: too few examples",
            found=f"{len(train)} to train on and {len(held)} held out; {skipped} longer than data.max_tokens",
            expected="at least one of each",
            fix="give more examples, change data.held_out, or train without validation: "
            "--set data.held_out=0 --set validation.keep=last",
        )
    return ExampleSplit(train=train, held_out=sorted(held))
