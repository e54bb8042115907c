"""A real S3-compatible server on this machine, and what a test may do to it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest


@contextmanager
def s3_server() -> Iterator[str]:
    """Start a server; the environment of this process, and so of commands that it starts, points at it."""
    pytest.importorskip("s3fs")
    server_module = pytest.importorskip("moto.server")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # not a line for each request
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    _forget_clients()
    try:
        yield settings["AWS_ENDPOINT_URL"]
    finally:
        server.stop()
        _forget_clients()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def new_bucket() -> str:
    """The URL of a new bucket."""
    import s3fs

    name = f"lst-{uuid4().hex[:12]}"
    s3fs.S3FileSystem().mkdir(name)
    return f"s3://{name}"


def upload(folder: Path, url: str) -> str:
    """Put every file below a folder into a bucket; return the URL."""
    import s3fs

    fs = s3fs.S3FileSystem()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            fs.pipe_file(f"{url}/{path.relative_to(folder).as_posix()}", path.read_bytes())
    return url


def remove(url: str) -> None:
    """Remove an object."""
    import s3fs

    s3fs.S3FileSystem().rm_file(url)


def _forget_clients() -> None:
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
