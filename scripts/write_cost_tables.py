"""Write the tables of memory, time and checkpoints in docs/scaling.md: ``python scripts/write_cost_tables.py``.

A table stands between the lines ``<!-- costs: NAME -->`` and ``<!-- end of costs -->``. Its figures are those of
``lst arch show`` and of the dry run's functions.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from lst_cli.model.architectures import architecture
from lst_cli.model.cost import Workload, parameters, train_flops
from lst_cli.model.train_memory import memory
from lst_cli.training.budget.disk import checkpoint_bytes
from lst_cli.training.budget.gpus import peak_of
from lst_cli.training.budget.machine import NODE_WRITES

DOCS = Path(__file__).parents[1] / "docs"
_TABLE = re.compile(r"<!-- costs: ([\w-]+) -->\n.*?<!-- end of costs -->", re.DOTALL)

VOCABULARY = 32_503
POSITIONS = 4096
SEQUENCES = 4
"""Of one GPU."""
MFU = 0.4
TOKENS_PER_POSITION = 3 / 2.42
"""Of an LST with static patches of 4, on 1:2 speech to text (Lu et al. 2025, Table 13; docs/model.md)."""
_PATCH = 4
GPUS = {"baseline_1b": 32, "lst_1b": 32, "baseline_7b": 64, "lst_7b": 64}
STEPS = {"1b": (200_000, 1 << 19), "7b": (25_000, 1 << 22)}
"""Steps, and positions of a step, by size (Lu et al. 2025, A.3)."""


def work(name: str, positions: float) -> Workload:
    """The workload of this many positions, as ``lst arch show`` assumes it."""
    ratio = TOKENS_PER_POSITION if architecture(name).local else 1.0
    text = positions * (_PATCH - ratio) / (_PATCH - 1)
    return Workload(positions=positions, tokens=positions * ratio, context=POSITIONS, text=text)


def memory_table() -> str:
    """Memory of one GPU, compiled and with activation checkpointing, at 4 sequences and at 1."""
    lines = [
        "| model | parameters | compiled | `run.micro_batch_size=1` | `run.activation_checkpointing` |",
        "|" + "---|" * 5,
    ]
    for name, gpus in GPUS.items():
        config = architecture(name)
        whole, one = work(name, SEQUENCES * POSITIONS), work(name, POSITIONS)
        needs = [
            memory(config, VOCABULARY, whole, gpus, layers="compiled"),
            memory(config, VOCABULARY, one, gpus, layers="compiled"),
            memory(config, VOCABULARY, whole, gpus, layers="checkpointed"),
        ]
        total = sum(parameters(config, VOCABULARY).values())
        cells = " | ".join(f"{each.total:.0f} GiB" for each in needs)
        lines.append(f"| `{name}`, {gpus} GPUs | {total / 1e9:.2f} B | {cells} |")
    return "\n".join(lines)


def time_table() -> str:
    """FLOPs of a position, and hours of a run, at the MFU that ``--dry-run`` assumes."""
    lines = ["| model | GFLOPs a position | tokens a position | positions/s on a GPU | one run |", "|" + "---|" * 5]
    for name, gpus in GPUS.items():
        config = architecture(name)
        steps, positions = STEPS[name.rsplit("_", 1)[1]]
        flops = train_flops(config, VOCABULARY, work(name, POSITIONS)) / POSITIONS
        rate = MFU * (peak_of("H100") or 0) / flops
        ratio = TOKENS_PER_POSITION if config.local else 1.0
        hours = steps * positions / rate / gpus / 3600
        lines.append(f"| `{name}` | {flops / 1e9:.2f} | {ratio:.2f} | {rate:,.0f} | {hours:.0f} h on {gpus} |")
    return "\n".join(lines)


def checkpoint_table() -> str:
    """Size of a checkpoint, and the time to write it."""
    lines = ["| model | size | each rank | time at 1 GB/s a node (assumed) |", "|" + "---|" * 4]
    for name, gpus in list(GPUS.items())[1::2]:
        size = checkpoint_bytes(sum(parameters(architecture(name), VOCABULARY).values()))
        nodes = gpus // 8
        lines.append(
            f"| `{name}`, {gpus} GPUs on {nodes} nodes | {size / 1e9:.0f} GB | {size / gpus / 1e9:.1f} GB | "
            f"{size / nodes / NODE_WRITES:.0f} s |"
        )
    return "\n".join(lines)


TABLES: dict[str, Callable[[], str]] = {
    "memory": memory_table,
    "time": time_table,
    "checkpoints": checkpoint_table,
}


def with_tables(text: str) -> str:
    """A page with its tables up to date."""
    return _TABLE.sub(
        lambda found: f"<!-- costs: {found[1]} -->\n\n{TABLES[found[1]]()}\n\n<!-- end of costs -->", text
    )


def main() -> None:
    """Rewrite the page."""
    page = DOCS / "scaling.md"
    page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
