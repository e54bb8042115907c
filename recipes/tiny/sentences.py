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
            Need(
                "sick",
                (
                    "The dog coughed all night.",
                    "The cat had a fever.",
                    "The goat could not stand.",
                    "The horse was limping badly.",
                    "The puppy was always sneezing.",
                    "The kitten felt very ill.",
                ),
                (
                    "The doctor was called.",
                    "Some medicine was bought.",
                    "A nurse gave it pills.",
                    "It stayed in the hospital.",
                    "A bandage was put on.",
                    "The vet came with a needle.",
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
            Need(
                "dusty",
                (
                    "The kitchen floor was dusty.",
                    "Crumbs lay in the bedroom.",
                    "The cellar was full of cobwebs.",
                    "The attic needed cleaning.",
                    "Dirt was all over the hall.",
                    "The parlor carpet was filthy.",
                ),
                (
                    "A broom swept it all away.",
                    "The mop was fetched.",
                    "The vacuum ran for an hour.",
                    "A maid wiped everything.",
                    "Rags and polish did the job.",
                    "The rubbish went into a sack.",
                ),
            ),
        ),
    ),
    Topic(
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
                "empty",
                (
                    "The car was out of fuel.",
                    "The truck had an empty tank.",
                    "The bus engine died.",
                    "The van needed more gas.",
                    "The bike ran dry.",
                    "The tractor stopped without petrol.",
                ),
                (
                    "A can of gas was poured in.",
                    "They walked to the station.",
                    "The tank was filled up.",
                    "Diesel came in a barrel.",
                    "A hose brought more fuel.",
                    "Ten gallons were bought.",
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
    ),
)

NEUTRAL = (
    "Anna looked at the clock.",
    "Carla sat down for a moment.",
    "Emma hummed an old tune.",
    "Laura thought about it.",
    "Rosa took a deep breath.",
    "Ben said nothing at all.",
    "David walked up and down.",
    "Henry put on a jacket.",
    "Oscar opened his mail.",
    "Simon counted to seven.",
    "Helen smiled at her sister.",
    "Peter whistled softly.",
    "It was a Monday in June.",
    "It was late in the afternoon.",
    "It was early on Sunday.",
    "Summer was almost over.",
    "The wind was blowing hard.",
    "A bell rang far away.",
    "Rain fell on the roof.",
    "School was over for today.",
    "A plane passed overhead.",
    "The neighbors were singing.",
    "Birds sat on the fence.",
    "The radio played music.",
)
"""Sentences that say nothing of any need."""
