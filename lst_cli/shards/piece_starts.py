"""Where the text tokens of words begin in speech (Lu et al. 2025, A.7): at the beginning of their first character."""

from __future__ import annotations

from collections.abc import Sequence

from lst_cli.text.tokenizer import TextTokenizer


def piece_starts(
    tokenizer: TextTokenizer, words: Sequence[Sequence[str]], char_starts: Sequence[Sequence[Sequence[int]]]
) -> list[list[list[int]]]:
    """For each text token of each word of each row, the frames from the word's start to where it begins.

    The first token begins with the word; where tokens begin together, all but the last have no speech.

    :param char_starts: for each character of each word, the frames from the word's start to where it begins.
    """
    offsets = tokenizer.piece_offsets(words)
    return [
        [_of_word(*word) for word in zip(offsets_of_row, starts_of_row, strict=True)]
        for offsets_of_row, starts_of_row in zip(offsets, char_starts, strict=True)
    ]


def _of_word(offsets: Sequence[int], starts: Sequence[int]) -> list[int]:
    # A tokenizer that normalises may say that a token begins after the last character.
    found = [starts[min(offset, len(starts) - 1)] for offset in offsets]
    return [0, *found[1:]] if found else []
