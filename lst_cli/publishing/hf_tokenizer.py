"""The tokenizer of an exported model, as ``AutoTokenizer`` reads it: text tokens, markers and speech tokens.

``tokenizer.json`` holds the text tokens: the model's own file, or one made of its SentencePiece model. The markers and
speech tokens follow in ``tokenizer_config.json``, as special tokens: ``<|text|>``, ``<|speech|>``, ``<|speech_0|>``, …
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lst_cli.errors import UserError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from lst_cli.text.tokenizer import TextTokenizer
    from lst_cli.text.vocabulary import Vocabulary

TEXT_MARKER = "<|text|>"
SPEECH_MARKER = "<|speech|>"
CONFIG_FILE = "tokenizer_config.json"

_SPACE = "\u2581"
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6
"""Types of a SentencePiece piece."""
_UNIGRAM, _BPE = 1, 2
"""Types of a SentencePiece model."""


def speech_token(number: int) -> str:
    """The name of a speech token in text."""
    return f"<|speech_{number}|>"


def tokenizer_files(path: Path, tokenizer: TextTokenizer, vocabulary: Vocabulary) -> dict[str, bytes]:
    """``tokenizer_config.json``, and ``tokenizer.json`` where ``path``, the model's own file, is none.

    :raises UserError: a token of the text has the name of a marker or speech token, or there are unused ids between.
    """
    from tokenizers import Tokenizer

    from lst_cli.text.tokenizer import JSON_FILE

    files: dict[str, bytes] = {}
    if tokenizer.is_json:
        fast = Tokenizer.from_file(str(path))
    else:
        fast = from_sentencepiece(path.read_bytes())
        files[JSON_FILE] = fast.to_str(pretty=True).encode()
    added = [TEXT_MARKER, SPEECH_MARKER, *map(speech_token, range(vocabulary.units))]
    _check_ids(fast, added, vocabulary, str(path))
    token = fast.id_to_token(vocabulary.eos)
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": token,
        "pad_token": token,
        "padding_side": "left",
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],
        "added_tokens_decoder": {
            **{str(id): _entry(each.content, each) for id, each in fast.get_added_tokens_decoder().items()},
            **{str(vocabulary.pieces + place): _entry(name) for place, name in enumerate(added)},
        },
    }
    files[CONFIG_FILE] = (json.dumps(config, indent=2, ensure_ascii=False) + "\n").encode()
    return files


def _entry(content: str, token: Any = None) -> dict[str, Any]:
    flags = ("single_word", "lstrip", "rstrip", "normalized")
    return {
        "content": content,
        **{flag: bool(getattr(token, flag, False)) for flag in flags},
        "special": token is None or token.special,
    }


def _check_ids(fast: Tokenizer, added: Sequence[str], vocabulary: Vocabulary, source: str) -> None:
    """Check that the ids of added tokens directly follow those of the text.

    :raises UserError: they would have other ids than the model's.
    """
    known: Mapping[str, int] = fast.get_vocab(with_added_tokens=True)
    taken = [name for name in added if name in known]
    if taken or len(known) != vocabulary.pieces:
        raise UserError(
            f"{source}: transformers would give markers and speech tokens other ids than the model",
            found=f"tokens {', '.join(taken)}" if taken else f"{len(known)} text tokens in {vocabulary.pieces} ids",
            expected=f"an id for each text token, and none called {TEXT_MARKER} or {speech_token(0)}",
        )


def from_sentencepiece(model: bytes) -> Tokenizer:
    """A SentencePiece model as a ``tokenizer.json``: the same tokens for every text with single spaces.

    Each text gets a space in front, after a marker as well; spaces are replaced by ``▁``.
    """
    from sentencepiece import sentencepiece_model_pb2
    from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers
    from tokenizers.models import BPE, Unigram

    proto = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]
    proto.ParseFromString(model)
    pieces, kinds = [each.piece for each in proto.pieces], [each.type for each in proto.pieces]
    unknown, in_bytes = kinds.index(_UNKNOWN), _BYTE in kinds
    if proto.trainer_spec.model_type == _UNIGRAM:
        scores = [(each.piece, each.score) for each in proto.pieces]
        fast = Tokenizer(Unigram(scores, unk_id=unknown, byte_fallback=in_bytes))
    else:
        ids = {piece: id for id, piece in enumerate(pieces)}
        merges = _merges(pieces, kinds, [each.score for each in proto.pieces])
        fast = Tokenizer(BPE(ids, merges, unk_token=pieces[unknown], fuse_unk=True, byte_fallback=in_bytes))
    special = [
        AddedToken(piece, normalized=False, special=True)
        for piece, kind in zip(pieces, kinds, strict=True)
        if kind in (_UNKNOWN, _CONTROL)
    ]
    fast.add_special_tokens(special)
    charsmap = proto.normalizer_spec.precompiled_charsmap
    fast.normalizer = normalizers.Sequence(
        [
            *([normalizers.Precompiled(charsmap)] if charsmap else []),
            normalizers.Prepend(_SPACE),
            normalizers.Replace(" ", _SPACE),
        ]
    )
    fast.pre_tokenizer = pre_tokenizers.Split(_SPACE, "merged_with_next")  # no piece reaches over the end of a word
    fast.decoder = decoders.Sequence(
        [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return fast


def _merges(pieces: Sequence[str], kinds: Sequence[int], scores: Sequence[float]) -> list[tuple[str, str]]:
    """Pairs of pieces that BPE merges, first those of the piece with the highest score."""
    known = {piece for piece, kind in zip(pieces, kinds, strict=True) if kind == _NORMAL}
    ranked = sorted((-score, piece) for piece, score in zip(pieces, scores, strict=True) if piece in known)
    return [
        (piece[:at], piece[at:])
        for _, piece in ranked
        for at in range(1, len(piece))
        if piece[:at] in known and piece[at:] in known
    ]
