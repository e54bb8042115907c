"""How fast shards in a bucket become packed batches: an S3 server (moto) in a process of its own on this machine.

Made-up utterances as in ``reader.py``, in shards of four row groups. Reads about two epochs from disk, then as much
from the bucket with an empty cache, with a full one, and with one of a tenth of the data. Prints JSON: tokens a second,
and bytes fetched from the bucket for each token.

    python benchmarks/bucket_reader.py
    python benchmarks/bucket_reader.py --quick
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from reader import ROW_GROUP_ROWS, UNITS, make_utterances, measure, write_speech

from lst_cli.artifacts import Draft, Request, Store
from lst_cli.artifacts.bucket import find_in_bucket
from lst_cli.artifacts.bucket_exchange import push_to_bucket
from lst_cli.shards.documents.forms import Source
from lst_cli.shards.schema import SHARDS
from lst_cli.shards.shard_set import ShardSet
from lst_cli.storage.remote import Remote
from lst_cli.text.vocabulary import Vocabulary


@contextmanager
def s3_bucket() -> Iterator[str]:
    """Start a server with one bucket; the environment points at it."""
    import s3fs

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ.update({**own, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"})
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            for _ in range(300):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            s3fs.S3FileSystem().mkdir("bench")
            yield "s3://bench"
        finally:
            server.terminate()


def make_shards(root: Path, shards: int) -> tuple[Any, Vocabulary]:
    """A shard artifact, and its vocabulary."""
    sizes: list[int] = []

    def make(draft: Draft) -> None:
        utterances = make_utterances(shards * ROW_GROUP_ROWS)
        for number in range(shards):
            own = utterances[number * ROW_GROUP_ROWS :][:ROW_GROUP_ROWS]
            path, tokenizer = write_speech(draft.path, own, 4 * ROW_GROUP_ROWS)
            path.rename(draft.path / f"shard-1{number:04d}.parquet")
            sizes.append(tokenizer.pieces)

    artifact = Store(root).build(Request(kind=SHARDS, name="bench", config={"modality": "speech"}), make).artifact
    return artifact, Vocabulary(pieces=sizes[0], units=UNITS)


def benchmark(shards: int) -> dict[str, Any]:
    """Read from disk and from the bucket."""
    with tempfile.TemporaryDirectory() as name, s3_bucket() as url:
        artifact, vocabulary = make_shards(Path(name), shards)
        data = sum(record.bytes for record in artifact.files)
        place, _ = push_to_bucket(artifact, url)
        local = ShardSet.of(artifact)
        tokens = int(sum(group.rows for group in local.groups) * 400)
        fetched = [0]
        read_range = Remote.read_range

        def counted(self: Remote, name: str, start: int, stop: int) -> bytes:
            fetched[0] += stop - start
            return read_range(self, name, start, stop)

        def one(folder: str, share: float) -> dict[str, float]:
            os.environ["LST_CACHE"] = f"{name}/{folder}"
            before = fetched[0]
            opened = ShardSet.of(find_in_bucket(place), cache_gib=share * data / (1 << 30))
            speed = measure([Source("speech", opened)], vocabulary, "static", tokens)["tokens_per_s"]
            return {"tokens_per_s": speed, "bytes_per_token": (fetched[0] - before) / tokens}

        with mock.patch.object(Remote, "read_range", counted):
            return {
                "data_mb": data / 1e6,
                "tokens": tokens,
                "disk": measure([Source("speech", local)], vocabulary, "static", tokens)["tokens_per_s"],
                "empty_cache": one("whole", 2.0),
                "full_cache": one("whole", 2.0),
                "tenth_cache": one("tenth", 0.1),
            }


def main() -> None:
    """Run and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one shard instead of eight")
    arguments = parser.parse_args()
    print(json.dumps(benchmark(1 if arguments.quick else 8)))


if __name__ == "__main__":
    main()
