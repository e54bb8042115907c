"""Trained on runs of random length, no position may beat the best causal guess of where a run ends."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from lst_cli.model.model import SpeechTextModel
from lst_cli.patching.packed import IGNORE, Document, Packed, pack_documents
from lst_cli.patching.strategies import Cut, Patcher, PatchingConfig
from lst_cli.patching.stream import TokenStream, since
from tests.model.helpers import LOCAL, LST, VOCABULARY, batch_for, model

END = 0.25
"""A run ends after each token with this probability, whatever came before."""
BEST_CAUSAL = -(END * math.log(END) + (1 - END) * math.log(1 - END))
SIZE = 4

TOLERANCE = 0.03
"""About three standard errors of a mean over 30,000 tokens."""


def runs(seed: int, tokens: int) -> Document:
    """Runs of one and the same speech token, each opened by its marker: only its end is open."""
    lengths = np.random.default_rng(seed).geometric(END, size=tokens)
    starts = np.cumsum(lengths + 1) - (lengths + 1)
    ids = np.full(tokens, VOCABULARY.speech_start)
    ids[starts[starts < tokens]] = VOCABULARY.s_marker
    # Words of random length, which end where nothing tells; some are silence.
    rng = np.random.default_rng(seed + 1)
    words = np.cumsum(rng.random(tokens) < 0.4)
    return Document(tokens=ids, words=np.where(rng.random(tokens + 1)[words] < 0.2, -1, words))


def loss_by_place(cuts: Sequence[Cut], boundaries: str, silence: str = "separate") -> np.ndarray:
    """Train with the cuts in turn; mean loss (nats) of 'goes on or ends' after the 1st, 2nd, … token of a patch."""
    local = dataclasses.replace(LOCAL, encoder_layers=1, decoder_layers=1, window=16, cross_window=1)
    net = model(dataclasses.replace(LST, layers=1, local=local)).train()
    config = Patcher(PatchingConfig(size=SIZE, boundaries=boundaries, silence=silence))  # type: ignore[arg-type]
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    for step in range(120):
        document = runs(step, 512)
        batch = batch_for(net.config, pack_documents([document], VOCABULARY, config, cuts[step % len(cuts)]))
        (net(batch).total / 512).backward()
        optimizer.step()
        optimizer.zero_grad()
    documents = [runs(10_000 + number, 2_000) for number in range(15)]
    return np.stack([_by_place(net.eval(), pack_documents(documents, VOCABULARY, config, cut)) for cut in cuts])


def _by_place(net: SpeechTextModel, packed: Packed) -> np.ndarray:
    loss_T = -net.log_probability(batch_for(net.config, packed)).numpy()
    stream = TokenStream(unit_T=VOCABULARY.speech_units(packed.tokens_T), document_T=packed.document_T)
    place_T = since(stream.run_starts()) % SIZE
    counts_T = stream.speech_T & (packed.targets_T != IGNORE)
    return np.array([loss_T[counts_T & (place_T == place)].mean() for place in range(SIZE)])


CASES: dict[str, tuple[list[Cut], str]] = {
    "static": (["static"], "separate"),
    "aligned": (["aligned"], "separate"),
    "merged": (["aligned"], "merged"),
    "mixed": (["static", "aligned"], "separate"),
}


@pytest.mark.parametrize("case", CASES)
def test_causal_boundaries_do_not_tell_where_a_run_ends(case):
    cuts, silence = CASES[case]
    losses = loss_by_place(cuts, "causal", silence)
    assert (losses > BEST_CAUSAL - TOLERANCE).all() and (losses < BEST_CAUSAL + 0.1).all()


@pytest.mark.parametrize("case", ["static", "aligned"])
def test_given_boundaries_do(case):
    cuts, silence = CASES[case]
    assert loss_by_place(cuts, "given", silence).min() < BEST_CAUSAL - 3 * TOLERANCE
