"""Filling the draft of a ``scores`` artifact: load the model, score, write."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lst_cli.artifacts import Artifact, Draft
from lst_cli.audio.corpus_artifact import Corpus
from lst_cli.distributed.device import pick_device
from lst_cli.distributed.launcher import Rank
from lst_cli.distributed.shared_work import SharedParts
from lst_cli.evaluation import choice
from lst_cli.evaluation.ablation import Ablation
from lst_cli.evaluation.aligned_items import read_words
from lst_cli.evaluation.directions import check_spoken
from lst_cli.evaluation.scores import model_entry, spoken_corpus, write_scores
from lst_cli.evaluation.shared_scoring import SharedScoring
from lst_cli.evaluation.speech import asr
from lst_cli.evaluation.speech.references import ScorableUtterances
from lst_cli.evaluation.tasks import Item, Task
from lst_cli.inference.speech_tokens import check_quantizer, read_units
from lst_cli.model_artifact.card import LoadedModel, load_model
from lst_cli.units.frames import RATE_HZ


def make_choice(
    draft: Draft,
    task: Task,
    items: Sequence[Item],
    config: Mapping[str, Any],
    parents: Mapping[str, Artifact],
    device: str,
    rank: Rank,
) -> None:
    """Score a multiple-choice task; other ranks may share the work by :func:`share_choice`.

    :param config: of the request; names the directions and the precision.
    :param parents: ``model``; ``tokens`` where a direction has speech; ``alignment`` of those for aligned patches.
    """
    work = _choice_work(items, config, parents, device, SharedParts(rank, draft.parts))
    start = time.monotonic()
    work.run()
    seconds = time.monotonic() - start
    scores = work.scores()
    tokens = parents.get("tokens")
    result = {
        **config,
        "model": model_entry(parents["model"]),
        "tokens": tokens.reference if tokens is not None else None,
        **(_aligned_by(parents["alignment"]) if "alignment" in parents else {}),
        "spoken": spoken_corpus(tokens),
        "results": [choice.summarise(task, of_direction) for of_direction in scores.values()],
    }
    write_scores(draft, result, choice.items_table(task, [score for part in scores.values() for score in part]))
    for row in result["results"]:
        draft.statistics[row["direction"]] = row["accuracy"]
    # The time of this process: parts of a killed one or of other ranks are not included.
    draft.statistics.update(items=len(items), ranks=rank.world, seconds=seconds, items_per_s=work.scored / seconds)


def share_choice(
    items: Sequence[Item],
    config: Mapping[str, Any],
    parents: Mapping[str, Artifact],
    device: str,
    parts: SharedParts,
) -> None:
    """The work of a rank other than 0: score until nothing is missing."""
    _choice_work(items, config, parents, device, parts).run()


def _aligned_by(alignment: Artifact) -> dict[str, Any]:
    """Which alignment cut the spoken items, and how far its boundaries were moved, if they were."""
    moved = {"noise_ms": alignment.config["noise_ms"]} if alignment.config.get("noise_ms") else {}
    return {"alignment": alignment.reference, **moved}


def _choice_work(
    items: Sequence[Item],
    config: Mapping[str, Any],
    parents: Mapping[str, Artifact],
    device: str,
    parts: SharedParts,
) -> SharedScoring:
    loaded = load_model(parents["model"], pick_device(device, parts.rank.local), config["precision"])
    ablation = Ablation.parse(config["ablation"]) if "ablation" in config else None
    if ablation is not None:
        loaded = ablation.of_model(loaded, parents["model"].reference)
    tokens = parents.get("tokens")
    units = _spoken(items, tokens, loaded, parents["model"]) if tokens is not None else {}
    words = None
    if tokens is not None and "alignment" in parents:
        words = read_words(parents["alignment"], tokens, items, loaded)
    return SharedScoring(
        loaded,
        items,
        config["directions"],
        units,
        parts,
        ablation,
        with_end=config.get("with_end", False),
        words=words,
    )


def _spoken(
    items: Sequence[Item], tokens: Artifact, loaded: LoadedModel, model: Artifact
) -> dict[str, NDArray[np.uint16]]:
    """The units of every item's utterances, checked."""
    check_quantizer(tokens, loaded.card.quantizer["fingerprint"], model.reference)
    units = read_units(tokens, {name for item in items for name in item.spoken})
    check_spoken(items, units, tokens.reference, loaded.speech.units)
    return units


class AsrScores:
    """Transcripts of a corpus and their errors, made by any number of ranks."""

    def __init__(
        self, config: Mapping[str, Any], parents: Mapping[str, Artifact], rows: int, device: str, parts: SharedParts
    ) -> None:
        """Load the model and divide the work.

        :param config: of the request: the beams, the precision, and whether empty references count.
        :param parents: ``model``, ``tokens`` and ``corpus``.
        :param rows: utterances decoded in one batch.
        """
        self._config, self._parents = config, parents
        loaded = load_model(parents["model"], pick_device(device, parts.rank.local), config["precision"])
        check_quantizer(parents["tokens"], loaded.card.quantizer["fingerprint"], parents["model"].reference)
        units = read_units(parents["tokens"], [utterance.id for utterance in Corpus(parents["corpus"])])
        missing = f"no speech tokens in {parents['tokens'].reference}"
        self._found = ScorableUtterances.of(
            parents["corpus"],
            lambda each: None if each.id in units else missing,
            count_empty=config["count_empty"],
        )
        references = {utterance.id: utterance.text or "" for utterance in self._found.utterances}
        self._work = asr.SharedTranscription(loaded, units, references, parts, rows=rows, beams=config["beams"])

    def share(self) -> None:
        """The work of a rank other than 0: transcribe until nothing is missing."""
        self._work.run()

    def make(self, draft: Draft, max_reject_rate: float) -> None:
        """Transcribe, and count the errors.

        :raises UserError: too many utterances have no tokens or no words in their transcript.
        """
        self._found.check(draft, max_reject_rate)
        self._work.run()
        recognised, seconds = self._work.recognised()
        result = {
            **self._config,
            "model": model_entry(self._parents["model"]),
            "tokens": self._parents["tokens"].reference,
            "corpus": self._parents["corpus"].reference,
            **asr.summarise(recognised),
        }
        write_scores(draft, result, asr.items_table(recognised))
        draft.statistics.update({key: result[key] for key in ("wer", "low", "high", "n", "n_words")})
        draft.statistics.update(seconds=seconds, real_time_factor=seconds * RATE_HZ / result["speech_tokens"])
