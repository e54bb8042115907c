"""The modules against independent ways of getting the same numbers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from lst_cli.errors import UserError
from lst_cli.model.architectures import ARCHITECTURES, architecture
from lst_cli.model.batch import TargetModality
from lst_cli.model.layout import local_part
from lst_cli.model.loss import CHUNK, token_loss
from lst_cli.model.model import Latent, build_model
from lst_cli.patching.packed import IGNORE, Document
from lst_cli.patching.strategies import Patcher, PatchingConfig
from tests.model.helpers import (
    BASELINE,
    BYPASS,
    LOCAL,
    LST,
    NO_LAYERS,
    OWN_PATCH,
    VOCABULARY,
    WIDE,
    batch_for,
    document,
    end_to_end,
    logits,
    model,
    packed,
    random_documents,
    torn,
)

NAMES = ["lst", "own", "wide", "no layers", "bypass", "baseline"]


@pytest.mark.parametrize("cut", ["none", "static", "aligned", "mixed"])
@pytest.mark.parametrize("config", [LST, OWN_PATCH, WIDE, NO_LAYERS, BYPASS, BASELINE], ids=NAMES)
@pytest.mark.parametrize("seed", range(3))
def test_packed_equals_unpacked(config, cut, seed):
    """Documents in one row, also with padding behind and empty positions between them, as in training batches."""
    rng = np.random.default_rng(seed)
    net, whole = model(config), random_documents(seed)
    documents = [*whole, torn(rng, whole[0]), document(rng, [])]
    cuts = ["none" if config is BASELINE else cut] * len(documents)
    if "mixed" in cuts:
        cuts = ["static", "aligned", "static", "aligned", "none"]
    patching = Patcher(PatchingConfig(silence="merged" if seed else "separate"))
    each = [packed([item], patching, of_item, pad=False) for item, of_item in zip(documents, cuts, strict=True)]
    alone = torch.cat([logits(net, item) for item in each])
    tokens = len(alone)
    for together in (packed(documents, patching, cuts, pad=False), end_to_end(each, empty=2)):
        torch.testing.assert_close(logits(net, together), alone, rtol=1e-4, atol=1e-5)
        padded = together.padded(tokens + 9, len(together.document_P) + 5)
        torch.testing.assert_close(logits(net, padded)[:tokens], alone, rtol=1e-4, atol=1e-5)
        # Tables of rotary angles are not precise far from 0: each document starts there.
        batch = batch_for(config, padded)
        starts_P = np.diff(padded.document_P if config.local else padded.document_T, prepend=-2) != 0
        assert (batch.position_P[starts_P] == 0).all()
        if batch.local is not None:
            seen = padded if config is not BYPASS else local_part(padded, config, VOCABULARY).packed
            assert (batch.local.position_T[np.diff(seen.document_T, prepend=-2) != 0] == 0).all()


def test_one_token_patches_without_local_layers_are_the_baseline():
    latent, baseline = model(NO_LAYERS, seed=1), model(BASELINE, seed=2)
    baseline.load_state_dict(latent.state_dict())
    for batch in (
        packed(random_documents(5), Patcher(PatchingConfig()), "none", pad=False),
        packed(random_documents(6), Patcher(PatchingConfig(size=1)), "static", pad=False),
    ):
        assert torch.equal(logits(latent, batch), logits(baseline, batch))


def test_targets_are_told_apart_by_modality():
    words = VOCABULARY
    spoken = [words.t_marker, 5, 6, words.s_marker, *words.units_to_ids(np.array([1, 2])), words.t_marker, 7, words.eos]
    documents = [Document(tokens=np.array(ids, np.int32)) for ids in ([words.t_marker, 5, words.eos], spoken)]
    for config, cut in ((LST, "static"), (BASELINE, "none")):
        batch = batch_for(config, packed(documents, Patcher(PatchingConfig()), cut).padded(192, 192))
        found = [TargetModality(m).name for m in batch.modality_T[batch.targets_T != IGNORE].tolist()]
        text, mixed = ["TEXT_ONLY"] * 2, "TEXT_WITH_SPEECH"
        assert found == [*text, mixed, mixed, mixed, "SPEECH", "SPEECH", mixed, mixed, mixed]


@pytest.mark.parametrize("tokens", [3, CHUNK + 5])
def test_chunked_loss_equals_cross_entropy(tokens):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(tokens, 8, generator=generator, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(13, 8, generator=generator, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(0, 13, (tokens,), generator=generator)
    targets[1::7] = IGNORE  # so many that the likeliest token of some is token 0
    loss = token_loss(x, weight, targets)
    (3 * loss.total).backward()
    got = [p.grad for p in (x, weight)]
    x.grad = weight.grad = None
    expected = torch.nn.functional.cross_entropy(x @ weight.T, targets, ignore_index=IGNORE, reduction="sum")
    (3 * expected).backward()
    torch.testing.assert_close(loss.total, expected)
    torch.testing.assert_close(got, [x.grad, weight.grad])
    assert (loss.nll_T[1::7] == 0).all() and not loss.correct_T[1::7].any()
    assert torch.equal(loss.correct_T, (x @ weight.T).argmax(1) == targets)


def test_named_architectures_fit_together_and_share_the_global_transformer():
    for name, config in ARCHITECTURES.items():
        assert config.check() is architecture(name)
    with torch.device("meta"):
        latent, baseline = (build_model(architecture(f"{family}_1b"), 32_503) for family in ("lst", "baseline"))
    assert isinstance(latent, Latent)
    shared = [sum(p.numel() for p in net.global_transformer.parameters()) for net in (latent, baseline)]
    assert shared[0] == shared[1] and 1.2e9 < shared[0] < 1.4e9


def test_parts_that_do_not_fit_are_refused():
    with pytest.raises(UserError, match=r"multiple of local\.dim 24"):
        dataclasses.replace(LST, local=dataclasses.replace(LOCAL, dim=24)).check()
    with pytest.raises(UserError, match=r"needs a section|has none"):
        dataclasses.replace(BASELINE, local=LOCAL).check()
    with pytest.raises(UserError, match="lst_tiny"):
        architecture("lst_huge")


def test_log_probabilities_are_those_of_the_targets():
    net = model(LST)
    batch = batch_for(LST, packed(random_documents(2), Patcher(PatchingConfig()), "static"))
    with torch.no_grad():
        loss, log_p_TV = net(batch), net.logits(batch).log_softmax(-1)
    found_T = net.log_probability(batch)
    assert (batch.targets_T == IGNORE).sum() > 3
    for t, target in enumerate(batch.targets_T.tolist()):
        expected = 0.0 if target == IGNORE else float(log_p_TV[t, target])
        assert float(found_T[t]) == pytest.approx(expected, abs=1e-5) == pytest.approx(-float(loss.nll_T[t]), abs=1e-5)
    assert float(loss.total) == pytest.approx(-float(found_T.sum()), rel=1e-5)


@pytest.mark.parametrize("family", ["lst", "baseline"])
def test_weights_start_as_documented(family):
    """Deviation fan_in^-1/2, and (2 layers)^-1/2 of that where a projection adds to a residual stream."""
    torch.manual_seed(0)
    net = build_model(architecture(f"{family}_tiny"), 500)
    depth = {"global_transformer": 4, "encoder": 1, "decoder": 2}
    seen = set()
    for name, weight in net.state_dict().items():
        if weight.ndim == 1:
            assert (weight == 1).all(), name
            continue
        module, layer = name.split(".")[0], name.split(".")[-2]
        expected = weight.shape[1] ** -0.5
        if layer in ("out", "down"):
            expected *= (2 * depth[module]) ** -0.5
        seen.add(layer)
        assert float(weight.std()) == pytest.approx(expected, rel=0.04), name
        assert abs(float(weight.mean())) < 0.05 * expected, name
    assert {"embedding", "head", "qkv", "out", "gate_up", "down"} <= seen
    assert net.config.rope_theta == 5e5
