"""A small kind of artifact for tests of the store."""

from __future__ import annotations

from typing import Any

from lst_cli.artifacts import Draft, Kind, Request

KIND = Kind("thing", 1)


def request(name: str = "a", parents: dict[str, Any] | None = None, **config: Any) -> Request:
    return Request(kind=KIND, name=name, config=config, parents=parents or {})


def write(draft: Draft) -> None:
    (draft.path / "data.txt").write_text("hello")
    (draft.path / "more").mkdir()
    (draft.path / "more" / "data.txt").write_text("hello")
