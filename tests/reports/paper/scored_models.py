"""Scored models for the tables of the paper: pretrained and fine-tuned, with the configs that training would leave."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from lst_cli.artifacts import Artifact, Kind, Request, Store
from lst_cli.evaluation.scores import SCORES, write_scores
from lst_cli.model_artifact.card import MODEL
from tests.reports.making import entry, make_items, make_scores, make_spoken, spoken_texts

STRATEGIES = {"baseline": "none", "bpe": "none"}
"""Rows whose strategy has another name."""


def pretrained(
    store: Store, name: str, row: str, seed: int = 0, *, shards: Artifact | None = None, **changes: Any
) -> Artifact:
    """A pretrained model with the config that pretraining would leave; ``changes`` by section."""
    config: dict[str, Any] = {
        "task": "pretrain",
        "seed": seed,
        "optimizer": {"lr": 0.002},
        "budget": {"steps": 600, "mode": "compute-controlled"},
        "model": {"architecture": "x", "config": {"layers": 4, "dim": 256}},
        "patching": {
            "strategy": STRATEGIES.get(row, row),
            "size": 4,
            "silence": "separate",
            "spans": "word",
            "boundaries": "causal",
        },
        "data": {"positions": 256, "speech_weight": 8.0, "text_weight": 1.0},
    }
    for section, values in changes.items():
        config[section] = {**config[section], **values}

    def make(draft: Any) -> None:
        flops = 2e12 if row == "baseline" else 1.5e12
        line = {"step": 600, "split": "train", "loss": 1.0, "flops": flops, "positions": 307_200, "tokens": 900_000}
        (draft.path / "metrics.jsonl").write_text(json.dumps(line) + "\n")
        draft.statistics.update(parameters=4_000_000, steps=600)

    parents = {"shards": shards} if shards is not None else {}
    if row == "bpe":
        parents["speech_bpe"] = store.build(
            Request(kind=kind_of("speech_bpe"), name="b", config={}), lambda d: None
        ).artifact
    return store.build(Request(kind=MODEL, name=name, config=config, parents=parents), make).artifact


def kind_of(name: str) -> Kind:
    return Kind(name, 1)


def scored(
    store: Store, model: Artifact, share: float, task: str = "hellaswag", *, recordings: str = "items", **more: Any
) -> Artifact:
    """Scores of a model that is right on about this share of the spoken items.

    :param recordings: corpus of the items.
    :param more: further entries of the result.
    """
    items = make_items("storycloze", 40)
    tokens, _ = make_spoken(store, recordings, spoken_texts(items))
    name = f"{model.name}-{task}-{recordings}-{'-'.join(map(str, more.values()))}".strip("-")
    more["spoken"] = {"reference": f"corpus/{recordings}/1", "fingerprint": recordings}
    return make_scores(store, name, model, tokens, items, {"s-s": share, "t-t": 0.9}, task=task, more=more)


def speech_shards(store: Store, name: str) -> Artifact:
    request = Request(kind=kind_of("shards"), name=name, config={"of": name})
    return store.build(request, lambda draft: None).artifact


def tuned(
    store: Store, base: Artifact, task: str, steps: int, result: dict[str, Any], *, shards: Artifact | None = None
) -> Artifact:
    """Scores of a model that was fine-tuned from another one."""
    config = {"task": task, "budget": {"steps": steps}, "optimizer": {"lr": 0.001}}
    parents = {"model": base} | ({"shards": shards} if shards is not None else {})
    request = Request(kind=MODEL, name=f"{base.name}-{task}-{steps}", config=config, parents=parents)
    timing = {"timing": {"seconds": 0.5 * steps}, "steps": steps}
    model = store.build(request, lambda draft: draft.statistics.update(timing)).artifact
    whole = {
        "task": task,
        "n": 9,
        "n_words": 100,
        "n_characters": 400,
        "speech_tokens": 800,
        "model": entry(base),
        **result,
    }
    part = result.get("corpus", "").replace("/", "-")
    config = {"task": task, "part": part}
    request = Request(kind=SCORES, name=f"{model.name}{part}", config=config, parents={"model": model})
    counts = ("substitutions", "deletions", "insertions", "character_errors")
    items = {"id": ["u"], "words": [100], "characters": [400], **{name: [steps % 7] for name in counts}}
    return store.build(request, lambda draft: write_scores(draft, whole, pa.table(items))).artifact


def table5_scores(store: Store, tasks: tuple[str, ...] = ("asr", "tts")) -> list[Artifact]:
    """All that Table 5 is made of: baseline and LST, each task after a quarter, half and all of its steps."""
    scores = []
    for row, units in (("baseline", 800), ("curriculum", 200)):
        base = pretrained(store, row, row)
        for steps, rate in ((50, 0.9), (100, 0.5), (200, 0.2)):
            errors = {"wer": rate, "low": rate - 0.1, "high": rate + 0.1, "context_positions": units}
            scores += [tuned(store, base, "asr", steps, errors)] if "asr" in tasks else []
        heard = {"character_errors": {"value": 0.3, "low": 0.2, "high": 0.4}, "generation_positions": units}
        scores += [tuned(store, base, "tts", steps, heard) for steps in (60, 120, 240)] if "tts" in tasks else []
    return scores
