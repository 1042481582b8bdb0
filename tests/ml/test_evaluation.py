"""Figures against numbers worked out by hand."""

import math

import numpy as np
import pytest

from ml.evaluation import runner_ups, score, score_genres

CLASSES = np.array(["a", "b", "c"], dtype=object)
GENRES = np.array(["a", "a", "b", "c"], dtype=object)
PROBABILITIES = np.array(
    [
        [0.6, 0.3, 0.1],  # a: right at once
        [0.2, 0.5, 0.3],  # a: third
        [0.4, 0.4, 0.2],  # b: a tie, and a comes first: second
        [0.1, 0.2, 0.7],  # c: right at once
    ]
)


def test_the_right_genre_among_the_first_guesses() -> None:
    """Guards against a rank counted from the wrong end, or ties that always count as right."""
    scores = score(GENRES, PROBABILITIES, CLASSES)
    assert (scores.n, scores.top_1, scores.top_2, scores.top_3, scores.top_4) == (4, 0.5, 0.75, 1.0, 1.0)
    # Guesses are a, b, a, c. F1: a has 1 right of 2 guessed and 2 true: 0.5; b 0 of 1; c 1 of 1.
    assert scores.macro_f1 == pytest.approx((0.5 + 0.0 + 1.0) / 3)
    assert scores.log_loss == pytest.approx(-(math.log(0.6) + math.log(0.2) + math.log(0.4) + math.log(0.7)) / 4)


def test_precision_and_recall_of_each_genre() -> None:
    """Guards against precision and recall in each other's place, and against support of the guesses."""
    rows = score_genres(GENRES, PROBABILITIES, CLASSES).set_index("genre")
    assert rows["precision"].to_dict() == {"a": 0.5, "b": 0.0, "c": 1.0}
    assert rows["recall"].to_dict() == {"a": 0.5, "b": 0.0, "c": 1.0}
    assert rows["support"].to_dict() == {"a": 2, "b": 1, "c": 1}


def test_runner_ups_are_mean_probabilities_of_a_genres_tracks() -> None:
    """Guards against means over the guesses instead of the true genre."""
    rows = runner_ups(GENRES, PROBABILITIES, CLASSES).set_index(["genre", "predicted_genre"])
    assert rows.loc[("a", "a"), "probability"] == pytest.approx(0.4)
    assert rows.loc[("a", "b"), "probability"] == pytest.approx(0.4)
    assert rows.loc[("a", "c"), "probability"] == pytest.approx(0.2)
    assert rows.loc[("c", "c"), "probability"] == pytest.approx(0.7)
    assert rows.loc[("a", "a"), "n_tracks"] == 2
    assert len(rows) == 9
