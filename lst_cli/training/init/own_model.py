"""A model of ``lst``, or its exported folder, as a source of initial weights: continued pretraining."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lst_cli.checksum import sha256_of
from lst_cli.errors import UserError
from lst_cli.model_artifact.card import CARD_FILE, MODEL, WEIGHTS_FILE, ModelCard, read_card_file
from lst_cli.training.init.initial_model import Mapped
from lst_cli.training.init.overrides import over, refuse_others

if TYPE_CHECKING:
    from torch import Tensor

    from lst_cli.artifacts import Artifact, Store
    from lst_cli.model.model_config import ModelConfig
    from lst_cli.text.vocabulary import Vocabulary
    from lst_cli.training.config.train_config import ModelSection


def is_own(name: str) -> bool:
    """Whether ``--init`` names a model artifact, or a folder that ``lst export`` wrote."""
    return name.startswith(f"{MODEL.name}/") or (Path(name) / CARD_FILE).is_file()


@dataclass(frozen=True, kw_only=True)
class OwnModel:
    """A model of ``lst`` to begin from."""

    name: str
    folder: Path
    card: ModelCard
    sha256: str
    """Of its weights."""
    artifact: Artifact | None
    """None for an exported folder."""

    @classmethod
    def find(cls, store: Store, name: str) -> OwnModel:
        """The artifact or exported folder of this name.

        :raises UserError: there is none, or a file is missing or damaged.
        """
        from lst_cli.artifacts.manifest import MANIFEST

        exported = Path(name).is_dir() and not (Path(name) / MANIFEST).is_file()
        artifact = None if exported else store.find(name, MODEL)
        folder = Path(name) if artifact is None else artifact.path
        card = read_card_file(folder / CARD_FILE, name)
        missing = [each for each in card.files if not (folder / each).is_file()]
        if missing:
            raise UserError(f"--init {name}: not a whole model", found=f"no {', '.join(missing)}")
        return cls(name=name, folder=folder, card=card, sha256=sha256_of(folder / WEIGHTS_FILE), artifact=artifact)

    @property
    def identity(self) -> dict[str, str]:
        """Its part of a run's identity."""
        return {"sha256": self.sha256}

    def section(self, section: ModelSection) -> ModelSection:
        """The model to train: this one.

        :raises UserError: the config has another family or another shape.
        """
        import dataclasses

        from lst_cli.config import to_dict
        from lst_cli.model.architectures import architecture

        asked, mine = architecture(section.architecture).family, self.card.architecture
        if asked != mine.family:
            raise UserError(
                f"model.architecture: {section.architecture} is of the family {asked}",
                expected=f"the family {mine.family}, as {self.name}",
                fix=f"name an architecture {mine.family}_…; with --init its shape is that of {self.name}",
            )
        shape = to_dict(mine)
        refuse_others(section.overrides, shape, self.name)
        return dataclasses.replace(section, overrides=over(shape, section.overrides))

    def check(self, tokenizer: Path, quantizer: Artifact, speech_bpe: Artifact | None) -> None:
        """Refuse a model that was trained with other text or speech tokens than the shards'.

        :raises UserError: it was; all that differ are named.
        """
        differing = []
        if (self.folder / self.card.tokenizer_file).read_bytes() != tokenizer.read_bytes():
            differing.append("text tokenizer")
        pairs = (("quantizer", self.card.quantizer, quantizer), ("speech BPE", self.card.speech_bpe, speech_bpe))
        for what, entry, artifact in pairs:
            if (entry or {}).get("fingerprint") != (artifact.fingerprint if artifact is not None else None):
                differing.append(what)
        if differing:
            raise UserError(
                f"--init {self.name}: trained with other tokens than the shards'",
                found=f"another {' and '.join(differing)}",
                expected="the same text tokenizer, quantizer and speech BPE",
                fix="make the shards with those that the model was trained with ('lst artifact lineage' shows them)",
            )

    def weights(self, config: ModelConfig, vocabulary: Vocabulary, seed: int) -> tuple[dict[str, Tensor], list[Mapped]]:
        """Its weights; nothing is fresh.

        :raises UserError: the file is damaged, is not of the card's shape, or holds a number that is not finite.
        """
        import torch
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        from lst_cli.model.model import build_model

        path = self.folder / WEIGHTS_FILE
        with torch.device("meta"):
            wanted: dict[str, Any] = build_model(config, vocabulary.size).state_dict()
        try:
            state = load_file(path)
        except SafetensorError as error:
            raise UserError(f"{path}: not a whole file", found=str(error)) from None
        odd = [name for name in wanted.keys() | state.keys() if _shape(wanted, name) != _shape(state, name)]
        odd += [name for name, value in state.items() if not bool(value.isfinite().all())]
        if odd:
            raise UserError(
                f"--init {self.name}: {len(odd)} tensors do not fit",
                found=", ".join(sorted(odd)[:5]),
                expected=f"finite numbers in the shapes of {CARD_FILE}",
            )
        return state, [Mapped(ours=name, theirs=name, numbers=value.numel()) for name, value in state.items()]


def _shape(state: dict[str, Any], name: str) -> tuple[int, ...] | None:
    return tuple(state[name].shape) if name in state else None
