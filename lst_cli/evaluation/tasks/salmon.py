"""SALMon (Maimon et al. 2024): which of two recordings is acoustically consistent?

The published archive holds a folder for each of eight parts, with ``sample_NUMBER_0.wav`` (the consistent recording)
and ``sample_NUMBER_1.wav``. The parts ending in ``_consistency`` change speaker, gender, sentiment, room or background
in the middle of an utterance; those ending in ``_alignment`` set a text against a sentiment or background that doesn't
fit it. The texts are not in the archive, so these items are scored speech to speech only.
"""

from __future__ import annotations

import re
from pathlib import Path

from lst_cli.audio.layouts.listing import files_below, id_of, is_audio
from lst_cli.errors import UserError
from lst_cli.evaluation.tasks.items import Faults, Item, Task

PARTS = (
    *("sentiment_consistency", "speaker_consistency", "gender_consistency"),
    *("bg_domain_consistency", "bg_all_consistency", "rir_consistency", "sentiment_alignment", "bg_alignment"),
)

_NAME = re.compile(r"sample_(?P<number>\d+)_(?P<option>\d+)")


def read_salmon(folder: Path) -> list[Item]:
    """Pairs of all parts, by part and number; their spoken ids are those of ``lst corpus add`` on the folder.

    :raises UserError: the folder is none, lacks a part, or a recording of a part has another name or no partner.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: not a folder", expected="the folder of SALMon's unpacked archive")
    missing = [part for part in PARTS if not (folder / part).is_dir()]
    if missing:
        raise UserError(
            f"{folder}: parts of SALMon are missing",
            found=f"no folder {', '.join(missing)}",
            expected=f"the folders {', '.join(PARTS)}",
            fix="unpack the archive again, or write a JSONL for the task 'choices' to score some of the parts",
        )
    return [item for part in PARTS for item in _part(folder, part)]


def _part(folder: Path, part: str) -> list[Item]:
    faults = Faults(folder / part, unit="recording")
    pairs: dict[int, dict[str, str]] = {}
    for count, path in enumerate(filter(is_audio, files_below(folder / part)), start=1):
        found = _NAME.fullmatch(path.stem)
        if found is None or found["option"] not in ("0", "1"):
            faults.add(count, f"{path.name} is not called sample_NUMBER_0 or sample_NUMBER_1")
            continue
        pair = pairs.setdefault(int(found["number"]), {})
        if found["option"] in pair:
            faults.add(count, f"{path.name} is there twice")
        pair[found["option"]] = id_of(path, folder)
    for number, pair in pairs.items():
        if len(pair) == 1:
            faults.add(number, f"{next(iter(pair.values()))} has no partner")
    faults.raise_any(expected="sample_NUMBER_0.wav and sample_NUMBER_1.wav for every number", fix="unpack it again")
    if not pairs:
        raise UserError(f"{folder / part}: no recordings", expected="sample_NUMBER_0.wav and sample_NUMBER_1.wav")
    return [
        Item(
            id=f"{part}/{number}",
            prompt="",
            endings=names,
            label=0,
            utterances=names,
            category=part,
            recorded=True,
        )
        for number, pair in sorted(pairs.items())
        for names in [(pair["0"], pair["1"])]
    ]


SALMON = Task(
    name="salmon",
    version=1,
    read=read_salmon,
    about="which of two recordings is acoustically consistent (Maimon et al. 2024); the folder of its archive",
)
