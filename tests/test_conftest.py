"""The list of slow test modules names what is there."""

from __future__ import annotations

from tests.conftest import SLOW


def test_slow_modules_exist() -> None:
    named = SLOW.read_text(encoding="utf-8").split()
    assert named == sorted(set(named))
    assert [name for name in named if not (SLOW.parent / name).is_file()] == []
