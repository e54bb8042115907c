"""The ``scores`` artifact: the request, the model, and the result with the scores of every item."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lst_cli.artifacts import Artifact, Draft, Kind
from lst_cli.audio.layouts.listing import files_below
from lst_cli.errors import UserError
from lst_cli.json_text import parse_json

if TYPE_CHECKING:
    import pyarrow as pa

SCORES = Kind("scores", 1)
ScoredWith = Literal["static", "as-trained"]
"""How speech is patched: by the model's own rule without an aligner (static patches for models trained with aligned
ones), or by the words of an alignment."""

EVALUATOR = "judge"
"""Key of the ASR evaluator in the configs and results of artifacts; fingerprints depend on its name."""

SCORES_FILE = "scores.json"
ITEMS_FILE = "items.parquet"


def file_sum(path: Path) -> str:
    """sha256 of a benchmark file; of a folder, that of its files' names and checksums.

    :raises UserError: the file can't be read.
    """
    try:
        if path.is_dir():
            lines = [f"{each.relative_to(path).as_posix()} {file_sum(each)}\n" for each in files_below(path)]
            return hashlib.sha256("".join(lines).encode()).hexdigest()
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(f"{path}: the file can't be read", found=str(error.strerror)) from None


def model_entry(model: Artifact) -> dict[str, Any]:
    """Which model was scored: reference, fingerprint, architecture, patching, quantizer."""
    from lst_cli.model_artifact.card import CARD_FILE

    card = parse_json(model.file(CARD_FILE).read_text(encoding="utf-8"))
    merged = {"speech_bpe": card["speech_bpe"]} if "speech_bpe" in card else {}
    return {
        "reference": model.reference,
        "name": model.name,
        "fingerprint": model.fingerprint,
        "family": card["architecture"]["family"],
        "patching": card["patching"],
        **merged,
        "quantizer": {key: card["quantizer"][key] for key in ("reference", "fingerprint")},
    }


def spoken_corpus(tokens: Artifact | None) -> dict[str, str] | None:
    """The recordings of a benchmark's tokens; None without tokens, or if they are unknown."""
    corpus = tokens.parents.get("corpus") if tokens is not None else None
    return {"reference": corpus.reference, "fingerprint": corpus.fingerprint} if corpus is not None else None


def differently_spoken(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two results are known to be of different recordings, so that they are not comparable."""
    spoken = [result.get("spoken") for result in (a, b)]
    return all(spoken) and len({each["fingerprint"] for each in spoken if each}) > 1


def write_scores(draft: Draft, result: Mapping[str, Any], items: pa.Table) -> None:
    """Write a result and its items into a draft."""
    from lst_cli.artifacts.parquet import write_bytes_atomic, write_parquet

    text = json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes_atomic(draft.path / SCORES_FILE, (text + "\n").encode())
    write_parquet(draft.path / ITEMS_FILE, items)


def read_scores(artifact: Artifact) -> dict[str, Any]:
    """The result of a ``scores`` artifact.

    :raises UserError: the file is missing or damaged.
    """
    path = artifact.file(SCORES_FILE)
    try:
        result: dict[str, Any] = parse_json(path.read_text(encoding="utf-8"))
        if not isinstance(result, dict):
            raise ValueError(f"{type(result).__name__} where a mapping should be")
    except ValueError as error:
        raise UserError(
            f"{path}: not a whole {SCORES_FILE}",
            found=str(error),
            fix=f"remove it with 'lst artifact rm {artifact.reference}' and score again",
        ) from None
    return result


@contextmanager
def complete(artifact: Artifact) -> Iterator[None]:
    """Entries of an artifact's result are taken inside; one that is not there is an error of the artifact.

    :raises UserError: an entry is missing.
    """
    try:
        yield
    except KeyError as error:
        raise UserError(
            f"{artifact.reference}: the result lacks {error}",
            fix=f"remove it with 'lst artifact rm {artifact.reference}' and score again",
        ) from None


_MARKERS = 2
"""``<s>`` before the speech, ``<t>`` after it: positions of a prompt for a transcript in addition to its speech."""


def context_ratio(positions: int, speech_tokens: int, prompts: int) -> float:
    """Positions of the prompts of transcripts, relative to those without patches (Table 5)."""
    return positions / (speech_tokens + _MARKERS * prompts)
