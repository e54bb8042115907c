from __future__ import annotations

import pytest
import torch

from lst_cli.distributed.device import pick_device
from lst_cli.errors import UserError


@pytest.mark.parametrize(
    ("name", "gpus", "local_rank", "expected"),
    [
        ("auto", 0, 3, "cpu"),
        ("cpu", 4, 3, "cpu"),
        ("auto", 4, 0, "cuda:0"),
        ("cuda", 4, 3, "cuda:3"),
        ("cuda", 2, 3, "cuda:1"),
        ("cuda:1", 2, 0, "cuda:1"),
    ],
)
def test_each_rank_takes_its_gpu(
    monkeypatch: pytest.MonkeyPatch, name: str, gpus: int, local_rank: int, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert pick_device(name, local_rank) == expected


@pytest.mark.parametrize(("name", "gpus"), [("cuda", 0), ("cuda:2", 2), ("gpu", 1), ("cuda:x", 1)])
def test_what_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, gpus: int) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    with pytest.raises(UserError, match=f"--device {name}"):
        pick_device(name)
    with pytest.raises(UserError, match=f"run.device {name}"):
        pick_device(name, option="run.device")


def test_float32_is_exact_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    cudnn = torch.backends.cudnn
    monkeypatch.setattr(torch.backends, "fp32_precision", "none")
    # Torch's default: convolutions and recurrent layers don't follow the setting above.
    monkeypatch.setattr(cudnn, "allow_tf32", True)
    assert cudnn.conv.fp32_precision == "tf32"
    pick_device("cuda")
    found = (torch.backends.fp32_precision, cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision)
    assert found == ("ieee",) * 3
    # torch.compile reads the older settings, which raise where both disagree.
    assert not torch.backends.cuda.matmul.allow_tf32 and not cudnn.allow_tf32
