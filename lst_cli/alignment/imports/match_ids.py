"""The utterance of a file, or of an id in a file."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence


class IdMatcher:
    """Finds utterances by id, whatever the Unicode normal form, and by the last part of the id where it is unique."""

    def __init__(self, ids: Iterable[str]) -> None:
        self._exact: dict[str, str] = {}
        self._by_stem: dict[str, str | None] = {}
        for id in ids:
            plain = unicodedata.normalize("NFC", id)
            self._exact.setdefault(plain, id)
            self._exact[id] = id
            stem = plain.rpartition("/")[2]
            self._by_stem[stem] = None if stem in self._by_stem else id

    def find(self, names: Sequence[str]) -> str | None:
        """The utterance of the first name that is an id; of a flat name, also the only id that ends in ``/NAME``."""
        for name in names:
            id = self._exact.get(name) or self._exact.get(unicodedata.normalize("NFC", name))
            if id is not None:
                return id
        return self._by_stem.get(unicodedata.normalize("NFC", names[0]))
