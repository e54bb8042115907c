"""An alignment is read with the tokens that it was made for, and with no others."""

from __future__ import annotations

import pytest

from lst_cli.alignment.read_alignment import read_aligned
from lst_cli.artifacts import Store
from lst_cli.errors import UserError
from tests.reports.making import make_spoken


def test_tokens_of_another_corpus_are_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    store = Store(tmp_path_factory.mktemp("root"))
    _, alignment = make_spoken(store, "a", {"one": "some words here"})
    tokens, _ = make_spoken(store, "b", {"two": "some words here"})
    with pytest.raises(UserError, match="not an alignment of"):
        read_aligned(alignment, tokens)
