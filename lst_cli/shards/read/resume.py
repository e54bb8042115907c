"""Resuming readers: the states of all ranks as one, whether it fits, and with which shards."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from lst_cli.errors import UserError
from lst_cli.shards.documents.forms import Source
from lst_cli.shards.read.blocks import Edition, grown_edition
from lst_cli.shards.read.logical_stream import Place


def merge_states(states: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The states of all ranks at one step as one state, which any number of ranks can load.

    :raises UserError: they are not of one run at one step.
    """
    first, *others = states
    merged = copy.deepcopy(first)
    for other in others:
        if any(other[key] != first[key] for key in ("settings", "step", "sources")):
            raise UserError("the readers of the ranks are at different steps", fix="save all ranks at one step")
        merged["streams"].update(copy.deepcopy(other["streams"]))
    return merged


def resumed_editions(source: Source, saved: dict[str, Any], places: Iterable[Place], streams: int) -> list[Edition]:
    """The revisions of a source on resuming, with one more if it has grown.

    :raises UserError: the shards are not those that were read, nor those with more appended.
    """
    editions = [Edition(**edition) for edition in saved["editions"]]
    known, groups = editions[-1].groups, source.shards.groups
    if len(groups) < known or source.shards.identity(known) != saved["identity"]:
        raise UserError(
            f"source {source.name}: not the shards of the run",
            found=f"{len(groups)} row groups",
            expected=f"the {known} row groups read so far, and perhaps others after them",
            fix="give the same shards; add new ones at the end of the list",
        )
    if len(groups) == known:
        return editions
    newest = max(place.cursors[source.name].block for place in places)
    begun = [edition for edition in editions if edition.first <= newest]
    return [*begun, grown_edition(begun[-1], groups, streams, newest)]


def check_settings(saved: dict[str, Any], now: dict[str, Any]) -> None:
    """Check that a state was saved under the settings of now.

    :raises UserError: lists what differs.
    """
    differing = [key for key in now if saved.get(key) != now[key]]
    if differing:
        raise UserError(
            "the reader's state was saved under other settings",
            found="; ".join(f"{key}: {saved.get(key)}" for key in differing),
            expected="; ".join(f"{key}: {now[key]}" for key in differing),
            fix="resume with the settings of the run, or start a new run",
        )
