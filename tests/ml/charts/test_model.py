"""Charts of a run as figures: the numbers in them equal those worked out by hand on tiny tables."""

import pandas as pd
import pytest

from ml.charts import model
from ml.charts.style import BLUE, GREY, ORANGE, NothingToDraw


def scores() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "genre": ["A", "B", "C"],
            "family": "",
            "n_tracks": [100, 10, 5],
            "support": [1234, 3, 0],
            "precision": [0.5, 0.1, 0.0],
            "recall": [1 / 3, 0.9, 0.0],
            "f1": [0.4, 0.18, 0.0],
        }
    )


def test_f1_bars_are_sorted_and_leave_out_what_was_not_tested() -> None:
    """Guards against bars that lose their genre, and against 0 for a genre without a held-out track."""
    drawing = model.f1(scores())
    (bars,) = drawing.figure.data
    assert (list(bars.y), list(bars.x)) == (["A", "B"], [0.4, 0.18])
    assert bars.hovertext[0] == "<b>A</b><br>F1 0.40, precision 0.50, recall 0.33<br>1,234 held-out tracks<br>"
    assert drawing.note == "Without a held-out track, and so not shown: C."
    assert drawing.title == "A is recognised best, with F1 0.40; B worst, with 0.18"


def test_f1_of_untested_genres_alone_is_refused() -> None:
    """Guards against an empty chart that looks like a model that knows nothing."""
    with pytest.raises(NothingToDraw, match="more artists"):
        model.f1(scores().assign(support=0))


def test_every_point_of_precision_and_recall_is_named() -> None:
    """Guards against points without a genre, and against recall drawn as precision."""
    drawing = model.precision_recall(scores())
    precision, recall = drawing.figure.data
    assert (list(precision.x), list(precision.y), list(recall.y)) == ([100, 10], [0.5, 0.1], [0.3333, 0.9])
    assert recall.hovertext[1].startswith("<b>B</b><br>recall 0.90<br>10 tracks, 3 held out")


def test_the_title_says_whether_precision_and_recall_rise_with_tracks() -> None:
    """Guards against the study's reading repeated where the figures say otherwise."""
    table = pd.DataFrame(
        {
            "genre": list("ABCDE"),
            "n_tracks": [10, 20, 30, 40, 50],
            "support": 5,
            "precision": [0.1, 0.2, 0.3, 0.4, 0.5],
            "recall": [0.5, 0.4, 0.3, 0.2, 0.1],
        }
    )
    assert model.precision_recall(table).title == (
        "Precision rises with a genre's tracks, recall falls (rank correlations +1.00, −1.00)"
    )


def test_confusions_are_shares_of_a_row_and_like_genres_are_neighbours() -> None:
    """Guards against shares of columns, and against the alphabet as an order. A and C are taken for each other."""
    counts = pd.DataFrame(
        [("A", "A", 6), ("A", "C", 4), ("B", "B", 5), ("C", "A", 2), ("C", "C", 2), ("D", "D", 3), ("D", "B", 1)],
        columns=["genre", "predicted_genre", "tracks"],
    )
    table = model.confusion_table(counts)
    assert table["share"].tolist() == [0.6, 0.4, 1.0, 0.5, 0.5, 0.75, 0.25]
    drawing = model.confusions(table)
    (heat,) = drawing.figure.data
    order = list(heat.y)
    assert list(heat.x) == order
    assert abs(order.index("A") - order.index("C")) == 1
    assert abs(order.index("B") - order.index("D")) == 1
    assert heat.z[order.index("C")][order.index("A")] == 0.5
    assert heat.z[order.index("A")][order.index("C")] == 0.4
    assert drawing.title == "C is most often mistaken: for A, 50% of its tracks"


def test_a_genre_that_is_only_ever_predicted_has_an_empty_row() -> None:
    """Guards against a matrix that fails where a genre has no held-out track."""
    counts = pd.DataFrame([("A", "A", 1), ("A", "B", 1)], columns=["genre", "predicted_genre", "tracks"])
    (heat,) = model.confusions(model.confusion_table(counts)).figure.data
    assert [list(row) for row in heat.z] == [[0.5, 0.5], [0, 0]]


def test_a_sankey_has_twelve_genres_and_one_band_for_the_rest() -> None:
    """Guards against probability that disappears from the picture."""
    names = [f"genre {number:02}" for number in range(15)]
    shares = [0.30, 0.20, 0.10, 0.05, 0.05, 0.05, 0.05, 0.05, 0.04, 0.03, 0.02, 0.02, 0.02, 0.01, 0.01]
    means = pd.DataFrame({"genre": "genre 00", "predicted_genre": names, "probability": shares, "n_tracks": 7})
    table = model.runner_up_table(means)
    assert table["predicted_genre"].tolist() == [*names[:12], "3 other genres"]
    drawing = model.runner_ups(table)
    (band,) = drawing.figure.data
    assert list(band.link.value) == pytest.approx([*shares[:12], 0.04])
    assert list(band.node.label) == [
        *[f"{name} {share:.1%}" for name, share in zip(names[:12], shares, strict=False)],
        "3 other genres 4.0%",
        "genre 00 (7 tracks)",
        "",
    ]
    assert list(band.link.source) == [13] * 12 + [14]
    assert list(band.node.color) == [BLUE, *[ORANGE] * 11, GREY, BLUE, BLUE]
    assert drawing.title == "genre 00 tracks: 30% of the probability is on genre 00, 20% on genre 01"


def test_the_bars_of_a_sankey_stand_in_order_and_do_not_meet() -> None:
    """Guards against bands that cross: Plotly puts the widest where it likes unless every bar has its place."""
    means = pd.DataFrame(
        {"genre": "A", "predicted_genre": list("BACD"), "probability": [0.5, 0.3, 0.15, 0.05], "n_tracks": 1}
    )
    (band,) = model.runner_ups(model.runner_up_table(means)).figure.data
    gap = 0.027  # so 0.919 of the height is left for the bars: 0.4595, 0.2757, 0.13785 and 0.04595
    middles = [0.22975, 0.4595 + gap + 0.13785, 0.7352 + 2 * gap + 0.068925, 0.87305 + 3 * gap + 0.022975]
    assert list(band.node.y) == pytest.approx([*middles, 0.5], abs=1e-3)
    assert list(band.node.label[:4]) == ["B 50.0%", "A 30.0%", "C 15.0%", "D 5.0%"]


def test_every_genre_can_be_chosen_and_the_largest_is_first() -> None:
    """Guards against a Sankey of six genres, as the study had."""
    means = pd.DataFrame(
        {
            "genre": ["A", "A", "B", "B"],
            "predicted_genre": ["A", "B", "A", "B"],
            "probability": [0.6, 0.4, 0.3, 0.7],
            "n_tracks": [2, 2, 5, 5],
        }
    )
    drawing = model.runner_ups(model.runner_up_table(means))
    assert list(drawing.choices) == ["B", "A"]
    (band,) = drawing.chosen("A").data
    assert list(band.link.value) == [0.6, 0.4]
    assert drawing.choices["A"]["title"] == "A tracks: 60% of the probability is on A, 40% on B"


def test_importances_are_points_of_top_1_with_their_deviation() -> None:
    """Guards against shares under an axis of percentage points."""
    table = pd.DataFrame(
        {"feature": ["mode", "duration_ms"], "importance": [-0.001, 0.05], "standard_deviation": [0.002, 0.01]}
    )
    drawing = model.importances(table)
    (bars,) = drawing.figure.data
    assert (list(bars.y), list(bars.x)) == (["duration", "mode"], [5.0, -0.1])
    assert list(bars.error_x.array) == [1.0, 0.2]
    assert drawing.title == "Duration matters most: shuffled, top-1 falls by 5.0 points"


def test_the_calibration_curve_sets_accuracy_against_confidence() -> None:
    """Guards against axes swapped, and against bins that weigh alike. Off by (30 x 0.1 + 10 x 0.2) / 40."""
    bins = pd.DataFrame(
        {
            "lower_bound": [0.0, 0.5, 0.9],
            "upper_bound": [0.5, 0.9, 1.0],
            "tracks": [30, 10, 0],
            "mean_confidence": [0.3, 0.8, float("nan")],
            "accuracy": [0.2, 0.6, float("nan")],
        }
    )
    drawing = model.calibration(bins)
    ideal, curve, counts = drawing.figure.data
    assert (list(ideal.x), list(ideal.y)) == ([0, 1], [0, 1])
    assert (list(curve.x), list(curve.y)) == ([0.3, 0.8], [0.2, 0.6])
    assert (list(counts.x), list(counts.y), list(counts.width)) == ([0.25, 0.7], [30, 10], [0.5, 0.4])
    assert drawing.title == "The model's probabilities are off by 12.5 points, and on the whole overconfident"
