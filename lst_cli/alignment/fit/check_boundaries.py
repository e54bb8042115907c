"""Errors of an aligner's word boundaries against known ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lst_cli.alignment.align_batch import word_edges
from lst_cli.alignment.kinds import ALIGNMENT_FILE
from lst_cli.alignment.words import Unalignable, spoken_words
from lst_cli.artifacts.parquet import read_parquet
from lst_cli.audio.decode import read_utterances
from lst_cli.errors import UserError
from lst_cli.units.frames import FRAME_SAMPLES, SAMPLE_RATE

if TYPE_CHECKING:
    from lst_cli.alignment.emissions.emitters import Emitter
    from lst_cli.artifacts import Artifact
    from lst_cli.audio.corpus_artifact import Corpus

MOST_CHECKED = 200
"""Utterances that are compared at most."""


def boundary_errors(emitter: Emitter, corpus: Corpus, known: Artifact) -> dict[str, float]:
    """Median and 90th percentile of the distance of word boundaries from known ones (milliseconds).

    The known ones are rounded to speech tokens, which alone causes a median error of 10 ms.

    :param known: an alignment of utterances of the corpus; those with other words are skipped.
    :raises UserError: no utterance can be compared.
    """
    rows = {row["id"]: row for row in read_parquet(known.file(ALIGNMENT_FILE)).to_pylist()}
    utterances = [utterance for utterance in corpus if utterance.id in rows][:MOST_CHECKED]
    errors = []
    for utterance, wave_S in read_utterances(utterances, on_error=lambda utterance, error: None):
        row = rows[utterance.id]
        try:
            words = spoken_words(utterance.text or "", emitter.letters)
            if len(words) != len(row["words"]):
                continue
            _, *edges = word_edges(words, wave_S, emitter.emit([wave_S])[0], emitter)
        except Unalignable:
            continue
        wanted = np.array([row["starts"], row["ends"]]) * FRAME_SAMPLES
        errors.append(np.abs(np.array(edges) - wanted).ravel() * 1000 / SAMPLE_RATE)
    if not errors:
        raise UserError(
            f"--check {known.reference}: nothing to compare",
            found=f"{len(rows)} utterances, {len(utterances)} of them in {corpus.artifact.reference}",
            expected="utterances whose words are those of the corpus's transcripts",
        )
    error = np.concatenate(errors)
    return {
        "check_utterances": len(errors),
        "check_median_ms": float(np.median(error)),
        "check_p90_ms": float(np.quantile(error, 0.9)),
    }
