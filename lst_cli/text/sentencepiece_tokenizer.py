"""SentencePiece models such as Llama's: each word is encoded with the space before it.

Such a tokenizer encodes a word in the same way wherever it stands.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from lst_cli.errors import UserError
from lst_cli.text.vocabulary import EOS

_SPACE = "\u2581"
"""SentencePiece's sign for a space."""


class SentencePieceTokenizer:
    """Encodes and decodes with a SentencePiece model with ``unk 0, bos 1, eos 2``.

    :raises UserError: no such model, or one in which a piece may reach over a word's end.
    """

    specials = (0, 1, EOS)

    def __init__(self, model: bytes, source: str) -> None:
        import sentencepiece

        self.source = source
        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(model)
            self.pieces = int(self._processor.get_piece_size())
            self._check_control_pieces()
            self._check_word_by_word()
        except (RuntimeError, UnicodeDecodeError) as error:  # the second, from a piece that is not UTF-8
            raise UserError(
                f"{source}: not a SentencePiece model",
                found=str(error).splitlines()[0] if str(error) else f"{len(model)} bytes",
                fix="give the .model file that SentencePiece wrote, or a tokenizer.json",
            ) from None

    def encode_batch(self, texts: Sequence[str], threads: int = 1) -> list[list[int]]:
        """Ids of texts, on ``threads`` threads."""
        ids: list[list[int]] = self._processor.encode(list(texts), num_threads=threads)
        return ids

    def offsets(self, texts: Sequence[str], continues: bool) -> list[list[int]]:
        """The character at which each piece of each text begins; ``continues`` changes nothing here."""
        found = self._processor.encode(list(texts), return_type="offset_mapping")
        return [[begin for begin, _ in each["offsets"]] for each in found]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of pieces; control pieces have none."""
        text: str = self._processor.decode([int(id) for id in ids])
        return text

    def token(self, id: int) -> str:
        """A piece as the model writes it."""
        return self.piece(id)

    def piece(self, id: int) -> str:
        """How a piece is written, with ``▁`` for a space."""
        text: str = self._processor.id_to_piece(int(id))
        return text

    def knows(self, character: str) -> bool:
        """Whether a character is in whole pieces, and not in bytes or the unknown piece."""
        (ids,) = self.encode_batch([character])
        return not any(id == self.specials[0] or self._processor.is_byte(id) for id in ids)

    def _check_control_pieces(self) -> None:
        processor = self._processor
        found = (processor.unk_id(), processor.bos_id(), processor.eos_id())
        if found != (0, 1, EOS):
            raise UserError(
                f"{self.source}: the control pieces have other ids than lst's",
                found="unk {}, bos {}, eos {}".format(*found),
                expected=f"unk 0, bos 1, eos {EOS}, as in Llama's tokenizers",
                fix="train one with 'lst text fit'",
            )

    def _check_word_by_word(self) -> None:
        """A merge over a word's end needs a piece with a space inside; without one there is none."""
        processor = self._processor
        for id in range(self.pieces):
            piece: str = processor.id_to_piece(id)
            if _SPACE in piece.lstrip(_SPACE) and not processor.is_control(id):
                raise self.not_word_by_word(f"the piece {piece!r} reaches over the end of a word")
        for words in (["a", "b"], ["speech", "and", "text,", "word", "by", "word."]):
            apart = list(itertools.chain.from_iterable(self.encode_batch(words)))
            if apart != self.encode_batch([" ".join(words)])[0]:
                raise self.not_word_by_word(f"{' '.join(words)!r} is encoded otherwise than its words")

    def not_word_by_word(self, found: str) -> UserError:
        """The error about a tokenizer that can't be used for interleaving."""
        return UserError(
            f"{self.source}: the tokens of a span are not the tokens of its words",
            found=found,
            expected="SentencePiece with a dummy prefix and split by white space, as Llama's",
            fix="train one with 'lst text fit'",
        )
