"""The jobs of the paper's scale, as `make -n` prints them: who runs where, and whether the work divides."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from lst_cli.config import load_config
from lst_cli.model.cost import Workload
from lst_cli.model.train_memory import Layers, memory
from lst_cli.training.budget.fit import usable_gib
from lst_cli.training.config import finetune_config, pretrain_config
from lst_cli.training.config.train_config import check_shares, resolve_model
from tests.recipes.test_scales import REPOSITORY, TABLES, _planned, needs_make

pytestmark = needs_make
SCRIPT_RANKS = 8
"""Of a node, in recipes/paper/train.sbatch."""
ARRAY = "recipes/paper/array.sbatch"
SHARED_ON_CPUS = {("corpus", "add"), ("corpus", "synth"), ("shards", "speech"), ("shards", "text")}


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[list[str], list[str]]]:
    """The launcher and the lst command of every stage of every table."""
    data: Path = tmp_path_factory.mktemp("data")
    (data / "storycloze.csv").touch()
    lines = [line for line in _planned("paper", f"DATA={data}", *TABLES) if re.search(r"/lst --root", line)]
    found = []
    for line in lines:
        words = shlex.split(line.split("recipes/stage.py --root", 1)[1])[2:]
        at = next(at for at, word in enumerate(words) if word.endswith("/lst"))
        command = words[at + 3 :]
        found.append((words[:at], command[1:] if command[0] == "--quiet" else command))
    assert len(found) > 100
    return found


def _option(launcher: list[str], name: str, default: str) -> str:
    return next((word.split("=")[1] for word in launcher if word.startswith(f"--{name}=")), default)


def _ranks(launcher: list[str]) -> int:
    if ARRAY in launcher:
        return 1 + int(_option(launcher, "array", "").removeprefix("0-"))
    if launcher[0] == "sbatch":
        return int(_option(launcher, "nodes", "4")) * int(_option(launcher, "ntasks-per-node", str(SCRIPT_RANKS)))
    return int(_option(launcher, "ntasks", "0"))


def test_every_stage_is_a_job_that_asks_for_memory_and_time(jobs: list[tuple[list[str], list[str]]]) -> None:
    for launcher, command in jobs:
        assert launcher and launcher[0] in ("srun", "sbatch"), command
        told = " ".join(launcher)
        assert "--time=" in told and "--mem" in told and _ranks(launcher) >= 1, told
        batch = command[0] in ("pretrain", "finetune") or tuple(command[:2]) in SHARED_ON_CPUS
        assert launcher[0] == ("sbatch" if batch else "srun"), command


def test_only_stages_that_share_work_have_several_ranks(jobs: list[tuple[list[str], list[str]]]) -> None:
    shared = set()
    for launcher, command in jobs:
        name = " ".join(command[:2]) if command[0] in ("align", "eval", "shards", "corpus") else command[0]
        if _ranks(launcher) > 1:
            shared.add(name)
            if ARRAY in launcher:
                assert tuple(command[:2]) in SHARED_ON_CPUS, command
            assert any(word.startswith("--gpus-per-node") for word in launcher) or launcher[0] == "sbatch"
        elif command[0] in ("units", "vocoder", "eval", "finetune"):
            assert "--gpus-per-node=1" in launcher, command
    assert {"pretrain", "tokenize", "align run", "eval hellaswag", "eval storycloze", "units", "eval asr"} <= shared
    assert {" ".join(command) for command in SHARED_ON_CPUS} <= shared
    assert not shared & {"text", "report", "finetune", "shards bpe"}


def _gib(config: pretrain_config.PretrainConfig, ranks: int) -> float:
    """Memory of one GPU, with documents as long as a sequence and a third of the tokens speech in patches of four."""
    own = config.data.global_batch_size // ranks
    positions = config.data.positions * min(config.run.micro_batch_size or own, own)
    model = resolve_model(config.model)
    tokens = positions * (1.24 if model.local else 1.0)
    work = Workload(positions=positions, tokens=tokens, context=config.data.positions)
    layers: Layers = "checkpointed" if config.run.activation_checkpointing else "compiled"
    return memory(model, 32_503, work, ranks, layers=layers).total


def test_every_training_divides_among_its_ranks_and_fits(jobs: list[tuple[list[str], list[str]]]) -> None:
    trained = set()
    for launcher, command in jobs:
        sets = [after for word, after in pairwise(command) if word == "--set"]
        if command[0] == "pretrain":
            config = load_config(pretrain_config.PretrainConfig, REPOSITORY / command[1], sets)
            data = pretrain_config.resolve(config).data
            if config.model.architecture.endswith("_7b"):
                assert _ranks(launcher) == 64
                assert config.run.activation_checkpointing and config.run.micro_batch_size == 4
        elif command[0] == "finetune":
            tuned = load_config(finetune_config.FinetuneConfig, REPOSITORY / command[2], sets)
            data = finetune_config.resolve(tuned, [command[1]]).data  # type: ignore[assignment]
        else:
            continue
        check_shares(data.global_batch_size, data.streams, _ranks(launcher))
        if command[0] == "pretrain":
            assert _gib(config, _ranks(launcher)) < usable_gib("H100"), command
        trained.add(command[0])
    assert trained == {"pretrain", "finetune"}


def test_the_account_is_given_to_every_job(tmp_path: Path) -> None:
    lines = _planned("paper", f"DATA={tmp_path}", "SLURM=--account=ours", "table5")
    lines = [line for line in lines if re.search(r"/lst --root", line)]
    assert lines and all("--account=ours" in line for line in lines)
