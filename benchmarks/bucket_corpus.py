"""What it costs to list and tokenize a corpus in a bucket: an S3 server (moto) in a process of its own on this machine.

Lists a folder of tiny wav files, as ``lst corpus add`` does before it decodes. Then adds a corpus of recordings of 10 s
and tokenizes it with MFCC, which leaves the largest share of the time to reading: from disk, from the bucket with a
full cache, and with an empty one. Prints JSON: for each step seconds of the clock, and CPU seconds of this process
without the server, which hardly depend on what else the machine does.

    python benchmarks/bucket_corpus.py
    python benchmarks/bucket_corpus.py --quick
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import multiprocessing
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile

from lst_cli.artifacts import Artifact, Store
from lst_cli.audio.add import AddOptions, SourceOfCorpus
from lst_cli.distributed.launcher import ALONE
from lst_cli.hashing import uniform
from lst_cli.storage.bucket_path import path_or_url
from lst_cli.storage.remote import Remote
from lst_cli.units.features.mfcc_config import MFCC
from lst_cli.units.quantizer.fit_quantizer import QuantizerFitOptions, plan_quantizer
from lst_cli.units.tokenize.tokenize_stage import TokenizeOptions, plan_tokens

RATE, SECONDS = 16_000, 10


def recording(number: int, seconds: float) -> bytes:
    """Noise as a wav file."""
    noise = uniform(number, np.arange(round(seconds * RATE))) - 0.5
    stream = io.BytesIO()
    soundfile.write(stream, noise, RATE, format="WAV", subtype="PCM_16")
    return stream.getvalue()


def serve(folder: str, port: int) -> None:
    """In a process of its own: a bucket ``bench`` with the files below a folder, put there without requests."""
    from moto.s3.models import s3_backends
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # not a line for each request
    backend = s3_backends["123456789012"]["aws"]
    backend.create_bucket("bench", "us-east-1")
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file():
            backend.put_object("bench", path.relative_to(folder).as_posix(), path.read_bytes())
    ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False).start()
    threading.Event().wait()


@contextmanager
def bucket_of(folder: Path) -> Iterator[str]:
    """Start a server with the files below a folder; the environment points at it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ.update({**own, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"})
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(str(folder), port), daemon=True)
    server.start()
    try:
        for _ in range(1200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield "s3://bench"
    finally:
        server.terminate()
        server.join()


def write_sources(folder: Path, objects: int, recordings: int) -> None:
    """The folders ``many`` of tiny files and ``in`` of recordings."""
    for number in range(objects):
        path = folder / "many" / f"s{number % 100:02d}" / f"{number:06d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(recording(0, 0))
    (folder / "in").mkdir()
    for number in range(recordings):
        (folder / "in" / f"{number:05d}.wav").write_bytes(recording(number, SECONDS))


def benchmark(objects: int, recordings: int) -> dict[str, object]:
    """List, add and tokenize."""
    found: dict[str, object] = {"objects": objects, "audio_s": recordings * SECONDS}
    corpora: dict[str, Artifact] = {}

    def timed(what: str, action: Callable[[], object]) -> None:
        clock, cpu = time.perf_counter(), time.process_time()
        action()
        found[what] = {"s": time.perf_counter() - clock, "cpu_s": time.process_time() - cpu}

    with tempfile.TemporaryDirectory() as name:
        folder, store = Path(name) / "data", Store(Path(name) / "root")
        write_sources(folder, objects, recordings)
        os.environ["LST_CACHE"] = f"{name}/cache"
        with bucket_of(folder) as url:

            def add(key: str, source: object) -> None:
                options = AddOptions(source=path_or_url(str(source)), name=key, with_text=False)
                corpora[key] = store.build(*SourceOfCorpus.read(options).plan(ALONE)).artifact

            def tokenize(key: str, made: str) -> None:
                store.build(*plan_tokens(TokenizeOptions(name=made, corpus=corpora[key], quantizer=quantizer)))

            Remote.of(url).folders()  # loads and connects the client
            options = AddOptions(source=path_or_url(f"{url}/many"), name="many", with_text=False)
            timed("list", lambda: SourceOfCorpus.read(options))
            timed("add_disk", lambda: add("disk", folder / "in"))
            timed("add_bucket", lambda: add("bucket", f"{url}/in"))
            fitting = QuantizerFitOptions(name="q", corpus=corpora["disk"], features=MFCC, clusters=100, frames=5000)
            quantizer = store.build(*plan_quantizer(fitting)).artifact
            timed("tokenize_disk", lambda: tokenize("disk", "disk"))
            timed("tokenize_full_cache", lambda: tokenize("bucket", "full"))
            shutil.rmtree(f"{name}/cache")
            timed("tokenize_empty_cache", lambda: tokenize("bucket", "empty"))
    return found


def main() -> None:
    """Run and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="some files instead of thousands")
    arguments = parser.parse_args()
    print(json.dumps(benchmark(*((40, 6) if arguments.quick else (5000, 20)))))


if __name__ == "__main__":
    main()
