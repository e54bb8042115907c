"""``lst align fit``: from corpora to a trained aligner on disk, and back into memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lst_cli.alignment.kinds import ALIGNER
from lst_cli.artifacts import Artifact, Draft, Request

if TYPE_CHECKING:
    from lst_cli.alignment.emissions.aligner_network import LetterNetwork
    from lst_cli.alignment.fit.aligner_config import AlignerConfig

WEIGHTS = "model.safetensors"


def plan_fit(
    corpora: Sequence[Artifact], name: str, config: AlignerConfig, max_reject_rate: float
) -> tuple[Request, Callable[[Draft], None]]:
    """What is to be built, and how."""
    from lst_cli.config import to_dict

    request = Request(
        kind=ALIGNER,
        name=name,
        config=to_dict(config),
        parents={f"corpus-{number}": corpus for number, corpus in enumerate(corpora)},
    )
    return request, lambda draft: make_aligner(draft, corpora, config, max_reject_rate)


def make_aligner(draft: Draft, corpora: Sequence[Artifact], config: AlignerConfig, max_reject_rate: float) -> None:
    """Train and write the network.

    :raises UserError: a corpus without transcripts, or too many utterances that can't be trained on.
    """
    from safetensors.torch import save

    from lst_cli.alignment.fit.aligner_examples import read_examples
    from lst_cli.alignment.fit.train_aligner import check_learned, train
    from lst_cli.artifacts.parquet import write_bytes_atomic
    from lst_cli.audio.corpus_artifact import Corpus

    examples, total = read_examples([Corpus(corpus) for corpus in corpora], config, draft.reject)
    draft.check_rejects(total, max_reject_rate)
    network, statistics = train(examples, config)
    statistics |= check_learned(network, examples, config)
    write_bytes_atomic(draft.path / WEIGHTS, save(dict(network.state_dict())))
    draft.statistics.update(
        statistics,
        utterances=total - len(draft.rejects),
        hours=sum(example.seconds for example in examples) / 3600,
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

    config = from_dict(AlignerConfig, artifact.config, source=artifact.reference)
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
