"""The Latent Speech-Text Transformer (Lu et al. 2025, arXiv:2510.06195) and its baseline, for transformers.

``lst export`` puts this file next to a model's weights; it needs torch and transformers only. One row of ``input_ids``
is one document, in the joint vocabulary ``[text tokens | text marker | speech marker | speech tokens]``. A run of
speech tokens is cut into patches of ``patch_size`` tokens, a text token or marker is a patch of its own; a patch may be
used from the first token at which it is known, from the past alone, to have ended. A baseline has no patches.

There is no cache: each step of ``generate`` computes the whole document.

Shape legend: B rows, T tokens, t tokens in the local layers, P patches, p patches made by the encoder, S keys, L local
width, D = k * L global width, H heads, K heads of keys and values, E width of a head, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention, silu
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput


class LstConfig(PretrainedConfig):
    """Shape of the model, and how documents are cut into patches."""

    model_type = "lst"

    def __init__(self, text_tokens: int = 1, speech_tokens: int = 1, patch_size: int = 1, **kwargs: Any) -> None:
        """All that config.json has; ``local_layers`` is null for a baseline."""
        self.text_tokens, self.speech_tokens, self.patch_size = text_tokens, speech_tokens, patch_size
        self.special_tokens: list[int] = kwargs.pop("special_tokens", [])
        self.global_layers: dict[str, Any] = kwargs.pop("global_layers", {"layers": 0, "dim": 2, "heads": 1})
        self.local_layers: dict[str, Any] | None = kwargs.pop("local_layers", None)
        self.speech_start = text_tokens + 2  # after the two markers
        self.vocab_size = self.speech_start + speech_tokens
        names = {"hidden_size": "dim", "num_hidden_layers": "layers", "num_attention_heads": "heads"}
        kwargs.update({name: self.global_layers[key] for name, key in names.items()})
        super().__init__(**kwargs)


def attend(q_THE: Tensor, k_SKE: Tensor, v_SKE: Tensor, sees_TS: Tensor) -> Tensor:
    """Attention of each query over the keys that it sees; zero for a query that sees none."""
    if not len(q_THE):
        return q_THE
    blind_T1 = ~sees_TS.any(1, keepdim=True)
    q_HTE, k_KSE, v_KSE = (x.transpose(0, 1)[None] for x in (q_THE, k_SKE, v_SKE))
    grouped = q_THE.shape[1] != k_SKE.shape[1]
    o_HTE = scaled_dot_product_attention(q_HTE, k_KSE, v_KSE, attn_mask=sees_TS | blind_T1, enable_gqa=grouped)[0]
    return o_HTE.transpose(0, 1).masked_fill(blind_T1[:, :, None], 0.0)


def within(place_T: Tensor, place_S: Tensor, window: int) -> Tensor:
    """Which keys each query sees (T, S): its own place and those before it, ``window`` in all."""
    back_TS = place_T[:, None] - place_S
    return (back_TS >= 0) & (back_TS < window)


def patches(speech_T: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """For each token its patch, and the last patch that is known to have ended there; -1 for none."""
    index_T = torch.arange(len(speech_T), device=speech_T.device)
    starts_T = ~speech_T | ~speech_T.roll(1) | (index_T == 0)
    place_T = (index_T - torch.where(starts_T, index_T, 0).cummax(0).values) % size
    patch_T = (place_T == 0).cumsum(0) - 1
    return patch_T, patch_T - 1 + (~speech_T | (place_T == size - 1)).long()


def rotary(tokens: int, shape: dict[str, Any], x: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines (T, 1, E/2) of rotary position embedding, on the device of ``x``, in at least float32."""
    frequency_E = torch.tensor(shape["rope_frequencies"], device=x.device, dtype=torch.float32)
    angle_T1E = torch.arange(tokens, device=x.device).float()[:, None, None] * frequency_E
    dtype, factor = torch.promote_types(x.dtype, torch.float32), shape["rope_factor"]
    return (angle_T1E.cos() * factor).to(dtype), (angle_T1E.sin() * factor).to(dtype)


def rotate(x_THE: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    """Turn each pair of features (first half with second half) by its position's angle."""
    (cos, sin), (first, second) = table, x_THE.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1).to(x_THE.dtype)


class LstSelfAttention(nn.Module):
    """Multi-head or grouped-query self-attention with rotary positions."""

    def __init__(self, shape: dict[str, Any]) -> None:
        super().__init__()
        self.split = (shape["heads"], shape["kv_heads"], shape["kv_heads"])
        width, eps = shape["head_dim"], shape["norm_eps"]
        self.qkv = nn.Linear(shape["dim"], sum(self.split) * width, bias=shape["qkv_bias"])
        self.q_norm = nn.RMSNorm(width, eps=eps) if shape["qk_norm"] else nn.Identity()
        self.k_norm = nn.RMSNorm(width, eps=eps) if shape["qk_norm"] else nn.Identity()
        self.out = nn.Linear(shape["heads"] * width, shape["dim"], bias=False)

    def forward(self, x_TD: Tensor, table: tuple[Tensor, Tensor], sees_TT: Tensor) -> Tensor:
        """(T, D) to (T, D)."""
        q_THE, k_TKE, v_TKE = self.qkv(x_TD).unflatten(-1, (sum(self.split), -1)).split(self.split, dim=1)
        q_THE, k_TKE = rotate(self.q_norm(q_THE), table), rotate(self.k_norm(k_TKE), table)
        out_TD: Tensor = self.out(attend(q_THE, k_TKE, v_TKE, sees_TT).flatten(1))
        return out_TD


class LstSwiGLU(nn.Module):
    """Gated feed-forward layer."""

    def __init__(self, shape: dict[str, Any]) -> None:
        super().__init__()
        self.gate_up = nn.Linear(shape["dim"], 2 * shape["ffn_dim"], bias=False)
        self.down = nn.Linear(shape["ffn_dim"], shape["dim"], bias=False)

    def forward(self, x_TD: Tensor) -> Tensor:
        """(T, D) to (T, D)."""
        gate_TF, up_TF = self.gate_up(x_TD).chunk(2, dim=-1)
        out_TD: Tensor = self.down(silu(gate_TF) * up_TF)
        return out_TD


class LstBlock(nn.Module):
    """One pre-norm transformer layer."""

    def __init__(self, shape: dict[str, Any]) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(shape["dim"], eps=shape["norm_eps"])
        self.attention = LstSelfAttention(shape)
        self.ffn_norm = nn.RMSNorm(shape["dim"], eps=shape["norm_eps"])
        self.ffn = LstSwiGLU(shape)

    def forward(self, x_TD: Tensor, table: tuple[Tensor, Tensor], sees_TT: Tensor) -> Tensor:
        """(T, D) to (T, D)."""
        x_TD = x_TD + self.attention(self.attention_norm(x_TD), table, sees_TT)
        out_TD: Tensor = x_TD + self.ffn(self.ffn_norm(x_TD))
        return out_TD


class LstCrossAttention(nn.Module):
    """Attention of one sequence's states to another's, added to the former."""

    def __init__(self, shape: dict[str, Any]) -> None:
        super().__init__()
        dim = shape["dim"]
        self.heads = shape["heads"]
        self.norm = nn.RMSNorm(dim, eps=shape["norm_eps"])
        self.memory_norm = nn.RMSNorm(dim, eps=shape["norm_eps"])
        self.q = nn.Linear(dim, dim, bias=False)
        self.kv = nn.Linear(dim, 2 * dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)

    def forward(self, x_TL: Tensor, memory_SL: Tensor, sees_TS: Tensor) -> Tensor:
        """States (T, L) that query memory (S, L), to (T, L)."""
        q_THE = self.q(self.norm(x_TL)).unflatten(-1, (self.heads, -1))
        k_SHE, v_SHE = self.kv(self.memory_norm(memory_SL)).unflatten(-1, (2, self.heads, -1)).unbind(1)
        out_TL: Tensor = x_TL + self.out(attend(q_THE, k_SHE, v_SHE, sees_TS).flatten(1))
        return out_TL


class LstLayers(nn.Module):
    """Layers of the global transformer, or of encoder or decoder with their cross-attention."""

    query: nn.Linear

    def __init__(self, shape: dict[str, Any], depth: int, *, crosses: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(LstBlock(shape) for _ in range(depth))
        if crosses:
            self.crosses = nn.ModuleList(LstCrossAttention(shape) for _ in range(depth))


class LstForCausalLM(PreTrainedModel, GenerationMixin):
    """Next-token logits over text and speech."""

    config_class = LstConfig
    _tied_weights_keys = {"head.weight": "embedding.weight"}
    _no_split_modules = ["LstBlock", "LstCrossAttention"]

    def __init__(self, config: LstConfig) -> None:
        super().__init__(config)
        shape, local = config.global_layers, config.local_layers
        width = shape["dim"] if local is None else local["dim"]
        self.local: Any = local
        self.queries = shape["dim"] // width
        self.embedding = nn.Embedding(config.vocab_size, width)
        self.global_transformer = LstLayers(shape, shape["layers"], crosses=False)
        self.norm = nn.RMSNorm(width, eps=shape["norm_eps"])
        self.head = nn.Linear(width, config.vocab_size, bias=False)
        if local is not None:
            self.encoder = LstLayers(local, local["encoder_layers"], crosses=True)
            if local["encoder_layers"]:
                self.encoder.query = nn.Linear(width, shape["dim"], bias=False)
            self.decoder = LstLayers(local, local["decoder_layers"], crosses=True)
            if local["text_bypass"]:
                self.text_in = nn.Linear(width, shape["dim"], bias=False)
                self.text_out = nn.Linear(shape["dim"], width, bias=False)
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        """The embedding of all tokens."""
        return self.embedding

    def get_output_embeddings(self) -> nn.Linear:
        """The output layer."""
        return self.head

    def suppressed(self, modality: str) -> list[int]:
        """Ids that no continuation in ``"text"`` or ``"speech"`` has: the ``suppress_tokens`` of ``generate``."""
        config = self.config
        others = range(config.text_tokens, config.vocab_size) if modality == "text" else range(config.speech_start)
        return sorted({*others, *config.special_tokens} - {config.eos_token_id})

    def prepare_inputs_for_generation(self, input_ids: Tensor, **kwargs: Any) -> dict[str, Any]:
        """The whole documents, at each step."""
        return {"input_ids": input_ids, "attention_mask": kwargs.get("attention_mask"), "logits_to_keep": 1}

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        logits_to_keep: int = 0,
        **kwargs: Any,
    ) -> CausalLMOutput:
        """Logits (B, T, V), of the last ``logits_to_keep`` tokens if that is above 0.

        :param attention_mask: (B, T), 0 for padding, before or after a document.
        :param labels: (B, T), as ``input_ids``, with -100 for positions without loss.
        """
        real = torch.ones_like(input_ids, dtype=torch.bool) if attention_mask is None else attention_mask.bool()
        states = [self.states(ids_T[real_T]) for ids_T, real_T in zip(input_ids, real, strict=True)]
        out = states[0].new_zeros(*input_ids.shape, states[0].shape[1])
        out[real] = torch.cat(states)
        logits, loss = self.head(out[:, -logits_to_keep:]), None
        if labels is not None:
            loss = self.loss_function(logits=logits, labels=labels, vocab_size=self.config.vocab_size, **kwargs)
        return CausalLMOutput(loss=loss, logits=logits)

    def states(self, ids_T: Tensor) -> Tensor:
        """Normalised states of the tokens of one document, (T) to (T, L)."""
        x_TL, local = self.embedding(ids_T), self.config.local_layers
        speech_T = ids_T >= self.config.speech_start
        out_TL: Tensor = self.norm(self.across(x_TL) if local is None else self.latent(x_TL, speech_T, local))
        return out_TL

    def across(self, x_PD: Tensor) -> Tensor:
        """The global transformer, (P, D) to (P, D)."""
        table = rotary(len(x_PD), self.config.global_layers, x_PD)
        place_P = torch.arange(len(x_PD), device=x_PD.device)
        sees_PP = within(place_P, place_P, len(x_PD))
        for layer in self.global_transformer.layers:
            x_PD = layer(x_PD, table, sees_PP)
        return x_PD

    def latent(self, x_TL: Tensor, speech_T: Tensor, local: dict[str, Any]) -> Tensor:
        """Encoder, global transformer and decoder: embeddings (T, L) to states (T, L)."""
        patch_T, closed_T = patches(speech_T, self.config.patch_size)
        inner_T = speech_T if local["text_bypass"] else torch.ones_like(speech_T)
        x_tL, patch_t, closed_t = x_TL[inner_T], patch_T[inner_T], closed_T[inner_T]
        place_t = torch.arange(len(x_tL), device=x_tL.device)
        seeing = rotary(len(x_tL), local, x_tL), within(place_t, place_t, local["window"])
        x_tL, patch_p, made_pD = self.encode(x_tL, patch_t, seeing)
        x_PD = made_pD.new_zeros(len(torch.unique(patch_T)), made_pD.shape[1])
        x_PD[patch_p] = made_pD
        if local["text_bypass"]:
            x_PD[patch_T[~inner_T]] = self.text_in(x_TL[~inner_T]).to(x_PD.dtype)
        x_PD = self.across(x_PD)
        x_tL = self.decode(x_tL, x_PD, closed_t, seeing)
        out_TL = x_tL.new_zeros(x_TL.shape)
        out_TL[inner_T] = x_tL
        if local["text_bypass"]:
            out_TL[~inner_T] = self.text_out(x_PD[patch_T[~inner_T]]).to(out_TL.dtype)
        return out_TL

    def encode(self, x_tL: Tensor, patch_t: Tensor, seeing: tuple[Any, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Token states (t, L), and the patches made of these tokens: their numbers (p) and vectors (p, D)."""
        states = []
        for layer in self.encoder.layers:
            x_tL = layer(x_tL, *seeing)
            states.append(x_tL)
        patch_p = torch.unique(patch_t)
        own_pt = (patch_p[:, None] == patch_t).to(x_tL.dtype)
        x_pL = own_pt @ (states or [x_tL])[0] / own_pt.sum(1, keepdim=True)
        if not states:
            return x_tL, patch_p, x_pL
        q_QL = self.encoder.query(x_pL).unflatten(-1, (self.queries, -1)).flatten(0, 1)
        sees_Qt = within(patch_p, patch_t, self.local["encoder_cross_window"]).repeat_interleave(self.queries, 0)
        for cross, state_tL in zip(self.encoder.crosses, states, strict=True):
            q_QL = cross(q_QL, state_tL, sees_Qt)
        return x_tL, patch_p, q_QL.unflatten(0, (len(patch_p), self.queries)).flatten(1)

    def decode(self, x_tL: Tensor, x_PD: Tensor, closed_t: Tensor, seeing: tuple[Any, Tensor]) -> Tensor:
        """Token states (t, L) and global outputs (P, D) to token states (t, L)."""
        if not self.decoder.layers:
            return x_PD[closed_t.clamp(min=0)] * (closed_t >= 0)[:, None]
        place_P = torch.arange(len(x_PD), device=x_PD.device)
        sees_tS = within(closed_t, place_P, self.local["cross_window"]).repeat_interleave(self.queries, 1)
        memory_SL = x_PD.unflatten(1, (self.queries, -1)).flatten(0, 1)
        for cross, layer in zip(self.decoder.crosses, self.decoder.layers, strict=True):
            x_tL = layer(cross(x_tL, memory_SL, sees_tS), *seeing)
        return x_tL
