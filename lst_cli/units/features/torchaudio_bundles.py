"""HuBERT models that torchaudio gives out as bundles, brought once into transformers' format."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from lst_cli.errors import UserError

PREFIX = "torchaudio:"
"""Prefix of a bundle's name, as in ``torchaudio:HUBERT_BASE``."""

BUNDLES = ("HUBERT_BASE", "HUBERT_LARGE", "HUBERT_XLARGE")


def find_bundle(name: str) -> Path:
    """The folder with a bundle's model in transformers' format; made in torch's cache at the first use.

    :raises UserError: torchaudio has no such bundle, or its weights can't be fetched.
    """
    if name not in BUNDLES:
        raise UserError(f"{PREFIX}{name}: no such bundle", expected=", ".join(BUNDLES))
    import torch
    import torchaudio

    folder = Path(torch.hub.get_dir()) / "lst" / name
    if folder.is_dir():
        return folder
    try:
        model = getattr(torchaudio.pipelines, name).get_model()
    except OSError as error:
        raise UserError(
            f"{PREFIX}{name}: its weights can't be downloaded",
            found=str(error).strip().splitlines()[0],
            fix="run this once with a network connection, or give a model's folder with hubert:PATH",
        ) from None
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{name}."))
    try:
        _save(model, work)
        work.rename(folder)
    except OSError:
        shutil.rmtree(work, ignore_errors=True)
        if not folder.is_dir():  # otherwise another process was faster
            raise
    return folder


def _save(model: Any, folder: Path) -> None:
    from transformers import HubertConfig, HubertModel

    inner = getattr(model, "model", model)  # torchaudio wraps a model that wants its audio normalised
    normalize = bool(getattr(model, "normalize_waveform", False))
    config = HubertConfig(**_config(inner))  # type: ignore[no-untyped-call]
    converted = HubertModel(config)
    names = {name: _renamed(name) for name in inner.state_dict() if not name.startswith("aux.")}
    missing, unexpected = converted.load_state_dict(
        {new: inner.state_dict()[old] for old, new in names.items()}, strict=False
    )
    assert missing == ["masked_spec_embed"] and not unexpected, (missing, unexpected)
    # The checksum of the folder identifies the model: it must depend on nothing but the bundle.
    converted.masked_spec_embed.data.zero_()
    converted.save_pretrained(folder)
    written = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    written.pop("transformers_version", None)
    (folder / "config.json").write_text(json.dumps(written, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    (folder / "preprocessor_config.json").write_text(json.dumps({"do_normalize": normalize}), encoding="utf-8")


def _renamed(name: str) -> str:
    for old, new in (("encoder.feature_projection.", "feature_projection."), ("encoder.transformer.", "encoder.")):
        if name.startswith(old):
            return new + name[len(old) :]
    return name


def _config(model: Any) -> dict[str, Any]:
    """Transformers' config of a torchaudio model, read off its layers."""
    convs = list(model.feature_extractor.conv_layers)
    transformer = model.encoder.transformer
    first = transformer.layers[0]
    group = convs[1].layer_norm is None
    return {
        "conv_dim": [conv.conv.out_channels for conv in convs],
        "conv_kernel": [conv.kernel_size for conv in convs],
        "conv_stride": [conv.stride for conv in convs],
        "conv_bias": convs[0].conv.bias is not None,
        "feat_extract_norm": "group" if group else "layer",
        "hidden_size": first.attention.embed_dim,
        "num_attention_heads": first.attention.num_heads,
        "num_hidden_layers": len(transformer.layers),
        "intermediate_size": first.feed_forward.intermediate_dense.out_features,
        "num_conv_pos_embeddings": transformer.pos_conv_embed.conv.kernel_size[0],
        "num_conv_pos_embedding_groups": transformer.pos_conv_embed.conv.groups,
        "do_stable_layer_norm": first.layer_norm_first,
    }
