"""Positions of the baseline and of LST for the same data (Lu et al. 2025, Table 13), for a given corpus.

Positions are those of the global transformer, relative to the baseline's interleaved ones, so the baseline's speech and
text add up to 1. Markers and end tokens are text.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lst_cli.errors import UserError
from lst_cli.hashing import permutation
from lst_cli.patching.strategies import Cut, Patcher, PatchingConfig
from lst_cli.patching.stream import TokenStream
from lst_cli.shards.documents.document import Documents, assemble
from lst_cli.shards.documents.draws import Draw
from lst_cli.shards.documents.interleave import InterleaveConfig, interleaved
from lst_cli.shards.shard_set import ShardSet
from lst_cli.text.vocabulary import Vocabulary

TEXT_DATA = 2.0
"""Tokens of text data for each token of interleaved data (Lu et al. 2025, section 2)."""

_PATCHINGS: dict[str, tuple[Cut, PatchingConfig]] = {
    "baseline": ("none", PatchingConfig(strategy="none")),
    "LST static, 4 tokens": ("static", PatchingConfig(strategy="static", size=4)),
    "LST aligned, silence separate": ("aligned", PatchingConfig(strategy="aligned", silence="separate")),
    "LST aligned, silence merged": ("aligned", PatchingConfig(strategy="aligned", silence="merged")),
}


@dataclass(frozen=True, kw_only=True)
class Account:
    """One row of the table."""

    model: str
    speech: float
    text: float
    text_data: float = TEXT_DATA

    @property
    def total(self) -> float:
        """All positions."""
        return self.speech + self.text + self.text_data


PAPER = (
    Account(model="paper: baseline", speech=0.77, text=0.23),
    Account(model="paper: LST", speech=0.19, text=0.23),
)


@dataclass(frozen=True, kw_only=True)
class Accounting:
    """The table, and the data that it was counted on."""

    accounts: tuple[Account, ...]
    """The baseline first."""
    utterances: int
    tokens: int
    """Interleaved tokens."""

    def rows(self) -> list[dict[str, Any]]:
        """The rows of the table, those of the paper last; ``ratio`` is to the baseline above."""
        return [
            {**asdict(account), "total": account.total, "ratio": account.total / accounts[0].total}
            for accounts in (self.accounts, PAPER)
            for account in accounts
        ]


def count(shards: ShardSet, interleave: InterleaveConfig, *, seed: int = 0, most_tokens: int = 2_000_000) -> Accounting:
    """Interleave a corpus (or row groups of it, evenly drawn) as epoch 0 does, and count units.

    :raises UserError: the shards hold no speech, or a row group is damaged.
    """
    if shards.modality != "speech":
        raise UserError("text shards hold no speech to count", expected="speech shards")
    vocabulary = shards.info.vocabulary
    speech = dict.fromkeys(_PATCHINGS, 0)
    utterances = tokens = text = 0
    for index in permutation(len(shards.groups), seed, Draw.BLOCKS):
        rows = shards.read(shards.groups[index], vocabulary)
        chosen = np.arange(len(rows))
        documents = assemble(rows, interleaved(rows, chosen, interleave, seed, epoch=0), len(rows), vocabulary)
        speech_T = vocabulary.is_speech(documents.tokens_T)
        for name, opened in _opened(documents, vocabulary).items():
            speech[name] += opened
        utterances += len(rows)
        tokens += len(speech_T)
        text += int((~speech_T).sum())
        if tokens >= most_tokens:
            break
    accounts = (Account(model=name, speech=n / tokens, text=text / tokens) for name, n in speech.items())
    return Accounting(accounts=tuple(accounts), utterances=utterances, tokens=tokens)


def _opened(documents: Documents, vocabulary: Vocabulary) -> dict[str, int]:
    """Speech patches under every patching."""
    document_T = np.repeat(np.arange(len(documents)), documents.lengths_D)
    unit_T = vocabulary.speech_units(documents.tokens_T)
    stream = TokenStream(unit_T=unit_T, document_T=document_T, word_T=documents.words_T)
    return {
        name: int((Patcher(config).patch(stream, cut).opens_T & stream.speech_T).sum())
        for name, (cut, config) in _PATCHINGS.items()
    }
