"""The two models: the Latent Speech-Text Transformer, and the baseline that it is measured against.

Shape legend: T tokens, P positions of the global transformer, L local width, D global width, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lst_cli.model.batch import Batch
from lst_cli.model.global_transformer import GlobalTransformer
from lst_cli.model.layers import linear, norm, over
from lst_cli.model.loss import TokenLoss, differentiable_token_loss, log_probabilities, token_loss
from lst_cli.model.model_config import LocalConfig, ModelConfig
from lst_cli.model.patch_decoder import PatchDecoder
from lst_cli.model.patch_encoder import PatchEncoder
from lst_cli.patching.packed import IGNORE


class SpeechTextModel(nn.Module):
    """Shared by both models: embeddings in, states out, next-token loss."""

    def __init__(self, config: ModelConfig, vocabulary_size: int, token_dim: int) -> None:
        super().__init__()
        self.config = config.check()
        self.vocabulary_size = vocabulary_size
        self.embedding = nn.Embedding(vocabulary_size, token_dim)
        nn.init.trunc_normal_(self.embedding.weight, std=token_dim**-0.5)
        self.global_transformer = GlobalTransformer(config)
        self.norm = norm(token_dim, config.block.norm_eps)
        self.head = linear(token_dim, vocabulary_size)
        self.tie()

    def tie(self) -> None:
        """Make the output layer's matrix the embedding's, if they are tied; after weights were assigned, again."""
        if self.config.tied:
            self.head.weight = self.embedding.weight

    def states(self, batch: Batch) -> Tensor:
        """Normalised token states (T, L) from which the next token is predicted."""
        raise NotImplementedError

    def forward(self, batch: Batch, *, differentiable: bool = False) -> TokenLoss:
        """Next-token loss of a batch. Data-parallel wrappers see this call.

        :param differentiable: whether the loss of each target carries a gradient, not only their sum.
        """
        if differentiable:
            return differentiable_token_loss(self.states(batch), self.head.weight, batch.targets_T)
        return token_loss(self.states(batch), self.head.weight, batch.targets_T)

    def logits(self, batch: Batch) -> Tensor:
        """Logits (T, V); for tests and small batches."""
        out_TV: Tensor = self.head(self.states(batch))
        return out_TV

    @torch.no_grad()
    def log_probability(self, batch: Batch) -> Tensor:
        """Log-probability (T) of each target, 0 where ignored; as :meth:`logits`."""
        target_T = batch.targets_T
        chosen_T = log_probabilities(self.logits(batch)).gather(1, target_T.clamp(min=0)[:, None])[:, 0]
        return chosen_T.masked_fill(target_T == IGNORE, 0.0)


class Baseline(SpeechTextModel):
    """Tokens straight through the global transformer (the paper's SpeechLLM, after SpiritLM)."""

    def __init__(self, config: ModelConfig, vocabulary_size: int) -> None:
        super().__init__(config, vocabulary_size, config.dim)

    def states(self, batch: Batch) -> Tensor:
        """Token states (T, D)."""
        attends = [over(batch.positions_P)] * self.config.layers
        x_TD = self.global_transformer(self.embedding(batch.tokens_T), batch.position_P, attends)
        out_TD: Tensor = self.norm(x_TD)
        return out_TD


class Latent(SpeechTextModel):
    """Patch encoder, global transformer over patches, patch decoder (Lu et al. 2025, section 3)."""

    def __init__(self, config: ModelConfig, vocabulary_size: int, local: LocalConfig) -> None:
        super().__init__(config, vocabulary_size, local.dim)
        self.encoder = PatchEncoder(local, config.queries, config.rope_theta)
        self.decoder = PatchDecoder(local, config.queries, config.rope_theta)
        self.local = local
        bypass = local.text == "bypass"
        self.text_in = linear(local.dim, config.dim) if bypass else None
        self.text_out = linear(config.dim, local.dim) if bypass else None

    def text_vectors(self, x_NL: Tensor) -> Tensor:
        """Embeddings of text tokens (N, L) to their positions' vectors (N, D), where text bypasses the local layers."""
        assert self.text_in is not None
        out_ND: Tensor = self.text_in(x_NL)
        return out_ND

    def text_states(self, global_ND: Tensor) -> Tensor:
        """Global outputs of text positions (N, D) to token states (N, L), where text bypasses the local layers."""
        assert self.text_out is not None
        out_NL: Tensor = self.text_out(global_ND)
        return out_NL

    def encoded(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """States of the tokens in the local layers (T, L) and vectors of all positions (P, D)."""
        local = batch.local
        assert local is not None, "the batch was made for a baseline"
        x_TL = self.embedding(batch.tokens_T)
        bypass = local.bypass
        token_TL, patch_PD = self.encoder(
            x_TL if bypass is None else x_TL[bypass.speech_T],
            local.patch_T,
            local.position_T,
            local.patches,
            [over(local.tokens_T)] * self.local.encoder_layers,
            [over(local.patch_to_tokens_Q)] * self.local.encoder_layers,
        )
        if bypass is None:
            return token_TL, patch_PD
        return token_TL, bypass.positions(patch_PD, self.text_vectors(x_TL[bypass.text_T]))

    def states(self, batch: Batch) -> Tensor:
        """Token states (T, L)."""
        local = batch.local
        assert local is not None, "the batch was made for a baseline"
        token_TL, patch_PD = self.encoded(batch)
        over_tokens = over(local.tokens_T)
        global_PD = self.global_transformer(patch_PD, batch.position_P, [over(batch.positions_P)] * self.config.layers)
        x_TL = self.decoder(
            token_TL,
            global_PD,
            local.position_T,
            local.last_closed_T,
            [over(local.token_to_patches_T)] * self.local.decoder_layers,
            [over_tokens] * self.local.decoder_layers,
        )
        if local.bypass is not None:
            x_TL = local.bypass.tokens(x_TL, self.text_states(global_PD[local.bypass.text_P]))
        out_TL: Tensor = self.norm(x_TL)
        return out_TL


def build_model(config: ModelConfig, vocabulary_size: int) -> SpeechTextModel:
    """A model with fresh weights, from torch's global seed; on the meta device where that is current."""
    config.check()
    return Baseline(config, vocabulary_size) if config.local is None else Latent(config, vocabulary_size, config.local)
