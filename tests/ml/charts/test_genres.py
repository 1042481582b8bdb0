"""Families and the map: which genres sound alike, worked out by hand on tiny tables."""

import pandas as pd
import pytest

from ml.charts import genres
from ml.charts.style import FAMILY_MARKS, NothingToDraw
from ml.clusters import standardised_means


def summary(means: dict[str, dict[str, float]]) -> pd.DataFrame:
    rows = [
        (genre, feature, mean, 10 + place)
        for place, (genre, features) in enumerate(means.items())
        for feature, mean in features.items()
    ]
    return pd.DataFrame(rows, columns=["genre", "feature", "mean", "tracks"])


CALM = {"energy": 0.2, "acousticness": 0.9, "key": 5.0}
LOUD = {"energy": 0.9, "acousticness": 0.1, "key": 5.0}
EIGHT = summary(
    {name: CALM | {"energy": 0.2 + 0.01 * place} for place, name in enumerate("ABCD")}
    | {name: LOUD | {"energy": 0.9 + 0.01 * place} for place, name in enumerate("WXYZ")}
)


def test_means_are_standardised_over_genres_and_keys_do_not_count() -> None:
    """Guards against loudness in dB outweighing everything, and against means of pitch classes."""
    table = standardised_means(summary({"A": CALM, "B": LOUD}))
    assert list(table.columns) == ["energy", "acousticness"]
    assert table.loc["A"].tolist() == pytest.approx([-1.0, 1.0])
    assert table.loc["B"].tolist() == pytest.approx([1.0, -1.0])


def test_a_feature_that_no_genre_differs_in_counts_as_average() -> None:
    """Guards against a division by no deviation."""
    table = standardised_means(summary({"A": {"energy": 0.5}, "B": {"energy": 0.5}}))
    assert table["energy"].tolist() == [0.0, 0.0]


def test_genres_that_sound_alike_are_one_family_and_calm_ones_come_first() -> None:
    """Guards against families by name or by size. Eight genres: two families, most apart in acousticness."""
    found = genres.families(EIGHT)
    assert set(found[list("ABCD")]) == {"① acoustic, calm"}
    assert set(found[list("WXYZ")]) == {"② electric, energetic"}


def test_any_number_of_genres_has_families_that_marks_tell_apart() -> None:
    """Guards against more families than colours, and a crash for one genre."""
    assert genres.families(summary({"A": CALM})).to_dict() == {"A": ""}
    many = summary({f"g{number}": {"energy": number / 200, "tempo": number * 7 % 120} for number in range(150)})
    found = genres.families(many)
    assert found.nunique() == len(FAMILY_MARKS)
    assert {name[0] for name in found} == set(FAMILY_MARKS)


def test_the_map_puts_energy_to_the_right_and_names_the_nearest() -> None:
    """Guards against a map mirrored from one run to the next, and neighbours that are not."""
    table = genres.map_table(EIGHT).set_index("genre")
    assert (table.loc[list("ABCD"), "first"] < 0).all()
    assert (table.loc[list("WXYZ"), "first"] > 0).all()
    assert table.loc["A", "nearest"].split("; ")[:3] == ["B", "C", "D"]
    assert len(table.loc["A", "nearest"].split("; ")) == 5
    assert table["first_axis"].iloc[0] == "← acoustic, calm · electric, energetic →  (100% of the differences)"
    drawing = genres.genre_map(table.reset_index())
    assert drawing.choices["A"]["title"] == "A sounds most like B, C and D"
    figure = drawing.chosen("A")
    ring = figure.data[-1]
    assert (ring.x[0], ring.y[0]) == (table.loc["A", "first"], table.loc["A", "second"])
    assert len(ring.x) == 6
    assert sum(len(trace.x) for trace in figure.data if trace.hoverinfo == "text") == 8


def test_a_map_of_two_genres_is_refused_with_what_it_takes() -> None:
    """Guards against two points that would say something."""
    with pytest.raises(NothingToDraw, match="three genres"):
        genres.map_table(summary({"A": CALM, "B": LOUD}))


def test_clusters_stand_as_figures_beside_each_genre_with_like_genres_together() -> None:
    """Guards against colour alone, a genre under another's figure, and a best method that is not the best."""
    rows = [
        (method, genre, cluster, 2, silhouette, stability)
        for method, silhouette, stability, groups in (
            ("Ward", 0.5, 0.7, {"A": 1, "B": 2, "C": 1}), ("k-means", 0.4, 0.9, {"A": 1, "B": 2, "C": 2}),
        )
        for genre, cluster in groups.items()
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["method", "genre", "cluster", "clusters", "silhouette", "stability"])
    drawing = genres.clusters(table)
    assert list(drawing.figure.layout.yaxis.categoryarray) == ["A", "C", "B"]
    first, second = drawing.figure.data
    assert set(first.text) == {FAMILY_MARKS[0]} and set(second.text) == {FAMILY_MARKS[1]}
    named = [(x.partition("<br>")[0], y) for x, y in zip(first.x, first.y, strict=True)]
    assert named == [("Ward", "A"), ("Ward", "C"), ("k-means", "A")]
    assert "Ward<br>silhouette 0.50<br>stability 0.70" in first.x
    assert drawing.title == (
        "Ward sets groups of genres most clearly apart, k-means keeps them best when the artists are drawn anew"
    )
