"""Text tokens: a tokenizer whose encoding of a span is the encodings of its words.

Interleaving swaps spans of words between speech and text at every reading (Lu et al. 2025, section A.1.1), so the
shards hold the text tokens of each word, and a span's tokens must be those of its words, one after another.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from lst_cli.artifacts import Artifact, Kind
from lst_cli.errors import UserError
from lst_cli.hashing import uniform
from lst_cli.text.json_tokenizer import JsonTokenizer
from lst_cli.text.sentencepiece_tokenizer import SentencePieceTokenizer
from lst_cli.text.vocabulary import EOS

TEXT_TOKENIZER = Kind("text_tokenizer", 1)
MODEL_FILE = "tokenizer.model"
JSON_FILE = "tokenizer.json"
TOKENIZER_FILES = (MODEL_FILE, JSON_FILE)
"""A tokenizer artifact and a model hold one of these."""

_BYTE_PIECES = 256
_CONTROL_PIECES = 3
_SAMPLED_AT_ONCE = 10_000


class TextTokenizer:
    """Encodes and decodes text with a SentencePiece model or a ``tokenizer.json``.

    Runs of white space count as one space, and each word is encoded with the space before it; at the start of a text
    as the tokenizer does it there.

    :param model: the bytes of a ``.model`` or ``tokenizer.json`` file.
    :param source: what to call it in errors.
    :raises UserError: neither of them, or one with tokens that can cross word boundaries.
    """

    def __init__(self, model: bytes, source: str = MODEL_FILE) -> None:
        self.source = source
        is_json = model.lstrip()[:1] == b"{"
        self._backend: SentencePieceTokenizer | JsonTokenizer = (
            JsonTokenizer(model, source) if is_json else SentencePieceTokenizer(model, source)
        )

    @classmethod
    def from_file(cls, path: Path) -> TextTokenizer:
        """Load a tokenizer file.

        :raises UserError: the file can't be read, or as for the constructor.
        """
        try:
            return cls(path.read_bytes(), str(path))
        except OSError as error:
            raise UserError(f"{path}: the tokenizer can't be read", found=str(error)) from None

    @property
    def is_json(self) -> bool:
        """Whether it is a ``tokenizer.json``."""
        return isinstance(self._backend, JsonTokenizer)

    @property
    def pieces(self) -> int:
        """Number of text tokens, special ones included."""
        return self._backend.pieces

    @property
    def specials(self) -> tuple[int, ...]:
        """Tokens that no text is encoded to."""
        return self._backend.specials

    def encode(self, text: str, *, continues: bool = False) -> list[int]:
        """Ids of a text's tokens; no markers, no end.

        :param continues: whether another text and a space stand before it.
        """
        return self.encode_batch([text], continues=continues)[0]

    def encode_batch(self, texts: Sequence[str], threads: int = 1, *, continues: bool = False) -> list[list[int]]:
        """:meth:`encode` of many texts.

        :param threads: for SentencePiece; a ``tokenizer.json`` is always read by as many as there are cores.
        """
        spaced = [_spaced(text) for text in texts]
        if isinstance(self._backend, JsonTokenizer):
            return self._backend.encode_batch(spaced, continues=continues)
        return self._backend.encode_batch(spaced, threads)

    def encode_rows(self, rows: Sequence[Sequence[str]]) -> list[list[list[int]]]:
        """Ids of each word of each row of words; those of a row together are :meth:`encode` of its text.

        :raises UserError: they are not, for a word of this tokenizer.
        """
        words = _of_each_word(rows, lambda texts, continues: self.encode_batch(texts, continues=continues))
        whole = self.encode_batch([" ".join(row) for row in rows])
        for row, ids, together in zip(rows, words, whole, strict=True):
            if list(itertools.chain.from_iterable(ids)) != together:
                raise self._backend.not_word_by_word(f"{' '.join(row)[:200]!r} is encoded otherwise than its words")
        return words

    def piece_offsets(self, rows: Sequence[Sequence[str]]) -> list[list[list[int]]]:
        """For each token of :meth:`encode_rows`, the character of its word at which it begins.

        A token that stands for the space before a word, and the bytes of a character, begin where that character does.
        """
        return _of_each_word(rows, self._backend.offsets)

    def encode_words(self, words: Sequence[str]) -> list[list[int]]:
        """:meth:`encode_rows` of one row."""
        return self.encode_rows([words])[0]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens; special tokens have none."""
        return self._backend.decode(ids)

    def piece(self, id: int) -> str:
        """How a token reads, with ``▁`` for a space."""
        return self._backend.piece(id)

    def raw_tokens(self) -> list[str | None]:
        """All tokens as the file writes them, by id."""
        return [self._backend.token(id) for id in range(self.pieces)]

    def knows(self, character: str) -> bool:
        """Whether a character is in whole tokens, and not in bytes or an unknown token."""
        return self._backend.knows(character)


def artifact_file(artifact: Artifact) -> Path:
    """The tokenizer's file in a ``text_tokenizer`` artifact.

    :raises UserError: it was removed.
    """
    names = {record.path for record in artifact.files}
    return artifact.file(JSON_FILE if JSON_FILE in names else MODEL_FILE)


def _of_each_word(
    rows: Sequence[Sequence[str]], encode: Callable[[Sequence[str], bool], list[list[int]]]
) -> list[list[list[int]]]:
    """What ``encode`` makes of each word, of equal words once; its flag says whether words stand before it."""
    first = list(dict.fromkeys(row[0] for row in rows if row))
    later = list(dict.fromkeys(itertools.chain.from_iterable(row[1:] for row in rows)))
    opening = dict(zip(first, encode(first, False), strict=True))
    following = dict(zip(later, encode(later, True), strict=True))
    return [[(following if place else opening)[word] for place, word in enumerate(row)] for row in rows]


def _spaced(text: str) -> str:
    return " ".join(text.split())


def fit(texts: Iterable[str], pieces: int) -> bytes:
    """Train a BPE model with byte fallback; the same texts always give the same bytes.

    Digits stay apart and the spelling is kept as it is (no normalisation), as in Llama 2 (Lu et al. 2025, section 2).

    :raises UserError: there is too little text for this many pieces, or there are too few pieces for its letters.
    """
    import sentencepiece

    seen = _Counted(texts)
    written = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(seen),
            model_writer=written,
            model_type="bpe",
            vocab_size=pieces,
            character_coverage=0.9995,
            byte_fallback=True,
            split_digits=True,
            normalization_rule_name="identity",
            unk_id=0,
            bos_id=1,
            eos_id=EOS,
            pad_id=-1,
            num_threads=1,
            max_sentence_length=1 << 20,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise UserError(
            f"--pieces {pieces} does not fit the text",
            found=f"{seen.lines} lines, {seen.characters} characters: {_last_line(error)}",
            expected=f"more than {_CONTROL_PIECES + _BYTE_PIECES} tokens plus one per letter, and enough text",
            fix="change --pieces or give more text",
        ) from None
    return written.getvalue()


class _Counted:
    """Passes texts on and counts them, for the error message."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = texts
        self.lines = 0
        self.characters = 0

    def __iter__(self) -> Iterator[str]:
        for text in self._texts:
            line = _spaced(text)
            if line:
                self.lines += 1
                self.characters += len(line)
                yield line


def sample(texts: Iterator[str], total: int, most: int, seed: int) -> Iterator[str]:
    """A uniform random sample of about ``most`` of ``total`` texts, in their order; all of them if there are fewer."""
    share = most / max(total, 1)
    for first in itertools.count(0, _SAMPLED_AT_ONCE):
        chunk = list(itertools.islice(texts, _SAMPLED_AT_ONCE))
        if not chunk:
            return
        kept = uniform(seed, np.arange(first, first + len(chunk))) < share
        yield from itertools.compress(chunk, kept)


def _last_line(error: RuntimeError) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rpartition("] ")[2] if lines else "no text"
