"""Small ``tokenizer.json`` files of the kinds that text models come with."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEXT = [
    "The small fox took a stone over the hill, and did not come back.",
    "Some say the hills are older than the words for them: isn't it so?",
    "Nobody knows how many stones a fox can carry in 1906 or 2024.",
] * 3


def byte_level(
    texts: Iterable[str] = TEXT, size: int = 400, *, split: str | None = LLAMA3_SPLIT, **options: Any
) -> bytes:
    """Byte-level BPE as in Llama 3 and Qwen (with ``split``) or GPT-2 (without)."""
    tokenizer = Tokenizer(models.BPE())
    gpt2 = pre_tokenizers.ByteLevel(add_prefix_space=options.pop("prefix", False), use_regex=split is None)
    parts = [gpt2] if split is None else [pre_tokenizers.Split(Regex(split), "isolated"), gpt2]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(parts)
    tokenizer.decoder = decoders.ByteLevel()
    if normalizer := options.pop("normalizer", None):
        tokenizer.normalizer = normalizer
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=SPECIALS, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(list(texts), trainer)
    return str(tokenizer.to_str()).encode()


def metaspace(texts: Iterable[str] = TEXT, size: int = 200) -> bytes:
    """BPE over ``▁`` with bytes for what is rare, as transformers writes Llama 2's."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    of_bytes = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=size + 259, special_tokens=["<unk>", "<s>", "</s>", *of_bytes], show_progress=False
    )
    # Trained with words apart, so that no token reaches over one.
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("(?=▁)"), "isolated")
    tokenizer.train_from_iterator(list(texts), trainer)
    tokenizer.pre_tokenizer = None
    written = json.loads(tokenizer.to_str())
    written["added_tokens"] = written["added_tokens"][:3]
    return json.dumps(written).encode()


def over_words() -> bytes:
    """BPE without splitting: tokens reach over words."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=500, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(TEXT, trainer)
    return str(tokenizer.to_str()).encode()
