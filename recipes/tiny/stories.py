"""How a story of the tiny world is drawn from a seed.

A story has one topic with one need. First come signs of the need, one or two, then neutral sentences, one to three, and
last the ending, which meets the need. In an evaluation story there are one sign and three neutral sentences, so that
the ending is farther from the sign than the local layers reach. No story has a sign next to its ending: models would
learn most endings from the neighbouring sentence, by their local layers alone, and hardly any by their global ones.

Held out are pairs of a sign and an ending, by their numbers within the need: a pair belongs to evaluation or to
training, in every topic, need and order. A wrong ending has the number of the right one, so it was read with the
story's sign as often as the right one: never. One pair in six is held out, no more: a model that has learnt which pairs
do not occur would find the right ending as unlikely as the wrong one.

One topic is borrowed: of it, only single sentences are spoken, signs and endings each by themselves. Which ending meets
which need is written only. A spoken story with a sign but no ending, or an ending without its sign, would teach speech
that signs decide nothing: with such stories as one in six, models learnt the other topics several times more slowly.
"""

from __future__ import annotations

import random
from collections.abc import Container
from dataclasses import dataclass
from typing import Literal

from sentences import BORROWED, NEUTRAL, TOPICS, Need, Topic

PROMPT = 4
MOST_SIGNS = 2
TITLE_ONE_IN = 12
BORROWED_ONE_IN = 6
PER_NEED = len(TOPICS[0].needs[0].signs)
NEEDS = tuple((topic, need) for topic in TOPICS for need in topic.needs)
BORROWED_NEEDS = tuple((BORROWED, need) for need in BORROWED.needs)

Use = Literal["spoken", "written", "evaluation", "transfer"]
"""``transfer``: the borrowed topic, as ``evaluation`` asks the others, but of pairs that were written."""


@dataclass(frozen=True)
class Story:
    """One drawn story."""

    prompt: tuple[str, ...]
    topic: Topic
    need: Need
    signs: tuple[int, ...]
    """Numbers of the signs in the prompt."""
    number: int | None
    """Number of the ending; none of a single sentence."""
    ending: str

    @property
    def title(self) -> str:
        """What the story is about, as HellaSwag's activity label."""
        return self.topic.name.capitalize()

    def text(self, titled: bool = False) -> str:
        """The whole story, with its title as readers of HellaSwag put one, or without."""
        return " ".join([*([f"{self.title}:"] if titled else []), *self.prompt, self.ending])

    def pairs(self) -> set[tuple[str, str]]:
        """Every sign of the story with its ending."""
        return {(self.need.signs[sign], self.ending) for sign in self.signs if self.number is not None}


def generator(*key: object) -> random.Random:
    """A generator for one draw, from everything that the draw is for."""
    return random.Random("\x1f".join(map(str, key)))


def signs_for(use: Use, number: int) -> tuple[int, ...]:
    """The signs that a story with this ending may have."""
    held_out = {"evaluation": 0, "transfer": 1}
    if use in held_out:
        return tuple(sign for sign in range(PER_NEED) if (sign + number) % PER_NEED == held_out[use])
    return tuple(sign for sign in range(PER_NEED) if (sign + number) % PER_NEED != 0)


def draw(seed: int, use: Use, index: int, purpose: str = "") -> Story:
    """Story number ``index``; needs and endings go round in turn, so that each is used equally often."""
    rng = generator(seed, purpose or use, index)
    training = use in ("spoken", "written")
    if use == "transfer" or (training and index % BORROWED_ONE_IN == 0):
        needs, turn = BORROWED_NEEDS, index // BORROWED_ONE_IN if training else index
    else:
        needs, turn = NEEDS, index - 1 - index // BORROWED_ONE_IN if training else index
    topic, need = needs[turn % len(needs)]
    number = turn // len(needs) % PER_NEED
    if use == "spoken" and topic is BORROWED:
        return Story((), topic, need, (), None, rng.choice(need.signs + need.endings))
    allowed = signs_for(use, number)
    signs = rng.sample(allowed, rng.randint(1, MOST_SIGNS)) if training else list(allowed)
    ending = need.endings[number]
    neutral = rng.randint(1, PROMPT - len(signs)) if training else PROMPT - len(signs)
    prompt = [need.signs[sign] for sign in signs] + rng.sample(NEUTRAL, neutral)
    return Story(tuple(prompt), topic, need, tuple(signs), number, ending)


def stories(seed: int, use: Use, count: int, purpose: str = "") -> list[Story]:
    """``count`` stories of different prompts to evaluate on; one drawn before is drawn again."""
    made: dict[tuple[str, ...], Story] = {}
    for index in range(count):
        story = _redrawn(seed, use, index, purpose or use, made)
        made[story.prompt] = story
    return list(made.values())


def _redrawn(seed: int, use: Use, index: int, purpose: str, avoid: Container[tuple[str, ...]]) -> Story:
    for attempt in range(1000):
        story = draw(seed, use, index, f"{purpose} {attempt}")
        if story.prompt not in avoid:
            return story
    raise ValueError(f"{use}: no prompt is left for story {index}; ask for fewer stories")


def lines(seed: int, use: Use, count: int, avoid: Container[tuple[str, ...]] = ()) -> list[tuple[str, Story, str]]:
    """``count`` training stories as (id, story, text), some written ones titled; none has a prompt to avoid."""
    told = []
    for index in range(count):
        story = _redrawn(seed, use, index, use, avoid)
        titled = use == "written" and generator(seed, "title", use, index).randrange(TITLE_ONE_IN) == 0
        told.append((f"{use}-{index:05d}", story, story.text(titled)))
    return told


def wrong_need(story: Story) -> str:
    """The ending of the same number that meets the other need of the topic."""
    (need,) = (need for need in story.topic.needs if need is not story.need)
    assert story.number is not None
    return need.endings[story.number]


def other_topic(story: Story, step: int) -> str:
    """The ending of the same number that meets a need of the other topic: the same in place, or one on."""
    (topic,) = (topic for topic in TOPICS if topic is not story.topic)
    assert story.number is not None
    place = story.topic.needs.index(story.need) + step
    return topic.needs[place % len(topic.needs)].endings[story.number]
