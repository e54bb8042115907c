"""``lst vocoder fit``: from a corpus and its speech tokens to a vocoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lst_cli.artifacts import Artifact, Draft, Request, Store
from lst_cli.errors import UserError
from lst_cli.vocoder.files import VOCODER, Card, quantizer_of, save_vocoder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from lst_cli.vocoder.config import VocoderConfig
    from lst_cli.vocoder.examples import Example


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """What ``lst vocoder fit`` is asked for."""

    name: str
    corpus: Artifact
    tokens: Artifact
    config: VocoderConfig
    device: str = "cpu"
    max_reject_rate: float = 0.01


def plan_fit(options: FitOptions, store: Store) -> tuple[Request, Callable[[Draft], None]]:
    """What is to be built, and how.

    :raises UserError: the tokens are not the corpus's, or their quantizer is gone.
    """
    from lst_cli.config import to_dict
    from lst_cli.units.codebook import QUANTIZER

    made_from = options.tokens.parents.get("corpus")
    if made_from is None or made_from.fingerprint != options.corpus.fingerprint:
        raise UserError(
            f"{options.tokens.reference}: not the speech tokens of {options.corpus.reference}",
            found=f"tokens of {made_from.reference}" if made_from is not None else "tokens without a corpus",
            fix=f"tokenize the corpus: lst tokenize {options.corpus.kind}/{options.corpus.name}",
        )
    quantizer = store.find(quantizer_of(options.tokens).reference, QUANTIZER)
    identity = to_dict(options.config)
    del identity["save_every"]
    request = Request(
        kind=VOCODER,
        name=options.name,
        config={"form": "mel", **identity},
        parents={"corpus": options.corpus, "tokens": options.tokens, "quantizer": quantizer},
    )
    return request, lambda draft: _make(draft, options, quantizer)


def _make(draft: Draft, options: FitOptions, quantizer: Artifact) -> None:
    from lst_cli.audio.corpus import Corpus
    from lst_cli.units.codebook import Codebook
    from lst_cli.units.frames import RATE_HZ
    from lst_cli.units.tokens import Tokens
    from lst_cli.vocoder.examples import read_examples, speakers_of, split
    from lst_cli.vocoder.network import new_network
    from lst_cli.vocoder.spectrum import Spectrum
    from lst_cli.vocoder.train import held_out_loss, train

    config = options.config
    spectrum = Spectrum(config.spectrum)
    units = Codebook.read(quantizer.path).units
    examples, total = read_examples(
        Corpus(options.corpus), dict(Tokens(options.tokens)), config, spectrum, draft.reject
    )
    draft.check_rejects(total, options.max_reject_rate)
    training, held_out = split(examples, config.held_out, config.seed)
    speakers = speakers_of(training)
    shape = {"units": units, "speakers": len(speakers), "frames_per_unit": spectrum.frames_per_unit}
    network = new_network(config.network, config.seed, bands=config.spectrum.bands, **shape)
    mean_M, scale_M = _normalisation(training)
    network.mean_M.copy_(mean_M)
    network.scale_M.copy_(scale_M)
    figures = train(network, training, speakers, config, draft.parts, options.device)
    loss = held_out_loss(network, held_out, speakers)
    entry = quantizer_of(options.tokens)
    card = Card(
        quantizer={"reference": entry.reference, "fingerprint": entry.fingerprint},
        units=units,
        speakers=speakers,
        spectrum=config.spectrum,
        network=config.network,
    )
    save_vocoder(draft.path, network, card)
    draft.statistics.update(
        figures,
        **({"held_out_loss": loss} if loss is not None else {}),
        utterances=len(examples),
        minutes=sum(len(example.units_U) for example in examples) / RATE_HZ / 60,
        speakers=len(speakers),
        parameters=sum(weight.numel() for weight in network.parameters()),
    )


def _normalisation(examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each mel band over all frames."""
    import torch

    count = sum(len(example.log_mel_JM) for example in examples)
    bands = examples[0].log_mel_JM.shape[1]
    sum_M, squares_M = torch.zeros(bands, dtype=torch.float64), torch.zeros(bands, dtype=torch.float64)
    for example in examples:
        mel_JM = example.log_mel_JM.double()
        sum_M += mel_JM.sum(dim=0)
        squares_M += mel_JM.square().sum(dim=0)
    mean_M = sum_M / count
    return mean_M.float(), (squares_M / count - mean_M.square()).clamp(min=1e-4).sqrt().float()
