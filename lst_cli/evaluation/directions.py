"""Directions of a benchmark (which side is spoken, which written), and its items as token sequences.

``s-t`` reads: spoken prompt, written endings. Legend: T tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lst_cli.errors import UserError
from lst_cli.evaluation.tasks import Item

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lst_cli.inference.shared_prompt import Question
    from lst_cli.text.speech_codec import SpeechCodec
    from lst_cli.text.tokenizer import TextTokenizer

DIRECTIONS = ("s-s", "t-t", "s-t", "t-s")
SHOWN_IDS = 5


def parse_directions(text: str, *, spoken: bool) -> list[str]:
    """The directions of a comma-separated list, in its order.

    :param spoken: whether there are speech tokens to take prompts and endings from.
    :raises UserError: an unknown or repeated direction, or a spoken side without speech tokens.
    """
    chosen = [part.strip().lower() for part in text.split(",")]
    unknown = [direction for direction in chosen if direction not in DIRECTIONS]
    if unknown or len(set(chosen)) != len(chosen):
        raise UserError(
            f"--directions {text}",
            found=f"unknown: {', '.join(map(repr, unknown))}" if unknown else "a direction twice",
            expected=f"some of {', '.join(DIRECTIONS)}, separated by commas (s speech, t text; prompt-ending)",
        )
    needing = [direction for direction in chosen if "s" in direction]
    if needing and not spoken:
        raise UserError(
            f"the direction {needing[0]} needs the items as speech tokens",
            found="no --tokens",
            expected="--tokens with a tokens artifact that holds {item}/prompt, {item}/ending1, {item}/ending2, …",
            fix="synthesise the items with 'lst corpus synth' and tokenize them, or use --directions t-t",
        )
    return chosen


def check_prompts(items: Sequence[Item], directions: Sequence[str]) -> None:
    """Refuse a direction from one modality to the other for items without a prompt, and text where none is known.

    :raises UserError: there is such a direction.
    """
    written = [direction for direction in directions if "t" in direction]
    if written and any(item.recorded for item in items):
        raise UserError(
            f"the direction {written[0]} needs the items' text",
            found="recordings only",
            expected="s-s of 'lst eval' for the folder of a spoken release",
            fix="give the CSV with the texts, or let 'lst eval' score with --directions s-s",
        )
    mixed = [direction for direction in directions if direction[0] != direction[-1]]
    if mixed and any(not item.prompt for item in items):
        raise UserError(
            f"--directions {mixed[0]}: the items have no prompt",
            expected="s-s or t-t for a task that compares whole utterances",
        )


def check_spoken(items: Sequence[Item], units: Mapping[str, NDArray[np.integer]], source: str, limit: int) -> None:
    """Refuse speech tokens that lack an utterance, have an empty one, or have units the model does not know.

    :param units: of each utterance, by id.
    :param source: the name of the tokens in errors.
    :param limit: number of units that the model knows.
    :raises UserError: they do; the first ids are named.
    """
    ids = [name for item in items for name in item.spoken]
    missing = [name for name in ids if name not in units]
    if missing:
        raise UserError(
            f"{source}: {len(missing)} of the items' {len(ids)} utterances are missing",
            found=f"no {', '.join(missing[:SHOWN_IDS])}{', …' if len(missing) > SHOWN_IDS else ''}",
            expected="{item}/prompt, {item}/ending1, {item}/ending2, … for every item of --items",
            fix="synthesise and tokenize all items of the file; rejects.parquet of the tokens lists rejected ones",
        )
    empty = [name for name in ids if len(units[name]) == 0]
    if empty:
        raise UserError(
            f"{source}: {len(empty)} utterances have no speech tokens",
            found=", ".join(empty[:SHOWN_IDS]),
            expected="at least one frame of speech in each",
        )
    largest = max(int(units[name].max()) for name in ids)
    if largest >= limit:
        raise UserError(
            f"{source}: not tokens of the model's quantizer",
            found=f"unit {largest}",
            expected=f"units below {limit}",
            fix="tokenize the items with the quantizer that the model was trained with",
        )


def build_questions(
    items: Sequence[Item],
    direction: str,
    tokenizer: TextTokenizer,
    codec: SpeechCodec,
    units: Mapping[str, NDArray[np.integer]],
    *,
    with_end: bool = False,
) -> list[Question]:
    """Token sequences of the items in one direction.

    A prompt is opened by its marker. An ending of the same modality continues the prompt's segment (in speech:
    in the same run, on one patch grid); one of the other modality is opened by its own marker, which is part of the
    prompt and not scored. A speech BPE merges prompt and ending apart, so that all endings follow the same prompt. The
    end of the document is not scored, as in the harness.

    :param with_end: score the end of the document as one more token of each ending, as slamkit does.
    """
    import numpy as np

    from lst_cli.inference.shared_prompt import Question

    def speech(name: str) -> NDArray[np.int32]:
        return codec.encode(units[name])

    def text(written: str, *, continues: bool = False) -> NDArray[np.int32]:
        return np.asarray(tokenizer.encode(written, continues=continues), dtype=np.int32)

    before, after = direction.split("-")
    markers = {"s": codec.vocabulary.s_marker, "t": codec.vocabulary.t_marker}
    end = np.array([codec.vocabulary.eos] if with_end else [], dtype=np.int32)
    questions = []
    for item in items:
        prompt = [np.asarray([markers[before]], dtype=np.int32)]
        spoken_endings = item.spoken[-len(item.endings) :]
        if item.prompt:
            prompt.append(speech(item.spoken[0]) if before == "s" else text(item.prompt))
        if after != before:
            prompt.append(np.asarray([markers[after]], dtype=np.int32))
        endings = tuple(
            np.append(speech(name) if after == "s" else text(ending, continues=bool(item.prompt)), end)
            for name, ending in zip(spoken_endings, item.endings, strict=True)
        )
        questions.append(Question(prompt_T=np.concatenate(prompt), endings=endings))
    return questions
