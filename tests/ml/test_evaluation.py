"""Figures against numbers worked out by hand."""

import math
import time

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.metrics import log_loss

from ml.evaluation import calibration, confusions, importances, runner_ups, score, score_genres, surprises
from ml.sets import Measured

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


def test_any_genre_of_a_track_is_right() -> None:
    """Guards against a second chance for a genre that no model can name, and a lost one for the first listing.

    The second track, whose genre is third, is listed under b too, its first guess. The third, second by its own genre,
    stays so: c is third, and no class is called d. The fourth is right as it is.
    """
    further = pd.DataFrame({"row": [1, 2, 2, 3], "genre": ["b", "c", "d", "a"]})
    scores = score(GENRES, PROBABILITIES, CLASSES, also_listed=further)
    assert (scores.top_1, scores.top_1_any, scores.top_3, scores.top_3_any) == (0.5, 0.75, 1.0, 1.0)
    alone = score(GENRES, PROBABILITIES, CLASSES)
    assert (alone.top_1_any, alone.top_3_any) == (alone.top_1, alone.top_3)
    found = confusions(GENRES, PROBABILITIES, CLASSES, further)
    assert found.to_numpy().tolist() == [["a", "a", 1, 1], ["a", "b", 1, 1], ["b", "a", 1, 0], ["c", "c", 1, 1]]


def test_coverage_and_sizes_of_sets_are_means_of_tracks_and_of_genres() -> None:
    """Guards against a genre that is given another's coverage."""
    sets = Measured(np.array([True, False, True, True]), np.array([1, 2, 3, 2]))
    scores = score(GENRES, PROBABILITIES, CLASSES, sets=sets, artists=np.arange(4))
    assert (scores.coverage, scores.set_size) == (0.75, 2.0)
    assert scores.coverage_low <= 0.75 <= scores.coverage_high
    rows = score_genres(GENRES, PROBABILITIES, CLASSES, sets).set_index("genre")
    assert rows["coverage"].to_dict() == {"a": 0.5, "b": 1.0, "c": 1.0}
    assert rows["set_size"].to_dict() == {"a": 1.5, "b": 3.0, "c": 2.0}
    assert score_genres(GENRES, PROBABILITIES, CLASSES)["coverage"].isna().all()
    assert math.isnan(score(GENRES, PROBABILITIES, CLASSES).coverage)


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
    assert rows.loc[("a", "b"), "summed_probability"] == pytest.approx(0.8)
    assert len(rows) == 9


def test_log_loss_is_scikit_learns_where_a_probability_is_zero_too() -> None:
    """Guards against an infinite loss for a genre that no neighbour has."""
    probabilities = np.array([[1.0, 0.0, 0.0], [0.5, 0.25, 0.25], [0.0, 1.0, 0.0], [0.0, 0.5, 0.5]])
    expected = log_loss(GENRES, probabilities, labels=CLASSES)
    assert score(GENRES, probabilities, CLASSES).log_loss == pytest.approx(expected)


def test_the_calibration_curve_and_its_error() -> None:
    """Guards against bins by the true genre's probability, and against an error that is not weighted by tracks."""
    curve = calibration(GENRES, PROBABILITIES, CLASSES)
    # Confidences .6, .5, .4, .7 in fifteenths: 9, 7.5, 6, 10.5, so the bins 9, 8, 6, 11; right: yes, no, no, yes.
    assert curve["bin"].tolist() == [6, 8, 9, 11]
    assert curve["accuracy"].tolist() == [0.0, 0.0, 1.0, 1.0]
    assert curve["mean_confidence"].tolist() == pytest.approx([0.4, 0.5, 0.6, 0.7])
    assert curve["tracks"].tolist() == [1, 1, 1, 1]
    assert (curve["lower_bound"] < curve["mean_confidence"]).all()
    assert (curve["mean_confidence"] <= curve["upper_bound"] + 1e-12).all()
    assert score(GENRES, PROBABILITIES, CLASSES).ece == pytest.approx((0.4 + 0.5 + 0.4 + 0.3) / 4)


def test_confusions_count_tracks_of_the_true_genre() -> None:
    """Guards against true and predicted in each other's place, and against rows of zero tracks."""
    found = confusions(GENRES, PROBABILITIES, CLASSES)
    assert found.to_numpy().tolist() == [["a", "a", 1, 1], ["a", "b", 1, 0], ["b", "a", 1, 0], ["c", "c", 1, 1]]


def test_surprises_begin_with_the_most_confident() -> None:
    """Guards against guesses that are unsure, and right ones among the wrong."""
    found = surprises(GENRES, PROBABILITIES, CLASSES, count=1)
    assert found[["row", "kind", "rank", "genre", "predicted_genre", "probability"]].to_numpy().tolist() == [
        [3, "sure_and_right", 1, "c", "c", 0.7],
        [1, "sure_and_wrong", 1, "a", "b", 0.5],
    ]
    assert surprises(GENRES, PROBABILITIES, CLASSES)["row"].tolist() == [3, 0, 1, 2]


def draw(n_artists: int, tracks_each: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Genres, probabilities and artists where all tracks of an artist fare alike."""
    rng = np.random.default_rng(seed)
    genre, fares = rng.integers(3, size=n_artists), rng.dirichlet(np.ones(3), size=n_artists)
    artists = np.repeat(np.arange(n_artists), tracks_each)
    return CLASSES[genre[artists]], fares[artists], artists


def test_intervals_are_those_of_artists_drawn_with_their_tracks() -> None:
    """Guards against intervals over tracks, which are far too narrow where an artist has many.

    The expected bounds are worked out the slow way: for each resample, the tracks of the drawn artists are scored.
    """
    genres, probabilities, artists = draw(n_artists=40, tracks_each=5)
    scores = score(genres, probabilities, CLASSES, artists=artists)
    rng, slow = np.random.default_rng(99), []
    for _ in range(400):
        rows = np.concatenate([np.flatnonzero(artists == artist) for artist in rng.integers(40, size=40)])
        again = score(genres[rows], probabilities[rows], CLASSES)
        slow.append((again.top_1, again.macro_f1, again.log_loss))
    low, high = np.percentile(slow, [2.5, 97.5], axis=0)
    assert (scores.top_1_low, scores.macro_f1_low, scores.log_loss_low) == pytest.approx(tuple(low), abs=0.04)
    assert (scores.top_1_high, scores.macro_f1_high, scores.log_loss_high) == pytest.approx(tuple(high), abs=0.04)
    by_track = score(genres, probabilities, CLASSES, artists=np.arange(len(genres)))
    assert scores.top_1_high - scores.top_1_low > 1.8 * (by_track.top_1_high - by_track.top_1_low)


def test_intervals_repeat_and_need_two_artists() -> None:
    """Guards against figures that change from run to run, and an interval of width zero that looks like certainty."""
    genres, probabilities, artists = draw(n_artists=20, tracks_each=2)
    first = score(genres, probabilities, CLASSES, artists=artists)
    assert first == score(genres, probabilities, CLASSES, artists=artists)
    assert first != score(genres, probabilities, CLASSES, artists=artists, seed=1)
    assert math.isnan(score(genres, probabilities, CLASSES, artists=np.zeros(40, dtype=int)).top_1_low)


def test_intervals_at_full_size_take_seconds() -> None:
    """Guards against a bootstrap that takes minutes (or a matrix of artists x resamples) on the study's full size."""
    rng = np.random.default_rng(0)
    classes = np.array(sorted(f"genre {number}" for number in range(132)), dtype=object)
    genres, artists = classes[rng.integers(132, size=165_000)], rng.integers(60_000, size=165_000)
    probabilities = rng.random((165_000, 132))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    started = time.process_time()
    score(genres, probabilities, classes, artists=artists)
    assert time.process_time() - started < 30


def test_a_feature_without_use_has_no_importance() -> None:
    """Guards against importances of columns in another's place."""
    inputs = pd.DataFrame({"noise": np.arange(300.0), "loudness": np.repeat([0.0, 1.0, 2.0], 100)})
    genres = np.repeat(CLASSES, 100)

    def guess(frame: pd.DataFrame) -> np.ndarray:
        return CLASSES[frame["loudness"].to_numpy(dtype=int)]

    found = importances(DummyClassifier(), guess, inputs, genres, repeats=4, seed=1)
    assert found.shape == (2, 4)
    assert found[0].tolist() == [0, 0, 0, 0]
    assert found[1].mean() == pytest.approx(2 / 3, abs=0.1)
