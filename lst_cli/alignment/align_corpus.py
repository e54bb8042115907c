"""``lst align run``: the words of a corpus laid over its speech tokens.

Utterances are aligned in blocks. A finished block is a part, so an interrupted run resumes after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lst_cli.alignment.kinds import ALIGNMENT, ALIGNMENT_FILE, alignment_schema
from lst_cli.artifacts import Artifact, Draft, Request
from lst_cli.console import warn
from lst_cli.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from lst_cli.alignment.emissions.emitters import Emitter
    from lst_cli.audio.corpus_artifact import Corpus, Utterance

_BLOCK = 1000
"""Utterances in a part."""

DOUBTFUL_SCORE = 0.4
"""An alignment whose words have a lower score on average is warned of (docs/align.md)."""

RULES = 2
"""Goes up when the same transcript and speech would give other words, times or scores."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What ``lst align run`` was asked for."""

    corpus: Artifact
    tokens: Artifact
    aligner: Artifact | None
    """A small aligner; None for a pretrained model."""
    model: str | None
    """Name or path of a pretrained CTC model."""
    name: str
    language: str
    min_score: float
    max_reject_rate: float


def plan_run(options: RunOptions) -> tuple[Request, Callable[[Draft], None]]:
    """The request and the function that fills its draft.

    :raises UserError: there is no such pretrained model, or num2words does not know the language.
    """
    from lst_cli.alignment.emissions.pretrained_files import describe_model
    from lst_cli.alignment.number_words import check_language

    check_language(options.language)
    if not 0 <= options.min_score <= 1:  # also not a number
        raise UserError(f"--min-score {options.min_score}", expected="a number from 0 to 1")
    parents = {"corpus": options.corpus, "tokens": options.tokens}
    config: dict[str, Any] = {
        "made_by": "run",
        "rules": RULES,
        "language": options.language,
        "min_score": options.min_score,
    }
    if options.aligner is not None:
        parents["aligner"] = options.aligner
    else:
        config["model"] = describe_model(str(options.model))
    request = Request(kind=ALIGNMENT, name=options.name, config=config, parents=parents)
    return request, lambda draft: make_alignment(draft, options)


def make_alignment(draft: Draft, options: RunOptions) -> None:
    """Align every utterance of the tokens and write the alignment.

    :raises UserError: the tokens are of another corpus, or too many utterances were rejected.
    """
    from lst_cli.alignment.align_batch import load_emitter
    from lst_cli.audio.corpus_artifact import Corpus
    from lst_cli.console import progress

    corpus = Corpus(options.corpus)
    lengths = token_lengths(options.tokens, corpus)
    ids = list(lengths)
    emitter: Emitter | None = None
    paths = []
    with progress("align", len(ids), "utterances") as bar:
        for start in range(0, len(ids), _BLOCK):
            block = ids[start : start + _BLOCK]
            path = draft.parts / f"aligned-{start:09d}.parquet"
            if not path.is_file():
                emitter = emitter or load_emitter(options.aligner, options.model)
                rows = _align_block([(corpus.find(id), lengths[id]) for id in block], emitter, options)
                write_part(path, rows)
            paths.append(path)
            bar.advance(len(block))
    finish(draft, paths, lengths, options.max_reject_rate)
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
            found=f"utterance {strange!r}, which the corpus lacks",
            fix="give the corpus that the tokens were made from: see 'lst artifact lineage'",
        )
    return lengths


def _align_block(block: Sequence[tuple[Utterance, int]], emitter: Emitter, options: RunOptions) -> list[dict[str, Any]]:
    """Align some utterances; rows in their order, with ``reason`` where one was rejected."""
    from lst_cli.alignment.align_batch import align_batch
    from lst_cli.audio.decode import read_utterances

    tokens = {utterance.id: length for utterance, length in block}
    rows: dict[str, dict[str, Any]] = {}

    def unreadable(utterance: Utterance, error: UserError) -> None:
        rows[utterance.id] = {"id": utterance.id, "reason": str(error)}

    by_length = sorted((utterance for utterance, _ in block), key=lambda utterance: utterance.seconds)
    for batch in _batches(read_utterances(by_length, on_error=unreadable), emitter.batch_s):
        lengths = [tokens[utterance.id] for utterance, _ in batch]
        for row in align_batch(batch, lengths, emitter, options.language, options.min_score):
            rows[row["id"]] = row
    return [rows[utterance.id] for utterance, _ in block]


def _batches(
    clips: Iterator[tuple[Utterance, NDArray[np.float32]]], batch_s: float
) -> Iterator[list[tuple[Utterance, NDArray[np.float32]]]]:
    """Clips of rising length, as many as ``batch_s`` holds when all are padded to the longest; one at least."""
    batch: list[tuple[Utterance, NDArray[np.float32]]] = []
    for clip in clips:
        if batch and (len(batch) + 1) * clip[0].seconds > batch_s:
            yield batch
            batch = []
        batch.append(clip)
    if batch:
        yield batch


def write_part(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows of the alignment, or with an ``id`` and the ``reason`` of their rejection."""
    import pyarrow as pa

    from lst_cli.artifacts.parquet import write_parquet

    schema = alignment_schema().append(pa.field("reason", pa.string()))
    write_parquet(path, pa.Table.from_pylist(list(rows), schema=schema))


def finish(draft: Draft, parts: Sequence[Path], lengths: dict[str, int], max_reject_rate: float) -> None:
    """Join the parts to the alignment, list what was rejected, and count."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from lst_cli.artifacts.parquet import read_parquet, write_parquet

    table = pa.concat_tables([alignment_schema().append(pa.field("reason", pa.string())).empty_table()])
    table = pa.concat_tables([table, *(read_parquet(path) for path in parts)])
    rejected = table.filter(pc.is_valid(table["reason"]))
    for id, reason in zip(rejected["id"].to_pylist(), rejected["reason"].to_pylist(), strict=True):
        draft.reject(id, reason)
    draft.check_rejects(table.num_rows, max_reject_rate)
    aligned = table.filter(pc.is_null(table["reason"])).drop_columns(["reason"])
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
