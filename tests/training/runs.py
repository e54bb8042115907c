"""Running ``lst pretrain`` in this process, and in processes that are killed."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import socket
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml

from lst_cli.artifacts import Artifact, Store
from lst_cli.errors import LstError
from lst_cli.main import app

CONFIG = {
    "model": {
        "architecture": "lst_tiny",
        "overrides": {"layers": 2, "dim": 32, "heads": 2, "local": {"dim": 16, "heads": 2, "decoder_layers": 1}},
    },
    "budget": {"steps": 20},
    "patching": {"strategy": "curriculum"},
    "data": {"positions": 48, "global_batch_size": 4, "streams": 4},
    "optimizer": {"lr": 0.003},
    "schedule": {"warmup_steps": 5},
    "precision": "float32",
    "log_every": 5,
    "run": {"checkpoint_every": 5, "device": "cpu", "threads": 1},
}
"""A run of a second or two."""

BASELINE = ("model.architecture=baseline_tiny", "model.overrides={layers: 2, dim: 32, heads: 2}")


def write_config(folder: Path) -> Path:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(CONFIG))
    return path


def arguments(root: Path, name: str, *changes: str) -> list[str]:
    """The command line, without ``lst``."""
    sets = [part for change in changes for part in ("--set", change)]
    inputs = ["--shards", "shards/speech", "--text-shards", "shards/text"]
    return ["--root", str(root), "pretrain", str(write_config(root)), *inputs, "--name", name, *sets]


def pretrain(root: Path, name: str, *changes: str, options: Sequence[str] = ()) -> Artifact:
    """Run the command in this process."""
    from lst_cli.model_artifact.card import MODEL

    app([*arguments(root, name, *changes), *options], standalone_mode=False)
    return Store(root).find(f"model/{name}", MODEL)


def sums(artifact: Artifact) -> dict[str, str]:
    """Every file's sum."""
    return {record.path: record.sha256 for record in artifact.files}


def forked(
    command: Sequence[str],
    environment: Mapping[str, str],
    stop_at: int | None = None,
    stop_by: signal.Signals = signal.SIGTERM,
) -> int:
    """Run a command in a child process that has everything imported already; its process id.

    :param stop_at: the child sends itself the signal ``stop_by`` at this step.
    """
    import lst_cli.training.engine.recipe  # noqa: F401

    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.environ.update(environment)
        if stop_at is not None:
            _send_at(stop_at, stop_by)
        app(list(command), standalone_mode=False)
        code = 0
    except LstError as error:
        print(error, file=sys.stderr)
    except Exception:
        traceback.print_exc()
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _send_at(number: int, stop_by: signal.Signals) -> None:
    from lst_cli.training.engine.train_unit import SpeechTextUnit

    step = SpeechTextUnit.process_batch

    def process_batch(self: Any, batch: Any, bag: Any) -> Any:
        if self._guard.step == number:
            os.kill(os.getpid(), stop_by)
        return step(self, batch, bag)

    SpeechTextUnit.process_batch = process_batch  # type: ignore[method-assign]


def signal_at(monkeypatch: pytest.MonkeyPatch, unit: type, number: int) -> list[int]:
    """Send this process SIGTERM in a validation unit's ``number``-th batch (from 1); the list grows by each batch."""
    process: Any = unit.process_batch  # type: ignore[attr-defined]
    batches: list[int] = []

    def process_batch(self: Any, batch: Any, bag: Any) -> None:
        batches.append(len(batches) + 1)
        if batches[-1] == number:
            os.kill(os.getpid(), signal.SIGTERM)
        process(self, batch, bag)

    monkeypatch.setattr(unit, "process_batch", process_batch)
    return batches


@contextmanager
def signalled_in_validation(rank: str) -> Iterator[None]:
    """Of processes that train together, send this one SIGTERM in its second batch of a validation."""
    from lst_cli.training.engine.validation_unit import ValidationUnit

    process = ValidationUnit.process_batch
    batches: list[int] = []

    def process_batch(self: Any, batch: Any, bag: Any) -> None:
        batches.append(len(batches) + 1)
        if batches[-1] == 2 and os.environ["RANK"] == rank:
            os.kill(os.getpid(), signal.SIGTERM)
        process(self, batch, bag)

    with mock.patch.object(ValidationUnit, "process_batch", process_batch):
        yield


def killed_at(command: Sequence[str], steps: Sequence[int]) -> Iterator[int]:
    """Run a command that is killed with SIGKILL in these steps in turn, then left to end. The exit statuses."""
    for step in steps:
        yield os.waitpid(forked(command, {}, step, signal.SIGKILL), 0)[1]
    yield os.waitpid(forked(command, {}), 0)[1]


MOMENTS = (
    "torch:save",
    "lst_cli.training.engine.recipe:sync",
    "lst_cli.training.engine.validation_unit:ValidationUnit.process_batch",
    "lst_cli.training.run.model_files:save_model",
    "safetensors.torch:save_file",
    "lst_cli.artifacts.store:sync_folder",
)
"""Functions to be killed in: a checkpoint half written, and renamed but not flushed; a validation; the model before its
files, before its weights, and when all but its place is there."""


def killed_in(command: Sequence[str], moments: Sequence[str]) -> Iterator[int]:
    """Run a command that is killed with SIGKILL when it calls these functions in turn, then left to end."""
    for moment in moments:
        module, _, path = moment.partition(":")
        *holder, name = path.split(".")
        target: Any = importlib.import_module(module)
        for part in holder:
            target = getattr(target, part)
        with mock.patch.object(target, name, lambda *args, **kwargs: os.kill(os.getpid(), signal.SIGKILL)):
            yield os.waitpid(forked(command, {}), 0)[1]
    yield os.waitpid(forked(command, {}), 0)[1]


def together(processes: int, command: Sequence[str], stop_at: int | None) -> list[int]:
    """Run a command in processes that train together, as torchrun starts them; their exit statuses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes)}
    shared |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    children = [
        forked(command, {**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)}, stop_at) for rank in range(processes)
    ]
    return [os.waitpid(child, 0)[1] for child in children]


def on_a_disk_that_gets_full(disk: Path, root: Path, *changes: str) -> None:
    """Fill the disk at step 8, free it when the run has failed, and run again; print the sums."""
    from lst_cli.errors import UserError
    from lst_cli.training.engine.train_unit import SpeechTextUnit

    shutil.copytree(root, disk / "store", ignore=shutil.ignore_patterns("model", "runs"))
    step = SpeechTextUnit.process_batch
    ballast = disk / "ballast"

    def fill_at_8(self: Any, batch: Any, bag: Any) -> Any:
        if self._guard.step == 8:
            for block in (1 << 12, 1):
                with suppress(OSError), ballast.open("ab") as file:
                    while True:
                        file.write(bytes(block))
                        file.flush()
        return step(self, batch, bag)

    SpeechTextUnit.process_batch = fill_at_8  # type: ignore[method-assign]
    try:
        pretrain(disk / "store", "full", *changes)
    except UserError as error:
        print(error, file=sys.stderr)
    SpeechTextUnit.process_batch = step  # type: ignore[method-assign]
    ballast.unlink()
    print(sums(pretrain(disk / "store", "full", *changes)))


def with_faults(command: Sequence[str]) -> Iterator[tuple[str, list[int]]]:
    """Run a command in two processes, the first of which fails: before training, in a step, and at the end."""
    from lst_cli.training.engine import recipe
    from lst_cli.training.engine.train_unit import SpeechTextUnit
    from lst_cli.training.run import model_files

    step = SpeechTextUnit.process_batch

    def process_batch(self: Any, batch: Any, bag: Any) -> Any:
        if self._guard.step == 7 and os.environ["RANK"] == "0":
            raise LstError("a fault in a step")
        return step(self, batch, bag)

    for patch in (
        mock.patch.object(recipe, "check_room", side_effect=LstError("a fault before training")),
        mock.patch.object(SpeechTextUnit, "process_batch", process_batch),
        mock.patch.object(model_files, "save_model", side_effect=LstError("a fault at the end")),
    ):
        with patch:
            yield patch.attribute, together(2, command, None)


def gradients(command: Sequence[str], plan: str) -> Iterator[list[int]]:
    """Run a command with other numbers of processes in turn, and write the gradient of each run's first step.

    :param plan: each run: processes, way of sharing, sequences a batch, file to write.
    """
    from fairseq2.nn.utils.grad import normalize_grads as normalize

    import lst_cli.training.engine.recipe  # noqa: F401 -- fairseq2.trainer can't be imported before it

    for run in plan.split(","):
        processes, parallel, sequences, path = run.split(":")

        def normalize_grads(model: Any, gang: Any, targets: int, path: str = path) -> None:
            normalize(model, gang, targets)
            if not Path(path).exists():
                _write_gradient(model, gang, path)

        changes = [f"run.parallel={parallel}", f"run.micro_batch_size={sequences}"]
        with mock.patch("fairseq2.trainer.normalize_grads", normalize_grads):
            name = ["--name", Path(path).stem]
            yield together(int(processes), [*command, *name, *(p for c in changes for p in ("--set", c))], None)


def _write_gradient(model: Any, gang: Any, path: str) -> None:
    """Write the whole gradient, as the optimizer gets it but for clipping; all processes have a part in it."""
    from safetensors.torch import save_file
    from torch.distributed.tensor import DTensor

    whole = {
        name.removeprefix("module."): (grad.full_tensor() if isinstance(grad, DTensor) else grad).clone()
        for name, grad in ((name, parameter.grad) for name, parameter in model.named_parameters())
    }
    gang.barrier()
    if gang.rank == 0:
        save_file(whole, path)
    gang.barrier()


if __name__ == "__main__":
    what, argument, *rest = sys.argv[1:]
    if what == "full":
        on_a_disk_that_gets_full(Path(argument), Path(rest[0]), *rest[1:])
    elif what == "kill":
        for status in killed_at(rest, [int(step) for step in argument.split(",")]):
            print(status, flush=True)
    elif what == "kill-in":
        for status in killed_in(rest, argument.split(",")):
            print(status, flush=True)
    elif what == "fault":
        for fault, statuses in with_faults([argument, *rest]):
            print(fault, statuses, flush=True)
    elif what == "gradients":
        for statuses in gradients(rest, argument):
            print(statuses, flush=True)
    elif what == "validation":
        # One of two processes is sent SIGTERM in its second batch of a validation; then the run ends.
        for parallel in argument.split(","):
            command = [*rest, "--set", f"run.parallel={parallel}"]
            with signalled_in_validation("1"):
                print(together(2, command, None), flush=True)
        print(together(1, rest, None), flush=True)
    elif what == "stages":
        # Each stage: processes, way of sharing, step to stop at.
        for stage in argument.split(","):
            processes, parallel, stop_at = stage.split(":")
            command = [*rest, "--set", f"run.parallel={parallel}"]
            print(stage, together(int(processes), command, int(stop_at) if stop_at else None), flush=True)
