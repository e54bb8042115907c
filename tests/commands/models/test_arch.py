"""``lst arch``: what it prints is what is counted, and counts are those that can be made by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lst_cli.errors import UserError
from lst_cli.main import app
from lst_cli.model.architectures import ARCHITECTURES


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    app(["arch", *arguments], standalone_mode=False)
    return capsys.readouterr().out


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(printed(capsys, "show", *arguments, "--json"))
    return found


def test_all_architectures_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(printed(capsys, "ls", "--json"))
    assert [row["name"] for row in rows] == list(ARCHITECTURES)
    sizes = {row["name"]: row["parameters"] for row in rows}
    assert sizes["baseline_420m"] == pytest.approx(0.4e9, rel=0.1) and sizes["lst_7b"] == pytest.approx(7e9, rel=0.1)
    table = printed(capsys, "ls")
    assert "25 x 2048, 16 heads" in table and "1 + 9 x 1024, 16 heads" in table


def test_a_baseline_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    """Two FLOPs a weight, four for each key and unit of width, half of the context on average; three passes."""
    found = shown(capsys, "baseline_1b", "--positions", "4096")
    layer = 4 * 2048**2 + 3 * 2048 * 5632
    forward = 25 * (2 * layer + 4 * 2048 * 2048) + 2 * 32_503 * 2048
    assert found["train_flops_per_position"] == found["train_flops_per_token"] == pytest.approx(3 * forward)
    assert found["config"]["local"] is None


def test_tokens_of_a_position_count_for_the_latent_model_alone(capsys: pytest.CaptureFixture[str]) -> None:
    found = shown(capsys, "lst_1b", "--tokens-per-position", "2")
    assert found["train_flops_per_position"] == pytest.approx(2 * found["train_flops_per_token"])
    one = shown(capsys, "lst_1b", "--tokens-per-position", "1")
    assert one["forward_flops"]["global_transformer"] == found["forward_flops"]["global_transformer"]
    assert one["forward_flops"]["head"] == pytest.approx(found["forward_flops"]["head"] / 2)


def test_savings_against_the_baseline_at_equal_data(capsys: pytest.CaptureFixture[str]) -> None:
    """The paper counts positions; the local layers take some of that back, and the variants of lst_1b little."""
    saved = {name: shown(capsys, name)["fewer_than_baseline"] for name in ARCHITECTURES if name.startswith("lst_1b")}
    assert all(each["positions"] == pytest.approx(1 - 2.42 / 3) for each in saved.values())
    assert saved["lst_1b"]["flops"] == pytest.approx(0.069, abs=0.001)
    assert all(saved[name]["flops"] > 0.15 for name in ("lst_1b_k4", "lst_1b_d2", "lst_1b_bypass", "lst_1b_bypass_d4"))
    assert "19.3% fewer positions (the paper's count), 6.9% fewer FLOPs" in printed(capsys, "show", "lst_1b")


def test_memory_of_a_gpu_falls_with_sharding_and_checkpointing(capsys: pytest.CaptureFixture[str]) -> None:
    alone, shared, kept = (
        shown(capsys, "lst_1b", "--shards", shards, *more)["memory_gib"]
        for shards, more in (("1", ()), ("32", ()), ("32", ("--checkpointing",)))
    )
    assert alone["states"] == pytest.approx(32 * shared["states"])
    assert 0 < shared["gathered"] < alone["gathered"]  # some layers' weights; autocast's copies of all
    assert kept["activations"] < shared["activations"] / 4


def test_the_table_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "show", "baseline_1b")
    for said in ("1,284.6 M", "2,988.4 M", "9.36 GFLOPs a position, 9.36 GFLOPs a token", "each of 32 GPUs"):
        assert said in out


def test_an_unknown_name_is_answered_with_the_known(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="lst_420m"):
        printed(capsys, "show", "lst_2b")
