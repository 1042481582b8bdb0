"""Charts as figures: the numbers in them equal those worked out by hand on tiny tables."""

import pandas as pd
import pytest

from ml.charts import data, model


def test_the_waterfall_starts_at_all_listings_and_ends_at_the_clean_tracks() -> None:
    """Guards against a bar for what is left where one for what was taken belongs."""
    audit = pd.DataFrame(
        {
            "rule": ["listings", "exact_repeat", "track_repeat"],
            "description": ["all", "equal rows", "equal ids"],
            "rows_removed": [0, 3, 2],
            "rows_after": [10, 7, 5],
        }
    )
    (bars,) = data.cleaning(audit)[""].data
    assert list(bars.x) == [10, -3, -2, 5]
    assert list(bars.measure) == ["absolute", "relative", "relative", "total"]
    assert list(bars.y) == ["listings", "exact repeat", "track repeat", "clean tracks"]


def test_distributions_are_shares_of_each_genre_beside_all() -> None:
    """Guards against a small genre drawn against counts of all tracks."""
    bins = pd.DataFrame(
        {
            "genre": ["All genres", "All genres", "Punk", "Punk"],
            "feature": ["energy"] * 4,
            "lower_bound": [0.0, 0.5, 0.0, 0.5],
            "upper_bound": [0.5, 1.0, 0.5, 1.0],
            "tracks": [30, 10, 1, 3],
        }
    )
    figures = data.distributions(bins)
    assert list(figures) == ["All genres", "Punk"]
    pooled, punk = figures["Punk"].data
    assert list(pooled.y) == [0.75, 0.25]
    assert list(punk.y) == [0.25, 0.75]
    assert list(punk.x) == [0.25, 0.75]
    assert len(figures["All genres"].data) == 1


def test_every_point_of_precision_and_recall_is_named() -> None:
    """Guards against points without a genre, and against recall drawn as precision."""
    scores = pd.DataFrame(
        {"genre": ["A", "B"], "n_tracks": [100, 10], "support": [30, 3], "precision": [0.5, 0.1], "recall": [0.2, 0.9]}
    )
    precision, recall = model.precision_recall(scores)[""].data
    assert (list(precision.x), list(precision.y), list(recall.y)) == ([100, 10], [0.5, 0.1], [0.2, 0.9])
    assert recall.hovertext[1].startswith("B: recall 0.90")


def test_a_sankey_has_twelve_genres_and_one_band_for_the_rest() -> None:
    """Guards against probability that disappears from the picture."""
    names = [f"genre {number:02}" for number in range(15)]
    means = pd.DataFrame(
        {
            "genre": "genre 00",
            "predicted_genre": names,
            "probability": [0.30, 0.20, 0.10, 0.05, 0.05, 0.05, 0.05, 0.05, 0.04, 0.03, 0.02, 0.02, 0.02, 0.01, 0.01],
            "n_tracks": 7,
        }
    )
    (band,) = model.runner_ups(means)["genre 00"].data
    assert len(band.link.value) == 13
    assert band.link.value[0] == 0.30
    assert band.link.value[12] == pytest.approx(0.04)
    assert band.node.label[0] == "genre 00 (7 tracks)"
    assert band.node.label[13] == "3 other genres 4.0%"
    assert sum(band.link.value) == pytest.approx(1.0)


def test_f1_bars_keep_the_order_and_name_precision_and_recall() -> None:
    """Guards against bars that lose their genre."""
    scores = pd.DataFrame({"genre": ["A"], "f1": [0.4], "precision": [0.5], "recall": [1 / 3], "support": [1234]})
    (bars,) = model.f1(scores)[""].data
    assert (list(bars.y), list(bars.x)) == (["A"], [0.4])
    assert bars.hovertext[0] == "A<br>F1 0.40, precision 0.50, recall 0.33<br>1,234 held-out tracks"
