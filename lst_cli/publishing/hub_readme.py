"""README.md of what is published: what it is, its licence, how to use it, scores, data and lineage."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lst_cli.artifacts.ancestors import Ancestor, ancestors, short
from lst_cli.errors import UserError
from lst_cli.shards.build.shard_statistics import statistic_name
from lst_cli.units.frames import RATE_HZ
from lst_cli.units.quantizer.codebook import QUANTIZER, Codebook
from lst_cli.version import __version__

if TYPE_CHECKING:
    from lst_cli.artifacts import Artifact, Store
    from lst_cli.model_artifact.card import ModelCard

README_FILE = "README.md"
_TEMPLATES = Path(__file__).with_name("templates")
_SHOWN = 12


def model_readme(store: Store, model: Artifact, card: ModelCard, *, repository: str | None, license: str | None) -> str:
    """README.md of a model.

    :param repository: where it will be on the Hub; None for a folder.
    :param license: of the weights, as the Hub names it; None if it is not stated.
    :raises UserError: the licence is not a valid identifier, or the result of a score is damaged.
    """
    from lst_cli.publishing.hf_tokenizer import SPEECH_MARKER, TEXT_MARKER, speech_token

    facts: dict[str, Any] = {
        "repository": repository,
        "card": card,
        "patches": card.cut == "static",
        "text_marker": TEXT_MARKER,
        "speech_marker": SPEECH_MARKER,
        "speech_tokens": "".join(map(speech_token, (12, 7, 7))),
        "rate_hz": RATE_HZ,
        "trained": _trained(model),
        "scores": _scores(store, model),
    }
    return _filled("model.md.j2", store, model, license, facts)


def artifact_readme(store: Store, artifact: Artifact, *, repository: str, license: str | None) -> str:
    """README.md of a quantizer or a vocoder: as :func:`model_readme`."""
    facts: dict[str, Any] = {"repository": repository, "rate_hz": RATE_HZ}
    if artifact.kind == QUANTIZER.name:
        facts["codebook"] = Codebook.read(artifact.path)
    return _filled(f"{artifact.kind}.md.j2", store, artifact, license, facts)


def check_license(license: str | None) -> str:
    """The licence as the README's header has it.

    :raises UserError: it is not the identifier of a licence.
    """
    if license is not None and re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", license) is None:
        raise UserError(
            f"--license {license}: not an identifier",
            expected="one of the Hub's, in lower case: apache-2.0, mit, cc-by-nc-4.0, llama3.2, other, …",
        )
    return license or "unknown"


def _filled(template: str, store: Store, artifact: Artifact, license: str | None, facts: dict[str, Any]) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    pages = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    lineage = ancestors(store, [artifact])
    page = pages.get_template(template).render(
        artifact=artifact,
        license=check_license(license),
        lineage=list(reversed(lineage)),
        corpora=[(each.reference, _figures(each)) for each in lineage if _is_data(each)],
        version=__version__,
        **facts,
    )
    return re.sub(r"\n{3,}", "\n\n", page)


def _is_data(ancestor: Ancestor) -> bool:
    """Whether an ancestor is data from outside: a corpus, or shards of a text."""
    kind = ancestor.reference.split("/")[0]
    return kind == "corpus" or (kind == "shards" and ancestor.config.get("modality") == "text")


def _figures(ancestor: Ancestor) -> str:
    """Statistics of an ancestor that are single numbers."""
    if not ancestor.present:
        return "not on the machine that made this page"
    shown = [(key, value) for key, value in ancestor.statistics.items() if _is_number(value)]
    return ", ".join(f"{statistic_name(key)} {_number(value)}" for key, value in shown[:_SHOWN])


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def _trained(model: Artifact) -> list[tuple[str, str]]:
    """The results of training, from the manifest."""
    known = ("parameters", "steps", "tokens", "speech_tokens", "positions", "flops", "loss")
    numbers = [(name, model.statistics[name]) for name in known if _is_number(model.statistics.get(name))]
    task = [("task", model.config["task"])] if isinstance(model.config.get("task"), str) else []
    return [*task, *((name.replace("_", " "), _number(value)) for name, value in numbers)]


def _scores(store: Store, model: Artifact) -> list[tuple[str, ...]]:
    """(artifact, benchmark, direction, metric, items, value with interval) of each score of this model in the store."""
    from lst_cli.reports.number_text import direction_name, percent
    from lst_cli.reports.page.result_rows import read_rows

    scored = [each for each in store.current() if each.kind == "scores" and model.as_parent() in each.parents.values()]
    if not scored:
        return []
    rows = read_rows(store, scored)

    def value(mean: float, low: float, high: float) -> str:
        return f"{percent(mean)} ({percent(low)} to {percent(high)})"

    accuracies = [
        (row.scores, row.task, direction_name(row.direction), row.metric, row.n, (row.accuracy, row.low, row.high))
        for row in rows.scores
    ]
    errors = [
        (row.scores, f"ASR of {row.corpus}", "S→T", "WER", row.n, (row.wer, row.low, row.high)) for row in rows.asr
    ]
    spoken = [
        (row.scores, f"TTS, ASR by {row.evaluator}", "T→S", "WER", row.n, (row.wer.value, row.wer.low, row.wer.high))
        for row in rows.tts
    ]
    return [
        (f"`{short(scores)}`", task, direction, metric, str(n), value(*interval))
        for scores, task, direction, metric, n, interval in (*accuracies, *errors, *spoken)
    ]
