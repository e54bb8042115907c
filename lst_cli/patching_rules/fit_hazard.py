"""Learns the hazard from aligned speech: logistic regression of "this token ends a word or a silence".

Legend: T tokens, D units that the rule looks at, L lengths of a patch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lst_cli.patching.hazard import Hazard
from lst_cli.patching.stream import TokenStream, since
from lst_cli.patching_rules.aligned_stream import span_ends

if TYPE_CHECKING:
    from torch import Tensor

_PENALTY = 0.5
"""Of the squared weights, against the summed cross-entropy: a unit that was seen once or twice says little."""

_STEPS = 100


def fit_hazard(stream: TokenStream, units: int, *, depth: int, longest: int) -> Hazard:
    """Fit the weights; the threshold is left at even odds.

    :param stream: aligned utterances; their ends are not used as examples.
    :param depth: units that the rule looks at.
    :param longest: maximum length of a patch, in tokens.
    """
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    last_T = np.append(stream.document_T[1:] != stream.document_T[:-1], True)
    ends_T = span_ends(stream)
    opens_T = stream.run_starts()
    opens_T[1:] |= ends_T[:-1]
    history_TD = torch.from_numpy(stream.history(depth)[~last_T].astype(np.int64)) % (units + 1)
    # A longer span would be divided into several patches.
    place_T = torch.from_numpy((since(opens_T) % longest)[~last_T])
    target_T = torch.from_numpy(ends_T[~last_T].astype(np.float32))
    weight_DU = torch.zeros(depth, units + 1, requires_grad=True)
    length_L = torch.zeros(longest, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight_DU, length_L], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        logit_T = length_L[place_T] + weight_DU[torch.arange(depth), history_TD].sum(1)
        total = binary_cross_entropy_with_logits(logit_T, target_T, reduction="sum")
        total = total + _PENALTY * (weight_DU.square().sum() + length_L.square().sum())
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return Hazard(weight_DU=weight_DU.detach().numpy(), length_L=length_L.detach().numpy(), threshold=0.0)
