"""sWUGGY and sBLIMP in the layout of the ZeroSpeech 2021 challenge (Nguyen et al. 2020): which of two is English?

The items are pairs of whole utterances, without a prompt, listed in ``lexical/{dev,test}/gold.csv`` and
``syntactic/{dev,test}/gold.csv`` next to their wav files. The spoken ids are the file names without ``.wav``, as
``lst corpus add`` on the folder gives them. As in the challenge, a pair's score is its mean over voices.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from lst_cli.errors import UserError
from lst_cli.evaluation.tasks.items import Faults, Item, Task
from lst_cli.evaluation.tasks.tables import read_table

FREQUENCY_BANDS = ((0, "oov"), (5, "1-5"), (20, "6-20"), (100, "21-100"))
"""sWUGGY's bands: the most often a word of the band is in LibriSpeech, and the band's name; above them ``>100``."""


def read_pairs(path: Path, *, text_column: str, group_columns: Sequence[str]) -> list[Item]:
    """Pairs of a ``gold.csv``.

    :param text_column: the column of the transcript.
    :param group_columns: columns that with ``id`` name a pair.
    :raises UserError: a column is missing, or rows are not pairs of one right and one wrong utterance.
    """
    faults = Faults(path)
    header, rows = read_table(path, faults)
    needed = ["id", "filename", "voice", "correct", text_column, *group_columns]
    missing = [name for name in needed if name not in header]
    if missing:
        raise UserError(
            f"{path}: no column {', '.join(missing)}",
            found=f"columns {', '.join(header)}",
            expected="the header of ZeroSpeech 2021's gold.csv",
            fix="give the gold.csv of a set that has one (the challenge's test sets have no public one)",
        )
    pairs: dict[tuple[str, ...], dict[str, tuple[int, dict[str, str]]]] = {}
    for line, cells in rows:
        row = {name: cell.strip() for name, cell in zip(header, cells, strict=False)}
        empty = [name for name in needed if not row.get(name)]
        if empty:
            faults.add(line, f"no {', '.join(empty)}")
        elif row["correct"] not in ("0", "1"):
            faults.add(line, f"correct is {row['correct']!r}")
        else:
            pair = pairs.setdefault((*(row[name] for name in group_columns), row["id"], row["voice"]), {})
            if row["correct"] in pair:
                faults.add(line, f"pair {row['id']} has its correct={row['correct']} twice in voice {row['voice']}")
            pair[row["correct"]] = (line, row)
    for pair in pairs.values():
        if len(pair) == 1:
            ((line, row),) = pair.values()
            faults.add(line, f"pair {row['id']} has no partner in voice {row['voice']}")
    expected = "a right and a wrong utterance for every pair and voice"
    faults.raise_any(expected=expected, fix="correct or remove these rows")
    return [_item(key, pair["1"][1], pair["0"][1], text_column) for key, pair in pairs.items()]


def _item(key: tuple[str, ...], right: dict[str, str], wrong: dict[str, str], text_column: str) -> Item:
    return Item(
        id="/".join(key),
        prompt="",
        endings=(right[text_column], wrong[text_column]),
        label=0,
        utterances=(Path(right["filename"]).stem, Path(wrong["filename"]).stem),
        group="/".join(key[:-1]),
        category=right["type"] if "type" in right else _band(right.get("frequency", "")),
    )


def _band(frequency: str) -> str:
    try:
        count = float(frequency)
    except ValueError:
        return ""
    return next((name for most, name in FREQUENCY_BANDS if count <= most), ">100")


SWUGGY = Task(
    name="swuggy",
    version=1,
    read=partial(read_pairs, text_column="word", group_columns=()),
    about="which of two is a word (Nguyen et al. 2020); ZeroSpeech 2021, lexical/dev/gold.csv",
)
SBLIMP = Task(
    name="sblimp",
    version=1,
    read=partial(read_pairs, text_column="transcription", group_columns=("type", "subtype")),
    about="which of two sentences is grammatical (Nguyen et al. 2020); ZeroSpeech 2021, syntactic/dev/gold.csv",
)
