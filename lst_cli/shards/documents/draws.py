"""Random draws in building and reading shards; each purpose has its own number in the hash."""

from __future__ import annotations

from enum import IntEnum


class Draw(IntEnum):
    """The first id of every call into :mod:`lst_cli.hashing` from this room."""

    SHUFFLE = 1
    """Place of a row in the shuffled shards: (seed, row)."""
    BLOCKS = 2
    """Order of the blocks of a source: (seed, epoch, source)."""
    ROWS = 3
    """Order of the rows of a block: (seed, epoch, source, block)."""
    FIRST_SEGMENT = 4
    """Which modality an utterance begins in: (seed, epoch, utterance)."""
    TEXT_SPAN = 5
    """Words in a text span: (seed, epoch, utterance, span)."""
    CUT = 6
    """Static or aligned patches: (seed, step, sequence)."""
    HELD_OUT = 7
    """Whether a row is held out for validation: (0, row's id), the same for every run."""
    WHOLE_SPEECH = 8
    """Whether an utterance stays speech as a whole: (seed, epoch, utterance)."""
