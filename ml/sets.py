"""Sets of genres that hold the right one nine times in ten: split conformal prediction.

Belongs here: from which probability on a genre is in the set, and how often such sets hold the right genre. Not here:
on which tracks that is found out (training.py), and how sets are shown.

A set has every genre that is at least as probable as a threshold: the least ambiguous sets of Sadinle, Lei and
Wasserman (2019), JASA 114, 223-234. MAPIE has them too, but wants an estimator and its inputs where probabilities of
several folds are at hand, and gives the threshold, which a model's file needs, by private attributes alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import GroupKFold

ONE_IN = 10
"""The set may miss the right genre for one track in so many."""


@dataclass(frozen=True)
class Measured:
    """For each track whether its set holds its genre (`covered`), and how many genres the set has (`sizes`)."""

    covered: np.ndarray
    sizes: np.ndarray


def threshold(right: np.ndarray) -> float:
    """The probability from which on a genre is in the set, by the `right` genres' probabilities on held-out tracks.

    It is the k-th smallest of them, k = floor((n + 1) / 10), so that of tracks like these at most one in ten is missed
    (Angelopoulos and Bates 2023, section 1); 0, which takes all genres, for fewer than nine tracks.
    """
    place = (len(right) + 1) // ONE_IN
    if not place:
        return 0.0
    # Rounded down: a probability's last digits depend on how many songs are scored at once.
    return math.floor(np.partition(right, place - 1)[place - 1] * 1e6) / 1e6


def members(probabilities: np.ndarray, limit: float | np.ndarray) -> np.ndarray:
    """Which genres are in each track's set: those from `limit` on, and always the most probable. Tracks x genres."""
    found = probabilities >= limit
    found[np.arange(len(found)), probabilities.argmax(axis=1)] = True
    return found


def measure(true: np.ndarray, probabilities: np.ndarray, artists: np.ndarray, *, seed: int) -> Measured | None:
    """How sets fare on artists that had no part in their threshold; None where there are fewer than two artists.

    `true` is the column of each track's genre. The artists are halved at random: the threshold from one half is
    measured on the other, and the reverse.
    """
    if len(np.unique(artists)) < 2:
        return None
    rows = np.arange(len(true))
    right, limits = probabilities[rows, true], np.empty((len(true), 1))
    for one, other in GroupKFold(2, shuffle=True, random_state=seed).split(right, groups=artists):
        limits[other] = threshold(right[one])
    found = members(probabilities, limits)
    return Measured(found[rows, true], np.count_nonzero(found, axis=1))


def together(parts: Sequence[Measured | None]) -> Measured | None:
    """What was measured of several folds, in their order; None where one of them could not be, or there is none."""
    found = [part for part in parts if part is not None]
    if not found or len(found) < len(parts):
        return None
    return Measured(np.concatenate([part.covered for part in found]), np.concatenate([part.sizes for part in found]))
