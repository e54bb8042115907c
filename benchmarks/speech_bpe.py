"""CPU time and peak memory of training a speech BPE, the one stage of the data that ranks do not share.

Utterances of 13 s: 325 units each, of which a quarter repeats the one before and the others follow it by a skewed draw.
Prints a row for each number of utterances and, as the last line, JSON: ``runs`` with ``utterances``, ``cpu_s`` and
``peak_gb``.

    python benchmarks/speech_bpe.py                           # 5,000 and 20,000 utterances
    python benchmarks/speech_bpe.py --utterances 100000       # what lst shards bpe reads by default
    python benchmarks/speech_bpe.py --quick
"""

from __future__ import annotations

import argparse
import json
import resource
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from numpy.typing import NDArray

UNITS, PIECES, UNITS_AN_UTTERANCE = 501, 1000, 325


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="200 utterances")
    parser.add_argument("--utterances", type=int, nargs="+", default=[5_000, 20_000])
    options = parser.parse_args()
    runs = []
    for utterances in [200] if options.quick else options.utterances:
        with ProcessPoolExecutor(1) as pool:  # a process each: the peak is of its whole life
            cpu_s, peak_gb = pool.submit(measure, utterances).result()
        runs.append({"utterances": utterances, "cpu_s": round(cpu_s, 1), "peak_gb": round(peak_gb, 2)})
        print(f"{utterances:,} utterances: {cpu_s:.1f} CPU s, peak {peak_gb:.2f} GB")
    print(json.dumps({"runs": runs}))


def measure(utterances: int) -> tuple[float, float]:
    """CPU seconds of the training, and this process's peak memory in GB."""
    from lst_cli.text.speech_bpe import fit

    runs = speech(utterances)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    fit(iter(runs), UNITS, PIECES)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime - before, used.ru_maxrss * 1024 / 1e9


def speech(utterances: int) -> NDArray[np.uint16]:
    """Units [utterances, units an utterance]."""
    draw = np.random.default_rng(0)
    units = np.empty((utterances, UNITS_AN_UTTERANCE), np.int64)
    units[:, 0] = draw.integers(0, UNITS, utterances)
    for at in range(1, UNITS_AN_UTTERANCE):
        step = np.minimum(draw.geometric(0.1, utterances), UNITS - 1)
        units[:, at] = np.where(draw.random(utterances) < 0.25, units[:, at - 1], (units[:, at - 1] * 7 + step) % UNITS)
    return units.astype(np.uint16)


if __name__ == "__main__":
    main()
