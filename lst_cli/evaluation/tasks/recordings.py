"""Spoken StoryCloze and TopicStoryCloze as their authors release them (Hassid et al. 2023): folders of whole stories.

``NUMBER_STORY_correct.wav`` and ``NUMBER_STORY_incorrect.wav`` are a story with its right and its wrong ending. What is
said is not in the release, so these items can only be scored speech to speech.
"""

from __future__ import annotations

import re
from pathlib import Path

from lst_cli.audio.layouts.listing import AUDIO_SUFFIXES, files_below, id_of
from lst_cli.errors import UserError
from lst_cli.evaluation.tasks.items import Faults, Item

_NAME = re.compile(r"(?:\d+_)?(?P<story>.+)_(?P<answer>correct|incorrect)")


def read_recordings(folder: Path) -> list[Item]:
    """Pairs of whole stories, in the order of the right one's name; the spoken ids are those of ``lst corpus add``.

    :raises UserError: the folder holds no such pair, a recording has another name, or lacks its partner.
    """
    faults = Faults(folder, unit="recording")
    pairs: dict[str, dict[str, str]] = {}
    recordings = [path for path in files_below(folder) if path.suffix.lower() in AUDIO_SUFFIXES]
    for number, path in enumerate(recordings, start=1):
        found = _NAME.fullmatch(path.stem)
        if found is None:
            faults.add(number, f"{path.name} ends neither in _correct nor in _incorrect")
            continue
        pair = pairs.setdefault(found["story"], {})
        if found["answer"] in pair:
            faults.add(number, f"{path.name}: story {found['story']} has this ending already")
        pair[found["answer"]] = id_of(path, folder)
    for story, pair in pairs.items():
        if len(pair) == 1:
            ((answer, name),) = pair.items()
            faults.add(len(recordings), f"story {story} has {name} alone, and no {_other(answer)} one")
    if not recordings:
        raise UserError(f"{folder}: no recordings", expected="a folder of NUMBER_STORY_correct.wav and …_incorrect.wav")
    faults.raise_any(
        expected="NUMBER_STORY_correct.wav and NUMBER_STORY_incorrect.wav for every story",
        fix="unpack the release again, or write a JSONL for the task 'choices' that names the recordings",
    )
    return [
        Item(id=story, prompt="", endings=names, label=0, utterances=names, recorded=True)
        for story, pair in sorted(pairs.items(), key=lambda item: item[1]["correct"])
        for names in [(pair["correct"], pair["incorrect"])]
    ]


def _other(answer: str) -> str:
    return "incorrect" if answer == "correct" else "correct"
