"""Former config keys: refused in a config, read in manifests, and still what fingerprints are made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from lst_cli.config import from_dict, load_config
from lst_cli.errors import UserError
from lst_cli.renamed_keys import RENAMED, with_former_keys, with_new_keys
from lst_cli.training.config.finetune_config import FinetuneConfig
from lst_cli.training.config.pretrain_config import PretrainConfig

FORMER = {
    "budget": {"steps": 10, "mode": "data"},
    "data": {"positions": 48, "sequences_per_step": 4},
    "optimizer": {"lr": 1e-3, "clip": 1.0},
    "schedule": {"warmup": 5, "final": 0.1},
    "validation": {"stop_after": 2},
    "seed": 3,
}
NEW = {
    "budget": {"steps": 10, "mode": "data-controlled"},
    "data": {"positions": 48, "global_batch_size": 4},
    "optimizer": {"lr": 1e-3, "max_grad_norm": 1.0},
    "schedule": {"warmup_steps": 5, "min_lr_ratio": 0.1},
    "validation": {"patience": 2},
    "seed": 3,
}


@pytest.mark.parametrize("former", RENAMED)
def test_an_error_names_the_new_key(former: str, tmp_path: Path) -> None:
    section, _, key = former.partition(".")
    kind = FinetuneConfig if section == "validation" else PretrainConfig
    with pytest.raises(UserError) as from_file:
        from_dict(kind, {section: {key: 1}}, "file")
    assert f"{former} is now called {RENAMED[former]}" in (from_file.value.found or "")
    with pytest.raises(UserError) as from_option:
        load_config(kind, None, [f"{former}=1"])
    assert RENAMED[former] in (from_option.value.found or "")


def test_manifests_and_fingerprints_translate_to_and_fro() -> None:
    assert with_new_keys(FORMER) == with_new_keys(NEW) == NEW
    assert with_former_keys(NEW) == with_former_keys(FORMER) == FORMER
