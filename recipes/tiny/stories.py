"""Stories of the tiny world: what they tell of, and how one is drawn from a seed.

A story has one topic (somebody's dog, kitchen, car, …) with one need; four short sentences say who, when and, twice in
varied wording, what the need is; the fifth, the ending, meets it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Need:
    """What is wrong: `signs` say so in a prompt (`{thing}` is filled in), `endings` mend it (`{they}` too)."""

    name: str
    signs: tuple[str, ...]
    endings: tuple[str, ...]


@dataclass(frozen=True)
class Topic:
    """Things of one sort, how a story about one opens, and the needs that any of them can have."""

    name: str
    things: tuple[str, ...]
    openings: tuple[str, ...]
    needs: tuple[Need, ...]


PEOPLE = {
    "She": ("Anna", "Carla", "Emma", "Grace", "Helen", "Julia", "Laura", "Maria", "Nora", "Olivia", "Rosa", "Tina"),
    "He": ("Adam", "Ben", "David", "Frank", "George", "Henry", "Jack", "Lucas", "Martin", "Oscar", "Peter", "Simon"),
}
DAYS = (
    "It was Monday.",
    "It was Friday.",
    "It was a Sunday.",
    "It was early.",
    "It was very late.",
    "It was afternoon.",
    "Summer was over.",
    "School was over.",
)
TOPICS = (
    Topic(
        "animal",
        ("dog", "cat", "horse", "goat"),
        ("{name} had a {thing}.", "{name} kept a {thing}.", "{name} loved a {thing}."),
        (
            Need(
                "hungry",
                ("The {thing} was hungry.", "It had not eaten.", "It wanted its dinner."),
                ("{they} filled the bowl with meat.", "{they} gave it bread and milk."),
            ),
            Need(
                "dirty",
                ("The {thing} was dirty.", "Mud covered its legs.", "It smelled awful."),
                ("{they} washed it with soap.", "{they} scrubbed it in the bath."),
            ),
            Need(
                "sick",
                ("The {thing} was sick.", "It coughed all night.", "It had a fever."),
                ("{they} called the doctor.", "{they} bought some medicine."),
            ),
        ),
    ),
    Topic(
        "room",
        ("kitchen", "bedroom", "parlor", "cellar"),
        ("{name} had a {thing}.", "{name} entered the {thing}.", "{name} rented a {thing}."),
        (
            Need(
                "dark",
                ("The {thing} was dark.", "Nobody could see.", "The light was broken."),
                ("{they} lit two candles.", "{they} switched on a lamp."),
            ),
            Need(
                "freezing",
                ("The {thing} was freezing.", "Ice covered the window.", "Everybody shivered."),
                ("{they} made a fire of logs.", "{they} turned up the heating."),
            ),
            Need(
                "dusty",
                ("The {thing} was dusty.", "Crumbs lay everywhere.", "It needed cleaning."),
                ("{they} swept the floor.", "{they} fetched a broom and mop."),
            ),
        ),
    ),
    Topic(
        "vehicle",
        ("car", "truck", "bus", "van"),
        ("{name} had a {thing}.", "{name} drove a {thing}.", "{name} borrowed a {thing}."),
        (
            Need(
                "flat",
                ("The {thing} had a flat tire.", "It ran over a nail.", "One wheel was soft."),
                ("{they} pumped in some air.", "{they} put on the spare wheel."),
            ),
            Need(
                "empty",
                ("The {thing} was out of fuel.", "The tank was empty.", "Its engine died."),
                ("{they} walked to a gas station.", "{they} poured in gas from a can."),
            ),
            Need(
                "stuck",
                ("The {thing} was stuck.", "Snow blocked the road.", "It could not move."),
                ("{they} dug a path with a shovel.", "{they} asked six friends to push."),
            ),
        ),
    ),
)
# Of the combinations of person, thing and need, every fifth (by its own hash) is only ever used for evaluation.
HELD_OUT_ONE_IN = 5
TITLE_ONE_IN = 6


@dataclass(frozen=True)
class Story:
    """One drawn story: the prompt's four sentences, and which topic, need, person and thing it is about."""

    prompt: tuple[str, str, str, str]
    ending: str
    topic: Topic
    need: Need
    thing: str
    name: str
    they: str

    @property
    def title(self) -> str:
        """What the story is about, as HellaSwag's activity label."""
        return self.thing.capitalize()

    def text(self, titled: bool = False) -> str:
        """The whole story on one line."""
        return " ".join(([f"{self.title}:"] if titled else []) + [*self.prompt, self.ending])

    @property
    def combination(self) -> tuple[str, str, str]:
        """Person, thing and need: what is held out."""
        return self.name, self.thing, self.need.name


def generator(*ids: object) -> random.Random:
    """A generator of its own for these ids: a draw depends on nothing that was drawn before it."""
    return random.Random("/".join(str(i) for i in ids))


def held_out(combination: tuple[str, str, str]) -> bool:
    """Whether this combination of person, thing and need belongs to evaluation. The same for every seed."""
    return generator("held out", *combination).randrange(HELD_OUT_ONE_IN) == 0


def draw(seed: int, purpose: str, index: int, *, evaluation: bool) -> Story:
    """Story number `index` of a purpose; needs go round in turn, so that each is used equally often."""
    rng = generator(seed, purpose, index)
    needs = [(topic, need) for topic in TOPICS for need in topic.needs]
    topic, need = needs[index % len(needs)]
    while True:
        they = rng.choice(sorted(PEOPLE))
        name, thing = rng.choice(PEOPLE[they]), rng.choice(topic.things)
        if held_out((name, thing, need.name)) == evaluation:
            break
    first, second = rng.sample(need.signs, 2)
    prompt = (
        rng.choice(topic.openings).format(name=name, thing=thing),
        rng.choice(DAYS),
        first.format(thing=thing),
        second.format(thing=thing),
    )
    ending = rng.choice(need.endings).format(they=they)
    return Story(prompt, ending, topic, need, thing, name, they)


def stories(seed: int, purpose: str, count: int, *, evaluation: bool = False) -> Iterator[Story]:
    """`count` stories whose prompts are all different."""
    seen: set[tuple[str, ...]] = set()
    index = 0
    while len(seen) < count:
        story = draw(seed, purpose, index, evaluation=evaluation)
        index += 1
        if story.prompt not in seen:
            seen.add(story.prompt)
            yield story


def lines(seed: int, purpose: str, count: int) -> list[tuple[str, Story, str]]:
    """`count` training stories as (id, story, text), some of them with their title."""
    told = []
    for index, story in enumerate(stories(seed, purpose, count)):
        titled = generator(seed, "title", purpose, index).randrange(TITLE_ONE_IN) == 0
        told.append((f"{purpose}-{index:05d}", story, story.text(titled)))
    return told


def wrong_needs(story: Story, rng: random.Random) -> list[str]:
    """Endings for the same person and topic that mend another need, one for each, in drawn order."""
    others = [need for need in story.topic.needs if need is not story.need]
    rng.shuffle(others)
    return [rng.choice(need.endings).format(they=story.they) for need in others]


def other_topic(story: Story, rng: random.Random) -> str:
    """An ending, told of the same person, that fits another topic."""
    topic = rng.choice([topic for topic in TOPICS if topic is not story.topic])
    return rng.choice(rng.choice(topic.needs).endings).format(they=story.they)
