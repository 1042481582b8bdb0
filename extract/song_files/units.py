"""The unit of a whole column, told from its name and its values, or not told at all.

Belongs here: the decision, from figures. Not here: how the figures are counted and what follows (readings.py).
"""

from collections.abc import Collection
from dataclasses import dataclass

TIMES = {"ms": 1.0, "s": 1_000.0, "min": 60_000.0}
"""The units of time, in milliseconds. A clock (3:45) is a fourth."""

SHORTEST_SONG, LONGEST_SONG = 30, 3_600
"""Seconds. The median of a column of songs lies between them."""


@dataclass(frozen=True)
class Shares:
    """The numbers of a column of shares or percents.

    `over` are more than 1 and `fractions` between 0 and 1, neither included; `highest` is the highest number.
    """

    count: int
    over: int
    fractions: int
    highest: float


def share_or_percent(found: Shares, named: str | None, others: Collection[str]) -> str | None:
    """`share`, `percent`, or None where it cannot be told; `others` are the units of the file's other shares.

    A column is one or the other: a few numbers over 1 among shares are wrong, and no percents.
    """
    if named:
        # Percents that are all below 1 are shares under the name of percents, or a column of hardly any.
        return named if found.over or not found.fractions else None
    if not found.over:
        return "percent" if not found.fractions and set(others) == {"percent"} else "share"
    if set(others) == {"percent"}:
        return "percent"
    if found.over <= found.fractions:
        return "share"
    # A number of up to ten may be one of ten as well as one of a hundred.
    return "percent" if found.fractions <= found.count / 20 and found.highest > 10 else None


def unit_of_time(median: float, named: str | None) -> str | None:
    """`ms`, `s` or `min`, or None where it cannot be told.

    Values come before the name: no file of songs has a median of 214 milliseconds.
    """
    if median >= SHORTEST_SONG * 1_000 or (named == "ms" and median > LONGEST_SONG):
        return "ms"
    if named == "min":
        return "min" if median <= LONGEST_SONG / 60 else None
    if SHORTEST_SONG <= median <= LONGEST_SONG or named == "s":
        return "s"
    return named if median <= 0 else None
