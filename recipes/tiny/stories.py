"""How a story of the tiny world is drawn from a seed.

A story has one topic with one need. Four sentences come first: one to three of them are signs of the need, the others
say nothing of it. The fifth, the ending, meets the need. In a training story the signs stand anywhere; in an evaluation
story they come first, so that the ending is farther from them than the models' local window reaches.

Held out are pairs of a sign and an ending, by their numbers within the need: a pair belongs to evaluation, to written
stories only, or to all training stories, in every topic, need, wording and order. A wrong ending has the number of the
right one, so it was read with the story's signs as often as the right one: never.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sentences import NEUTRAL, TOPICS, Need, Topic

PROMPT = 4
TITLE_ONE_IN = 6
PER_NEED = len(TOPICS[0].needs[0].signs)
NEEDS = tuple((topic, need) for topic in TOPICS for need in topic.needs)

Use = Literal["spoken", "written", "evaluation", "transfer"]
"""``transfer``: pairs that only written stories hold, to be asked in speech."""

_RESIDUES: dict[Use, tuple[int, ...]] = {
    "evaluation": (0, 1),
    "transfer": (2,),
    "spoken": (3, 4, 5),
    "written": (2, 3, 4, 5),
}


@dataclass(frozen=True)
class Story:
    """One drawn story."""

    prompt: tuple[str, ...]
    topic: Topic
    need: Need
    signs: tuple[int, ...]
    """Numbers of the signs in the prompt."""
    number: int
    """Number of the ending."""

    @property
    def ending(self) -> str:
        """The right ending."""
        return self.need.endings[self.number]

    @property
    def title(self) -> str:
        """What the story is about, as HellaSwag's activity label."""
        return self.topic.name.capitalize()

    def text(self, titled: bool = False) -> str:
        """The whole story, with its title as readers of HellaSwag put one, or without."""
        return " ".join([*([f"{self.title}:"] if titled else []), *self.prompt, self.ending])


def generator(*key: object) -> random.Random:
    """A generator for one draw, from everything that the draw is for."""
    return random.Random("\x1f".join(map(str, key)))


def signs_for(use: Use, number: int) -> tuple[int, ...]:
    """The signs that a story with this ending may have."""
    return tuple(sign for sign in range(PER_NEED) if (sign + number) % PER_NEED in _RESIDUES[use])


def draw(seed: int, use: Use, index: int, purpose: str = "") -> Story:
    """Story number ``index``; needs and endings go round in turn, so that each is used equally often."""
    rng = generator(seed, purpose or use, index)
    topic, need = NEEDS[index % len(NEEDS)]
    number = index // len(NEEDS) % PER_NEED
    allowed = signs_for(use, number)
    training = use in ("spoken", "written")
    signs = rng.sample(allowed, rng.randint(1, 3) if training else len(allowed))
    prompt = [need.signs[sign] for sign in signs] + rng.sample(NEUTRAL, PROMPT - len(signs))
    if training:
        rng.shuffle(prompt)
    return Story(tuple(prompt), topic, need, tuple(signs), number)


def stories(seed: int, use: Use, count: int, purpose: str = "") -> Iterator[Story]:
    """``count`` stories; where a prompt was drawn before, the story is drawn again."""
    seen: set[tuple[str, ...]] = set()
    for index in range(count):
        for attempt in range(1000):
            story = draw(seed, use, index, f"{purpose or use} {attempt}")
            if story.prompt not in seen:
                break
        seen.add(story.prompt)
        yield story


def lines(seed: int, use: Use, count: int) -> list[tuple[str, Story, str]]:
    """``count`` training stories as (id, story, text), some of them with their title."""
    told = []
    for index, story in enumerate(stories(seed, use, count)):
        titled = generator(seed, "title", use, index).randrange(TITLE_ONE_IN) == 0
        told.append((f"{use}-{index:05d}", story, story.text(titled)))
    return told


def wrong_need(story: Story, step: int) -> str:
    """The ending of the same number that meets the need ``step`` places on in the same topic."""
    needs = story.topic.needs
    return needs[(needs.index(story.need) + step) % len(needs)].endings[story.number]


_OTHER_TOPICS = ((1, 0), (2, 0), (1, 1), (2, 2), (1, 2), (2, 1))
"""Steps to another topic and to a need there, each next to its reverse: so the two are right equally often."""


def other_topic(story: Story, turn: int) -> str:
    """The ending of the same number that meets a need of another topic."""
    topic_step, need_step = _OTHER_TOPICS[turn % len(_OTHER_TOPICS)]
    topic = TOPICS[(TOPICS.index(story.topic) + topic_step) % len(TOPICS)]
    need = topic.needs[(story.topic.needs.index(story.need) + need_step) % len(topic.needs)]
    return need.endings[story.number]
