"""Items per second of the scorer, compared with scoring one ending at a time on the same model.

    python benchmarks/score.py [--model lst_tiny] [--pieces 32000] [--items 64] [--direction s-s] [--threads N]
    python benchmarks/score.py --quick

Items have HellaSwag's proportions: four endings; in speech a prompt of about 10 s and endings of about 5 s, in text 60
and 30 pieces. Prints one line of JSON; ``ratio`` is ours over one at a time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from lst_cli.hashing import integers
from lst_cli.inference.likelihood import log_probabilities
from lst_cli.inference.shared_prompt import Question
from lst_cli.model.architectures import architecture
from lst_cli.model.batch import make_batch
from lst_cli.model.decode.inference_weights import pack
from lst_cli.model.model import build_model
from lst_cli.model_artifact.card import LoadedModel, ModelCard
from lst_cli.patching.packed import Document, pack_documents
from lst_cli.patching.strategies import PatchingConfig
from lst_cli.text.speech_codec import SpeechCodec
from lst_cli.text.tokenizer import TextTokenizer, fit
from lst_cli.text.vocabulary import Vocabulary

ENDINGS = 4
LENGTHS = {"s": (250, 125), "t": (60, 30)}
"""Mean tokens of a prompt and of an ending, by modality."""


def make_model(name: str, pieces: int, device: str) -> LoadedModel:
    """The architecture with random weights, 501 units and the given number of text tokens (the paper's: 32,000)."""
    config = architecture(name)
    tokenizer = TextTokenizer(fit(["some words to train a tokenizer for text on"] * 4, 280))
    vocabulary = Vocabulary(pieces=pieces, units=501)
    patching = PatchingConfig(strategy="none" if config.local is None else "static")
    card = ModelCard(architecture=config, vocabulary=vocabulary, patching=patching, quantizer={})
    torch.manual_seed(0)
    model = build_model(config, vocabulary.size).to(device).eval()
    pack(model)
    speech = SpeechCodec(vocabulary)
    on = torch.device(device)
    return LoadedModel(model=model, card=card, tokenizer=tokenizer, speech=speech, folder=Path(), device=on)


def make_questions(vocabulary: Vocabulary, count: int, direction: str) -> list[Question]:
    """Questions of random tokens; lengths vary by half around their means."""
    before, after = direction.split("-")
    low = {"s": vocabulary.speech_start, "t": 3}
    high = {"s": vocabulary.size - 1, "t": vocabulary.pieces - 1}
    markers = {"s": vocabulary.s_marker, "t": vocabulary.t_marker}

    def span(modality: str, mean: int, *ids: int) -> np.ndarray:
        length = int(integers(mean // 2, mean * 3 // 2, 0, *ids))
        return integers(low[modality], high[modality], 1, *ids, np.arange(length)).astype(np.int32)

    questions = []
    for item in range(count):
        opening = np.array([markers[before]], np.int32)
        bridge = np.array([markers[after]] if after != before else [], np.int32)
        questions.append(
            Question(
                prompt_T=np.concatenate([opening, span(before, LENGTHS[before][0], item, 0), bridge]),
                endings=tuple(span(after, LENGTHS[after][1], item, 1 + n) for n in range(ENDINGS)),
            )
        )
    return questions


def ours(loaded: LoadedModel, questions: Sequence[Question]) -> list[list[float]]:
    """Sums by the scorer."""
    scores = dict(log_probabilities(loaded, questions))
    return [scores[index] for index in range(len(questions))]


@torch.inference_mode()
def one_at_a_time(loaded: LoadedModel, questions: Sequence[Question]) -> list[list[float]]:
    """Sums by one plain forward pass for each ending."""
    card = loaded.card
    result = []
    for question in questions:
        sums = []
        for ending in question.endings:
            tokens = np.concatenate([question.prompt_T, ending])
            document = Document(tokens=tokens, loss_from=len(question.prompt_T))
            packed = pack_documents([document], card.vocabulary, card.patcher, card.cut)
            batch = make_batch(packed, card.architecture, card.vocabulary, loaded.device)
            sums.append(float(loaded.model.log_probability(batch).double().sum()))
        result.append(sums)
    return result


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Median wall time."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few items and pieces, once, one thread: under a minute")
    parser.add_argument("--model", default="lst_tiny")
    parser.add_argument("--pieces", type=int, default=32_000)
    parser.add_argument("--items", type=int, default=64)
    parser.add_argument("--direction", default="s-s", choices=("s-s", "t-t", "s-t", "t-s"))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    if arguments.quick:
        # On busy cores several threads wait for each other at every layer.
        arguments.items, arguments.repeats, arguments.pieces, arguments.threads = 4, 1, 2_000, 1
    torch.set_num_threads(arguments.threads)
    loaded = make_model(arguments.model, arguments.pieces, arguments.device)
    questions = make_questions(loaded.card.vocabulary, arguments.items, arguments.direction)
    difference = np.abs(np.array(ours(loaded, questions)) - np.array(one_at_a_time(loaded, questions))).max()
    shared = seconds(lambda: ours(loaded, questions), arguments.repeats)
    single = seconds(lambda: one_at_a_time(loaded, questions), arguments.repeats)
    result = {
        "model": arguments.model,
        "pieces": arguments.pieces,
        "direction": arguments.direction,
        "device": arguments.device,
        "threads": arguments.threads,
        "items": arguments.items,
        "items_per_s": arguments.items / shared,
        "one_at_a_time_items_per_s": arguments.items / single,
        "ratio": single / shared,
        "largest_difference": float(difference),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
