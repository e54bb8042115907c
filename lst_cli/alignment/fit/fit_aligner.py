"""``lst align fit``: from corpora to a trained aligner on disk, and back into memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lst_cli.alignment.kinds import ALIGNER
from lst_cli.artifacts import Artifact, Draft, Request
from lst_cli.console import say

if TYPE_CHECKING:
    from lst_cli.alignment.emissions.aligner_network import LetterNetwork
    from lst_cli.alignment.fit.aligner_config import AlignerConfig

WEIGHTS = "model.safetensors"

RULES = 2
"""Incremented when the same speech and settings would give another network or other statistics."""


@dataclass(frozen=True)
class KnownTimes:
    """An alignment with known times, and its corpus."""

    alignment: Artifact
    corpus: Artifact


def plan_fit(
    corpora: Sequence[Artifact],
    name: str,
    config: AlignerConfig,
    max_reject_rate: float,
    known: KnownTimes | None = None,
) -> tuple[Request, Callable[[Draft], None]]:
    """The request and the function that fills its draft.

    :param known: times to compare the new aligner's word boundaries with.
    """
    from lst_cli.config import to_dict

    parents = {f"corpus-{number}": corpus for number, corpus in enumerate(corpora)}
    if known is not None:
        parents |= {"check": known.alignment, "check-corpus": known.corpus}
    request = Request(kind=ALIGNER, name=name, config={**to_dict(config), "rules": RULES}, parents=parents)
    return request, lambda draft: make_aligner(draft, corpora, config, max_reject_rate, known)


def make_aligner(
    draft: Draft,
    corpora: Sequence[Artifact],
    config: AlignerConfig,
    max_reject_rate: float,
    known: KnownTimes | None = None,
) -> None:
    """Train, check and write the network.

    :raises UserError: a corpus without transcripts, or too many utterances that can't be trained on.
    """
    from safetensors.torch import save

    from lst_cli.alignment.emissions.emitters import SmallEmitter
    from lst_cli.alignment.fit.aligner_examples import hold_out, read_examples, repeat_small
    from lst_cli.alignment.fit.check_aligner import check_learned
    from lst_cli.alignment.fit.check_boundaries import boundary_errors
    from lst_cli.alignment.fit.train_aligner import train
    from lst_cli.artifacts.parquet import write_bytes_atomic
    from lst_cli.audio.corpus_artifact import Corpus

    found, total = read_examples([Corpus(corpus) for corpus in corpora], config, draft.reject)
    draft.check_rejects(total, max_reject_rate)
    kept, held_out = hold_out(found, config.seed)
    network, statistics = train(repeat_small(kept, config.least_share), config)
    statistics |= check_learned(network, [example for examples in kept for example in examples], held_out, config)
    if known is not None:
        errors = boundary_errors(SmallEmitter(network, config), Corpus(known.corpus), known.alignment)
        say(
            f"word boundaries are {errors['check_median_ms']:.0f} ms from those of {known.alignment.reference} in the "
            f"median, {errors['check_p90_ms']:.0f} ms at the 90th percentile"
        )
        statistics |= errors
    write_bytes_atomic(draft.path / WEIGHTS, save(dict(network.state_dict())))
    draft.statistics.update(
        statistics,
        utterances=total - len(draft.rejects),
        parameters=sum(weight.numel() for weight in network.parameters()),
    )


def load_network(artifact: Artifact) -> tuple[LetterNetwork, AlignerConfig]:
    """Read an aligner.

    :raises UserError: its weights are missing or damaged.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from lst_cli.alignment.emissions.aligner_network import LetterNetwork
    from lst_cli.alignment.fit.aligner_config import AlignerConfig
    from lst_cli.config import from_dict
    from lst_cli.errors import UserError
    from lst_cli.finite import check_finite_weights

    settings = {key: value for key, value in artifact.config.items() if key != "rules"}
    config = from_dict(AlignerConfig, settings, source=artifact.reference)
    path = artifact.file(WEIGHTS)
    with torch.device("meta"):
        network = LetterNetwork(config.network)
    try:
        network.load_state_dict(load_file(path), assign=True)
    except (SafetensorError, RuntimeError) as error:
        raise UserError(
            f"{path}: not the weights of an aligner",
            found=str(error).splitlines()[0],
            fix=f"remove it with 'lst artifact rm {artifact.reference}' and fit it again",
        ) from None
    check_finite_weights(network.state_dict(), artifact.reference)
    return network.eval(), config
