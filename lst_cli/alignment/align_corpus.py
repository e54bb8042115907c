"""``lst align run``: the words of a corpus aligned to its speech tokens.

The utterances are divided into work units that ranks share (:mod:`lst_cli.alignment.shared_alignment`). Rank 0 joins
the parts in the order of the tokens, so the alignment is the same, byte for byte, after any kill and for any number of
ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lst_cli.alignment.kinds import ALIGNMENT, ALIGNMENT_FILE, alignment_schema
from lst_cli.alignment.shared_alignment import AlignmentModel, SharedAlignment
from lst_cli.artifacts import Artifact, Draft, Request
from lst_cli.console import warn
from lst_cli.distributed.launcher import ALONE, Rank
from lst_cli.distributed.shared_work import SharedParts
from lst_cli.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from lst_cli.audio.corpus_artifact import Corpus

DOUBTFUL_SCORE = 0.4
"""Below this mean score of the words there is a warning (docs/align.md)."""

RULES = 3
"""Incremented when the same transcript and speech would give other words, times, scores or columns."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The options of ``lst align run``."""

    corpus: Artifact
    tokens: Artifact
    model: AlignmentModel
    name: str
    max_reject_rate: float
    unit_samples: int | None = None
    """Audio in a work unit, in samples at 16 kHz; None to choose by the size of the corpus."""

    @property
    def request(self) -> Request:
        """The request of the artifact.

        :raises UserError: there is no such pretrained model, or num2words does not know the language.
        """
        from lst_cli.alignment.emissions.pretrained_files import describe_model
        from lst_cli.alignment.number_words import check_language

        model = self.model
        check_language(model.language)
        if not 0 <= model.min_score <= 1:  # also not a number
            raise UserError(f"--min-score {model.min_score}", expected="a number from 0 to 1")
        parents = {"corpus": self.corpus, "tokens": self.tokens}
        config: dict[str, Any] = {
            "made_by": "run",
            "rules": RULES,
            "language": model.language,
            "min_score": model.min_score,
        }
        if model.aligner is not None:
            parents["aligner"] = model.aligner
        else:
            config["model"] = describe_model(str(model.model))
        return Request(kind=ALIGNMENT, name=self.name, config=config, parents=parents)


def plan_run(options: RunOptions, rank: Rank = ALONE) -> tuple[Request, Callable[[Draft], None]]:
    """The arguments of :meth:`lst_cli.artifacts.Store.build`, on rank 0 (or alone).

    :raises UserError: there is no such pretrained model, or num2words does not know the language.
    """
    return options.request, lambda draft: make_alignment(draft, options, rank)


def share_alignment(options: RunOptions, parts: SharedParts) -> None:
    """The work of a rank other than 0: align work units until none is missing."""
    _work(options, parts)[0].run()


def _work(options: RunOptions, parts: SharedParts) -> tuple[SharedAlignment, dict[str, int]]:
    """The shared work, and the number of speech tokens of every utterance."""
    from lst_cli.audio.corpus_artifact import Corpus

    corpus = Corpus(options.corpus)
    lengths = token_lengths(options.tokens, corpus)
    return SharedAlignment(corpus, lengths, options.model, parts, options.unit_samples), lengths


def make_alignment(draft: Draft, options: RunOptions, rank: Rank) -> None:
    """Align every utterance of the tokens and write the alignment.

    :raises UserError: the tokens are of another corpus, or too many utterances were rejected.
    """
    work, lengths = _work(options, SharedParts(rank, draft.parts))
    work.run()
    finish(draft, work.paths, lengths, options.max_reject_rate)
    if draft.statistics["score"] < DOUBTFUL_SCORE:
        warn(
            f"the mean score of the words is {draft.statistics['score']:.2f}: below {DOUBTFUL_SCORE:g}, many word "
            "boundaries are off by more than 0.1 s; fit the aligner on more speech of these voices, "
            "or use a pretrained --model"
        )


def token_lengths(tokens: Artifact, corpus: Corpus) -> dict[str, int]:
    """The number of speech tokens of every utterance, in the order of the tokens.

    :raises UserError: the tokens hold utterances that the corpus lacks.
    """
    from lst_cli.units.tokens import Tokens

    lengths = {id: len(units) for id, units in Tokens(tokens)}
    strange = next((id for id in lengths if id not in corpus), None)
    if strange is not None:
        raise UserError(
            f"{tokens.reference}: not made from {corpus.artifact.reference}",
            found=f"utterance {strange!r}, which is not in the corpus",
            fix="give the corpus that the tokens were made from: see 'lst artifact lineage'",
        )
    return lengths


def finish(
    draft: Draft, parts: Sequence[Path], lengths: dict[str, int], max_reject_rate: float, *, chars: bool = True
) -> None:
    """Join the parts to the alignment, list what was rejected, and count.

    :param chars: whether the parts know where characters begin.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from lst_cli.artifacts.parquet import read_parquet, write_parquet

    empty = alignment_schema(chars=True).append(pa.field("reason", pa.string())).empty_table()
    table = pa.concat_tables([empty, *(read_parquet(path) for path in parts)])
    rejected = table.filter(pc.is_valid(table["reason"]))
    for id, reason in zip(rejected["id"].to_pylist(), rejected["reason"].to_pylist(), strict=True):
        draft.reject(id, reason)
    draft.check_rejects(table.num_rows, max_reject_rate)
    aligned = table.filter(pc.is_null(table["reason"])).select(alignment_schema(chars=chars).names)
    write_parquet(draft.path / ALIGNMENT_FILE, aligned.combine_chunks())
    draft.statistics.update(summarise(aligned, lengths))


def summarise(aligned: pa.Table, lengths: dict[str, int]) -> dict[str, Any]:
    """Figures of an alignment for its manifest. Tokens are 40 ms."""
    import numpy as np
    import pyarrow.compute as pc

    starts = pc.list_flatten(aligned["starts"]).to_numpy()
    ends = pc.list_flatten(aligned["ends"]).to_numpy()
    words_in = pc.list_value_length(aligned["words"]).to_numpy()
    tokens_in = np.array([lengths[id] for id in aligned["id"].to_pylist()], dtype=np.int64)
    spoken, total = int((ends - starts).sum()), int(tokens_in.sum())
    pauses = count_pauses(starts, ends, words_in, tokens_in)
    return {
        "utterances": aligned.num_rows,
        "words": len(starts),
        "hours": total / 25 / 3600,
        "tokens_a_word": spoken / len(starts),
        "silences": pauses,
        "tokens_a_silence": (total - spoken) / pauses if pauses else 0.0,
        "silence_share": (total - spoken) / total,
        "score": float(pc.mean(pc.list_flatten(aligned["scores"])).as_py()),
    }


def count_pauses(
    starts: NDArray[np.int32], ends: NDArray[np.int32], words_in: NDArray[np.int32], tokens_in: NDArray[np.int64]
) -> int:
    """The number of stretches of tokens that no word covers, before, between and after the words."""
    import numpy as np

    last = np.cumsum(words_in) - 1
    first = last - words_in + 1
    between = np.ones(len(starts), dtype=bool)
    between[first] = False
    gaps = int((starts[between] > ends[np.flatnonzero(between) - 1]).sum())
    return gaps + int((starts[first] > 0).sum()) + int((ends[last] < tokens_in).sum())
