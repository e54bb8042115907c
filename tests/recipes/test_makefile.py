from __future__ import annotations

import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from lst_cli.config import load_config, to_dict
from lst_cli.training.config import finetune_config, pretrain_config
from lst_cli.vocoder.vocoder_config import VocoderConfig
from tests.docs.command_lines import parse

REPOSITORY = Path(__file__).parents[2]
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")


def _planned(*arguments: str, makefile: str = "recipes/tiny/Makefile") -> list[str]:
    """The commands that make would run, one a line."""
    done = subprocess.run(
        ["make", "-n", "-f", makefile, *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    return [part.strip() for part in re.split(r"\n|&&", done.stdout.replace("\\\n", " "))]


def _lst_lines(*arguments: str, makefile: str = "recipes/tiny/Makefile") -> list[str]:
    planned = _planned(*arguments, makefile=makefile)
    return [f"lst {line.split('/lst ', 1)[1]}" for line in planned if "/lst " in line]


@needs_make
def test_every_command_of_the_recipe_exists_with_its_options() -> None:
    lines = _lst_lines()
    assert len(lines) > 20
    for line in lines:
        parse(line)


@needs_make
def test_each_stage_is_noted_under_a_name_of_its_own() -> None:
    names = [m[1] for line in _planned() if (m := re.search(r"stage\.py --root \S+ (\S+)", line))]
    assert len(names) == len(set(names)) == len(_lst_lines()) + 1  # and the world


@needs_make
def test_every_config_that_the_recipe_names_is_there() -> None:
    named = {word for line in _lst_lines() for word in line.split() if word.endswith(".yaml")}
    assert named
    for path in named:
        assert (REPOSITORY / path).is_file(), path


@needs_make
def test_all_models_train_on_the_same_shards() -> None:
    lines = [line for line in _lst_lines() if " pretrain " in line]
    assert len(lines) == 3
    assert len({re.sub(r"--(name|set) \S+", "", line).strip() for line in lines}) == 1


@pytest.mark.parametrize("path", sorted((REPOSITORY / "recipes").rglob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_config_is_valid(path: Path) -> None:
    if path.stem == "vocoder":
        load_config(VocoderConfig, path, [])
    elif "model" in yaml.safe_load(path.read_text(encoding="utf-8")):
        pretrain_config.resolve(load_config(pretrain_config.PretrainConfig, path, []))
    else:
        finetune_config.resolve(load_config(finetune_config.FinetuneConfig, path, []), (path.stem,))


def _config_of(line: str) -> pretrain_config.PretrainConfig:
    """The resolved config of a planned `lst pretrain`."""
    words = line.split()
    changes = [after for word, after in pairwise(words) if word == "--set"]
    path = REPOSITORY / next(word for word in words if word.endswith(".yaml"))
    return pretrain_config.resolve(load_config(pretrain_config.PretrainConfig, path, changes))


def _named(line: str) -> str:
    return re.search(r"--name (\S+)", line)[1]  # type: ignore[index]


@needs_make
def test_the_runs_that_are_compared_differ_in_model_and_patching_only() -> None:
    configs = {_named(line): _config_of(line) for line in _lst_lines() if " pretrain " in line}
    strategies = {name: config.patching.strategy for name, config in configs.items()}
    assert strategies == {"baseline": "none", "static": "static", "curriculum": "curriculum"}
    trees = [to_dict(config) for config in configs.values()]
    for tree in trees:
        del tree["model"]["architecture"], tree["patching"]
    assert trees[0] == trees[1] == trees[2]
    assert configs["static"].model == configs["curriculum"].model


def _models(*arguments: str) -> dict[str, pretrain_config.PretrainConfig]:
    """The models that recipes/tables.mk would train, by name."""
    lines = _lst_lines("models", *arguments, makefile="recipes/tables.mk")
    return {_named(line): _config_of(line) for line in lines if " pretrain " in line}


@needs_make
def test_a_list_of_rows_seeds_and_budgets_names_its_models() -> None:
    found = _models("ROWS=baseline static", "SEEDS=0 2", "BUDGETS=compute data")
    assert sorted(found) == sorted(
        f"{row}{budget}{seed}" for row in ("baseline", "static") for budget in ("", "-data") for seed in ("", "-seed2")
    )
    for name, config in found.items():
        assert config.seed == (2 if name.endswith("-seed2") else 0)
        assert config.budget.mode == ("data-controlled" if "-data" in name else "compute-controlled")
        assert config.patching.strategy == ("none" if name.startswith("baseline") else "static")


@needs_make
def test_every_row_resolves_and_no_two_are_the_same() -> None:
    lines = _lst_lines("models", "ROWS=$(ROW_NAMES)", makefile="recipes/tables.mk")
    named = {_named(line): line for line in lines if " pretrain " in line}
    assert {"baseline-tiny", "curriculum-1to2", "baseline-half", "aligned-piece", "bpe", "static9"} <= set(named)
    for line in named.values():
        _config_of(line)
    assert len({re.sub(r" --name \S+", "", line) for line in named.values()}) == len(named)


@needs_make
def test_the_demo_trains_the_same_models_as_the_tables() -> None:
    demo = {_named(line): _config_of(line) for line in _lst_lines() if " pretrain " in line}
    assert demo == _models("ROWS=baseline static curriculum")


@needs_make
def test_a_row_that_is_not_there_is_refused_with_those_that_are() -> None:
    done = subprocess.run(
        ["make", "-n", "-f", "recipes/tables.mk", "models", "ROWS=statik"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and "no such row: statik" in done.stderr and "curriculum" in done.stderr


@needs_make
def test_the_bpe_row_is_a_baseline_that_reads_pieces_made_for_it() -> None:
    lines = _lst_lines("models", "ROWS=bpe baseline", makefile="recipes/tables.mk")
    made = next(index for index, line in enumerate(lines) if line.startswith("lst --root artifacts shards bpe"))
    rows = {_named(line): (index, line) for index, line in enumerate(lines) if " pretrain " in line}
    assert "--speech-bpe speech_bpe/spoken" in rows["bpe"][1] and "--speech-bpe" not in rows["baseline"][1]
    assert made < rows["bpe"][0]
    for line in lines:
        parse(line)


@needs_make
@pytest.mark.parametrize("rule", ["hazard", "entropy"])
def test_a_row_with_a_learnt_rule_fits_it_first(rule: str) -> None:
    lines = _lst_lines("models", f"ROWS={rule} static", makefile="recipes/tables.mk")
    fitted = next(index for index, line in enumerate(lines) if f" patching fit {rule} " in line)
    rows = {_named(line): (index, line) for index, line in enumerate(lines) if " pretrain " in line}
    assert f"--patching-rule patching_rule/{rule}" in rows[rule][1] and "--patching-rule" not in rows["static"][1]
    assert fitted < rows[rule][0]
    for line in lines:
        parse(line)
