"""``lst doctor``: what this machine has, and what will not work on it."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer

from lst_cli.commands.common import Json, settings
from lst_cli.console import print_json, print_table

_DEMO_BYTES = 2 * 2**30
"""Room that the demo's artifacts, checkpoints included, need at most."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: `state` is ok, limited or missing.

    `effect` says what will not work, `fix` how to fix it.
    """

    thing: str
    state: str
    found: str
    effect: str = ""
    fix: str = ""


def doctor(
    ctx: typer.Context,
    json: Json = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with code 2 if something required is missing.")
    ] = False,
) -> None:
    """Check this machine (torch, CUDA, fairseq2, faiss, libsndfile, disk) and report what will not work."""
    root = Path(settings(ctx).root)
    findings = [
        _python(),
        *_guarded("torch", _torch),
        *_guarded("fairseq2", _fairseq2),
        *_guarded("faiss", _faiss),
        *_guarded("libsndfile", _sndfile),
        *(_package(name, use) for name, use in _OPTIONAL.items()),
        _memory(),
        _disk(root),
    ]
    missing = [finding for finding in findings if finding.state == "missing"]
    if json:
        print_json({"ready": not missing, "findings": [asdict(finding) for finding in findings]})
    else:
        _print(findings)
    if missing and strict:
        raise typer.Exit(2)


_OPTIONAL = {
    "piper-tts": "'lst corpus synth' with Piper voices",
    "pocketsphinx": "the comparison of 'lst align' with another aligner",
}


def _print(findings: list[Finding]) -> None:
    marks = {"ok": "ok", "limited": "limited", "missing": "MISSING"}
    print_table("", ("thing", "state", "found"), [(f.thing, marks[f.state], f.found) for f in findings])
    troubles = [finding for finding in findings if finding.state != "ok"]
    if not troubles:
        print("Everything works on this machine.")
        return
    print("Not available, or limited:")
    for finding in troubles:
        print(f"  {finding.thing}: {finding.effect}" + (f"; to mend it: {finding.fix}" if finding.fix else ""))


def _guarded(thing: str, look: Callable[[], list[Finding]]) -> list[Finding]:
    """Look at a compiled package; one that cannot be loaded is a finding, not a failure."""
    try:
        return look()
    except (ImportError, OSError, RuntimeError) as error:
        effect = "nothing that reads audio or trains will work" if thing != "faiss" else "'lst units fit' will not work"
        return [Finding(thing, "missing", str(error).splitlines()[0], effect, "run 'make env' in the repository")]


def _python() -> Finding:
    return Finding("Python", "ok", f"{platform.python_version()} on {platform.machine()}, {os.cpu_count()} cores")


def _torch() -> list[Finding]:
    import torch

    findings = [Finding("torch", "ok", torch.__version__)]
    if not torch.cuda.is_available():
        effect = "training, tokenizing and alignment run on the CPU: fit for recipes/tiny, not for the paper's sizes"
        return [*findings, Finding("CUDA", "limited", "no usable GPU", effect, "use a machine with an NVIDIA GPU")]
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        name = f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}"
        if torch.cuda.is_bf16_supported():
            findings.append(Finding(f"CUDA device {index}", "ok", name))
        else:
            effect = "no bfloat16: train in float32"
            findings.append(Finding(f"CUDA device {index}", "limited", name, effect))
    return findings


def _fairseq2() -> list[Finding]:
    import fairseq2
    import fairseq2n

    return [Finding("fairseq2", "ok", f"{fairseq2.__version__} with fairseq2n {fairseq2n.__version__}")]


def _faiss() -> list[Finding]:
    import faiss

    gpus = faiss.get_num_gpus() if hasattr(faiss, "get_num_gpus") else 0
    if gpus:
        return [Finding("faiss", "ok", f"{faiss.__version__}, {gpus} GPUs")]
    effect = "k-means runs on the CPU: slow beyond some million frames"
    return [Finding("faiss", "limited", f"{faiss.__version__}, CPU only", effect)]


def _sndfile() -> list[Finding]:
    import ctypes

    import soundfile

    ctypes.CDLL("libsndfile.so.1")
    return [Finding("libsndfile", "ok", soundfile.__libsndfile_version__)]


def _package(name: str, use: str) -> Finding:
    try:
        return Finding(name, "ok", version(name))
    except PackageNotFoundError:
        return Finding(name, "limited", "not installed", f"no {use}", f"pip install -c constraints.txt {name}")


def _memory() -> Finding:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    if total >= 6:
        return Finding("memory", "ok", f"{total:.0f} GiB")
    return Finding("memory", "limited", f"{total:.1f} GiB", "the demo wants 6 GiB", "close other programs")


def _disk(root: Path) -> Finding:
    place = root.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    found = f"{free / 2**30:.1f} GiB free at {place}"
    if not os.access(place, os.W_OK):
        return Finding("disk", "missing", f"{place} can't be written", "no stage can run", "choose another --root")
    if free < _DEMO_BYTES:
        effect = f"the demo needs {_DEMO_BYTES / 2**30:.0f} GiB"
        return Finding("disk", "limited", found, effect, "free some space or choose another --root")
    return Finding("disk", "ok", found)
