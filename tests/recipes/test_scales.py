"""The scales that are not run here: every command of theirs exists, every config is planned, the job script works."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from lst_cli.config import load_config
from lst_cli.model.cost import parameters
from lst_cli.model.model_config import ModelConfig
from lst_cli.training.config import finetune_config, pretrain_config
from lst_cli.training.config.train_config import resolve_model
from tests.docs.command_lines import parse

REPOSITORY = Path(__file__).parents[2]
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")
TABLES = re.search(r"^TABLES := (.*)$", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[1].split()  # type: ignore[index]


def _planned(scale: str, *arguments: str) -> list[str]:
    done = subprocess.run(
        ["make", "-n", "-f", "recipes/tables.mk", f"SCALE={scale}", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    return [part.strip() for part in re.split(r"\n|&&", done.stdout.replace("\\\n", " "))]


def _lines(scale: str, *arguments: str) -> set[str]:
    return {f"lst {line.rsplit('/lst ', 1)[1]}" for line in _planned(scale, *arguments) if "/lst " in line}


@needs_make
@pytest.mark.parametrize("stories", ["", "csv", "folder"])
@pytest.mark.parametrize("scale", ["small", "paper"])
def test_every_command_of_every_table_exists_with_its_options(scale: str, stories: str, tmp_path: Path) -> None:
    """Whatever of the files that have to be asked for is there: none, texts, or the spoken releases."""
    if stories == "csv":
        for name in ("storycloze.csv", "topicstorycloze.csv"):
            (tmp_path / name).touch()
    elif stories == "folder":
        for name in ("sSC", "tSC"):
            (tmp_path / name).mkdir()
    lines = _lines(scale, f"DATA={tmp_path}", *TABLES)
    assert len(lines) > 60
    assert all(f"--voice kokoro:{tmp_path}/kokoro#af_heart " in line for line in lines if " synth " in line)
    for table in TABLES:
        assert any(f"report {table} " in line for line in lines), table
    scored = {line.split()[5] for line in lines if " --quiet eval " in line}
    spoken = {"storycloze", "topicstorycloze"} if stories else set()
    assert scored == {"hellaswag", "swuggy", "sblimp"} | spoken
    # Moved boundaries are of speech alone.
    told = {task: [line for line in lines if f" eval {task} " in line and "-noise" not in line] for task in scored}
    for task in scored:
        text = task == "hellaswag" or (task in spoken and stories == "csv")
        assert all(("--directions s-s,t-t" in line) == text for line in told[task]), task
        assert any(f"corpus {'synth' if text else 'add'} " in line and f"items-{task}" in line for line in lines), task
    # One line of each kind: the same command with the same options.
    kinds = {(*line.split()[3:5], *sorted(set(re.findall(r" --[a-z-]+", line)))): line for line in lines}
    for line in kinds.values():
        parse(line)


@needs_make
@pytest.mark.parametrize("scale", ["tiny", "small", "paper"])
def test_rows_of_aligned_models_alone_are_scored_with_aligned_patches(scale: str, tmp_path: Path) -> None:
    (tmp_path / "sSC").mkdir()
    made = _lines(scale, f"DATA={tmp_path}", "table3", "table6", "table10", "boundary-noise")
    scored = [line for line in made if " --quiet eval " in line]
    aligned = {line for line in scored if " model/aligned" in line}
    # Recordings without texts can't be aligned.
    written = {line for line in aligned if "/sSC " not in line}
    assert len(aligned) > 6 and (aligned - written != set()) == (scale != "tiny")
    assert {line for line in scored if "--patching as-trained" in line} == written
    alignments = {re.search(r" --alignment (\S+)", line)[1] for line in written}  # type: ignore[index]
    runs = [line for line in made if " align run corpus/items" in line or " align noise alignment/items" in line]
    assert {f"alignment/{line.split(' --name ')[1].strip()}" for line in runs} == alignments
    for line in (next(iter(written)), *runs):
        parse(line)


@needs_make
@pytest.mark.parametrize("scale", ["tiny", "small", "paper"])
def test_boundary_noise_trains_one_model_and_scores_it_under_moved_boundaries(scale: str) -> None:
    lines = _lines(scale, "boundary-noise", "SEEDS=0 1")
    trained = [line for line in lines if " pretrain " in line]
    assert len(trained) == 2 and all("patching.strategy=aligned" in line for line in trained)
    noise = {re.search(r" --name (\S+)", line)[1]: line for line in lines if " align noise " in line}  # type: ignore[index]
    assert sorted(re.search(r" --ms (\d+)", line)[1] for line in noise.values()) == ["20", "40"]  # type: ignore[index]
    for model in ("aligned", "aligned-seed1"):
        scored = [line for line in lines if f" eval hellaswag model/{model} " in line]
        used = {re.search(r" --alignment alignment/(\S+)", line)[1] for line in scored}  # type: ignore[index]
        assert len(scored) == 3 and set(noise) < used
    for line in (*noise.values(), *scored):
        parse(line)


@needs_make
@pytest.mark.parametrize("table", sorted(set(TABLES) - {"table13", "fig5"}))
def test_every_table_of_scores_has_a_page_of_the_same_scores(table: str) -> None:
    lines = _lines("tiny", f"page-{table}")
    made = next(line for line in lines if f" report {table} " in line)
    page = next(line for line in lines if f" report --name page-{table} " in line)
    parse(page)
    assert set(re.findall(r"--scores (\S+)", made)) == set(re.findall(r"--scores (\S+)", page)) != set()


@needs_make
@pytest.mark.parametrize(("scale", "smallest", "largest"), [("small", 90e6, 500e6), ("paper", 300e6, 8e9)])
def test_every_row_is_a_model_of_the_scale(scale: str, smallest: float, largest: float) -> None:
    lines = [line for line in _planned(scale, "models", "ROWS=$(ROW_NAMES)") if " pretrain " in line]
    assert len(lines) > 20
    models: dict[str, ModelConfig] = {}
    for line in lines:
        words = line.split()
        changes = [after for word, after in pairwise(words) if word == "--set"]
        path = REPOSITORY / f"recipes/{scale}/pretrain.yaml"
        config = pretrain_config.resolve(load_config(pretrain_config.PretrainConfig, path, changes))
        models[config.model.architecture] = resolve_model(config.model)
        assert config.data.positions == 4096 and config.data.text_weight / config.data.speech_weight in (1, 2, 3, 4)
    for name, model in models.items():
        assert smallest < sum(parameters(model, 32_500).values()) < largest, name


@needs_make
def test_tables_3_4_and_11_and_figure_1_are_long_runs_at_the_papers_scale(tmp_path: Path) -> None:
    (tmp_path / "storycloze.csv").touch()
    steps = {}
    for table in ("table3", "table4", "table6", "table8", "table10", "table11", "fig1", "fig1b", "fig4"):
        lines = [line for line in _planned("paper", table, f"DATA={tmp_path}") if " pretrain " in line]
        steps[table] = {
            int(found[1]) if (found := re.search(r"budget\.steps=(\d+)", line)) else 200_000 for line in lines
        }
    assert steps["table3"] == steps["table4"] == steps["table11"] == {500_000}
    assert steps["fig1"] == steps["fig1b"] == {125_000, 250_000, 500_000}
    assert steps["table6"] == steps["table10"] == {200_000} and steps["table8"] == {200_000, 25_000}
    # 20 text tokens and 10 speech tokens for each of 420 M and 1.8 B parameters.
    assert steps["fig4"] == {24_000, 103_000}


@pytest.mark.parametrize("scale", ["small", "paper"])
@pytest.mark.parametrize("task", ["asr", "tts"])
def test_fine_tuning_is_batch_4_of_4096(scale: str, task: str) -> None:
    path = REPOSITORY / "recipes" / scale / f"{task}.yaml"
    config = finetune_config.resolve(load_config(finetune_config.FinetuneConfig, path, []), [task])
    assert (config.data.positions, config.data.global_batch_size) == (4096, 4)


def test_the_papers_run_is_half_a_million_units_a_step_on_32_gpus() -> None:
    path = REPOSITORY / "recipes/paper/pretrain.yaml"
    config = pretrain_config.resolve(load_config(pretrain_config.PretrainConfig, path, []))
    assert config.data.positions * config.data.global_batch_size == 2**19
    assert config.data.global_batch_size % 32 == config.data.streams % 32 == 0
    assert (config.budget.steps, config.optimizer.lr, config.schedule.warmup_steps) == (200_000, 4e-4, 2000)
    assert (config.optimizer.weight_decay, config.optimizer.betas, config.optimizer.max_grad_norm) == (
        0.1,
        (0.9, 0.95),
        1.0,
    )


_SRUN = """#!/bin/bash
trap 'exit 1' USR1
echo "$@" > "$STATE/arguments"
echo $$ > "$STATE/pid"
if [[ -n "${FINISH:-}" ]]; then
    while [[ $1 == --* ]]; do shift; done; SLURM_PROCID=3 SLURM_LOCALID=3 "$@"; exit $?
fi
echo ready > "$STATE/ready"
while :; do read -t 1 <> "$STATE/never"; done
"""


_SCONTROL = """#!/bin/bash
if [[ $1 == show ]]; then echo node1; echo node2; else echo "$@" >> "$STATE/control"; fi
"""


def _slurm(folder: Path) -> dict[str, str]:
    """A machine that has Slurm's commands, as far as the job script uses them."""
    commands = {
        "srun": _SRUN,
        "scancel": '#!/bin/bash\necho "$@" >> "$STATE/cancelled"\nkill -USR1 "$(cat "$STATE/pid")"\n',
        "scontrol": _SCONTROL,
    }
    for name, text in commands.items():
        path = folder / name
        path.write_text(text)
        path.chmod(0o755)
    os.mkfifo(folder / "ready")
    os.mkfifo(folder / "never")
    slurm = {
        "SLURM_JOB_ID": "42",
        "SLURM_JOB_NODELIST": "node[1-2]",
        "SLURM_NTASKS": "16",
        "SLURM_NTASKS_PER_NODE": "8",
    }
    return {**os.environ, **slurm, "STATE": str(folder), "PATH": f"{folder}:{os.environ['PATH']}"}


SCRIPT = REPOSITORY / "recipes/paper/train.sbatch"


def test_a_job_that_is_stopped_before_its_end_is_queued_again(tmp_path: Path) -> None:
    job = subprocess.Popen(["bash", str(SCRIPT), "lst", "pretrain"], env=_slurm(tmp_path))
    assert (tmp_path / "ready").read_text() == "ready\n"
    job.send_signal(signal.SIGUSR1)
    assert job.wait() == 1
    assert (tmp_path / "cancelled").read_text() == "--signal=USR1 42\n"
    assert (tmp_path / "control").read_text() == "requeue 42\n"


def test_every_process_knows_its_place_and_a_job_that_ends_is_not_queued_again(tmp_path: Path) -> None:
    environment = {**_slurm(tmp_path), "FINISH": "yes"}
    said = 'echo "$RANK $LOCAL_RANK $WORLD_SIZE $MASTER_ADDR $MASTER_PORT $1"; exit 5'
    job = subprocess.run(
        ["bash", str(SCRIPT), "bash", "-c", said, "x", "pretrain"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert job.stdout.split() == ["3", "3", "16", "node1", "20042", "pretrain"]
    assert job.returncode == 5 and not (tmp_path / "control").exists()
