"""A server that speaks the endpoints of the Hugging Face Hub which pushing and pulling need, on this machine."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_thisIsTheSecretOfTheTest"


class HubStub:
    """Repositories in memory, each a list of commits; a commit is all files by name."""

    def __init__(self) -> None:
        self.commits: dict[str, list[dict[str, bytes]]] = {}
        self.private: dict[str, bool] = {}
        self.objects: dict[str, bytes] = {}
        """Large files, by sha256."""
        self.requests: list[str] = []
        self.damaged: set[str] = set()
        """Files that arrive with a byte changed."""
        self.stalled: set[str] = set()
        """Files of which only half arrives."""
        self.stalling = threading.Event()
        self.release = threading.Event()
        self.endpoint = ""

    def sha(self, repository: str, number: int = -1) -> str:
        """The name of a commit."""
        number = number % len(self.commits[repository])
        return hashlib.sha1(f"{repository} {number}".encode()).hexdigest()

    def files(self, repository: str, revision: str = "main") -> dict[str, bytes] | None:
        """All files at a revision; None if there is no such repository or revision."""
        commits = self.commits.get(repository, [])
        if revision == "main" and commits:
            return commits[-1]
        return next((files for at, files in enumerate(commits) if self.sha(repository, at) == revision), None)


@contextmanager
def hub_stub() -> Iterator[HubStub]:
    """A running stub; its ``endpoint`` is for HF_ENDPOINT."""
    stub = HubStub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(stub))
    server.daemon_threads = True
    stub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        stub.release.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(stub: HubStub) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        hub = stub

    return Handler


class _Handler(BaseHTTPRequestHandler):
    hub: HubStub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        self._route("GET")

    def do_HEAD(self) -> None:
        self._route("HEAD")

    def do_POST(self) -> None:
        self._route("POST")

    def do_PUT(self) -> None:
        self._route("PUT")

    def _route(self, method: str) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"{method} {path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        routes: list[tuple[str, str, Callable[..., None]]] = [
            ("POST", r"/api/repos/create", self._create),
            ("POST", r"/api/validate-yaml", lambda body: self._json({"errors": [], "warnings": []})),
            ("POST", r"/api/models/([^/]+/[^/]+)/preupload/main", self._preupload),
            ("POST", r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", self._batch),
            ("PUT", r"/objects/(\w+)", self._upload),
            ("POST", r"/api/models/([^/]+/[^/]+)/commit/main", self._commit),
            ("GET", r"/api/models/([^/]+/[^/]+)/tree/main", self._tree),
            ("GET", r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", self._info),
            ("HEAD|GET", r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self._resolve),
        ]
        if self.headers.get("Authorization") not in (f"Bearer {TOKEN}", None) or (
            method != "HEAD" and "create" in path and self.headers.get("Authorization") is None
        ):
            self._send(401, b"", {"X-Error-Message": "Invalid credentials in Authorization header"})
            return
        for wanted, pattern, answer in routes:
            found = re.fullmatch(pattern, path)
            if found and re.fullmatch(wanted, method):
                answer(*found.groups(), body)
                return
        self._send(404, b"")

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _json(self, data: Any) -> None:
        self._send(200, json.dumps(data).encode(), {"Content-Type": "application/json"})

    def _create(self, body: bytes) -> None:
        asked = json.loads(body)
        name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else f"me/{asked['name']}"
        if name in self.hub.commits:
            self._send(409, json.dumps({"url": f"{self.hub.endpoint}/{name}"}).encode())
            return
        self.hub.commits[name] = [{".gitattributes": b"*.safetensors filter=lfs\n"}]
        self.hub.private[name] = asked.get("private") is True or asked.get("visibility") == "private"
        self._json({"url": f"{self.hub.endpoint}/{name}"})

    def _preupload(self, repository: str, body: bytes) -> None:
        files = [
            {
                "path": each["path"],
                "uploadMode": "lfs" if each["path"].endswith(".safetensors") else "regular",
                "shouldIgnore": False,
            }
            for each in json.loads(body)["files"]
        ]
        self._json({"files": files})

    def _batch(self, repository: str, body: bytes) -> None:
        objects = []
        for each in json.loads(body)["objects"]:
            actions = {"upload": {"href": f"{self.hub.endpoint}/objects/{each['oid']}"}}
            known = each["oid"] in self.hub.objects
            objects.append({**each, **({} if known else {"actions": actions})})
        self._json({"transfer": "basic", "objects": objects})

    def _upload(self, oid: str, body: bytes) -> None:
        assert hashlib.sha256(body).hexdigest() == oid
        self.hub.objects[oid] = body
        self._send(200, b"")

    def _commit(self, repository: str, body: bytes) -> None:
        files = dict(self.hub.commits[repository][-1])
        for line in map(json.loads, body.splitlines()):
            key, value = line["key"], line["value"]
            if key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
            elif key == "deletedFile":
                del files[value["path"]]
        self.hub.commits[repository].append(files)
        sha = self.hub.sha(repository)
        self._json({"success": True, "commitOid": sha, "commitUrl": f"{self.hub.endpoint}/{repository}/commit/{sha}"})

    def _tree(self, repository: str, body: bytes) -> None:
        files = self.hub.files(repository) or {}
        self._json(
            [{"type": "file", "path": path, "size": len(data), "oid": _oid(data)} for path, data in files.items()]
        )

    def _info(self, repository: str, revision: str | None, body: bytes) -> None:
        files = self._found(repository, revision or "main")
        if files is None:
            return
        at = self.hub.commits[repository].index(files)
        siblings = [{"rfilename": path} for path in files]
        self._json({"id": repository, "sha": self.hub.sha(repository, at), "siblings": siblings, "tags": []})

    def _found(self, repository: str, revision: str) -> dict[str, bytes] | None:
        files = self.hub.files(repository, revision)
        if files is None:
            code = "RevisionNotFound" if repository in self.hub.commits else "RepoNotFound"
            self._send(404, b"", {"X-Error-Code": code, "X-Error-Message": "not found"})
        return files

    def _resolve(self, repository: str, revision: str, path: str, body: bytes) -> None:
        files = self._found(repository, revision)
        if files is None:
            return
        if path not in files:
            self._send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"})
            return
        data = files[path]
        at = self.hub.commits[repository].index(files)
        headers = {"ETag": f'"{_oid(data)}"', "X-Repo-Commit": self.hub.sha(repository, at)}
        if self.command == "GET" and path in self.hub.stalled:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            self.hub.stalling.set()
            self.hub.release.wait()
            self.close_connection = True
            return
        if path in self.hub.damaged:
            data = data[:-1] + bytes([data[-1] ^ 1])
        self._send(200, data, headers)


def _oid(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()
