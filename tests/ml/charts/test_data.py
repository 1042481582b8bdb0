"""Charts of the data as figures: the numbers in them equal those worked out by hand on tiny tables."""

import pandas as pd
import pytest

from ml.charts import data
from ml.charts.style import ALL, BLUE, ORANGE


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
    drawing = data.cleaning(audit)
    (bars,) = drawing.figure.data
    assert list(bars.x) == [10, -3, -2, 5]
    assert list(bars.measure) == ["absolute", "relative", "relative", "total"]
    assert list(bars.y) == ["listings", "exact repeat", "track repeat", "clean tracks"]
    assert drawing.title == "5 of 10 listings are clean tracks; the rule “exact repeat” took most of the others"


def test_tracks_per_genre_are_sorted_and_coloured_by_family() -> None:
    """Guards against bars in the wrong order, or in another family's colour."""
    counts = pd.DataFrame(
        {"genre": ["A", "1999", "C"], "tracks": [5, 30, 10], "family": ["① calm", "② loud", "① calm"]}
    )
    drawing = data.tracks_per_genre(counts)
    calm, loud = drawing.figure.data
    assert (list(calm.y), list(calm.x), calm.marker.color) == (["C", "A"], [10, 5], BLUE)
    assert (list(loud.y), list(loud.x), loud.marker.color) == (["1999"], [30], ORANGE)
    assert list(drawing.figure.layout.yaxis.categoryarray) == ["1999", "C", "A"]
    assert drawing.figure.layout.yaxis.type == "category"
    assert drawing.families == {"① calm": BLUE, "② loud": ORANGE}
    assert drawing.title == "1999 has 30 tracks, A has 5"


def test_the_pairs_that_share_most_tracks_come_first() -> None:
    """Guards against pairs by their number of tracks, which large genres would lead, and pairs left out in silence."""
    rows = [("Dub", "Ska", 2, 0.5), ("Pop", "Rock", 90, 0.25)]
    rows += [(f"a{number:02}", "z", 1, 0.01) for number in range(data.PAIRS_SHOWN)]
    drawing = data.overlap(pd.DataFrame(rows[::-1], columns=["genre", "other_genre", "tracks_in_both", "jaccard"]))
    (bars,) = drawing.figure.data
    assert list(bars.y[:3]) == ["Dub · Ska", "Pop · Rock", "a00 · z"]
    assert (list(bars.x[:2]), list(bars.text[:2])) == ([0.5, 0.25], ["50.0%", "25.0%"])
    assert bars.hovertext[1] == "<b>Pop · Rock</b><br>90 tracks in both"
    assert len(bars.y) == data.PAIRS_SHOWN
    assert drawing.title == "Dub and Ska share most: 50% of their tracks are in both"
    assert drawing.note == "2 more pairs of genres with a track in common: in the table."


def test_decades_are_shares_of_each_genre_and_the_oldest_comes_first() -> None:
    """Guards against large genres that outshine small ones, and a decade without tracks that closes the gap."""
    table = pd.DataFrame(
        [("New", 2010, 3, 2014.0), ("New", 1990, 1, 2014.0), ("Old", 1940, 30, 1951.4), ("Old", 1990, 10, 1951.4)],
        columns=["genre", "decade", "tracks", "mean_year"],
    )
    drawing = data.decades(table)
    (heat,) = drawing.figure.data
    assert list(heat.x) == ["–1949", "1950s", "1960s", "1970s", "1980s", "1990s", "2000s", "2010s"]
    assert list(heat.y) == ["Old", "New"]
    assert [list(row) for row in heat.z] == [[0.75, 0, 0, 0, 0, 0.25, 0, 0], [0, 0, 0, 0, 0, 0.25, 0, 0.75]]
    assert list(heat.customdata[0]) == [30, 0, 0, 0, 0, 10, 0, 0]
    assert heat.texttemplate, "without colour, the figures are left to read"
    assert drawing.title == "The tracks of Old are from 1951 on average, those of New from 2014"
    alone = data.decades(table[table["genre"] == "New"])
    assert alone.title == "The tracks of New are from 2014 on average"


def test_distributions_are_shares_of_each_genre_beside_all() -> None:
    """Guards against a small genre drawn against counts of all tracks, and a bin without tracks that closes the gap.

    Energy in bins of 0.2 (numbers 1, 5, 9, 13), of which the third has no track at all; key in a bin a value.
    """
    table = pd.DataFrame(
        [
            (ALL, "energy", 1, 0.0, 0.2, 30), (ALL, "energy", 5, 0.2, 0.4, 6), (ALL, "energy", 13, 0.6, 0.8, 4),
            ("Punk", "energy", 1, 0.0, 0.2, 1), ("Punk", "energy", 13, 0.6, 0.8, 3),
            ("Jazz", "energy", 1, 0.0, 0.2, 29), ("Jazz", "energy", 5, 0.2, 0.4, 6),
            ("Jazz", "energy", 13, 0.6, 0.8, 1),
            (ALL, "key", 9, 0.0, 0.0, 40), ("Punk", "key", 9, 0.0, 0.0, 4), ("Jazz", "key", 9, 0.0, 0.0, 36),
        ],
        columns=["genre", "feature", "bin", "lower_bound", "upper_bound", "tracks"],
    )  # fmt: skip
    drawing = data.distributions(table)
    assert list(drawing.choices) == ["Jazz", "Punk"]
    pooled, punk, key, punk_key = drawing.chosen("Punk").data
    assert list(pooled.x) == pytest.approx([0.1, 0.3, 0.5, 0.7])
    assert list(pooled.y) == [0.75, 0.15, 0.0, 0.1]
    assert (list(punk.y), punk.name) == ([0.25, 0.0, 0.0, 0.75], "Punk")
    assert (list(key.x), list(key.y), list(punk_key.y)) == ([0.0], [1.0], [1.0])
    assert drawing.choices["Punk"]["title"] == "Punk differs most from all tracks in energy, least in key"


def test_durations_are_shown_in_seconds() -> None:
    """Guards against milliseconds under an axis that says seconds."""
    table = pd.DataFrame(
        {
            "genre": [ALL, "Punk"],
            "feature": ["duration_ms"] * 2,
            "bin": [1, 1],
            "lower_bound": [60_000.0] * 2,
            "upper_bound": [84_000.0] * 2,
            "tracks": [9, 3],
        }
    )
    figure = data.distributions(table).chosen("Punk")
    assert list(figure.data[0].x) == [72.0]
    assert figure.layout.annotations[0].text == "<b>duration (s)</b>"


def test_quantiles_are_read_off_the_bins() -> None:
    """Guards against a quantile of bins instead of tracks. Ten tracks: 4 in 0-1, 4 in 1-2, none in 2-3, 2 in 3-4."""
    table = data.quantiles(
        pd.DataFrame(
            {
                "genre": "A",
                "feature": "energy",
                "lower_bound": [0.0, 1.0, 3.0],
                "upper_bound": [1.0, 2.0, 4.0],
                "tracks": [4, 4, 2],
            }
        )
    )
    (row,) = table.to_dict("records")
    assert row["tracks"] == 10
    assert row["median"] == pytest.approx(1.25)  # the fifth track is a quarter through the second bin
    assert row["first_quartile"] == pytest.approx(0.625)
    assert row["third_quartile"] == pytest.approx(1.875)
    assert row["p05"] == pytest.approx(0.125)
    assert row["p95"] == pytest.approx(3.75)


def test_boxes_are_sorted_by_the_median_of_the_feature_chosen() -> None:
    """Guards against boxes that keep the order of another feature, and against a dotted line of one genre."""
    table = pd.DataFrame(
        [
            (ALL, "energy", 9, 0.1, 0.4, 0.5, 0.6, 0.9), ("A", "energy", 4, 0.1, 0.2, 0.3, 0.4, 0.5),
            ("B", "energy", 5, 0.2, 0.6, 0.7, 0.8, 0.9),
            (ALL, "duration_ms", 9, 1e5, 2e5, 3e5, 4e5, 5e5), ("A", "duration_ms", 4, 1e5, 2e5, 4e5, 5e5, 6e5),
            ("B", "duration_ms", 5, 1e5, 2e5, 25e4, 3e5, 4e5),
        ],
        columns=["genre", "feature", "tracks", *data.QUANTILES],
    )  # fmt: skip
    drawing = data.boxes(table)
    assert list(drawing.choices) == ["energy (0 to 1)", "duration (s)"]
    (energy,) = drawing.figure.data
    assert (list(energy.y), list(energy.median), list(energy.q1)) == (["B", "A"], [0.7, 0.3], [0.6, 0.2])
    assert (list(energy.lowerfence), list(energy.upperfence)) == ([0.2, 0.1], [0.9, 0.5])
    duration = drawing.chosen("duration (s)")
    assert (list(duration.data[0].y), list(duration.data[0].median)) == (["A", "B"], [400.0, 250.0])
    assert duration.layout.shapes[0].x0 == 300.0
    assert drawing.choices["duration (s)"]["title"] == "Median duration of A: 400; of B: 250 (s)"


def test_the_correlations_are_a_matrix_in_the_studys_order() -> None:
    """Guards against a heat map whose rows and columns have other orders, and a title of a pair with itself."""
    pairs = pd.DataFrame(
        [
            ("tempo", "tempo", 1.0), ("tempo", "energy", -0.8), ("energy", "tempo", -0.8), ("energy", "energy", 1.0),
            ("energy", "mode", None), ("mode", "energy", None), ("mode", "tempo", 0.3), ("tempo", "mode", 0.3),
            ("mode", "mode", None),
        ],
        columns=["feature", "other_feature", "correlation"],
    )  # fmt: skip
    drawing = data.correlation(pairs)
    (heat,) = drawing.figure.data
    assert list(heat.y) == list(heat.x) == ["energy", "mode", "tempo"]
    assert [list(row) for row in heat.z] == [[1.0, None, -0.8], [None, None, 0.3], [-0.8, 0.3, 1.0]]
    assert drawing.title == "Energy and tempo go opposite ways most: r = −0.80"
