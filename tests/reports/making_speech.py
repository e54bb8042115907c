"""Scores of recognised and synthesised speech for reports, and a root with a bit of everything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import soundfile

from lst_cli.artifacts import Artifact, Draft, Request, Store
from lst_cli.audio.corpus_artifact import CORPUS
from lst_cli.evaluation.scores import EVALUATOR, SCORES, write_scores
from lst_cli.evaluation.speech.speech_results import TRANSCRIPTS
from tests.reports.making import (
    RATE,
    entry,
    make_items,
    make_model,
    make_other,
    make_scores,
    make_spoken,
    sound,
    spoken_texts,
)


def make_asr_scores(
    store: Store, name: str, model: Artifact, errors: int, corpus: str = "corpus/items/1", first: str = "u"
) -> Artifact:
    """Word errors of ten utterances of ten words each, called ``u0`` to ``u9``.

    :param first: what their ids begin with instead of u.
    """

    def make(draft: Draft) -> None:
        worst = [{"id": "u0", "errors": errors, "words": 10, "reference": "he lost his key", "transcript": "he lost"}]
        result = {
            "task": "asr",
            "task_version": 1,
            "corpus": corpus,
            "model": entry(model),
            "n": 10,
            "n_words": 100,
            "wer": errors / 10,
            "low": errors / 10 - 0.02,
            "high": errors / 10 + 0.02,
            "cer": {"value": errors / 20, "low": errors / 20, "high": errors / 20},
            "words": {"substitutions": 10 * errors, "deletions": 0, "insertions": 0},
            "speech_tokens": 400,
            "context_positions": 120,
            "worst": worst,
        }
        counts = {"words": 10, "substitutions": errors, "deletions": 0, "insertions": 0}
        heard = {"reference": "he lost his key", "transcript": "he lost", "characters": 15, "character_errors": 8}
        table = pa.Table.from_pylist([{"id": f"{first}{n}", **heard, **counts} for n in range(10)])
        write_scores(draft, result, table)

    config = {"task": "asr", "errors": errors, "corpus": corpus}
    return store.build(Request(kind=SCORES, name=name, config=config, parents={"model": model}), make).artifact


def make_evaluated(
    store: Store,
    name: str,
    texts: Mapping[str, str],
    corpus: Artifact,
    errors: int,
    *,
    original: Artifact | None = None,
    model: Artifact | None = None,
    kept: bool = True,
    more: Mapping[str, Any] | None = None,
) -> Artifact:
    """Transcripts of the original audio; with ``original``, of resynthesised audio; with a model too, of its speech,
    which is empty for the last text.

    :param errors: wrong characters of each text, of 100.
    :param kept: whether the result has recordings.
    :param more: further entries of the result.
    """
    vocoder = make_other(store, "vocoder", "v")
    task = "original" if original is None else "resynthesis" if model is None else "tts"
    rate = {"value": errors / 100, "low": 0.0, "high": errors / 50}
    parents = {"corpus": corpus}
    result: dict[str, Any] = {
        "task": task,
        "task_version": 1,
        EVALUATOR: {"name": "ear"},
        "corpus": corpus.reference,
        "n": len(texts),
        "audio_s": 9.0,
        "character_errors": rate,
        "word_errors": rate,
    }
    if original is not None:
        said = json.loads(original.file("scores.json").read_text())
        floor = {key: said[key] for key in ("character_errors", "word_errors", "n")}
        result |= {"vocoder": vocoder.reference, "original": {"reference": original.reference, **floor}}
        parents |= {"vocoder": vocoder, "original": original}
    if model is not None:
        spoken = {"unit_error_rate": 0.5, "speech_tokens": 400, "generation_positions": 100, "not_ended": 1}
        result |= {"model": entry(model), **spoken}
        parents["model"] = model
    result |= more or {}

    def make(draft: Draft) -> None:
        silent = list(texts)[-1] if model is not None else None
        said = [id for id in texts if kept and id != silent]
        audio = {id: f"audio/{number:02d}.flac" for number, id in enumerate(said)}
        for id, file in audio.items():
            (draft.path / file).parent.mkdir(exist_ok=True)
            soundfile.write(draft.path / file, sound(texts[id]), RATE)
        counts = {"words": 20, "word_errors": errors // 5, "characters": 100, "character_errors": errors}
        heard = {id: f"{name} heard {text}" for id, text in texts.items()}
        rows = [
            {"id": id, "reference": text, "transcript": heard[id], "seconds": 3.0 * (id != silent), **counts}
            for id, text in texts.items()
        ]
        write_scores(draft, {**result, "audio": audio}, pa.Table.from_pylist(rows))

    kind = TRANSCRIPTS if model is None else SCORES
    config = {"task": task, "errors": errors, "kept": kept}
    return store.build(Request(kind=kind, name=name, config=config, parents=parents), make).artifact


def make_world(store: Store, n: int = 60) -> None:
    """Three models scored on a task, two fine-tuned for recognition, real and synthetic recordings."""
    real = {f"real-{k}": "had he married a more amiable woman he might have been made still more" for k in range(3)}
    make_spoken(store, "real", real)
    corpus = store.find("corpus/real", CORPUS)
    items = make_items("storycloze", n)
    tokens, _ = make_spoken(store, "items", spoken_texts(items), made_by="synth")
    accuracies = {"baseline": 0.9, "static": 0.6, "curriculum": 0.95}
    for name, strategy in (("baseline", "none"), ("static", "static"), ("curriculum", "curriculum")):
        model = make_model(store, name, strategy, floor=2.4 - accuracies[name])
        make_scores(store, f"{name}-storycloze", model, tokens, items, {"s-s": accuracies[name], "t-t": 0.9})
    for name, strategy, errors in (("asr-baseline", "none", 4), ("asr", "curriculum", 2)):
        model = make_model(store, name, strategy, task="asr", floor=0.4)
        make_asr_scores(store, name, model, errors, corpus.reference, "real-")
    floor = make_evaluated(store, "floor", real, corpus, 5)
    make_evaluated(store, "again", real, corpus, 20, original=floor)
    for name, strategy, errors in (("tts-baseline", "none", 30), ("tts", "curriculum", 60)):
        model = make_model(store, name, strategy, task="tts", floor=0.4)
        make_evaluated(store, name, real, corpus, errors, original=floor, model=model)
