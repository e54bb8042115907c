"""Speech tokens a second that each patching rule cuts, on one thread. The last line is one JSON object.

python benchmarks/patch_speed.py [--quick]
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from lst_cli.patching.entropy import LEVELS, Entropy
from lst_cli.patching.hazard import Hazard
from lst_cli.patching.random_lengths import RandomLengths
from lst_cli.patching.static import Static
from lst_cli.patching.stream import Rule, TokenStream
from lst_cli.patching_rules.fit_rule import DEPTH
from lst_cli.patching_rules.fit_unit_lm import DEPTH as LM_DEPTH
from lst_cli.patching_rules.fit_unit_lm import HIDDEN

UNITS = 501
LONGEST = 20
DOCUMENT = 300


def rules() -> dict[str, Rule]:
    """A rule of each kind; learnt ones have random weights of their usual shapes."""
    rng = np.random.default_rng(0)
    return {
        "static": Static(4),
        "random": RandomLengths(4),
        "hazard": Hazard(
            weight_DU=rng.normal(size=(DEPTH, UNITS + 1)).astype(np.float32),
            length_L=np.zeros(LONGEST, np.float32),
            threshold=1.0,
        ),
        "entropy": Entropy(
            input_DUH=(rng.normal(size=(LM_DEPTH, UNITS + 1, HIDDEN)) * 10).astype(np.float32),
            bias_H=np.zeros(HIDDEN, np.float32),
            output_HU=rng.integers(-LEVELS, LEVELS + 1, (HIDDEN, UNITS)).astype(np.int8),
            output_step=1e-4,
            bias_U=np.zeros(UNITS, np.float32),
            rises=False,
            longest=LONGEST,
            threshold=5.0,
        ),
    }


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few tokens")
    options = parser.parse_args()
    tokens = 3_000 if options.quick else 100_000
    unit_T = np.random.default_rng(1).integers(0, UNITS, tokens).astype(np.int32)
    stream = TokenStream(unit_T=unit_T, document_T=np.arange(tokens) // DOCUMENT)
    found = {}
    for name, rule in rules().items():
        rule.patch(stream)
        start = time.perf_counter()
        patches = int(np.count_nonzero(rule.patch(stream).opens_T))
        seconds = time.perf_counter() - start
        found[name] = {"million_tokens_per_second": round(tokens / seconds / 1e6, 3), "mean": tokens / patches}
        print(f"{name:8} {tokens / seconds / 1e6:8.3f} M tokens/s, mean {tokens / patches:.2f}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
