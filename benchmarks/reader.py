"""How fast shards become packed batches, on one core.

Utterances are repeated under new ids until there are enough, written as shards, and read with aligned and with static
patching. Prints JSON: raw tokens a second (speech tokens, text tokens, markers and end tokens; no padding) and the
share of empty positions. ``--utterances`` takes JSON lines with ``file_id`` and ``interleaved``: segments of
``<LST MODE SEP>TEXT word`` and ``<LST MODE SEP>HUBERT ids``, ``[SIL]`` for silence; without it they are made up.

    python benchmarks/reader.py --utterances utterances.jsonl
    python benchmarks/reader.py --quick
    python benchmarks/reader.py --memory      # 32 shards of 100 MB, 8 streams: peak memory
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lst_cli.artifacts.parquet import write_parquet
from lst_cli.hashing import integers
from lst_cli.patching.strategies import Patcher, PatchingConfig
from lst_cli.shards.documents.forms import Source
from lst_cli.shards.read.reader import Reader, ReaderConfig
from lst_cli.shards.schema import SPEECH_SCHEMA, TEXT_SCHEMA, ShardInfo, with_info
from lst_cli.shards.shard_set import ShardSet
from lst_cli.text.tokenizer import TextTokenizer, fit
from lst_cli.text.vocabulary import Vocabulary

UNITS = 501
ROW_GROUP_ROWS = 2048
SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprst" for vowel in "aeiou"]


@dataclass(frozen=True)
class Utterance:
    """Speech tokens and words with their frames."""

    id: str
    units: list[int]
    words: list[str]
    starts: list[int]
    ends: list[int]


def read_utterances(path: Path) -> list[Utterance]:
    """Utterances of a JSON lines file. Words without a frame are skipped, since a shard can't represent them."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        segments = row["interleaved"].split("<LST MODE SEP>")[1:]
        utterance = Utterance(row["file_id"], [], [], [], [])
        for text, speech in zip(segments[::2], segments[1::2], strict=True):
            word, units = text.removeprefix("TEXT").strip(), [int(unit) for unit in speech.split()[1:]]
            if units and word != "[SIL]":
                utterance.words.append(word)
                utterance.starts.append(len(utterance.units))
                utterance.ends.append(len(utterance.units) + len(units))
            utterance.units.extend(units)
        found.append(utterance)
    return found


def make_utterances(n: int = 10) -> list[Utterance]:
    """Made-up utterances in the proportions of read speech: 40 words of 6 frames, 4 frames of silence between."""
    found = []
    for i in range(n):
        sizes = integers(2, 10, 0, i, np.arange(40))
        gaps = integers(0, 8, 1, i, np.arange(40))
        ends = np.cumsum(sizes + gaps)
        units = integers(0, UNITS - 1, 2, i, np.arange(ends[-1] + 4))
        words = ["".join(SYLLABLES[n] for n in pair) for pair in integers(0, 59, 3, i, np.arange(80)).reshape(40, 2)]
        found.append(Utterance(f"made/{i}", units.tolist(), words, (ends - sizes).tolist(), ends.tolist()))
    return found


def write_speech(folder: Path, utterances: list[Utterance], n: int) -> tuple[Path, TextTokenizer]:
    """A shard of ``n`` utterances, repeated under new ids."""
    model = fit([" ".join(utterance.words) for utterance in utterances], 400)
    tokenizer = TextTokenizer(model)
    base = pa.table(
        {
            "id": [utterance.id for utterance in utterances],
            "source": ["benchmark"] * len(utterances),
            "speaker": ["one"] * len(utterances),
            "units": [utterance.units for utterance in utterances],
            "words": [utterance.words for utterance in utterances],
            "word_pieces": [tokenizer.encode_words(utterance.words) for utterance in utterances],
            "starts": [utterance.starts for utterance in utterances],
            "ends": [utterance.ends for utterance in utterances],
        },
        schema=SPEECH_SCHEMA,
    )
    table = base.take(pa.array(np.arange(n) % len(utterances)))
    ids = [f"{id}-{i}" for i, id in enumerate(table.column("id").to_pylist())]
    info = ShardInfo(modality="speech", pieces=tokenizer.pieces, units=UNITS, tokenizer="benchmark")
    path = folder / "shard-00000.parquet"
    schema = with_info(SPEECH_SCHEMA, info)
    write_parquet(path, table.set_column(0, "id", pa.array(ids)).cast(schema), row_group_size=ROW_GROUP_ROWS)
    return path, tokenizer


def write_text(folder: Path, pieces: int, n: int) -> Path:
    """A shard of ``n`` made-up documents of 100 to 1,000 pieces."""
    lengths = integers(100, 1000, 4, np.arange(n))
    values = integers(3, pieces - 1, 5, np.arange(lengths.sum())).astype(np.int32)
    lists = pa.ListArray.from_arrays(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32), values)
    info = ShardInfo(modality="text", pieces=pieces, units=0, tokenizer="benchmark")
    path = folder / "shard-00000.parquet"
    table = pa.table({"id": [f"text/{i}" for i in range(n)], "pieces": lists})
    write_parquet(path, table.cast(with_info(TEXT_SCHEMA, info)), row_group_size=ROW_GROUP_ROWS)
    return path


def measure(
    sources: list[Source], vocabulary: Vocabulary, strategy: str, tokens: int, **config: Any
) -> dict[str, float]:
    """Read until ``tokens`` tokens were read; the first step is not counted."""
    patching = Patcher(PatchingConfig(strategy=strategy))  # type: ignore[arg-type]
    reader = Reader(ReaderConfig(prefetch=0, **config), sources, vocabulary, patching, total_steps=1_000_000)
    next(reader).packed()
    before = reader.totals()
    wall, cpu = time.perf_counter(), time.process_time()
    read = 0
    while read < tokens:
        read += len(next(reader).packed().tokens_T)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    gained = {name: count - before[name] for name, count in reader.totals().items()}
    padding = gained["padding"] / (gained["padding"] + gained["positions"])
    return {"tokens_per_s": read / wall, "tokens_per_cpu_s": read / cpu, "padding": padding, "tokens": read}


def benchmark(utterances: list[Utterance], n: int, tokens: int) -> dict[str, Any]:
    """All figures, as printed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path, tokenizer = write_speech(folder / "speech", utterances, n)
        text_path = write_text(folder / "text", tokenizer.pieces, n // 4)
        vocabulary = Vocabulary(pieces=tokenizer.pieces, units=UNITS)
        speech = [Source("speech", ShardSet.open([path]))]
        mixed = [*speech, Source("text", ShardSet.open([text_path]), weight=2.0)]
        runs = {
            "aligned": measure(speech, vocabulary, "aligned", tokens),
            "static": measure(speech, vocabulary, "static", tokens),
            "baseline": measure(speech, vocabulary, "none", tokens),
            "curriculum_with_text": measure(mixed, vocabulary, "mixed", tokens),
            "static_whole_documents": measure(speech, vocabulary, "static", tokens, whole_documents=True),
        }
    return {
        "aligned_tokens_per_s": runs["aligned"]["tokens_per_s"],
        "static_tokens_per_s": runs["static"]["tokens_per_s"],
        "padding": max(runs["aligned"]["padding"], runs["static"]["padding"]),
        "utterances": n,
        "runs": runs,
        "peak_memory_gb": peak_memory_gb(),
    }


def benchmark_memory(n_shards: int, megabytes: int) -> dict[str, Any]:
    """Peak memory of a process that reads many large shards; tokens are random, so that zstd can't shrink them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = ROW_GROUP_ROWS * 4
        path, _ = write_speech(folder, make_utterances(rows), rows)
        write_copies(path, max(1, (megabytes << 20) // path.stat().st_size))
        for i in range(1, n_shards):
            os.link(path, folder / f"shard-{i:05d}.parquet")
        command = [sys.executable, __file__, "--read", str(folder)]
        child = subprocess.run(command, check=True, capture_output=True, text=True)
        return {"shards": n_shards, "shard_mb": path.stat().st_size / 2**20, **json.loads(child.stdout)}


def read_folder(folder: Path, streams: int = 8, tokens: int = 50_000_000) -> dict[str, Any]:
    """Read shards with both patchings; figures and this process's peak memory."""
    shards = ShardSet.open(sorted(folder.glob("shard-*.parquet")))
    vocabulary = Vocabulary(pieces=shards.info.pieces, units=shards.info.units)
    run = measure([Source("speech", shards)], vocabulary, "mixed", tokens, streams=streams, global_batch_size=streams)
    return {"streams": streams, **run, "peak_memory_gb": peak_memory_gb()}


def write_copies(path: Path, copies: int) -> None:
    """Grow a shard by copies of its rows."""
    table = pq.read_table(path)
    write_parquet(path, pa.concat_tables([table] * copies), row_group_size=ROW_GROUP_ROWS)


def peak_memory_gb() -> float:
    """Peak resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    """Run and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--utterances", type=Path, help="JSON lines of utterances; made up by default")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    parser.add_argument("--memory", action="store_true", help="peak memory with many large shards instead")
    parser.add_argument("--read", type=Path, metavar="FOLDER", help="read the shards of a folder instead")
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    if arguments.read:
        print(json.dumps(read_folder(arguments.read)))
        return
    if arguments.memory:
        print(json.dumps(benchmark_memory(n_shards=32, megabytes=100)))
        return
    utterances = read_utterances(arguments.utterances) if arguments.utterances else make_utterances()
    n, tokens = (4_000, 2_000_000) if arguments.quick else (40_000, 20_000_000)
    print(json.dumps(benchmark(utterances, n, tokens)))


if __name__ == "__main__":
    main()
