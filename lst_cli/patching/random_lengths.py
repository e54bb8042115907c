"""Random patching: lengths drawn evenly from 1 to 2 * mean - 1, to compare with cuts that mean something.

A draw is a hash of the last units and the patch's length so far, so decoding makes the same ones.

Shape legend: T tokens, L lengths of a patch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lst_cli.hashing import uniform
from lst_cli.patching.ends import cut_at_ends
from lst_cli.patching.stream import Patches, TokenStream

_DRAWN_FROM = 4
"""Units that are hashed."""


@dataclass(frozen=True)
class RandomLengths:
    """Patches of random lengths."""

    mean: int
    context = _DRAWN_FROM - 1

    @property
    def longest(self) -> int:
        """Tokens of the longest patch."""
        return 2 * self.mean - 1

    def patch(self, stream: TokenStream) -> Patches:
        """Cut every run of speech: of the lengths that are still possible, each is as likely as the others."""
        length_L = np.arange(1, self.longest + 1)
        draw_TL = uniform(0, *stream.history(_DRAWN_FROM).T[:, :, None], length_L)
        return cut_at_ends(stream, draw_TL < 1 / (self.longest - length_L + 1))
