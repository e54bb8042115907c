"""The plan of a run foretells what the run counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lst_cli.errors import UserError
from lst_cli.main import app
from tests.training.runs import BASELINE, arguments, pretrain
from tests.training.world import make_world


def plan(root: Path, capsys: pytest.CaptureFixture[str], *changes: str) -> dict[str, Any]:
    app([*arguments(root, "planned", *changes), "--dry-run", "--json"], standalone_mode=False)
    made: dict[str, Any] = json.loads(capsys.readouterr().out)
    return made


def test_the_plan_is_what_happens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_world(tmp_path)
    foretold = plan(tmp_path, capsys)
    assert not (tmp_path / "model").exists()
    done = pretrain(tmp_path, "done").statistics
    assert sum(foretold["parameters"].values()) == done["parameters"]
    assert foretold["positions_per_step"] * 20 == done["positions"]
    assert foretold["tokens_per_step"] * 20 == pytest.approx(done["tokens"], rel=0.05)
    assert foretold["speech_tokens_per_step"] * 20 == pytest.approx(done["speech_tokens"], rel=0.1)
    assert foretold["flops"] == pytest.approx(done["flops"], rel=0.1)
    assert foretold["aligned_share"] == pytest.approx(0.5, abs=0.03)
    assert foretold["checkpoints"] == 4


def planned(root: Path, capsys: pytest.CaptureFixture[str], changes: tuple[str, ...], *options: str) -> Any:
    app([*arguments(root, "planned", *changes), "--dry-run", "--json", *options], standalone_mode=False)
    return json.loads(capsys.readouterr().out)


def test_hybrid_sharding_divides_the_states_by_the_gpus_of_a_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_world(tmp_path)
    whole = plan(tmp_path, capsys)
    hybrid = ("run.parallel=fsdp", "run.hsdp=true")
    shared = planned(tmp_path, capsys, hybrid, "--gpus", "4", "--gpus-per-node", "2")
    assert shared["memory"]["states"] == whole["memory"]["states"] / 2


def test_recomputing_activations_takes_a_third_longer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_world(tmp_path)
    again = plan(tmp_path, capsys, "run.activation_checkpointing=true")
    assert again["hours"] == pytest.approx(plan(tmp_path, capsys)["hours"] * 4 / 3)


def test_all_that_stays_on_the_disk_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_world(tmp_path)
    usual = plan(tmp_path, capsys)
    kept = plan(tmp_path, capsys, "run.keep_every=10")
    assert kept["disk_bytes"] - usual["disk_bytes"] == pytest.approx(1.05 * 2 * usual["checkpoint_bytes"], abs=2)


def test_what_a_run_would_refuse_is_not_planned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_world(tmp_path)
    with pytest.raises(UserError, match="4 can't be divided among 3 processes"):
        planned(tmp_path, capsys, (), "--gpus", "3")
    with pytest.raises(UserError, match="config contradicts itself") as error:
        # With patches of 9 there are fewer steps of as many tokens.
        plan(
            tmp_path,
            capsys,
            "budget.mode=data-controlled",
            "patching={strategy: static, size: 9}",
            "schedule.warmup_steps=19",
        )
    assert "schedule.warmup_steps is 19" in (error.value.found or "")


def test_an_unknown_gpu_is_told_which_are_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_world(tmp_path)
    app([*arguments(tmp_path, "planned"), "--dry-run", "--gpu", "Radeon"], standalone_mode=False)
    assert "the peak FLOPs of Radeon are unknown; known GPUs: A100" in capsys.readouterr().out


def test_sharding_divides_the_states(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_world(tmp_path)
    whole = plan(tmp_path, capsys)
    app([*arguments(tmp_path, "p", "run.parallel=fsdp"), "--dry-run", "--json", "--gpus", "4"], standalone_mode=False)
    shared = json.loads(capsys.readouterr().out)
    assert shared["memory"]["states"] == whole["memory"]["states"] / 4


def test_a_baseline_takes_more_steps_for_the_same_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_world(tmp_path)
    data = ("budget.mode=data-controlled", "data.positions=256", "budget.steps=400")
    static = plan(tmp_path, capsys, *data, "patching.strategy=static")
    baseline, curriculum = plan(tmp_path, capsys, *data, *BASELINE), plan(tmp_path, capsys, *data)
    assert static["steps"] == 400 < baseline["steps"]
    tokens = [made["tokens_per_step"] * made["steps"] for made in (static, baseline, curriculum)]
    assert tokens == pytest.approx([tokens[0]] * 3, rel=0.01)


def test_a_run_that_does_not_fit_is_told_what_would_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_world(tmp_path)
    large = ("model.architecture=lst_7b", "model.overrides={}")
    alone = planned(tmp_path, capsys, large)
    assert alone["usable_gib"] == 72 < alone["memory"]["states"]
    assert "no setting of run makes it fit: use more GPUs" in alone["warnings"][0]
    shared = planned(tmp_path, capsys, large, "--gpus", "4", "--gpu", "H100")
    assert "it fits (" in shared["warnings"][0] and shared["warnings"][0].endswith("with --set run.parallel=fsdp")
    fits = planned(tmp_path, capsys, (*large, "run.parallel=fsdp"), "--gpus", "4", "--gpu", "H100")
    assert fits["memory"]["states"] + fits["memory"]["activations"] < fits["usable_gib"]
    assert not any("GiB" in warning for warning in fits["warnings"])


def test_repeated_data_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_world(tmp_path)
    usual, longer = plan(tmp_path, capsys, "budget.steps=20"), plan(tmp_path, capsys, "budget.steps=2000")
    for made in (usual, longer):
        often = [name for name, times in made["epochs"].items() if times > 4]
        assert [warning.split()[1] for warning in made["warnings"]] == often
    assert len(longer["warnings"]) == 2


def test_checkpoints_and_validation_take_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_world(tmp_path)
    without = plan(tmp_path, capsys)
    validated = planned(tmp_path, capsys, ("validation.every=10",), "--valid-shards", "shards/speech")
    assert without["validation_hours"] == 0 < validated["validation_hours"]
    # 2 validations of at most 64 sequences, against 20 steps of 4; a forward pass is a third of a step.
    assert validated["validation_hours"] / validated["hours"] == pytest.approx(2 * 64 / (20 * 4) / 3)
    written = without["checkpoints"] * without["checkpoint_bytes"]
    assert without["checkpoint_hours"] == pytest.approx(written / 1e9 / 3600)
