"""A hand-made model that recites known words after ``<t>`` and counts units after ``<s>``."""

from __future__ import annotations

import itertools

import numpy as np

from lst_cli.artifacts import Artifact, Draft, Request, Store
from lst_cli.model_artifact.card import MODEL
from lst_cli.text.tokenizer import TextTokenizer
from tests.inference.models import TEXT, bigram, model_artifact, tokenizer_bytes, vocabulary


def recited_pieces() -> list[int]:
    """The pieces of TEXT, each once: a bigram model can't tell a piece's first coming from its second."""
    return list(dict.fromkeys(TextTokenizer(tokenizer_bytes()).encode(TEXT)))


def recited_text() -> str:
    return TextTokenizer(tokenizer_bytes()).decode(recited_pieces()).strip()


def reciting_artifact(store: Store) -> Artifact:
    words = vocabulary()
    p_VV = np.full((words.size, words.size), 0.1 / (words.size - 1))
    spoken = range(words.speech_start, words.speech_start + 10)
    for chain in ([words.t_marker, *recited_pieces(), words.eos], [words.s_marker, *spoken, words.eos]):
        for before, after in itertools.pairwise(chain):
            p_VV[before, after] = 0.9
    return model_artifact(store, "reciting", *bigram(np.log(p_VV).astype(np.float32)))


def taught_artifact(store: Store, task: str) -> Artifact:
    """The same model, called ``taught``, whose artifact says that it learnt a task."""
    reciting = store.find("model/reciting", MODEL)

    def copy(draft: Draft) -> None:
        for record in reciting.files:
            (draft.path / record.path).write_bytes(reciting.file(record.path).read_bytes())

    return store.build(Request(kind=MODEL, name="taught", config={"task": task}), copy).artifact
