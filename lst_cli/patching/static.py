"""Static patching: runs of speech tokens divided into patches of a fixed size (Lu et al. 2025, section 3.1).

The last patch of a run may be short. That it is short shows only when the run is over, so under causal
boundaries a short patch is closed by the token after it; a full patch is closed by its last token.
"""

from __future__ import annotations

from dataclasses import dataclass

from lst_cli.patching.stream import Patches, TokenStream, since


@dataclass(frozen=True)
class Static:
    """Patches of ``longest`` tokens."""

    longest: int
    context = 0

    def patch(self, stream: TokenStream) -> Patches:
        """Cut every run of speech into patches of the fixed size."""
        in_patch_T = since(stream.run_starts()) % self.longest
        return Patches(opens_T=in_patch_T == 0, closes_T=~stream.speech_T | (in_patch_T == self.longest - 1))
