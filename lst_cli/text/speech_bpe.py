"""Speech tokens merged by BPE: the vocabulary of the BPE SpeechLLM (Lu et al. 2025, section 3).

SentencePiece sees a run of units as a word of one letter a unit. A piece is a unit or several units in a row.

Legend: N units, M pieces, R runs.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lst_cli.artifacts import Kind
from lst_cli.errors import UserError

SPEECH_BPE = Kind("speech_bpe", 1)
MODEL_FILE = "speech_bpe.model"

_LETTERS = 0xF0000
"""Unit ``u`` is written as the private-use letter ``U+F0000 + u``."""

_UNKNOWN = 1
"""Pieces of SentencePiece before the first one of ours."""


class SpeechBpe:
    """Merges units into pieces and splits pieces into units.

    :param model: the bytes of a model that :func:`fit` made.
    :param source: what to call it in errors.
    :raises UserError: it is not a speech BPE model.
    """

    def __init__(self, model: bytes, source: str = MODEL_FILE) -> None:
        import sentencepiece

        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(model)
        except RuntimeError:
            raise UserError(f"{source}: not a SentencePiece model", fix="train one with 'lst shards bpe'") from None
        self.pieces = int(self._processor.get_piece_size()) - _UNKNOWN
        """Number of pieces; their ids are 0 to ``pieces - 1``."""
        spelled = [self._processor.id_to_piece(id + _UNKNOWN) for id in range(self.pieces)]
        units = [[ord(letter) - _LETTERS for letter in piece] for piece in spelled]
        if min(chain.from_iterable(units), default=-1) < 0:
            raise UserError(
                f"{source}: not a BPE over speech tokens",
                found=f"the piece {next(piece for piece in spelled if ord(piece[0]) < _LETTERS)!r}",
                fix="train one with 'lst shards bpe'",
            )
        self._lengths = np.array([len(piece) for piece in units], np.int64)
        self._starts = np.concatenate([[0], np.cumsum(self._lengths)])
        self._units = np.array(list(chain.from_iterable(units)), np.uint16)
        self.units = int(self._units.max()) + 1
        """Number of different units."""

    @classmethod
    def from_file(cls, path: Path) -> SpeechBpe:
        """Load a model file.

        :raises UserError: it can't be read, or is not a speech BPE model.
        """
        try:
            return cls(path.read_bytes(), str(path))
        except OSError as error:
            raise UserError(f"{path}: the speech BPE can't be read", found=str(error)) from None

    def encode(self, units_N: NDArray[np.integer]) -> NDArray[np.int64]:
        """Pieces of one run of units."""
        return self.encode_runs(units_N, np.array([0, len(units_N)]))[0]

    def encode_runs(
        self, units_N: NDArray[np.integer], start_R: NDArray[np.integer]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pieces of many runs of units, each merged alone.

        :param start_R: where each run starts in ``units_N``, and where the last one ends, [R + 1].
        :returns: all pieces, [M], and where each run starts in them, [R + 1].
        """
        letters = _spelled(units_N)
        runs = [letters[start:end] for start, end in pairwise(start_R.tolist())]
        found: list[list[int]] = self._processor.encode(runs)
        lengths = np.fromiter(map(len, found), np.int64, len(found))
        pieces = np.fromiter(chain.from_iterable(found), np.int64, int(lengths.sum())) - _UNKNOWN
        if len(pieces) and pieces.min() < 0:
            raise ValueError(f"a unit is out of range: the speech BPE has {self.units} units")
        return pieces, np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])

    def decode(self, pieces_M: NDArray[np.integer]) -> NDArray[np.uint16]:
        """Units of pieces."""
        lengths = self._lengths[pieces_M]
        before = np.cumsum(lengths) - lengths
        index = np.arange(int(lengths.sum())) + np.repeat(self._starts[pieces_M] - before, lengths)
        units: NDArray[np.uint16] = self._units[index]
        return units

    def count(self, pieces_M: NDArray[np.integer]) -> int:
        """The number of units in BPE tokens."""
        return int(self._lengths[pieces_M].sum())


def _spelled(units_N: NDArray[np.integer]) -> str:
    letters: str = (units_N.astype("<u4") + np.uint32(_LETTERS)).tobytes().decode("utf-32-le")
    return letters


def fit(runs: Iterable[NDArray[np.integer]], units: int, pieces: int) -> bytes:
    """Train a model; every unit is a piece, whether it was seen or not. The same runs always give the same bytes.

    :param units: number of different units.
    :param pieces: number of pieces, single units included.
    :raises UserError: the runs don't have this many pieces.
    """
    import sentencepiece

    written = io.BytesIO()
    # A line of each unit alone makes it a piece without making any pair.
    alone = (np.array([unit]) for unit in range(units))
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=map(_spelled, chain(alone, runs)),
            model_writer=written,
            model_type="bpe",
            vocab_size=pieces + _UNKNOWN,
            character_coverage=1.0,
            normalization_rule_name="identity",
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            split_by_whitespace=False,
            split_by_unicode_script=False,
            split_by_number=False,
            unk_id=0,
            bos_id=-1,
            eos_id=-1,
            pad_id=-1,
            num_threads=1,
            max_sentence_length=1 << 24,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise UserError(
            f"--pieces {pieces} does not fit the speech tokens",
            found=str(error).splitlines()[-1].rpartition("] ")[2],
            expected=f"at least the {units} units, and at most as many as the speech tokens support",
            fix="change --pieces or give more shards",
        ) from None
    return written.getvalue()
