"""Time and peak memory of ``lst shards speech`` on 0.5, 1 and 2 million utterances, by one rank and by two.

Corpus, tokens and alignment are written directly: 4 s utterances of random units and of words of a vocabulary of 5,000.
Shards are of 64 MB, so that all three sizes make more than one.
Prints a row for each run and, as the last line, JSON: ``runs`` with ``utterances``, ``ranks``, ``seconds``, ``cpu_s``
of all ranks together and ``peak_gb`` of the largest; ``peak_growth``, the peak at the most utterances by that at the
fewest on one rank; ``time_growth``, the same of CPU seconds for each utterance; and ``cpu_ratio``, the CPU seconds of
two ranks by those of one, at the most utterances. Both numbers of ranks must have made the same bytes.

    python benchmarks/shards.py --folder /scratch    # 12 GB of disk, some 25 minutes on two cores
    python benchmarks/shards.py --quick              # a hundredth of the utterances
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

SIZES = (500_000, 1_000_000, 2_000_000)
WORDS, UNITS_A_WORD, CLUSTERS = 12, 8, 500
_CHUNK = 1 << 16


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a hundredth of the utterances")
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder by default")
    parser.add_argument("--sizes", type=int, nargs="+", help="numbers of utterances, instead of the three")
    options = parser.parse_args()
    sizes = options.sizes or [size // 100 if options.quick else size for size in SIZES]
    runs = []
    for size in sizes:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            root = Path(folder)
            write_inputs(root, size)
            sums = []
            for ranks in (1, 2):
                runs.append({"utterances": size, "ranks": ranks, **measure(root, ranks)})
                print(runs[-1], flush=True)
                sums.append(checksums(root, ranks))
            if sums[0] != sums[1]:
                raise SystemExit(f"{size} utterances: two ranks have made other bytes than one")
    print(json.dumps({"runs": runs, **summary(runs)}))


def summary(runs: list[dict[str, Any]]) -> dict[str, float]:
    """How memory and time grow from the fewest to the most utterances, and the cost of a second rank."""
    first, (last, by_two) = runs[0], runs[-2:]
    each = [run["cpu_s"] / run["utterances"] for run in (first, last)]
    return {
        "peak_growth": round(last["peak_gb"] / first["peak_gb"], 2),
        "time_growth": round(each[1] / each[0], 2),
        "cpu_ratio": round(by_two["cpu_s"] / last["cpu_s"], 2),
    }


_LAUNCHER = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=sys.stderr)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
sys.exit(code)
"""
"""Linux counts the memory of the process that starts another one into that one's peak: a small one must start it."""


def measure(root: Path, ranks: int) -> dict[str, float]:
    """Make the shards by some ranks, which are started as torchrun would start them."""
    inputs = ("--tokens", "tokens/b", "--alignment", "alignment/b", "--tokenizer", "text_tokenizer/b")
    command = [sys.executable, "-m", "lst_cli.main", "--quiet", "--root", str(root), "shards", "speech", *inputs]
    command += ["--name", f"by-{ranks}", "--shard-mb", "64"]
    start = time.monotonic()
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _LAUNCHER, *command],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "RANK": str(rank), "WORLD_SIZE": str(ranks), "LOCAL_RANK": str(rank)},
        )
        for rank in range(ranks)
    ]
    told = [process.communicate()[0].split() for process in processes]
    if any(process.returncode for process in processes):
        raise SystemExit("lst shards speech has failed")
    return {
        "seconds": round(time.monotonic() - start, 1),
        "cpu_s": round(sum(float(seconds) for seconds, _ in told), 1),
        "peak_gb": round(max(int(kilobytes) for _, kilobytes in told) / 2**20, 3),
    }


def checksums(root: Path, ranks: int) -> dict[str, str]:
    """Of every shard."""
    from lst_cli.artifacts import Store

    return {file.path: file.sha256 for file in Store(root).find_any(f"shards/by-{ranks}").files}


def write_inputs(root: Path, utterances: int) -> None:
    """``corpus/b``, ``quantizer/b``, ``tokens/b``, ``alignment/b`` and ``text_tokenizer/b``."""
    from lst_cli.alignment.kinds import ALIGNMENT, ALIGNMENT_FILE, alignment_schema
    from lst_cli.artifacts import Artifact, Draft, Kind, Request, Store
    from lst_cli.artifacts.parquet import write_row_groups
    from lst_cli.audio.corpus_artifact import CORPUS, UTTERANCES
    from lst_cli.text.tokenizer import MODEL_FILE, TEXT_TOKENIZER, fit
    from lst_cli.units.quantizer.codebook import QUANTIZER, Codebook
    from lst_cli.units.tokens import TOKENS, TokensWriter

    store, words = Store(root), vocabulary()

    def build(kind: Kind, make: Any, **parents: Artifact) -> Artifact:
        return store.build(Request(kind=kind, name="b", config={}, parents=parents), make).artifact

    def save_codebook(draft: Draft) -> None:
        zeros = np.zeros(2, np.float32)
        centroids_KD = np.zeros((CLUSTERS, 2), np.float32)
        Codebook(centroids_KD=centroids_KD, mean_D=zeros, scale_D=zeros + 1, features={"kind": "mfcc"}).save(draft.path)

    def save_tokens(draft: Draft) -> None:
        writer = TokensWriter(draft.path)
        for chunk in chunks(utterances):
            writer.write(pa.table({"id": ids(chunk), "units": units(chunk)}))
        writer.close()

    def rows(of: str) -> Any:
        def save(draft: Draft) -> None:
            if of == "corpus":
                schema = pa.schema([(name, pa.string()) for name in ("id", "source", "speaker")])
                groups = (about(chunk, schema) for chunk in chunks(utterances, 4096))
                write_row_groups(draft.path / UTTERANCES, schema, groups)
            else:
                groups = (spans(chunk, words, alignment_schema()) for chunk in chunks(utterances, 4096))
                write_row_groups(draft.path / ALIGNMENT_FILE, alignment_schema(), groups)

        return save

    corpus = build(CORPUS, rows("corpus"))
    quantizer = build(QUANTIZER, save_codebook)
    tokens = build(TOKENS, save_tokens, corpus=corpus, quantizer=quantizer)
    build(ALIGNMENT, rows("alignment"), corpus=corpus, tokens=tokens)
    text = [" ".join(words[first : first + 50]) for first in range(0, len(words), 50)]
    build(TEXT_TOKENIZER, lambda draft: (draft.path / MODEL_FILE).write_bytes(fit(text, 1000)))


def vocabulary() -> list[str]:
    """5,000 words of letters as frequent as in English."""
    draw = np.random.default_rng(0)
    letters = np.array(list("eeeeeeetttttaaaaooooiiinnnsssrrrhhlldducmfypgwbvk"))
    return sorted({"".join(draw.choice(letters, draw.integers(2, 9))) for _ in range(5500)})[:5000]


def chunks(utterances: int, size: int = _CHUNK) -> Iterator[range]:
    """Numbers of neighbouring utterances."""
    for first in range(0, utterances, size):
        yield range(first, min(first + size, utterances))


def ids(chunk: range) -> list[str]:
    """Of utterances."""
    return [f"books/{number // 1000:05d}/{number:08d}" for number in chunk]


def about(chunk: range, schema: pa.Schema) -> pa.Table:
    """Rows of the corpus."""
    speakers = [f"speaker-{number // 1000:05d}" for number in chunk]
    return pa.table({"id": ids(chunk), "source": ["books"] * len(chunk), "speaker": speakers}, schema=schema)


def units(chunk: range) -> pa.Array:
    """Random units, of a length that all have."""
    length = WORDS * UNITS_A_WORD
    draw = np.random.default_rng(chunk.start)
    values = draw.integers(0, CLUSTERS, len(chunk) * length, np.uint16)
    return lists(values, len(chunk), length)


def spans(chunk: range, words: list[str], schema: pa.Schema) -> pa.Table:
    """Rows of the alignment: words of six tokens with two of silence between."""
    draw = np.random.default_rng(chunk.start + 1)
    said = pa.array(words).take(pa.array(draw.integers(0, len(words), len(chunk) * WORDS)))
    starts = np.tile(np.arange(WORDS) * UNITS_A_WORD, len(chunk)).astype(np.int32)
    columns = {"words": said, "starts": starts, "ends": starts + 6, "scores": np.ones(len(starts), np.float32)}
    made = {name: lists(values, len(chunk), WORDS) for name, values in columns.items()}
    return pa.table({"id": pa.array(ids(chunk)), **made}).cast(schema)


def lists(values: Any, rows: int, length: int) -> pa.Array:
    """Lists of equal length."""
    return pa.ListArray.from_arrays(pa.array(np.arange(rows + 1, dtype=np.int32) * length), pa.array(values))


if __name__ == "__main__":
    main()
