"""A small world of short stories, made from a seed: training text and held-out benchmarks.

Every story has one topic with one need, as :mod:`stories` says. In evaluation a sign of the need comes first and three
neutral sentences stand between it and the ending: only what is remembered of the beginning tells which ending is right.
No pair of a sign and an ending of an item occurs in any training story, spoken or written.

    python recipes/tiny/world.py OUT [--seed 0] [--spoken 3000] [--written 24000]
        [--items 240] [--hellaswag 120] [--heldout 60]

writes, in the benchmarks' published file formats,

    OUT/spoken.tsv            id<TAB>story, the stories to be spoken for training
    OUT/written.txt           one story a line, text only
    OUT/heldout.tsv           id<TAB>story, held-out stories to be spoken and recognised
    OUT/storycloze.csv        wrong ending: another need of the same topic (StoryCloze's columns)
    OUT/topicstorycloze.csv   same prompts; wrong ending: one that fits another topic
    OUT/hellaswag.jsonl       four endings: the right one, that of the other need, two of the other topic; the topic is
                              the activity label, which readers of HellaSwag put before the context ("Animal: The
                              dog …"); every twelfth written story has one too
    OUT/transfer.csv          as storycloze.csv, but of a topic whose signs and endings only written stories join:
                              scored from speech to speech, it measures what speech borrows from text
    OUT/swuggy.csv            a word of the stories, and the word with one letter changed (stand-in for sWUGGY)
    OUT/sblimp.csv            a sentence of the stories, and the sentence with two words swapped or a verb that does not
                              agree (stand-in for sBLIMP); both in the columns of ZeroSpeech 2021's gold.csv

With a multiple of 24 items every two endings that are compared are compared both ways, so that rules that look at the
endings alone (the longer, the more frequent) are right in exactly half of the two-ending items.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from sentences import BORROWED, TOPICS
from stories import NEEDS, PER_NEED, Story, generator, lines, other_topic, stories, wrong_need


def storycloze(items: Sequence[tuple[str, Story, str]], seed: int) -> str:
    """The StoryCloze CSV of (id, story, wrong ending): id, four sentences, two endings, which is right (1 or 2)."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    sentences = [f"InputSentence{i}" for i in (1, 2, 3, 4)]
    endings = ["RandomFifthSentenceQuiz1", "RandomFifthSentenceQuiz2"]
    table.writerow(["InputStoryid", *sentences, *endings, "AnswerRightEnding"])
    for item, story, wrong in items:
        right = generator(seed, "order", item).choice((1, 2))
        pair = (story.ending, wrong) if right == 1 else (wrong, story.ending)
        table.writerow([item, *story.prompt, *pair, right])
    return out.getvalue()


def hellaswag(items: Sequence[tuple[int, Story]], seed: int) -> str:
    """The HellaSwag JSONL: context, four endings in drawn order, the number of the right one."""
    lines = []
    for index, story in items:
        rng = generator(seed, "hellaswag", index)
        endings = [story.ending, wrong_need(story), other_topic(story, 0), other_topic(story, 1)]
        rng.shuffle(endings)
        context = " ".join(story.prompt)
        row = {
            "ind": index,
            "activity_label": story.title,
            "ctx_a": context,
            "ctx_b": "",
            "ctx": context,
            "split": "val",
            "split_type": "indomain",
            "label": endings.index(story.ending),
            "endings": endings,
            "source_id": f"world~{index}",
        }
        lines.append(json.dumps(row) + "\n")
    return "".join(lines)


GOLD = ("id", "filename", "voice", "correct")
_SWAPS = (set("aeiou"), set("bcdfgklmnprstvwz"))
"""A letter is changed for another one of its set, so that the word can still be said."""
_VERBS = {"was": "were", "were": "was", "had": "have", "smelled": "smelling", "needed": "needing", "wanted": "wanting"}
"""What no sentence of the world's can have after its subject."""


def words() -> list[str]:
    """The words that stories are told with, little words apart."""
    texts = [text for topic in (*TOPICS, BORROWED) for need in topic.needs for text in (*need.signs, *need.endings)]
    found = {word.strip(".").lower() for text in texts for word in text.split()}
    return sorted(word for word in found if len(word) >= 4)


def changed(word: str, rng: random.Random) -> str:
    """The word with a letter changed, no word of the world."""
    known = set(words())
    while True:
        place = rng.randrange(len(word))
        letters = next((letters for letters in _SWAPS if word[place] in letters), set())
        others = sorted(letters - {word[place]})
        if others and (made := word[:place] + rng.choice(others) + word[place + 1 :]) not in known:
            return made


def swuggy(seed: int) -> str:
    """Pairs of a word and a made-up word, in the columns of the lexical gold.csv."""
    rows = []
    for index, word in enumerate(words()):
        made = changed(word, generator(seed, "swuggy", word))
        rows += [(index, f"word-{index:03d}-{right}.wav", "joe", right, text) for right, text in ((1, word), (0, made))]
    return gold((*GOLD, "word"), rows)


def signs() -> list[str]:
    """Every sentence about what is wrong."""
    return sorted(sign for topic in (*TOPICS, BORROWED) for need in topic.needs for sign in need.signs)


def broken(sentence: str, rng: random.Random) -> tuple[str, str]:
    """How a sentence was made ungrammatical, and the sentence: a verb that does not agree, or two words swapped."""
    parts = sentence.rstrip(".").split()
    verbs = [place for place, part in enumerate(parts) if part in _VERBS]
    if verbs:
        parts[verbs[0]] = _VERBS[parts[verbs[0]]]
        return "agreement", " ".join(parts) + "."
    place = rng.randrange(len(parts) - 1)
    parts[place], parts[place + 1] = parts[place + 1], parts[place]
    return "order", " ".join(parts) + "."


def sblimp(seed: int) -> str:
    """Pairs of a sentence and an ungrammatical one, in the columns of the syntactic gold.csv."""
    rows = []
    for index, sentence in enumerate(signs()):
        kind, wrong = broken(sentence, generator(seed, "sblimp", sentence))
        rows += [
            (index, f"sentence-{index:03d}-{right}.wav", "joe", right, text, kind, kind)
            for right, text in ((1, sentence), (0, wrong))
        ]
    return gold((*GOLD, "transcription", "type", "subtype"), rows)


def gold(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A gold.csv."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(header)
    table.writerows(rows)
    return out.getvalue()


def check_held_out(training: Iterable[Story], evaluation: Iterable[Story]) -> None:
    """Fail when a pair of a sign and an ending of the evaluation was also made for training."""
    read, asked = ({pair for story in part for pair in story.pairs()} for part in (training, evaluation))
    if read & asked:
        raise AssertionError(f"evaluation pairs in the training set: {sorted(read & asked)}")


def needs_of(name: str, kept: Sequence[Story]) -> list[tuple[str, Story, str]]:
    """(id, story, the ending that meets the other need) of each item."""
    return [(f"{name}-{index:04d}", story, wrong_need(story)) for index, story in enumerate(kept)]


def world(*, seed: int, spoken: int, written: int, items: int, hellaswag_items: int, heldout: int) -> dict[str, str]:
    """All files of the world by name. The three benchmarks share their prompts, so one recording serves all."""
    kept = stories(seed, "evaluation", items)
    borrowed = stories(seed, "transfer", items)
    heard = stories(seed, "evaluation", heldout, purpose="heldout")
    asked = {story.prompt for story in [*kept, *borrowed, *heard]}
    told, read = lines(seed, "spoken", spoken, asked), lines(seed, "written", written, asked)
    check_held_out([story for _, story, _ in [*told, *read]], [*kept, *heard])
    check_held_out([story for _, story, _ in told], borrowed)

    turn = len(NEEDS) * PER_NEED
    topics = [(f"topic-{index:04d}", story, other_topic(story, index // turn % 2)) for index, story in enumerate(kept)]
    return {
        "spoken.tsv": "".join(f"{id}\t{text}\n" for id, _, text in told),
        "written.txt": "".join(f"{text}\n" for _, _, text in read),
        "heldout.tsv": "".join(f"heldout-{index:04d}\t{story.text()}\n" for index, story in enumerate(heard)),
        "storycloze.csv": storycloze(needs_of("need", kept), seed),
        "topicstorycloze.csv": storycloze(topics, seed),
        "transfer.csv": storycloze(needs_of("transfer", borrowed), seed),
        "swuggy.csv": swuggy(seed),
        "sblimp.csv": sblimp(seed),
        "hellaswag.jsonl": hellaswag(list(enumerate(kept[:hellaswag_items])), seed),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the world's files, each whole or not at all; a file that is as it should be is left untouched."""
    parser = argparse.ArgumentParser(description="A small world of short stories, made from a seed.")
    parser.add_argument("out", type=Path, help="folder for the files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--spoken", type=int, default=3000, help="stories to be spoken")
    parser.add_argument("--written", type=int, default=24000, help="further stories, text only")
    parser.add_argument("--items", type=int, default=240, help="held-out two-ending items")
    parser.add_argument("--hellaswag", type=int, default=120, help="held-out four-ending items")
    parser.add_argument("--heldout", type=int, default=60, help="held-out stories to be recognised")
    options = parser.parse_args(arguments)
    files = world(
        seed=options.seed,
        spoken=options.spoken,
        written=options.written,
        items=options.items,
        hellaswag_items=options.hellaswag,
        heldout=options.heldout,
    )
    options.out.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = options.out / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            part = path.with_name(f".{name}.part")
            part.write_text(text, encoding="utf-8")
            part.replace(path)


if __name__ == "__main__":
    main()
