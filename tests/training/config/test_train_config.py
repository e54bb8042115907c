"""Configs: mistakes are named before anything is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from lst_cli.config import load_config
from lst_cli.errors import UserError
from lst_cli.training.config.pretrain_config import PretrainConfig, resolve
from tests.training.runs import BASELINE, pretrain
from tests.training.world import make_world

TINY = ("model.architecture=lst_tiny", "budget.steps=5000")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("budget.step=3", "unknown key budget.step (did you mean budget.steps?)"),
        ("optimiser.lr=3", "unknown key optimiser (did you mean optimizer?)"),
        ("data.interleave.max_share=2", "max_share"),
        ("optimizer.lr=fast", "optimizer.lr: Input should be a valid number"),
        ("patching.strategy=dynamic", "'random', 'hazard' or 'entropy'"),
        ("model.architecture=lst_3b", "'lst_3b' is not an architecture"),
        ("model.overrides.layer=3", "unknown key layer (did you mean layers?)"),
        ("model.overrides.local.dim=100", "must be a multiple of local.dim 100"),
        ("schedule.warmup_steps=9000", "schedule.warmup_steps is 9000, but the run has only 5000 steps"),
        ("run.checkpoint_every=7", "run.checkpoint_every is 7, not a multiple of log_every (10)"),
        ("run.hsdp=true", "run.hsdp needs run.parallel: fsdp"),
    ],
)
def test_mistakes_are_named(change: str, told: str) -> None:
    with pytest.raises(UserError) as error:
        resolve(load_config(PretrainConfig, None, [*TINY, change]))
    assert told in str(error.value)
    assert error.value.exit_code == 2


def test_a_baseline_is_the_same_whatever_the_patching_says() -> None:
    one, other = (
        resolve(load_config(PretrainConfig, None, [*TINY, "model.architecture=baseline_tiny", f"patching.size={size}"]))
        for size in (4, 6)
    )
    assert one == other and one.patching.strategy == "none"


def test_aligned_patches_need_an_alignment(tmp_path: Path) -> None:
    make_world(tmp_path, aligned=False)
    with pytest.raises(UserError, match="curriculum needs aligned words"):
        pretrain(tmp_path, "m")
    assert not (tmp_path / "model").exists()


def test_what_does_not_belong_together_is_refused(tmp_path: Path) -> None:
    store = make_world(tmp_path)
    with pytest.raises(UserError, match="not speech shards"):
        pretrain(tmp_path, "m", *BASELINE, options=["--shards", "shards/text"])
    shards = store.find_any("shards/text")
    with pytest.raises(UserError, match="wrong kind of artifact"):
        pretrain(tmp_path, "m", options=["--tokenizer", f"shards/text/{shards.version}"])
    assert not [path for path in (tmp_path / "model").rglob("*") if path.is_file()]
