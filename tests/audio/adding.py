"""Adding a corpus in a process that works alone."""

from __future__ import annotations

from collections.abc import Callable

from lst_cli.artifacts import Draft, Request
from lst_cli.audio.add import AddOptions, SourceOfCorpus
from lst_cli.distributed.launcher import ALONE


def plan_corpus(options: AddOptions) -> tuple[Request, Callable[[Draft], None]]:
    """The arguments of :meth:`lst_cli.artifacts.Store.build`."""
    return SourceOfCorpus.read(options).plan(ALONE)
