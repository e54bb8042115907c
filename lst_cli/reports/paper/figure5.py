"""Figure 5: embeddings of word patches, as they leave the patch encoder (Lu et al. 2025, Fig. 5).

Legend: N occurrences of words, D width of a patch's global vector.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lst_cli.artifacts import Artifact, Draft, Request
from lst_cli.artifacts.parquet import write_bytes_atomic
from lst_cli.errors import UserError
from lst_cli.reports.drawing.svg import svg_file
from lst_cli.reports.number_text import markdown_table
from lst_cli.reports.paper import published as paper
from lst_cli.reports.report_kind import REPORT

if TYPE_CHECKING:
    from lst_cli.model_artifact.card import LoadedModel

FIGURE_VERSION = 1
FILES = ("fig5.md", "fig5.csv", "fig5.svg")
WORDS = 10
"""Words to show: the most frequent ones that are long enough."""
OCCURRENCES = 30
"""Maximum occurrences of a word, drawn by a hash of utterance and position."""
SHORTEST = 4
"""Letters of a word to show, at least."""
_UTTERANCES_AT_ONCE = 8


@dataclass(frozen=True)
class Occurrence:
    """A word in an utterance."""

    word: str
    units: tuple[int, ...]
    """The whole utterance."""
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    index: int
    """Which of the utterance's words it is."""


@dataclass(frozen=True, kw_only=True)
class Measures:
    """How well patches of one word cluster."""

    within: float
    """Mean cosine of two patches of one word."""
    between: float
    """Mean cosine of two patches of different words."""
    silhouette: float
    """Mean silhouette with cosine distance."""
    occurrences: int


def plan_figure(model: Artifact, shards: Artifact, name: str) -> tuple[Request, Callable[[Draft], None]]:
    """The request of the artifact, and its maker.

    :param shards: speech shards with words.
    :raises UserError: when it is made: the model is a baseline, or the shards have too few words.
    """
    config = {"table": "fig5", "figure_version": FIGURE_VERSION, "words": WORDS, "occurrences": OCCURRENCES}
    request = Request(kind=REPORT, name=name, config=config, parents={"model": model, "shards": shards})

    def make(draft: Draft) -> None:
        from lst_cli.model_artifact.card import load_model

        loaded = load_model(model, "cpu", "float32")
        if loaded.card.architecture.family != "lst":
            raise UserError(f"{model.reference}: a baseline has no patches", fix="name an LST with --models")
        chosen = choose(occurrences(shards))
        vectors_ND = embed(loaded, chosen)
        words = [each.word for each in chosen]
        measured = measure(vectors_ND, words)
        texts = (
            _markdown(measured, sorted(set(words)), model, shards).encode(),
            _csv(measured).encode(),
            _draw(project(vectors_ND), words, measured),
        )
        for file, text in zip(FILES, texts, strict=True):
            write_bytes_atomic(draft.path / file, text)
        draft.statistics.update(within=measured.within, between=measured.between, silhouette=measured.silhouette)

    return request, make


def occurrences(shards: Artifact) -> Iterator[Occurrence]:
    """Every word of speech shards, in their order.

    :raises UserError: the shards have no words, or are damaged.
    """
    from lst_cli.shards.shard_set import ShardSet, read_row_group

    opened = ShardSet.of(shards)
    if opened.modality != "speech":
        raise UserError(f"{shards.reference}: no speech", expected="speech shards that were made with an alignment")
    for group in opened.groups:
        for row in read_row_group(group, ("units", "words", "starts", "ends")).to_pylist():
            said = (tuple(row["units"]), tuple(row["starts"]), tuple(row["ends"]))
            for index, word in enumerate(row["words"]):
                yield Occurrence(word.strip(".,;:!?\"'").lower(), *said, index)


def choose(found: Iterator[Occurrence], words: int = WORDS, most: int = OCCURRENCES) -> list[Occurrence]:
    """Occurrences of the most frequent longer words, at most ``most`` of each.

    :raises UserError: there are not two words that occur twice.
    """
    from lst_cli.hashing import permutation

    by_word: dict[str, list[Occurrence]] = defaultdict(list)
    for each in found:
        if len(each.word) >= SHORTEST:
            by_word[each.word].append(each)
    frequent = sorted(by_word, key=lambda word: (-len(by_word[word]), word))[:words]
    frequent = [word for word in frequent if len(by_word[word]) > 1]
    if len(frequent) < 2:
        raise UserError(
            "the shards have too few repeated words", expected="at least two words that occur at least twice"
        )
    chosen: list[Occurrence] = []
    for word in frequent:
        order = permutation(len(by_word[word]), 0, len(chosen))[:most]
        chosen += [by_word[word][index] for index in sorted(order)]
    return chosen


def embed(loaded: LoadedModel, chosen: Sequence[Occurrence]) -> NDArray[np.float64]:
    """The patch encoder's vector of each word, in aligned patches; [N, D]."""
    import dataclasses

    import torch

    from lst_cli.model.batch import make_batch
    from lst_cli.model.model import Latent
    from lst_cli.patching.packed import Document, pack_documents
    from lst_cli.patching.strategies import Patcher

    model, vocabulary = loaded.model, loaded.card.vocabulary
    assert isinstance(model, Latent)
    patcher = Patcher(dataclasses.replace(loaded.card.patching, silence="separate"))
    vectors = []
    for first in range(0, len(chosen), _UTTERANCES_AT_ONCE):
        group = chosen[first : first + _UTTERANCES_AT_ONCE]
        documents: list[Document] = []
        places = []
        for each in group:
            ids = vocabulary.units_to_ids(np.array(each.units))
            words = np.full(len(ids) + 2, -1)
            for number, (start, end) in enumerate(zip(each.starts, each.ends, strict=True)):
                words[1 + start : 1 + end] = number
            places.append(sum(len(d.tokens) for d in documents) + 1 + each.starts[each.index])
            tokens = np.concatenate([[vocabulary.s_marker], ids, [vocabulary.eos]])
            documents.append(Document(tokens=tokens, words=words))
        packed = pack_documents(documents, vocabulary, patcher, "aligned")
        with torch.inference_mode():
            _, patch_PD = model.encoded(make_batch(packed, loaded.card.architecture, vocabulary, loaded.device))
        vectors.append(patch_PD[packed.patch_T[places]].double().cpu().numpy())
    return np.concatenate(vectors)


def measure(vectors_ND: NDArray[np.float64], words: Sequence[str]) -> Measures:
    """Cosines within and between words, and the silhouette."""
    from sklearn.metrics import silhouette_score

    unit_ND = vectors_ND / np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    cosine_NN = unit_ND @ unit_ND.T
    names = np.array(words)
    same_NN = names[:, None] == names[None]
    others_NN = ~np.eye(len(names), dtype=bool)
    return Measures(
        within=float(cosine_NN[same_NN & others_NN].mean()),
        between=float(cosine_NN[~same_NN].mean()),
        silhouette=float(silhouette_score(vectors_ND, names, metric="cosine")),
        occurrences=len(names),
    )


def project(vectors_ND: NDArray[np.float64]) -> NDArray[np.float64]:
    """t-SNE to the plane (van der Maaten and Hinton 2008); the same vectors give the same picture."""
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(vectors_ND) - 1) / 3)
    made: NDArray[np.float64] = TSNE(
        n_components=2, perplexity=perplexity, metric="cosine", init="random", random_state=0
    ).fit_transform(vectors_ND)
    return made


_NAMES = ("cosine within words", "cosine between words", "silhouette")


def _rows(measured: Measures) -> list[tuple[str, float, str]]:
    low, high = paper.FIGURE_5_SILHOUETTE
    theirs = (f"{paper.FIGURE_5_WITHIN:.2f}", f"{paper.FIGURE_5_BETWEEN:.2f}", f"{low:.2f} to {high:.2f}")
    return list(zip(_NAMES, (measured.within, measured.between, measured.silhouette), theirs, strict=True))


def _markdown(measured: Measures, words: Sequence[str], model: Artifact, shards: Artifact) -> str:
    body = [(name, f"{value:.2f}", theirs) for name, value, theirs in _rows(measured)]
    return "\n\n".join(
        [
            "# Figure 5: embeddings of word patches",
            f"- {measured.occurrences} occurrences of {len(words)} words ({', '.join(words)}) from {shards.reference}, "
            f"whose alignment gives the patches; vectors are outputs of the patch encoder of {model.reference}.\n"
            f"- The picture is a t-SNE with cosine distance. The paper: {paper.SOURCE}, Fig. 5.",
            "## Ours",
            markdown_table(("", "ours", "the paper's"), body),
        ]
    ) + "\n"  # fmt: skip


def _csv(measured: Measures) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("measure", "value", "paper", "occurrences"))
    writer.writerows((name, value, theirs, measured.occurrences) for name, value, theirs in _rows(measured))
    return stream.getvalue()


def _draw(points_N2: NDArray[np.float64], words: Sequence[str], measured: Measures) -> bytes:
    import matplotlib

    colours = matplotlib.colormaps["tab20"].colors  # type: ignore[attr-defined]
    with svg_file(5.2, 4.4) as (drawn, (panel,), stream):
        for number, word in enumerate(dict.fromkeys(words)):
            own = points_N2[np.array(words) == word]
            panel.scatter(own[:, 0], own[:, 1], s=9, color=colours[number % len(colours)], label=word)
        panel.set_xticks([])
        panel.set_yticks([])
        panel.grid(visible=False)
        panel.set_title(
            f"within {measured.within:.2f}, between {measured.between:.2f}, silhouette {measured.silhouette:.2f}"
        )
        drawn.legend(loc="outside right center", frameon=False)
    return stream.getvalue()
