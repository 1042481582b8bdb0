"""Made-up titles and names, composed from words.json, which holds no real artist's name.

Belongs here: how words become a title or a name. Not here: whose it is (catalogue.py).
"""

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources
from itertools import cycle
from typing import Any

DICE = 8
"""How many random whole numbers a title or a name takes."""
FOREIGN = ("cyrillic", "hebrew", "thai", "combining", "emoji")
"""Flavours that are no genre's: an artist of any genre may have one."""

# In percent. Low, since in reality a title says little about the genre.
_FLAVOURED_TITLES = 45
_VERSIONS = 8


@cache
def _words() -> dict[str, Any]:
    words: dict[str, Any] = json.loads(resources.files(__package__).joinpath("words.json").read_text("utf-8"))
    return words


def title(flavour: str, dice: Sequence[int]) -> str:
    """A song's title: in the words of its flavour, or in words that any song may have. Equal dice, equal title."""
    rolls = cycle(dice)
    own_words = next(rolls) % 100 < _FLAVOURED_TITLES or flavour in FOREIGN
    patterns = _words()["flavours"][flavour]["titles"] if own_words else _words()["everywhere"]
    composed = _compose(_pick(patterns, rolls), flavour, rolls)
    if next(rolls) % 100 < _VERSIONS:
        composed += _compose(_pick(_words()["versions"], rolls), flavour, rolls)
    return composed


def artist_name(flavour: str, dice: Sequence[int]) -> str:
    """An artist's name, as artists of this flavour call themselves."""
    rolls = cycle(dice)
    return _compose(_pick(_words()["flavours"][flavour]["artists"], rolls), flavour, rolls)


def _pick(choices: Sequence[str], rolls: Iterator[int]) -> str:
    return choices[next(rolls) % len(choices)]


def _compose(pattern: str, flavour: str, rolls: Iterator[int]) -> str:
    def fill(slot: re.Match[str]) -> str:
        words = _words()
        match slot[1]:
            case "c":
                return _pick(words["nouns"], rolls)
            case "a":
                return _pick(words["adjectives"], rolls)
            case "v":
                return _pick(words["verbs"], rolls)
            case "w":
                return _pick(words["flavours"][flavour]["words"], rolls)
            case "s":
                beginnings, endings = words["stems"]
                ending, beginning = divmod(next(rolls), len(beginnings))
                return beginnings[beginning] + endings[ending % len(endings)]
            case "n":
                return str(1 + next(rolls) % 12)
            case _:
                return str(1985 + next(rolls) % 40)

    return re.sub(r"\{(\w)\}", fill, pattern)
