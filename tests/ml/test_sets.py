"""Sets of genres: their threshold, worked out by hand, and whether they keep their promise."""

import numpy as np
import pytest

from ml import sets
from ml.sets import Measured, measure, members, threshold, together


def test_the_threshold_is_the_tenth_smallest_with_one_track_more_than_there_are() -> None:
    """Guards against a plain quantile, which promises too much of few tracks.

    Of 19 tracks, floor(20 / 10) = 2: the second smallest of .05, .10, .15, … is .10; .90 of 19 would be the third.
    """
    right = np.arange(1, 20) / 20
    assert threshold(np.random.default_rng(0).permutation(right)) == pytest.approx(0.10, abs=1e-6)
    assert threshold(np.array([0.3] * 9)) == pytest.approx(0.3, abs=1e-6)
    assert threshold(np.array([0.3] * 8)) == 0.0, "of eight tracks nothing can be promised but all genres"
    assert threshold(np.array([])) == 0.0


def test_a_threshold_is_never_above_the_probability_that_it_is_made_of() -> None:
    """Guards against a track that falls out of its own set by a digit that another batch rounds otherwise."""
    right = np.random.default_rng(1).uniform(size=999)
    place = np.sort(right)[99]
    assert place - 1e-6 < threshold(right) <= place


def test_a_set_has_the_genres_from_the_threshold_on_and_is_never_empty() -> None:
    """Guards against a song without any genre where the model is unsure of all."""
    probabilities = np.array([[0.6, 0.3, 0.1], [0.3, 0.4, 0.3], [0.5, 0.5, 0.0]])
    assert members(probabilities, 0.3).tolist() == [[True, True, False], [True, True, True], [True, True, False]]
    assert members(probabilities, 0.9).tolist() == [[True, False, False], [False, True, False], [True, False, False]]


def made_up(artists: int, tracks: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns of genres drawn by the very probabilities beside them, and artists: what a set is promised of."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(12, 0.4), size=artists * tracks)
    true = (probabilities.cumsum(axis=1) > rng.uniform(size=(len(probabilities), 1))).argmax(axis=1)
    return true, probabilities, np.repeat(np.arange(artists), tracks)


def test_nine_in_ten_sets_hold_the_right_genre() -> None:
    """Guards against sets that miss more often than they promise, or that are larger than they need to be."""
    covered = [found.covered.mean() for seed in range(20) if (found := measure(*made_up(200, 3, seed), seed=seed))]
    assert len(covered) == 20
    assert np.mean(covered) == pytest.approx(0.9, abs=0.01)


def test_the_halves_share_no_artist(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against sets that are measured on the artists by whom they were set."""
    artists = np.repeat(np.arange(30), 4)
    right = artists / 100  # says whose track it is
    probabilities = np.column_stack([right, 1 - right])
    given: list[set[float]] = []

    def seen(values: np.ndarray) -> float:
        given.append(set(values))
        return 0.05 * len(given)

    monkeypatch.setattr(sets, "threshold", seen)
    found = measure(np.zeros(120, dtype=int), probabilities, artists, seed=1)
    assert found
    assert len(given) == 2
    assert not given[0] & given[1]
    assert given[0] | given[1] == set(right)
    for value, covered in zip(right, found.covered, strict=True):
        assert covered == (value >= (0.05 if value in given[1] else 0.10)), "measured by the other half's threshold"


def test_sets_are_counted_as_they_are() -> None:
    """Guards against sizes of other sets than those that are measured; two artists are the fewest."""
    true, probabilities, artists = made_up(40, 2, 5)
    found = measure(true, probabilities, artists, seed=1)
    again = measure(true, probabilities, artists, seed=1)
    assert found and again
    assert found.sizes.min() >= 1
    assert found.sizes.tolist() == again.sizes.tolist()
    assert measure(true[:2], probabilities[:2], artists[:2], seed=1) is None
    both = together([found, found])
    assert both and len(both.covered) == len(both.sizes) == 160
    assert together([found, None]) is None and together([]) is None
    assert isinstance(both, Measured)
