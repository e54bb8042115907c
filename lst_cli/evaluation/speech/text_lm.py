"""A causal language model of text, of any family that transformers reads: the scorer of generative perplexity.

Legend: T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lst_cli.checksum import sha256_of
from lst_cli.errors import UserError

TEXT_LM_VERSION = 1
"""Incremented when the same weights would give another perplexity."""

_TOKENIZER = ("tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt", "tokenizer_config.json")


@dataclass(frozen=True, kw_only=True)
class TextLmFiles:
    """A model on disk."""

    name: str
    """As the user named it; of a folder its last part."""
    folder: Path
    sha256: str
    """Checksum of its config and weights."""
    tokenizer_sha256: str

    @property
    def config(self) -> Mapping[str, Any]:
        """Identifies the model in a result."""
        return {
            "name": self.name,
            "sha256": self.sha256,
            "tokenizer_sha256": self.tokenizer_sha256,
            "version": TEXT_LM_VERSION,
        }


def find_text_lm(name: str) -> TextLmFiles:
    """The model of a folder, or of a name that was downloaded before. Does not load torch.

    :raises UserError: it is missing, is not a model, or has no tokenizer.
    """
    from lst_cli.units.features.hub_models import find_model, weights_sha256

    expected = "a folder, or the name of a causal language model downloaded before, such as meta-llama/Llama-3.2-1B"
    folder = find_model(name, f"--lm {name}", expected, fetch=False)
    files = [folder / each for each in _TOKENIZER if (folder / each).is_file()]
    if not files:
        raise UserError(
            f"--lm {name}: no tokenizer", expected="tokenizer.json, or vocabulary and merges, in the folder"
        )
    called = folder.resolve().name if Path(name).is_dir() else name
    return TextLmFiles(name=called, folder=folder, sha256=weights_sha256(folder), tokenizer_sha256=sha256_of(*files))


class TextLm:
    """Negative log-likelihoods of texts, one text at a time, in float32."""

    def __init__(self, files: TextLmFiles, device: str) -> None:
        """Load the model.

        :raises UserError: transformers can't read the model or its tokenizer, or weights are missing.
        """
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging

        from lst_cli.units.features.whole_model import load_whole

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        called = f"--lm {files.name}"
        self._model = (
            load_whole(
                AutoModelForCausalLM,
                files.folder,
                called,
                what="a causal language model",
                trained="a causal language model with its output layer",
            )
            .float()
            .to(device)
        )
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(  # type: ignore[no-untyped-call]
                files.folder, local_files_only=True
            )
        except (OSError, ValueError, KeyError) as error:
            raise UserError(
                f"{called}: transformers can't read the tokenizer", found=str(error).splitlines()[0]
            ) from None

    def score(self, text: str) -> tuple[float, int]:
        """The summed negative log-likelihood of a text in nats, and the number of tokens that it is summed over.

        The tokenizer adds its usual special tokens (Llama's ``<|begin_of_text|>``, GPT-2's none). Every token is
        scored but the first, which follows nothing. A text of fewer than two tokens has no score: 0 nats, 0 tokens.

        :raises UserError: the text is longer than the model's context.
        """
        import torch

        token_T = torch.tensor(self._tokenizer(text)["input_ids"], dtype=torch.long, device=self._model.device)
        longest = getattr(self._model.config, "max_position_embeddings", None)
        if longest is not None and len(token_T) > longest:
            raise UserError(
                "--lm: a transcript is longer than the model's context",
                found=f"{len(token_T)} tokens",
                expected=f"at most {longest}",
                fix="generate shorter continuations with --seconds, or score them with another model",
            )
        if len(token_T) < 2:
            return 0.0, 0
        with torch.inference_mode():
            logits_TV = self._model(token_T[None], use_cache=False).logits[0, :-1].float()
            total = torch.nn.functional.cross_entropy(logits_TV, token_T[1:], reduction="sum")
        return float(total), len(token_T) - 1
