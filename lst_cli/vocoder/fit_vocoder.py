"""``lst vocoder fit``: from a corpus and its speech tokens to a vocoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lst_cli.artifacts import Artifact, Draft, Request, Store
from lst_cli.distributed.launcher import ALONE, Rank
from lst_cli.distributed.shared_work import SharedParts
from lst_cli.errors import UserError
from lst_cli.vocoder.files import VOCODER, Card, quantizer_of, save_vocoder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from lst_cli.vocoder.vocoder_config import VocoderConfig
    from lst_cli.vocoder.vocoder_examples import SharedExamples, VocoderExample


@dataclass(frozen=True, kw_only=True)
class VocoderFitOptions:
    """Options of ``lst vocoder fit``."""

    name: str
    corpus: Artifact
    tokens: Artifact
    config: VocoderConfig
    device: str = "cpu"
    max_reject_rate: float = 0.01


def plan_fit(options: VocoderFitOptions, store: Store, rank: Rank = ALONE) -> tuple[Request, Callable[[Draft], None]]:
    """The request, and the function that builds it on rank 0 (or alone).

    :raises UserError: the tokens are not the corpus's, their quantizer was removed, or the config has no valid form.
    """
    from lst_cli.units.quantizer.codebook import QUANTIZER
    from lst_cli.vocoder.vocoder_config import check_form

    check_form(options.config)
    made_from = options.tokens.parents.get("corpus")
    if made_from is None or made_from.fingerprint != options.corpus.fingerprint:
        raise UserError(
            f"{options.tokens.reference}: not the speech tokens of {options.corpus.reference}",
            found=f"tokens of {made_from.reference}" if made_from is not None else "tokens without a corpus",
            fix=f"tokenize the corpus: lst tokenize {options.corpus.kind}/{options.corpus.name}",
        )
    quantizer = store.find(quantizer_of(options.tokens).reference, QUANTIZER)
    request = Request(
        kind=VOCODER,
        name=options.name,
        config=_identity(options.config),
        parents={"corpus": options.corpus, "tokens": options.tokens, "quantizer": quantizer},
    )
    return request, lambda draft: _make(draft, options, quantizer, SharedParts(rank, draft.parts))


def _identity(config: VocoderConfig) -> dict[str, Any]:
    """The part of a config that the vocoder depends on."""
    from lst_cli.config import to_dict

    found = to_dict(config)
    if config.form == "mel":
        return {key: value for key, value in found.items() if key not in ("hifigan", "save_every")}
    hifigan = {key: value for key, value in found["hifigan"].items() if key != "save_every"}
    spectrum = {key: value for key, value in found["spectrum"].items() if key not in ("iterations", "momentum")}
    shared = {key: found[key] for key in ("form", "held_out", "seed")}
    return {**shared, "spectrum": spectrum, "hifigan": hifigan}


def share_examples(options: VocoderFitOptions, parts: SharedParts) -> None:
    """The work of a rank other than 0: read examples until none is missing."""
    _examples(options, parts)[0].run()


def _examples(options: VocoderFitOptions, parts: SharedParts) -> tuple[SharedExamples, int]:
    """The shared reading of the examples, and of how many utterances."""
    from lst_cli.audio.corpus_artifact import Corpus
    from lst_cli.units.tokens import Tokens
    from lst_cli.vocoder.hifigan.fit_hifigan import pcm
    from lst_cli.vocoder.mel.spectrum import Spectrum
    from lst_cli.vocoder.vocoder_examples import SharedExamples, chosen_utterances

    config = options.config
    spectrum = Spectrum(config.spectrum)
    mel = config.form == "mel"
    minutes = config.max_minutes if mel else config.hifigan.max_minutes
    utterances = chosen_utterances(Corpus(options.corpus), minutes, config.seed)
    target = (lambda wave_T, units: spectrum.log_mel(wave_T, units).half()) if mel else pcm
    return SharedExamples(utterances, dict(Tokens(options.tokens)), target, parts), len(utterances)


def _make(draft: Draft, options: VocoderFitOptions, quantizer: Artifact, parts: SharedParts) -> None:
    """Read the examples and fit a vocoder of the configured form."""
    from lst_cli.units.quantizer.codebook import Codebook
    from lst_cli.vocoder.hifigan.fit_hifigan import make_hifigan
    from lst_cli.vocoder.vocoder_examples import split

    config = options.config
    shared, total = _examples(options, parts)
    shared.run()
    examples = shared.examples(draft.reject)
    draft.check_rejects(total, options.max_reject_rate)
    training, held_out = split(examples, config.held_out, config.seed)
    entry = quantizer_of(options.tokens)
    make = _make_mel if config.form == "mel" else make_hifigan
    make(
        draft,
        config,
        training,
        held_out,
        quantizer={"reference": entry.reference, "fingerprint": entry.fingerprint},
        units=Codebook.read(quantizer.path).units,
        device=options.device,
    )


def _make_mel(
    draft: Draft,
    config: VocoderConfig,
    training: Sequence[VocoderExample],
    held_out: Sequence[VocoderExample],
    *,
    quantizer: Mapping[str, str],
    units: int,
    device: str,
) -> None:
    from lst_cli.units.frames import FRAME_SAMPLES, RATE_HZ
    from lst_cli.vocoder.mel.train_mel import held_out_loss, train
    from lst_cli.vocoder.mel.unit_to_mel import new_network
    from lst_cli.vocoder.vocoder_examples import speakers_of

    speakers = speakers_of(training)
    shape = {"units": units, "speakers": len(speakers), "frames_per_unit": FRAME_SAMPLES // config.spectrum.hop}
    network = new_network(config.network, config.seed, bands=config.spectrum.bands, **shape)
    mean_M, scale_M = _normalisation(training)
    network.mean_M.copy_(mean_M)
    network.scale_M.copy_(scale_M)
    figures = train(network, training, speakers, config, draft.parts, device)
    loss = held_out_loss(network, held_out, speakers)
    card = Card(quantizer=quantizer, units=units, speakers=speakers, spectrum=config.spectrum, network=config.network)
    save_vocoder(draft.path, network, card)
    examples = [*training, *held_out]
    draft.statistics.update(
        figures,
        **({"held_out_loss": loss} if loss is not None else {}),
        utterances=len(examples),
        minutes=sum(len(example.units_U) for example in examples) / RATE_HZ / 60,
        speakers=len(speakers),
        parameters=sum(weight.numel() for weight in network.parameters()),
    )


def _normalisation(examples: Sequence[VocoderExample]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each mel band over all frames."""
    import torch

    count = sum(len(example.target_R) for example in examples)
    bands = examples[0].target_R.shape[1]
    sum_M, squares_M = torch.zeros(bands, dtype=torch.float64), torch.zeros(bands, dtype=torch.float64)
    for example in examples:
        mel_JM = example.target_R.double()
        sum_M += mel_JM.sum(dim=0)
        squares_M += mel_JM.square().sum(dim=0)
    mean_M = sum_M / count
    return mean_M.float(), (squares_M / count - mean_M.square()).clamp(min=1e-4).sqrt().float()
