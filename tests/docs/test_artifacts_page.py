"""docs/artifacts.md names every kind of artifact and every column."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lst_cli.alignment.kinds import ALIGNMENT_FILE, alignment_schema
from lst_cli.artifacts.draft import REJECTS
from lst_cli.artifacts.manifest import Artifact
from lst_cli.audio.corpus_artifact import UTTERANCES, utterance_schema
from lst_cli.evaluation.choice import items_table
from lst_cli.evaluation.scores import ITEMS_FILE, SCORES_FILE
from lst_cli.evaluation.tasks import TASKS
from lst_cli.model_artifact import card
from lst_cli.patching_rules.rule_artifact import RULE_FILE
from lst_cli.reports.report_kind import PAGE
from lst_cli.shards.schema import TEXT_SCHEMA, speech_schema
from lst_cli.text import tokenizer
from lst_cli.training.metrics.metrics_log import METRICS_FILE
from lst_cli.units.quantizer.codebook import CENTROIDS_FILE
from lst_cli.units.tokens import tokens_schema
from lst_cli.vocoder import files as vocoder

REPOSITORY = Path(__file__).parents[2]
TEXT = (REPOSITORY / "docs" / "artifacts.md").read_text(encoding="utf-8")


def test_every_kind_is_named() -> None:
    sources = "\n".join(path.read_text() for path in (REPOSITORY / "lst_cli").rglob("*.py"))
    kinds = set(re.findall(r'= Kind\("(\w+)"', sources))
    assert kinds == set(re.findall(r"^\| `(\w+)` \| `lst ", TEXT, re.M))


FILES = (
    *(UTTERANCES, CENTROIDS_FILE, ALIGNMENT_FILE, tokenizer.MODEL_FILE, tokenizer.JSON_FILE, RULE_FILE),
    *(card.WEIGHTS_FILE, card.CARD_FILE, card.QUANTIZER_FILE, card.SPEECH_BPE_FILE, METRICS_FILE),
    *(vocoder.WEIGHTS_FILE, vocoder.CARD_FILE, SCORES_FILE, ITEMS_FILE, REJECTS, PAGE),
)


@pytest.mark.parametrize("file", FILES)
def test_every_file_is_named(file: str) -> None:
    assert f"`{file}`" in TEXT


def columns() -> list[str]:
    task = next(iter(TASKS.values()))
    schemas = [
        utterance_schema(),
        tokens_schema(),
        alignment_schema(chars=True),
        speech_schema(piece_starts=True),
        TEXT_SCHEMA,
        items_table(task, []).schema,
    ]
    return sorted({name for schema in schemas for name in schema.names})


@pytest.mark.parametrize("column", columns())
def test_every_column_is_named(column: str) -> None:
    assert f"`{column}`" in TEXT


def test_every_field_of_the_manifest_is_named() -> None:
    fields = set(Artifact.__dataclass_fields__) - {"path"}
    assert {name for name in fields if f"`{name}`" not in TEXT} == set()
