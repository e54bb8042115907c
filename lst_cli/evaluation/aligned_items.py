"""``--patching as-trained``: spoken items patched by their alignment, as in training with aligned patches.

The paper evaluates models that saw aligned patches alone in this way (Lu et al. 2025, Table 6). Prompt and endings are
separate utterances: each is patched by its own alignment, and no patch crosses from one into the other.

Legend: T tokens of a prompt or an ending, N speech tokens of an utterance.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lst_cli.alignment.kinds import ALIGNMENT
from lst_cli.artifacts import Artifact, Store
from lst_cli.errors import UserError
from lst_cli.evaluation.directions import SHOWN_IDS
from lst_cli.evaluation.scores import ScoredWith, model_entry
from lst_cli.evaluation.tasks import Item

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lst_cli.inference.shared_prompt import Question
    from lst_cli.model_artifact.card import LoadedModel

ALIGN_FIX = (
    "'lst align run CORPUS --tokens TOKENS … --min-score 0' aligns the spoken items, and rejects none for a low score"
)

_NEEDS_NONE = {
    "mixed": "a model that was trained with static patches too",
    "curriculum": "a model whose training ends with static patches",
}


def check_patching(patching: ScoredWith, alignment: str | None, parents: Mapping[str, Artifact]) -> None:
    """Refuse to score as trained what needs no alignment, or has none.

    :param alignment: reference of the alignment that was given.
    :param parents: ``model``, and ``tokens`` where the items are spoken.
    :raises UserError: there is such a reason, or an alignment that is not used.
    """
    if patching == "static":
        if alignment is not None:
            raise UserError(
                f"--alignment {alignment} with --patching static",
                expected="--patching as-trained, which patches speech by the alignment",
            )
        return
    model = parents["model"]
    strategy = model_entry(model)["patching"]["strategy"]
    if strategy != "aligned":
        raise UserError(
            f"--patching as-trained: {model.reference} has patching.strategy {strategy}",
            found=_NEEDS_NONE.get(strategy, "its patches need no alignment"),
            expected="a model trained with aligned patches only",
            fix="score it with --patching static, the default: that is its rule at inference",
        )
    lacking = [name for name, given in (("--alignment", alignment), ("--tokens", parents.get("tokens"))) if not given]
    if lacking:
        raise UserError(
            f"--patching as-trained: {model.reference} was trained with aligned patches",
            found=f"no {' and no '.join(lacking)}",
            expected="--tokens with the spoken items, and --alignment with their alignment",
            fix=ALIGN_FIX,
        )


def find_alignment(store: Store, reference: str, tokens: Artifact) -> Artifact:
    """The alignment of spoken items.

    :raises UserError: there is none of that name, or it is of other recordings than the tokens.
    """
    alignment = store.find(reference, ALIGNMENT)
    corpora = [artifact.parents.get("corpus") for artifact in (alignment, tokens)]
    if len({corpus.fingerprint for corpus in corpora if corpus is not None}) > 1:
        raise UserError(
            f"{alignment.reference} and {tokens.reference} were made from different corpora",
            found=" and ".join(corpus.reference for corpus in corpora if corpus is not None),
            expected="the alignment of the items' own recordings",
            fix=ALIGN_FIX,
        )
    return alignment


def read_words(
    alignment: Artifact, tokens: Artifact, items: Sequence[Item], loaded: LoadedModel
) -> dict[str, NDArray[np.int32]]:
    """The word (N) of each speech token of the items' utterances, -1 for silence.

    Where the model's patches follow text tokens (``patching.spans``), the text token instead of the word.

    :raises UserError: the alignment lacks an utterance, does not say where characters begin but the model's patches
        follow text tokens, or does not fit the tokens.
    """
    import pyarrow as pa

    from lst_cli.alignment.read_alignment import read_aligned
    from lst_cli.shards.piece_starts import piece_starts
    from lst_cli.shards.schema import PIECE_STARTS, speech_schema
    from lst_cli.shards.shard_rows import no_piece_starts, speech_rows

    aligned = {each.id: each for each in read_aligned(alignment, tokens)}
    ids = list(dict.fromkeys(name for item in items for name in item.spoken))
    missing = [name for name in ids if name not in aligned]
    if missing:
        raise UserError(
            f"{alignment.reference}: {len(missing)} of the items' {len(ids)} utterances are missing",
            found=f"no {', '.join(missing[:SHOWN_IDS])}{', …' if len(missing) > SHOWN_IDS else ''}",
            expected="the words of every prompt and ending",
            fix=f"rejects.parquet of the alignment says why; {ALIGN_FIX}",
        )
    chosen = [aligned[name] for name in ids]
    words, spans = [each.words for each in chosen], loaded.card.patching.spans
    columns = {
        "id": ids,
        "units": [each.units_T for each in chosen],
        "word_pieces": loaded.tokenizer.encode_rows(words),
        "starts": [each.starts_W for each in chosen],
        "ends": [each.ends_W for each in chosen],
    }
    if spans == "piece":
        chars = [each.char_starts_W for each in chosen if each.char_starts_W is not None]
        if len(chars) < len(chosen):
            raise no_piece_starts(f"{alignment.reference} without that column", ALIGN_FIX)
        columns[PIECE_STARTS.name] = piece_starts(loaded.tokenizer, words, chars)
    schema = speech_schema(piece_starts=True)
    table = pa.table({name: pa.array(column, schema.field(name).type) for name, column in columns.items()})
    rows = speech_rows(table, loaded.card.vocabulary, spans)
    start_R = rows.unit_start_R
    return {name: rows.words_of_pool[start_R[row] : start_R[row + 1]] for row, name in enumerate(ids)}


def with_words(
    questions: Sequence[Question],
    items: Sequence[Item],
    direction: str,
    words: Mapping[str, NDArray[np.int32]],
) -> list[Question]:
    """The questions of a direction with the word of each token, for aligned patches.

    :param words: of :func:`read_words`.
    """
    import numpy as np

    def placed(tokens_T: NDArray[np.int32], at: int, utterance: str | None) -> NDArray[np.int32]:
        word_T = np.full(len(tokens_T), -1, np.int32)
        if utterance is not None:
            word_T[at : at + len(words[utterance])] = words[utterance]
        return word_T

    before, after = direction.split("-")
    found = []
    for item, question in zip(items, questions, strict=True):
        # The marker comes before the prompt's speech.
        prompt_T = placed(question.prompt_T, 1, item.spoken[0] if before == "s" and item.prompt else None)
        spoken = item.spoken[-len(item.endings) :]
        endings = [
            placed(ending_T, 0, name if after == "s" else None)
            for ending_T, name in zip(question.endings, spoken, strict=True)
        ]
        found.append(dataclasses.replace(question, words=(prompt_T, *endings)))
    return found
