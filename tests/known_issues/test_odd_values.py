"""Values that were read as others: keys twice on a line, true as 1, octal numbers, integer weights, equal endings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from lst_cli.artifacts import Store
from lst_cli.errors import UserError
from lst_cli.evaluation.tasks import read_items
from lst_cli.main import app
from lst_cli.units.quantizer.import_quantizer import read_centroids
from lst_cli.yaml_text import parse_yaml
from tests.known_issues.test_benchmark_files import COLUMNS, story, table
from tests.known_issues.test_configs import load
from tests.known_issues.things import request, write


@pytest.mark.parametrize("text", ["{a: 1, a: 2}", '{"a": 1, "b": {"c": 1, "c": 2}}', "[{x: 1, y: 2, x: 3}]"])
def test_of_two_equal_keys_on_one_line_the_last_won(text: str) -> None:
    with pytest.raises(ValueError, match="line 1: duplicate key"):
        parse_yaml(text)


@pytest.mark.parametrize("text", ["010", "1:30", "-0777", "1:30.5", "12:30:45"])
def test_octal_and_base_60_became_other_numbers(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"line 1: .* is no number in base 10"):
        parse_yaml(text)
    with pytest.raises(UserError, match=f"--set seed={text}"):
        load(tmp_path, "", f"seed={text}")
    assert load(tmp_path, "", f"run.wandb={text}").run.wandb == text


@pytest.mark.parametrize(
    ("text", "value"), [("0", 0), ("10", 10), ("1_000", 1000), ("0x10", 16), ("0.5", 0.5), ("-1.5", -1.5), ("0.0", 0)]
)
def test_plain_numbers_are_read(text: str, value: float) -> None:
    assert parse_yaml(text) == value


@pytest.mark.parametrize(
    "change", ["seed=true", "optimizer.lr=yes", "budget.steps=on", "optimizer.betas=[0.9, false]", "run.threads=false"]
)
def test_true_was_taken_for_1(tmp_path: Path, change: str) -> None:
    with pytest.raises(UserError, match=r"Input should be a number \(found (True|False)\)"):
        load(tmp_path, "", change)


def test_true_and_false_are_values_of_switches(tmp_path: Path) -> None:
    assert load(tmp_path, "", "run.compile=true").run.compile is True


@pytest.mark.parametrize("dtype", ["int64", "bool", "complex64", "U3"])
def test_centroids_that_are_no_floats_were_taken_or_a_fault_of_lst(tmp_path: Path, dtype: str) -> None:
    np.save(tmp_path / "c.npy", np.ones((4, 39)).astype(dtype))
    with pytest.raises(UserError, match="not floating-point"):
        read_centroids(tmp_path / "c.npy", trust_pickle=False)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.int8, torch.int32])
def test_quantised_centroids_were_taken_or_a_fault_of_lst(tmp_path: Path, dtype: torch.dtype) -> None:
    save_file({"centroids": torch.ones(4, 39).to(dtype)}, tmp_path / "c.safetensors")
    with pytest.raises(UserError, match=r"quantised|not floating-point"):
        read_centroids(tmp_path / "c.safetensors", trust_pickle=False)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_centroids_in_bfloat16_were_a_fault_of_lst(tmp_path: Path, dtype: torch.dtype) -> None:
    save_file({"centroids": torch.full((4, 39), 0.5).to(dtype)}, tmp_path / "c.safetensors")
    np.testing.assert_array_equal(read_centroids(tmp_path / "c.safetensors", trust_pickle=False), np.full((4, 39), 0.5))


def test_a_vocabulary_beyond_32_bits_was_a_fault_of_lst(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("one two\n")
    arguments = ["text", "fit", str(tmp_path / "t.txt"), "--name", "t", "--pieces", "2147483648"]
    assert CliRunner().invoke(app, ["--root", str(tmp_path), *arguments]).exit_code == 2


HELLA = {"ind": 1, "activity_label": "a", "ctx_a": "b", "ctx_b": "c", "endings": ["d [x]", "d "], "label": 0}
BIGBENCH = {"examples": [{"input": "q", "target_scores": {"a": 1, "a ": 0}}]}


@pytest.mark.parametrize(
    ("task", "row"),
    [
        ("hellaswag", HELLA),
        ("choices", {"context": "a", "endings": ["b", "c", "b"], "label": 2}),
        ("bigbench", BIGBENCH),
    ],
)
def test_a_right_ending_that_is_also_a_wrong_one_was_scored(tmp_path: Path, task: str, row: dict[str, object]) -> None:
    (tmp_path / "i.json").write_text(json.dumps(row) + "\n")
    with pytest.raises(UserError, match="right ending is also a wrong one"):
        read_items(task, tmp_path / "i.json")
    same = story(1)
    same[6] = same[5]
    with pytest.raises(UserError, match="right ending is also a wrong one"):
        read_items("storycloze", table(tmp_path / "s.csv", ",", same, story(2)))


def test_two_equal_wrong_endings_are_an_item(tmp_path: Path) -> None:
    (tmp_path / "i.jsonl").write_text(json.dumps({"context": "a", "endings": ["b", "c", "c"], "label": 0}) + "\n")
    assert len(read_items("choices", tmp_path / "i.jsonl")) == 1


def test_of_two_columns_of_one_name_the_first_was_read(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    rows = [[*COLUMNS, "input_sentence 4"], [*story(1), "He woke."]]
    path.write_text("".join(",".join(row) + "\n" for row in rows))
    with pytest.raises(UserError, match="two columns 'inputsentence4'"):
        read_items("storycloze", path)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_a_tsv_in_quotes_or_with_carriage_returns_had_no_columns(tmp_path: Path, ending: str) -> None:
    rows = [COLUMNS, story(1, '"Go, she said.')]
    quoted = ["\t".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
    (tmp_path / "s.tsv").write_bytes((ending.join(quoted) + ending).encode())
    (item,) = read_items("storycloze", tmp_path / "s.tsv")
    assert item.prompt.endswith('He ate. "Go, she said.')


def test_a_current_version_outside_of_the_root_was_read(tmp_path: Path) -> None:
    store, other = Store(tmp_path / "a"), Store(tmp_path / "b")
    artifact = store.build(request(), write).artifact
    outside = other.build(request(x=1), write).artifact
    for target in (outside.path, Path("..") / "a" / artifact.version):
        link = artifact.path.with_name("current")
        link.unlink()
        link.symlink_to(target)
        assert store.find_any("thing/a").path == artifact.path


def test_a_root_that_is_a_file_and_artifacts_behind_links_were_an_empty_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="not a folder"):
        app(["--root", str(tmp_path / "file"), "artifact", "ls"], standalone_mode=False)
    Store(tmp_path / "disk").build(request(), write)
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "thing").symlink_to(tmp_path / "disk" / "thing")
    app(["--root", str(tmp_path / "root"), "artifact", "ls"], standalone_mode=False)
    assert "a link to a folder elsewhere" in capsys.readouterr().err
