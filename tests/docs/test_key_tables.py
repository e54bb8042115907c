"""The key tables of the docs are those of the config dataclasses, and every key is documented."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from lst_cli.commands.config_show import CONFIGS, config_class
from lst_cli.config import from_dict, load_config, to_dict
from lst_cli.config_reference import as_table, as_yaml, fields

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("kind", CONFIGS)
def test_the_docs_have_the_table(kind: str) -> None:
    pages = "\n".join(page.read_text(encoding="utf-8") for page in DOCS.glob("*.md"))
    table = f"<!-- keys: {kind} -->\n\n{as_table(config_class(kind))}\n\n<!-- end of keys -->"
    assert table in pages, "run: python scripts/write_key_tables.py"


def undocumented(cls: type, prefix: str = "") -> Iterator[str]:
    for field in fields(cls):
        if not field.text:
            yield prefix + field.name
        if field.section is not None:
            yield from undocumented(field.section, f"{prefix}{field.name}.")


@pytest.mark.parametrize("kind", CONFIGS)
def test_every_key_has_a_docstring(kind: str) -> None:
    assert list(undocumented(config_class(kind))) == []


@pytest.mark.parametrize("recipe", ["tiny/pretrain", "tiny/asr", "paper/pretrain", "small/vocoder"])
def test_a_shown_config_is_the_config(recipe: str) -> None:
    path = DOCS.parent / "recipes" / f"{recipe}.yaml"
    kind = {"pretrain": "pretrain", "asr": "finetune", "vocoder": "vocoder"}[path.stem]
    config = load_config(config_class(kind), path)
    shown = as_yaml(config_class(kind), to_dict(config))
    assert from_dict(config_class(kind), yaml.safe_load(shown), "shown") == config


def test_a_template_has_all_defaults_and_names_what_is_required() -> None:
    template = as_yaml(config_class("finetune"))
    assert "steps:  # int, >= 1" in template and ", required" in template
    tree = yaml.safe_load(template)
    tree["budget"]["steps"] = 3000
    finetune = config_class("finetune")
    assert from_dict(finetune, tree, "template") == load_config(finetune, None, ["budget.steps=3000"])
