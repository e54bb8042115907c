"""The facts of a model by which a table finds its rows.

Everything comes from the manifests of the model and of what it was made from, nothing from its name.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from lst_cli.artifacts import Artifact, Store
from lst_cli.artifacts.ancestors import on_disk
from lst_cli.renamed_keys import with_new_keys

SPEECH_SHARDS = "speech shards"
"""Key of :attr:`Facts.rest`: the shards that pretraining read speech from."""

_ALIGNED = ("aligned", "mixed", "curriculum")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts of one model. A fact that does not apply to a model has its default."""

    kind: str
    """``baseline``, ``bpe``, or the patching strategy."""
    size: int = 4
    """Tokens of a static patch."""
    silence: str = "separate"
    spans: str = "word"
    boundaries: str = "causal"
    noise_ms: float | None = 0.0
    """Mean shift of the word boundaries before training; None (unknown) if the alignment is not on disk."""
    budget: str = "compute-controlled"
    """Or ``data-controlled``."""
    text_per_speech: float = 0.0
    """Tokens of text data for each token of speech data."""
    shape: tuple[int, int] = (0, 0)
    """Layers and width of the global transformer."""
    steps: int = 0
    """Of pretraining, from the config, before the budget is applied; of an exported checkpoint, its step."""
    seed: int = 0
    tuned: str = ""
    """Task of the fine-tuning; empty for a pretrained model."""
    tuned_steps: int = 0
    rest: str = ""
    """All other choices that training was given, as JSON."""

    @property
    def order(self) -> int:
        """A number that grows with the model's size."""
        return self.shape[0] * self.shape[1] ** 2


def read_facts(store: Store, model: Artifact) -> Facts:
    """The facts of a pretrained or fine-tuned model."""
    tuning: dict[str, Any] = {}
    parent = model.parents.get("model")
    config = with_new_keys(model.config)
    rest: dict[str, Any] = {}
    if config.get("task", "pretrain") != "pretrain" and parent is not None:
        tuning = {"tuned": _task(config), "tuned_steps": _steps(config)}
        rest["tuning"] = {key: value for key, value in config.items() if key not in ("budget", "task")}
        rest["shards of the fine-tuning"] = _fingerprints(model, "shards")
        base = on_disk(store, parent)
        if base is None:
            return Facts(kind="unknown", **tuning)
        model, config = base, with_new_keys(base.config)
    patching = config.get("patching", {})
    data = dict(config.get("data", {}))
    weights = float(data.pop("speech_weight", 1.0)), float(data.pop("text_weight", 2.0))
    shape = config.get("model", {}).get("config", {})
    budget = dict(config.get("budget", {}))
    kind = _kind(model, patching)
    aligned = kind in _ALIGNED
    left = {
        key: config[key]
        for key in config
        if key not in ("patching", "data", "model", "budget", "seed", "validation", "stories")
    }
    rest |= {**left, "data": data, "made from": _inputs(model), SPEECH_SHARDS: _fingerprints(model, "shards")}
    return Facts(
        kind=kind,
        size=int(patching.get("size", 4)) if kind not in ("baseline", "bpe", "aligned") else 4,
        silence=str(patching.get("silence", "separate")) if aligned else "separate",
        spans=str(patching.get("spans", "word")) if aligned else "word",
        boundaries=str(patching.get("boundaries", "causal")) if kind not in ("baseline", "bpe") else "causal",
        noise_ms=_noise(store, model),
        budget=str(budget.get("mode", "compute-controlled")),
        text_per_speech=round(weights[1] / weights[0], 6),
        shape=(int(shape.get("layers", 0)), int(shape.get("dim", 0))),
        steps=_steps(config),
        seed=int(config.get("seed", 0)),
        rest=json.dumps(rest, sort_keys=True),
        **tuning,
    )


def _steps(config: Mapping[str, Any]) -> int:
    return int(config.get("snapshot", config.get("budget", {}).get("steps", 0)))


def _task(config: Mapping[str, Any]) -> str:
    task = config["task"]
    return task if isinstance(task, str) else ",".join(task)


def _kind(model: Artifact, patching: Mapping[str, Any]) -> str:
    strategy = str(patching.get("strategy", "static"))
    if strategy != "none":
        return strategy
    return "bpe" if any(parent.kind == "speech_bpe" for parent in model.parents.values()) else "baseline"


def _inputs(model: Artifact) -> dict[str, str]:
    """Tokenizer, quantizer and text of a model, by role."""
    shared = ("text_tokenizer", "quantizer")
    found = {role: parent.fingerprint[:12] for role, parent in model.parents.items() if parent.kind in shared}
    return {**found, **_fingerprints(model, "text_shards")}


def _fingerprints(model: Artifact, role: str) -> dict[str, str]:
    """The parents of a model in a role: ``shards``, ``shards_2`` and so on."""
    return {
        name: parent.fingerprint[:12]
        for name, parent in model.parents.items()
        if name == role or (name.startswith(f"{role}_") and name.removeprefix(f"{role}_").isdecimal())
    }


def _noise(store: Store, model: Artifact) -> float | None:
    """Boundary noise of the alignment behind the speech shards; None if it is not on disk."""
    if "shards" not in model.parents:
        return 0.0
    shards = on_disk(store, model.parents["shards"])
    if shards is None:
        return None
    if "alignment" not in shards.parents:
        return 0.0
    alignment = on_disk(store, shards.parents["alignment"])
    return None if alignment is None else float(alignment.config.get("noise_ms", 0.0))


def differences(a: Facts, b: Facts, but: Collection[str] = ()) -> list[str]:
    """Differences of two models beyond the facts that tables vary.

    :param but: keys that may differ.
    """
    first, second = (json.loads(facts.rest or "{}") for facts in (a, b))
    return [
        f"{key} ({_short(first.get(key))} and {_short(second.get(key))})"
        for key in sorted({*first, *second} - set(but))
        if first.get(key) != second.get(key)
    ]


def _short(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return text if len(text) <= 60 else f"{text[:57]}..."
