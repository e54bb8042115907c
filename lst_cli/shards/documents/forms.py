"""The forms in which a source's rows become documents."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lst_cli.errors import UserError
from lst_cli.shards.documents.document import Documents, assemble, question_answer, whole_speech, whole_text
from lst_cli.shards.documents.held_out import held_out_draws
from lst_cli.shards.documents.interleave import InterleaveConfig, interleaved
from lst_cli.shards.documents.merge_bpe import merge_speech
from lst_cli.shards.schema import PIECE_STARTS
from lst_cli.shards.shard_rows import ShardRows, SpanUnit, no_piece_starts
from lst_cli.shards.shard_set import ShardSet
from lst_cli.text.speech_bpe import SpeechBpe
from lst_cli.text.vocabulary import Vocabulary

Form = Literal["interleaved", "speech", "text", "asr", "tts"]
"""``interleaved``: text and speech spans, drawn again at every reading; ``speech`` and ``text``: one modality as a
whole; ``asr``: speech, then its text; ``tts``: text, then its speech; both with loss on the answer only."""

Split = Literal["train", "held_out"]
"""The rows to train on, and those held out for validation."""


class Source:
    """A shard set that is read in one form, with a weight.

    :param held_out: share of the rows that is kept for validation: the split ``held_out``; the others are ``train``.
    :param spans: what aligned patches follow: words or their text tokens.
    :raises UserError: the form or the spans do not go with the shards, or the weight is not positive.
    """

    def __init__(
        self,
        name: str,
        shards: ShardSet,
        *,
        weight: float = 1.0,
        form: Form | None = None,
        held_out: float = 0.0,
        split: Split = "train",
        spans: SpanUnit = "word",
    ) -> None:
        self.name = name
        self.shards = shards
        self.weight = weight
        self.form: Form = form or ("interleaved" if shards.modality == "speech" else "text")
        if shards.modality == "text" and self.form != "text":
            raise UserError(f"source {name}: the form {self.form} needs speech", found="text shards", fix="form: text")
        if not weight > 0:
            raise UserError(f"source {name}: the weight", found=str(weight), expected="more than 0")
        if spans == "piece" and shards.without_piece_starts:
            raise no_piece_starts(f"{shards.without_piece_starts[0]} without the column {PIECE_STARTS.name}")
        self.held_out = held_out
        self.split: Split = split
        self.spans: SpanUnit = spans
        if held_out and shards.modality == "text":
            raise UserError(
                f"source {name}: rows of text shards can't be held out", fix="give separate held-out shards"
            )

    def chosen(self, rows: ShardRows, candidates: NDArray[np.int64]) -> NDArray[np.int64]:
        """Which of some rows belong to the split.

        Which ones do is a hash of their utterances' ids: the same in every run, and for all sentences of an utterance.
        """
        if not self.held_out:
            return candidates
        held_out = held_out_draws(rows.utterance_R[candidates]) < self.held_out
        return candidates[held_out if self.split == "held_out" else ~held_out]


@dataclass(frozen=True, kw_only=True)
class Maker:
    """Makes documents of rows: a pure function of the row's id, the seed and the epoch."""

    vocabulary: Vocabulary
    """Of the documents' tokens."""
    interleave: InterleaveConfig
    seed: int
    speech_bpe: SpeechBpe | None = None
    """Merges the speech tokens of every run; the vocabulary's units are its pieces then."""

    @property
    def row_vocabulary(self) -> Vocabulary:
        """Of the rows' tokens: speech tokens as the quantizer made them."""
        if self.speech_bpe is None:
            return self.vocabulary
        return dataclasses.replace(self.vocabulary, units=self.speech_bpe.units)

    def documents(self, form: Form, rows: ShardRows, chosen: NDArray[np.int64], epoch: int) -> Documents:
        """One document for each chosen row; an empty one if the row lacks data that the form needs."""
        documents = self._documents(form, rows, chosen, epoch)
        return documents if self.speech_bpe is None else merge_speech(documents, self.speech_bpe, self.vocabulary)

    def _documents(self, form: Form, rows: ShardRows, chosen: NDArray[np.int64], epoch: int) -> Documents:
        if form in ("asr", "tts"):
            return question_answer(rows, chosen, asr=form == "asr", vocabulary=self.vocabulary)
        if form == "interleaved":
            segments = interleaved(rows, chosen, self.interleave, self.seed, epoch)
        else:
            segments = whole_speech(rows, chosen) if form == "speech" else whole_text(rows, chosen)
        return assemble(rows, segments, len(chosen), self.vocabulary)
