"""Scores of boosted trees, beside LightGBM's own."""

import numpy as np
import pytest
from lightgbm import LGBMClassifier

from ml import boosting
from ml.boosting import boosted_probabilities, raw_scores


def fitted(genres: int, *, rows: int = 3_000, **settings: float) -> tuple[LGBMClassifier, np.ndarray]:
    """A classifier of `genres` classes, one with so few rows that its trees cannot grow, and rows to score."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=(rows, 6))
    values[:, 4] = rng.integers(0, 2, rows)
    values[:, 5] = np.round(values[:, 5], 1)
    y = np.clip((values[:, 0] + 2 * values[:, 4] + values[:, 5] + 3) * genres / 8, 1, genres - 1).astype(int)
    y[:2] = 0
    classifier = LGBMClassifier(n_estimators=7, n_jobs=1, verbose=-1, random_state=1, **settings).fit(values, y)
    return classifier, np.concatenate([values, np.round(rng.normal(size=(boosting.MANY, 6)), 1)])


@pytest.mark.parametrize("settings", [{}, {"num_leaves": 5}, {"colsample_bytree": 0.3}, {"min_child_samples": 2_000}])
def test_scores_are_lightgbms_to_the_last_digit(settings: dict[str, float]) -> None:
    """Guards against a row that takes another way through a tree, at a threshold or in a tree of one leaf."""
    classifier, values = fitted(9, **settings)
    booster = classifier.booster_
    thresholds = booster.trees_to_dataframe().dropna(subset=["threshold"])
    for number, (feature, threshold) in enumerate(thresholds[["split_feature", "threshold"]].to_numpy()):
        values[number % len(values), int(feature.removeprefix("Column_"))] = threshold
    assert np.array_equal(raw_scores(booster, values), booster.predict(values, raw_score=True))
    assert np.allclose(boosted_probabilities(classifier, values), classifier.predict_proba(values), rtol=1e-12, atol=0)


def test_a_row_scores_the_same_alone_and_among_many() -> None:
    """Guards against a song whose probabilities depend on the batch it is in."""
    classifier, values = fitted(9)
    assert len(values) >= boosting.MANY
    assert np.array_equal(
        boosted_probabilities(classifier, values)[-3:], boosted_probabilities(classifier, values[-3:])
    )


@pytest.mark.parametrize("settings", [{"genres": 2}, {"genres": 5, "num_leaves": 60}])
def test_what_does_not_fit_into_a_word_is_left_to_lightgbm(settings: dict[str, int]) -> None:
    """Guards against leaves beyond the thirty-second, and against two classes, which share a tree."""
    classifier, values = fitted(**settings)
    assert np.allclose(boosted_probabilities(classifier, values), classifier.predict_proba(values), rtol=1e-12, atol=0)


def test_unknown_values_are_left_to_lightgbm() -> None:
    """Guards against NaN taken for a large number."""
    classifier, values = fitted(5)
    values[::3, 0] = np.nan
    assert np.array_equal(raw_scores(classifier.booster_, values), classifier.booster_.predict(values, raw_score=True))
