"""What the stories of the tiny world are made of: sentences, and nothing else. See :mod:`stories`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Need:
    """What is wrong: `signs` say so, `endings` mend it. As many of both."""

    name: str
    signs: tuple[str, ...]
    endings: tuple[str, ...]


@dataclass(frozen=True)
class Topic:
    """Needs of one sort of thing. Sign number i is about the same thing in all of them."""

    name: str
    needs: tuple[Need, ...]


TOPICS = (
    Topic(
        "animal",
        (
            Need(
                "hungry",
                (
                    "The dog was very hungry.",
                    "The cat had not eaten.",
                    "The goat wanted its dinner.",
                    "The horse looked at the empty bowl.",
                    "The puppy begged for a bite.",
                    "The kitten licked its plate.",
                ),
                (
                    "A bowl was filled with meat.",
                    "Somebody gave it bread.",
                    "Fresh hay was served at once.",
                    "It got a big bone.",
                    "A tin of fish was opened.",
                    "It ate corn from a bucket.",
                ),
            ),
            Need(
                "dirty",
                (
                    "The dog was covered in mud.",
                    "The cat smelled awful.",
                    "The goat had rolled in dust.",
                    "The horse had dirty legs.",
                    "The puppy was black with soot.",
                    "The kitten had sticky fur.",
                ),
                (
                    "It was washed with soap.",
                    "A warm bath was ready.",
                    "A brush and water helped.",
                    "They scrubbed it in the tub.",
                    "A wet towel made it clean.",
                    "The garden hose rinsed it off.",
                ),
            ),
        ),
    ),
    Topic(
        "room",
        (
            Need(
                "dark",
                (
                    "The kitchen was dark.",
                    "The bedroom lamp was broken.",
                    "The cellar had no light.",
                    "Nobody could see in the attic.",
                    "The hall was black as night.",
                    "The parlor had gone dim.",
                ),
                (
                    "Two candles were lit.",
                    "A torch was switched on.",
                    "A new bulb was put in.",
                    "Somebody found the lantern.",
                    "The curtains were opened wide.",
                    "A match was struck.",
                ),
            ),
            Need(
                "cold",
                (
                    "The kitchen was freezing.",
                    "Ice covered the bedroom window.",
                    "The cellar was bitterly cold.",
                    "Everybody shivered in the attic.",
                    "A chill filled the hall.",
                    "The parlor was like winter.",
                ),
                (
                    "A fire was made of logs.",
                    "The heating was turned up.",
                    "Coal went into the stove.",
                    "Thick blankets were handed out.",
                    "The radiator was repaired.",
                    "Hot bricks warmed the place.",
                ),
            ),
        ),
    ),
)
"""What stories are about, spoken and written."""

BORROWED = Topic(
    "vehicle",
    (
        Need(
            "flat",
            (
                "The car had a flat tire.",
                "The truck ran over a nail.",
                "One wheel of the bus was soft.",
                "The van hissed and sank.",
                "The bike had a puncture.",
                "The tractor lost its air.",
            ),
            (
                "A pump blew it up again.",
                "The spare wheel was put on.",
                "A patch closed the hole.",
                "New rubber was glued on.",
                "The jack lifted it up.",
                "A mechanic changed the tube.",
            ),
        ),
        Need(
            "stuck",
            (
                "The car was stuck in snow.",
                "The truck sat deep in sand.",
                "A fallen tree blocked the bus.",
                "The van could not move.",
                "The bike sank into the swamp.",
                "The tractor was trapped in clay.",
            ),
            (
                "Six friends pushed it out.",
                "A shovel dug a path.",
                "A rope pulled it free.",
                "Planks were laid under it.",
                "A winch dragged it along.",
                "An axe cleared the road.",
            ),
        ),
    ),
)
"""What only written stories tell whole: no spoken story has both a sign and an ending of it."""

NEUTRAL = (
    "Anna looked at the clock.",
    "Ben said nothing at all.",
    "Henry put on a jacket.",
    "It was a Monday in June.",
    "The wind was blowing hard.",
    "Birds sat on the fence.",
)
"""Sentences that say nothing of any need."""
