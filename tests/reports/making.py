"""Small artifacts for reports, made by hand in the formats that the stages write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import soundfile
from numpy.typing import NDArray

from lst_cli.alignment.kinds import ALIGNMENT, ALIGNMENT_FILE, alignment_schema
from lst_cli.artifacts import Artifact, Draft, Kind, Request, Store
from lst_cli.artifacts.parquet import write_parquet
from lst_cli.audio.corpus_artifact import CORPUS, write_utterances
from lst_cli.evaluation.choice import ItemScore, items_table, summarise
from lst_cli.evaluation.scores import SCORES, write_scores
from lst_cli.evaluation.tasks import Item, get_task
from lst_cli.hashing import uniform
from lst_cli.model_artifact.card import MODEL
from lst_cli.units.tokens import TOKENS, tokens_schema

RATE = 16_000
TOKEN = 640
"""Samples of a speech token."""
WORD_TOKENS = 5
LEAD_TOKENS = 3
"""Silence before the first word."""


def length(text: str) -> int:
    """Speech tokens of an utterance."""
    return LEAD_TOKENS + WORD_TOKENS * len(text.split()) + 2


def sound(text: str) -> NDArray[np.float32]:
    """A tone for each word."""
    time = np.arange(WORD_TOKENS * TOKEN) / RATE
    tones = [np.sin(2 * np.pi * (200 + 40 * len(word)) * time) * np.hanning(len(time)) for word in text.split()]
    speech = np.concatenate([np.zeros(LEAD_TOKENS * TOKEN), *tones, np.zeros(2 * TOKEN)])
    return (0.4 * speech).astype(np.float32)


def make_corpus(store: Store, name: str, texts: Mapping[str, str], made_by: str = "add") -> Artifact:
    def make(draft: Draft) -> None:
        clips = [sound(text) for text in texts.values()]
        soundfile.write(draft.path / "audio.flac", np.concatenate(clips), RATE)
        starts = np.cumsum([0, *(len(clip) for clip in clips)])
        rows = [
            {
                "id": id,
                "path": "audio.flac",
                "offset": int(start),
                "samples": len(clip),
                "sample_rate": RATE,
                "speaker": None,
                "source": name,
                "text": text,
            }
            for (id, text), clip, start in zip(texts.items(), clips, starts, strict=False)
        ]
        write_utterances(draft.path, rows)

    config = {"made_by": made_by, "texts": dict(texts)}
    return store.build(Request(kind=CORPUS, name=name, config=config), make).artifact


def make_tokens(store: Store, name: str, texts: Mapping[str, str], corpus: Artifact) -> Artifact:
    def make(draft: Draft) -> None:
        units = [[n % 7 for n in range(length(text))] for text in texts.values()]
        write_parquet(draft.path / "tokens-00000.parquet", pa.table([list(texts), units], schema=tokens_schema()))

    return store.build(Request(kind=TOKENS, name=name, config={}, parents={"corpus": corpus}), make).artifact


def make_alignment(store: Store, name: str, texts: Mapping[str, str], tokens: Artifact, corpus: Artifact) -> Artifact:
    def make(draft: Draft) -> None:
        rows = []
        for id, text in texts.items():
            starts = [LEAD_TOKENS + WORD_TOKENS * n for n in range(len(text.split()))]
            ends = [start + WORD_TOKENS for start in starts]
            scores = [0.9] * len(starts)
            rows.append({"id": id, "words": text.split(), "starts": starts, "ends": ends, "scores": scores})
        write_parquet(draft.path / ALIGNMENT_FILE, pa.Table.from_pylist(rows, schema=alignment_schema()))

    parents = {"corpus": corpus, "tokens": tokens}
    return store.build(Request(kind=ALIGNMENT, name=name, config={"made_by": "hand"}, parents=parents), make).artifact


def make_spoken(store: Store, name: str, texts: Mapping[str, str], made_by: str = "add") -> tuple[Artifact, Artifact]:
    """A corpus with its tokens and its alignment; returns the tokens and the alignment."""
    corpus = make_corpus(store, name, texts, made_by)
    tokens = make_tokens(store, name, texts, corpus)
    return tokens, make_alignment(store, name, texts, tokens, corpus)


def patching_of(strategy: str) -> dict[str, Any]:
    return {"strategy": strategy, "size": 4, "silence": "separate", "boundaries": "causal"}


def curve_line(step: int, strategy: str, floor: float) -> dict[str, Any]:
    """A line of a training curve that falls to a floor."""
    loss = floor + 3.2 * 0.5 ** (step / 60) + 0.03 * float(uniform(0, step))
    aligned = min(1.0, max(0.0, 2 - 3 * step / 600)) if strategy == "curriculum" else 0.0
    speech = 1000 if strategy == "none" else 3100
    return {
        "step": step,
        "split": "train",
        "loss": loss,
        "loss_speech": loss + 0.6,
        "speech_bits_per_second": (loss + 0.6) * 36,
        "loss_text_with_speech": loss - 0.2,
        "loss_text_only": loss - 0.5,
        "patch_length": 1.0 if strategy == "none" else 3.7 + 1.4 * aligned,
        "lr": 0.002 * min(1.0, step / 100),
        "positions": step * 8192,
        "tokens": step * (7192 + speech),
        "speech_tokens": step * speech,
    }


def make_model(store: Store, name: str, strategy: str, *, floor: float = 2.0, task: str = "pretrain") -> Artifact:
    def make(draft: Draft) -> None:
        lines = [curve_line(step, strategy, floor) for step in range(10, 601, 10)]
        (draft.path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        last = lines[-1]
        draft.statistics.update({key: last[key] for key in ("tokens", "positions", "speech_tokens")})
        draft.statistics.update(parameters=4_800_000, steps=last["step"])

    config = {"task": task, "patching": patching_of(strategy), "floor": floor, "name": name}
    return store.build(Request(kind=MODEL, name=name, config=config), make).artifact


def entry(model: Artifact) -> dict[str, Any]:
    """A model as scores name it."""
    strategy = model.config["patching"]["strategy"]
    return {
        "reference": model.reference,
        "name": model.name,
        "fingerprint": model.fingerprint,
        "family": "baseline" if strategy == "none" else "lst",
        "patching": model.config["patching"],
        "quantizer": {"reference": "quantizer/q/0", "fingerprint": "0"},
    }


STORY = "Tom lost his key . He looked for it everywhere"


def make_items(task: str, n: int) -> list[Item]:
    return [Item(f"{task}-{k}", f"{STORY} {k}", ("He opened the door", "She baked a pie"), k % 2) for k in range(n)]


def spoken_texts(items: list[Item]) -> dict[str, str]:
    texts = {}
    for item in items:
        texts[f"{item.id}/prompt"] = item.prompt
        texts |= {f"{item.id}/ending{n}": text for n, text in enumerate(item.endings, start=1)}
    return texts


def make_scores(
    store: Store,
    name: str,
    model: Artifact,
    tokens: Artifact,
    items: list[Item],
    shares: Mapping[str, float],
    task: str = "storycloze",
    more: Mapping[str, Any] | None = None,
) -> Artifact:
    """Scores of a model that is right on about these shares of the items, by direction.

    :param more: further entries of the result.
    """

    def make(draft: Draft) -> None:
        result: dict[str, Any] = {"task": task, "task_version": 1, "scorer_version": 1, "items_sha256": f"{len(items)}"}
        scored: list[ItemScore] = []
        results = []
        for direction, share in shares.items():
            draws = uniform(len(direction) + ord(direction[0]), np.arange(len(items)))
            part = []
            for item, draw in zip(items, draws.tolist(), strict=True):
                sums = [-20.0 - 5 * draw, -20.0 - 5 * draw]
                sums[item.label] += 1.0 if draw < share else -1.0
                part.append(ItemScore(item=item, direction=direction, log_probs_E=sums, tokens_E=[10, 10]))
            results.append(summarise(get_task(task), part))
            scored += part
        whole = {**result, "model": entry(model), "results": results, **(more or {})}
        write_scores(draft, whole, items_table(get_task(task), scored))

    config = {"task": task, "shares": dict(shares), "n": len(items), **(more or {})}
    return store.build(
        Request(kind=SCORES, name=name, config=config, parents={"model": model, "tokens": tokens}), make
    ).artifact


def make_other(store: Store, kind: str, name: str) -> Artifact:
    """An artifact of some other kind."""
    return store.build(Request(kind=Kind(kind, 1), name=name, config={}), lambda draft: None).artifact


def run(store: Store, *arguments: str) -> str:
    """``lst report`` in this process; returns what it prints."""
    from typer.testing import CliRunner

    from lst_cli.main import app

    result = CliRunner().invoke(app, ["--root", str(store.root), "report", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout
