"""The ``tokenizer.json`` of today's text models, read by the ``tokenizers`` library: byte-level BPE and others.

Most of these tokenizers encode a word after a space and a word at the start of a text differently. Text is encoded as
the text model was trained on it: a document's first word without a space, each following word with the one before it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from lst_cli.errors import UserError

_OVER_A_WORD = re.compile(r"[^Ġ▁ĊĉčĢ\s][Ġ▁]+[^Ġ▁Ċĉč\s]")
"""A token with a space (byte-level BPE writes ``Ġ``, SentencePiece ``▁``) between other characters."""

_PROBES = (
    ["a", "b"],
    ["speech", "and", "text,", "word", "by", "word."],
    ["Isn't", "it", "1984?", "“Yes”,", "the", "café's", "(old)", "sign", "said:", "a-b", "$3.50", "über"],
)


class JsonTokenizer:
    """Encodes and decodes with a ``tokenizer.json``.

    :param source: what to call it in errors.
    :raises UserError: not such a file, or its tokens do not decode to the same text or cross word boundaries.
    """

    def __init__(self, data: bytes, source: str) -> None:
        from tokenizers import Tokenizer

        self.source = source
        try:
            self._tokenizer = Tokenizer.from_str(data.decode("utf-8"))
        except Exception as error:  # noqa: BLE001 -- the library raises nothing more specific
            raise UserError(
                f"{source}: not a tokenizer.json", found=str(error)[:200], fix="give the file that transformers wrote"
            ) from None
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        # A text that spells a special token is a text.
        self._tokenizer.encode_special_tokens = True
        ids = self._tokenizer.get_vocab(with_added_tokens=True).values()
        self.pieces: int = max(ids, default=-1) + 1
        """Largest id plus one."""
        added = self._tokenizer.get_added_tokens_decoder()
        self.specials: tuple[int, ...] = tuple(sorted(id for id, token in added.items() if token.special))
        """Tokens that no text is encoded to."""
        self._unknown = getattr(self._tokenizer.model, "unk_token", None)
        self._spaced = False
        if self.pieces:
            self._check_tokens()
            self._spaced = self._word_rule()
            self._check_decoding()

    def encode_batch(self, texts: Sequence[str], *, continues: bool = False) -> list[list[int]]:
        """Ids of texts; ``continues`` encodes each as following a space.

        :raises UserError: the tokenizer has no tokens, since its model knows speech alone.
        """
        if not self.pieces:
            raise UserError(
                f"{self.source}: the model has no text tokens",
                expected="speech alone, such as --directions s-s of 'lst eval'",
            )
        encoded = self._tokenizer.encode_batch_fast(self._with_space(texts, continues), add_special_tokens=False)
        return [encoding.ids for encoding in encoded]

    def offsets(self, texts: Sequence[str], continues: bool) -> list[list[int]]:
        """The character at which each token of each text begins; a space before the text is none of its characters."""
        before = int(continues and self._spaced)
        encoded = self._tokenizer.encode_batch(self._with_space(texts, continues), add_special_tokens=False)
        return [[max(begin - before, 0) for begin, _ in encoding.offsets] for encoding in encoded]

    def _with_space(self, texts: Sequence[str], continues: bool) -> list[str]:
        before = " " if continues and self._spaced else ""
        return [before + text if text else "" for text in texts]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens, without a space in front; special tokens have none."""
        text: str = self._tokenizer.decode([int(id) for id in ids], skip_special_tokens=True)
        return text.removeprefix(" ")

    def token(self, id: int) -> str | None:
        """A token as the file writes it; None for an id that is not used."""
        found: str | None = self._tokenizer.id_to_token(id)
        return found

    def piece(self, id: int) -> str:
        """How a token reads, with ``▁`` for a space."""
        text: str = self._tokenizer.decode([int(id)], skip_special_tokens=False)
        return text.replace(" ", "▁")

    def knows(self, character: str) -> bool:
        """Whether a character is in whole tokens, and not in bytes or an unknown token."""
        for id in self.encode_batch([character])[0]:
            token = self.token(id) or ""
            if token == self._unknown or "\ufffd" in self.piece(id) or re.fullmatch(r"<0x[0-9A-F]{2}>", token):
                return False
        return True

    def _check_tokens(self) -> None:
        special = set(self.specials)
        for token, id in self._tokenizer.get_vocab(with_added_tokens=True).items():
            if id not in special and _OVER_A_WORD.search(token):
                raise self.not_word_by_word(f"the token {token!r} reaches over the end of a word")

    def _word_rule(self) -> bool:
        """Whether words after the first one are encoded with a space in front; False where each word brings its own."""
        self._spaced = False
        for spaced in (False, True):
            self._spaced = spaced
            if all(_chained(self.encode_row(row)) == self.encode_batch([" ".join(row)])[0] for row in _PROBES):
                return spaced
        raise self.not_word_by_word(f"{' '.join(_PROBES[-1])!r} is encoded otherwise than its words")

    def encode_row(self, words: Sequence[str]) -> list[list[int]]:
        """Ids of each word of a text."""
        return self.encode_batch(words[:1]) + self.encode_batch(words[1:], continues=True)

    def _check_decoding(self) -> None:
        for row in _PROBES:
            text = " ".join(row)
            found = self.decode(self.encode_batch([text])[0])
            if found != text:
                raise UserError(
                    f"{self.source}: decoding does not reproduce the text",
                    found=f"{found!r} for {text!r}",
                    expected="a tokenizer that keeps case, accents and punctuation, as those of text models do",
                    fix="import a text model's tokenizer, or train one with 'lst text fit'",
                )

    def not_word_by_word(self, found: str) -> UserError:
        """The error about a tokenizer that can't be used for interleaving."""
        return UserError(
            f"{self.source}: the tokens of a span are not the tokens of its words",
            found=found,
            expected="tokens within words, each word with the space before it or with none, as in Llama 3 and Qwen",
            fix="import another text model's tokenizer, or train one with 'lst text fit'",
        )


def no_text() -> bytes:
    """The ``tokenizer.json`` of a model without text tokens."""
    from tokenizers import Tokenizer, models

    text: str = Tokenizer(models.BPE({}, [])).to_str()
    return text.encode()


def _chained(rows: Sequence[Sequence[int]]) -> list[int]:
    return list(itertools.chain.from_iterable(rows))
