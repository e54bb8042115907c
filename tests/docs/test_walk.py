"""The walk takes the quickstart's lines as they stand; running them takes minutes (see walk.py)."""

from __future__ import annotations

from tests.docs.command_lines import parse
from tests.docs.walk import quickstart, tales


def test_the_quickstart_goes_from_a_folder_of_audio_to_scores() -> None:
    lines = list(quickstart())
    named = [" ".join(words[1:3]) for words in lines]
    stages = ["corpus add", "units fit", "align fit", "align run", "shards speech", "finetune asr", "eval asr"]
    assert [name for name in dict.fromkeys(named) if name in stages] == stages
    assert named[0] == "corpus add" and "eval storycloze" in named
    for words in lines:
        parse(" ".join(words))


def test_every_reference_of_the_quickstart_was_made_by_an_earlier_line() -> None:
    made: set[str] = set()
    kinds = {
        "corpus": "corpus",
        "tokenize": "tokens",
        "text": "text_tokenizer",
        "pretrain": "model",
        "finetune": "model",
        "eval": "scores",
        "shards": "shards",
    }
    for words in quickstart():
        used = {word for word in words if word.split("/")[0] in {*kinds.values(), "quantizer", "aligner", "alignment"}}
        assert {word for word in used if word.count("/") == 1} <= made, words
        if "--name" in words:
            name = words[words.index("--name") + 1]
            kind = {"units": "quantizer", "align": "aligner" if words[2] == "fit" else "alignment"}.get(
                words[1], kinds.get(words[1], words[1])
            )
            made.add(f"{'shards' if words[1:3] == ['text', 'shards'] else kind}/{name}")


def test_tales_are_not_the_demos_and_all_different() -> None:
    told = tales()
    assert len({prompt for prompt, _, _ in told}) == len(told) > 100
    assert all(right != wrong for _, right, wrong in told)
