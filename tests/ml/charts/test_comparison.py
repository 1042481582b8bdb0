"""Charts that compare runs as figures: the numbers in them equal those written by hand."""

import pandas as pd
import pytest

from ml.charts import comparison
from ml.charts.style import NothingToDraw


def test_the_answer_sets_the_model_beside_majority_and_study() -> None:
    """Guards against intervals on the wrong side, and a ratio to another figure."""
    table = pd.DataFrame(
        [
            ("forest (this model)", "top_1", 0.30, 0.25, 0.36), ("forest (this model)", "top_3", 0.50, 0.45, 0.55),
            ("always the commonest genres", "top_1", 0.05, 0.04, 0.06),
            ("published by the study, on its data", "top_3", 0.3047, None, None),
        ],
        columns=["contender", "figure", "value", "low", "high"],
    )  # fmt: skip
    drawing = comparison.answer(table)
    ours, majority, study = drawing.figure.data
    assert (list(ours.x), list(ours.y)) == ([0.3, 0.5], ["top-1", "top-3"])
    assert list(ours.error_x.array) == pytest.approx([0.06, 0.05])
    assert list(ours.error_x.arrayminus) == pytest.approx([0.05, 0.05])
    assert list(majority.x) == [0.05]
    assert (list(study.x), list(study.y), list(study.error_x.array)) == ([0.3047], ["top-3"], [0])
    assert drawing.title == "The model's first guess is right 6.0 times as often as always naming the commonest genre"


def runs() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "model": ["forest", "knn", "prior"],
            "features": "audio",
            "top_1": [0.30, 0.28, 0.02],
            "top_1_low": [0.27, 0.25, 0.01],
            "top_1_high": [0.33, 0.31, 0.03],
            "fit_seconds": [60.0, 0.5, 0.01],
            "model_bytes": [25_000_000, None, None],
        }
    )


def test_models_are_set_against_their_seconds_and_megabytes() -> None:
    """Guards against a model without a file drawn at zero bytes, and bytes under an axis of megabytes."""
    drawing = comparison.models(runs())
    seconds, sizes = drawing.figure.data
    assert (list(seconds.x), list(seconds.y), list(seconds.text)) == (
        [60.0, 0.5, 0.01], [0.3, 0.28, 0.02], ["forest", "knn", "prior"],
    )  # fmt: skip
    assert list(seconds.textposition) == ["middle left", "middle right", "middle right"]
    assert (list(sizes.x), list(sizes.text)) == ([25.0], ["forest"])
    assert drawing.title == (
        "forest is right most often, 30.0%, after 60 s of fitting; knn comes within a tenth of it in 0.5 s"
    )


def test_one_model_is_no_comparison() -> None:
    """Guards against a chart of a single point."""
    with pytest.raises(NothingToDraw, match="Only one model"):
        comparison.models(runs().head(1))


def test_protocols_set_what_was_measured_beside_what_was_published() -> None:
    """Guards against the study's figures taken for ours, or set beside another model's."""
    table = pd.DataFrame(
        [
            ("artist_grouped", 1, "knn", "audio", "top_3", 0.2, 0.1, 0.3, 90, None),
            ("artist_grouped", 5, "knn", "audio", "top_3", 0.25, 0.2, 0.3, 300, None),
            ("study_2023_04", 1, "knn", "audio", "top_3", 0.4, None, None, 80, 0.1895),
            ("study_2023_04", None, "logistic", None, "top_3", None, None, None, None, 0.2624),
            ("study_2023_05", 1, "knn", "audio+title", "top_1", 0.5, 0.4, 0.6, 70, 0.6),
        ],
        columns=["protocol", "folds", "model", "features", "figure", "value", "low", "high", "n_test", "published"],
    )
    drawing = comparison.protocols(table)
    assert list(drawing.choices) == ["top-3", "top-1"]
    measured, published = drawing.figure.data
    assert dict(zip(measured.y, measured.x, strict=True)) == {
        "artist_grouped: knn": 0.2, "artist_grouped: knn, 5 folds": 0.25, "study_2023_04: knn": 0.4,
    }  # fmt: skip
    assert dict(zip(published.y, published.x, strict=True)) == {
        "study_2023_04: knn": 0.1895, "study_2023_04: logistic": 0.2624,
    }  # fmt: skip
    assert drawing.title == "Keeping artists apart costs knn 20.0 points of top-3: 20.0% against 40.0%"
    assert drawing.choices["top-1"]["title"] == "Top-1 under each protocol"
    top_1 = drawing.chosen("top-1")
    assert list(top_1.data[0].y) == list(top_1.data[1].y) == ["study_2023_05: knn (audio+title)"]


def test_scores_that_nobody_measured_are_no_rows() -> None:
    """Guards against a published figure that is missing counted as zero."""
    wide = pd.DataFrame({"run_id": ["a"], "top_1": [0.5], "top_1_low": [0.4], "top_1_high": [0.6], "macro_f1": [None],
                         "macro_f1_low": [None], "macro_f1_high": [None]})  # fmt: skip
    assert comparison.long_scores(wide).to_dict("records") == [
        {"run_id": "a", "figure": "top_1", "value": 0.5, "low": 0.4, "high": 0.6}
    ]


def test_popularity_on_held_out_artists_stands_beside_that_on_tracks_learnt() -> None:
    """Guards against the flattering figure in the title, and intervals on the wrong side."""
    table = pd.DataFrame(
        [("sound and genre", 0.09, 0.07, 0.12, 0.28, 8552), ("sound, genre and year", 0.16, 0.13, 0.20, 0.34, 8552)],
        columns=["inputs", "r2", "r2_low", "r2_high", "r2_training", "n_test"],
    )
    drawing = comparison.popularity(table)
    held_out, learnt = drawing.figure.data
    assert (list(held_out.x), list(learnt.x)) == ([0.09, 0.16], [0.28, 0.34])
    assert list(held_out.error_x.array) == pytest.approx([0.03, 0.04])
    assert list(held_out.error_x.arrayminus) == pytest.approx([0.02, 0.03])
    assert drawing.title == (
        "For artists not seen, sound and genre tell 9% of the differences in popularity, with the year 16%"
    )
