"""Documents whose runs of speech tokens are merged by BPE (the BPE SpeechLLM; Lu et al. 2025, section 3).

Legend: D documents, T tokens, R runs of speech.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lst_cli.artifacts import Artifact, Draft
from lst_cli.errors import UserError
from lst_cli.shards.documents.document import Documents
from lst_cli.shards.shard_set import ShardSet, read_row_group
from lst_cli.text.speech_bpe import MODEL_FILE, SpeechBpe, fit
from lst_cli.text.vocabulary import Vocabulary

_MEASURED = 1000
"""Utterances on which the mean length of a piece is measured."""


def merge_speech(documents: Documents, bpe: SpeechBpe, vocabulary: Vocabulary) -> Documents:
    """The same documents with pieces of speech tokens for speech tokens.

    Every run of speech is merged separately, as in inference. A merged token may cross a word boundary, so
    merged tokens belong to no word, and BPE excludes aligned patches.

    :param vocabulary: of the result: its units are the BPE's pieces.
    """
    tokens_T = documents.tokens_T
    speech_T = vocabulary.is_speech(tokens_T)
    # Runs end with their document: every document ends with its end token.
    edge_T = np.diff(speech_T.astype(np.int8), prepend=np.int8(0))
    first_R, last_R = np.flatnonzero(edge_T == 1), np.flatnonzero(edge_T == -1)
    pieces, start_R = bpe.encode_runs(
        tokens_T[speech_T] - vocabulary.speech_start, np.concatenate([[0], np.cumsum(last_R - first_R)])
    )
    kept_T = ~speech_T
    count_T = kept_T.astype(np.int64)
    count_T[first_R] = np.diff(start_R)
    end_T = np.cumsum(count_T)
    place_T = end_T - count_T
    merged = np.empty(int(end_T[-1]) if len(end_T) else 0, np.int32)
    is_piece = np.ones(len(merged), np.bool_)
    is_piece[place_T[kept_T]] = False
    merged[~is_piece] = tokens_T[kept_T]
    merged[is_piece] = pieces + vocabulary.speech_start
    place = np.append(place_T, len(merged))
    start_D = place[documents.start_D]
    # The first target begins a segment's content, so it is at the position of its run or its text.
    target_D = np.minimum(documents.start_D[:-1] + documents.loss_from_D, len(tokens_T))
    loss_from_D = np.where(documents.lengths_D > 0, place[target_D] - start_D[:-1], 1)
    return Documents(
        tokens_T=merged,
        words_T=np.full(len(merged), -1, np.int32),
        start_D=start_D,
        loss_from_D=loss_from_D,
        unmerged_D=documents.lengths_D,
    )


def fit_speech_bpe(draft: Draft, artifact: Artifact, *, pieces: int, sequences: int) -> None:
    """Train a BPE on the first utterances of shards, which are shuffled, into a draft.

    :raises UserError: the shards hold no speech, a row group is damaged, or they cannot yield that many pieces.
    """
    shards = ShardSet.of(artifact)
    if shards.modality != "speech":
        raise UserError(f"{artifact.reference}: text shards hold no speech tokens", expected="speech shards")
    model = fit(islice(_utterances(shards), sequences), shards.info.units, pieces)
    (draft.path / MODEL_FILE).write_bytes(model)
    bpe = SpeechBpe(model)
    before = after = 0
    for units in islice(_utterances(shards), min(sequences, _MEASURED)):
        before += len(units)
        after += len(bpe.encode(units))
    draft.statistics.update(pieces=bpe.pieces, units=bpe.units, units_per_piece=round(before / after, 4))


def _utterances(shards: ShardSet) -> Iterator[NDArray[Any]]:
    for group in shards.groups:
        column = read_row_group(group, ["units"]).column("units").combine_chunks()
        units, borders = column.values.to_numpy(), column.offsets.to_numpy()
        for start, end in pairwise(borders.tolist()):
            yield units[start:end]
