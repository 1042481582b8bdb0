"""Charts of wrong guesses and of sets, from tables written by hand."""

import pandas as pd
import pytest

from ml.charts import sets
from ml.charts.style import NothingToDraw

WRONG = pd.DataFrame(
    {
        "genre": ["Jazz", "Punk"], "tracks": [100, 100], "wrong": [30, 10], "also_listed": [4, 0],
        "shares_tracks": [6, 0], "pairs_that_share": 2, "pairs": 3,
    }
)  # fmt: skip


def test_wrong_guesses_are_shared_out_by_what_is_behind_them() -> None:
    """Guards against shares of all tracks, and a track that counts for two kinds. Of 40: 4, 6 and 30."""
    drawing = sets.sharing(WRONG)
    (bars,) = drawing.figure.data
    assert list(bars.x) == [0.1, 0.15, 0.75]
    assert list(bars.text) == ["10.0%", "15.0%", "75.0%"]
    assert len(set(bars.marker.pattern.shape)) == 3, "kinds that only their colour tells apart"
    assert drawing.title == "Of the wrong guesses, 10.0% name another genre of the very track"
    assert drawing.note == "Wrong is the first guess of 40 of 200 tracks; 2 of 3 pairs of genres share some track."


def test_without_a_wrong_guess_there_is_nothing_to_draw() -> None:
    """Guards against a division by zero."""
    with pytest.raises(NothingToDraw, match="No first guess is wrong"):
        sets.sharing(WRONG.assign(wrong=0, also_listed=0, shares_tracks=0))


def test_coverage_by_genre_begins_with_the_least() -> None:
    """Guards against genres of which the promise is not kept at the end, where nobody looks, and one without tracks."""
    table = pd.DataFrame(
        {
            "genre": ["Jazz", "Punk", "None"], "coverage": [0.97, 0.7, float("nan")], "set_size": [2.0, 4.04, 1.0],
            "support": [50, 20, 0], "coverage_of_all": 0.91, "set_size_of_all": 2.6, "n_genres": 3,
        }
    )  # fmt: skip
    drawing = sets.coverage(table)
    (dots,) = drawing.figure.data
    assert list(dots.y) == ["Punk", "Jazz"]
    assert list(dots.x) == [0.7, 0.97]
    assert list(dots.text) == ["70%, 4.0 genres", "97%, 2.0 genres"]
    assert drawing.figure.layout.shapes[0].x0 == 0.9
    assert drawing.title == (
        "Sets of 2.6 of 3 genres on average hold the right one for 91.0%; least often where it is Punk, 70% of 20 "
        "tracks"
    )
    with pytest.raises(NothingToDraw):
        sets.coverage(table[table["support"] == 0])
