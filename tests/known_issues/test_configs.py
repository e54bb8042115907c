"""What went wrong in configs: YAML errors that looked like bugs, duplicate keys, numbers without a range."""

from __future__ import annotations

import dataclasses
import importlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from lst_cli.config import load_config
from lst_cli.errors import UserError
from lst_cli.training.config.pretrain_config import PretrainConfig, resolve

BASE = "model: {architecture: lst_tiny}\nbudget: {steps: 5000}\n"
MODULES = (
    "lst_cli.alignment.fit.aligner_config",
    "lst_cli.model.model_config",
    "lst_cli.patching.strategies",
    "lst_cli.shards.documents.interleave",
    "lst_cli.shards.read.reader",
    "lst_cli.training.config.finetune_config",
    "lst_cli.training.config.pretrain_config",
    "lst_cli.training.config.train_config",
    "lst_cli.vocoder.vocoder_config",
)


def load(tmp_path: Path, text: str = "", *changes: str) -> PretrainConfig:
    path = tmp_path / "config.yaml"
    path.write_text(BASE + text, encoding="utf-8")
    return load_config(PretrainConfig, path, list(changes))


@pytest.mark.parametrize("value", ["@team/proj", "a: b: c", "%p", "[1", "1e-4", "123", "inf", "{a", "- x", "*x"])
def test_a_string_that_yaml_reads_otherwise_was_a_bug_of_lst(tmp_path: Path, value: str) -> None:
    assert load(tmp_path, "", f"run.wandb={value}").run.wandb == value


@pytest.mark.parametrize(("value", "meant"), [("null", None), ("'null'", "null"), ('"a b"', "a b"), ("", "")])
def test_a_string_may_be_quoted_or_null(tmp_path: Path, value: str, meant: str | None) -> None:
    assert load(tmp_path, "", f"run.wandb={value}").run.wandb == meant


@pytest.mark.parametrize("change", ["model.overrides=[1", "optimizer.lr=@x", "budget.steps=%", "run.compile=a: b: c"])
def test_a_value_that_cannot_be_read_names_its_option(tmp_path: Path, change: str) -> None:
    with pytest.raises(UserError, match=r"--set .*: the value can't be read") as error:
        load(tmp_path, "", change)
    assert change in str(error.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("seed: 1\nseed: 2\n", "line 4: duplicate key 'seed', first in line 3"),
        ("optimizer:\n  lr: 1\n  eps: 1\n  lr: 2\n", "line 6: duplicate key 'lr', first in line 4"),
        ("budget: {steps: 9}\n", "line 3: duplicate key 'budget', first in line 2"),
    ],
)
def test_of_duplicate_keys_the_last_won_in_silence(tmp_path: Path, text: str, line: str) -> None:
    with pytest.raises(UserError, match=line):
        load(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        "seed: " + "[" * 20_000,
        "seed: 2024-13-45\n",
        "seed: " + "9" * 5000 + "\n",
        "seed: &a [*a]\n",
        "seed: !!python/object/apply:os.system [id]\n",
        "? [a]\n: b\n",
        "seed: \x00\n",
        "seed: !!binary x\n",
        "a: &a [1]\n" + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in pairwise("abcdefg")),
        "- a\n",
        "seed:\n\t- a\n",
    ],
)
def test_yaml_that_is_wrong_is_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match=r"config\.yaml: ") as error:
        load(tmp_path, text)
    assert len(str(error.value)) < 3000


@pytest.mark.parametrize(
    "change",
    [
        "optimizer.betas=[0.9, 1.5]",
        "optimizer.betas=[0.9]",
        "optimizer.lr=inf",
        "optimizer.lr=nan",
        "optimizer.lr=1e300",
        "optimizer.weight_decay=.inf",
        "optimizer.weight_decay=-1",
        "optimizer.eps=0",
        "schedule.min_lr_ratio=.nan",
        "seed=-1",
        "seed=9223372036854775808",
        "budget.steps=1e30",
        "data.speech_weight=inf",
        "data.interleave.max_share=nan",
        "data.positions=99999999999",
        "patching.size=0",
        "run.peak_flops=.inf",
        "run.threads=0",
        "model.overrides.layers=100000000",
        "model.overrides.dim=-32",
        "model.overrides.rope_theta=.nan",
        "model.overrides.local.heads=0",
    ],
)
def test_a_number_out_of_range_passed_the_dry_run(tmp_path: Path, change: str) -> None:
    with pytest.raises(UserError) as error:
        resolve(load(tmp_path, "", change))
    assert change.split("=")[0].split(".")[-1] in str(error.value)


def numbers(schema: Any, path: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Every number in a JSON schema."""
    found = []
    if isinstance(schema, dict):
        if schema.get("type") in ("integer", "number") and "const" not in schema:
            found.append((path, schema))
        for key, value in schema.items():
            if key not in ("default", "enum"):
                found += numbers(value, f"{path}.{key}")
    elif isinstance(schema, list):
        for value in schema:
            found += numbers(value, path)
    return found


@pytest.mark.parametrize("module", MODULES)
def test_every_number_of_every_config_has_a_lower_and_an_upper_bound(module: str) -> None:
    classes = [
        each
        for each in vars(importlib.import_module(module)).values()
        if isinstance(each, type) and dataclasses.is_dataclass(each) and hasattr(each, "__pydantic_fields__")
    ]
    assert classes
    for each in classes:
        for path, schema in numbers(TypeAdapter(each).json_schema()):
            low = "minimum" in schema or "exclusiveMinimum" in schema
            assert low and ("maximum" in schema or "exclusiveMaximum" in schema), f"{each.__name__}{path}"
