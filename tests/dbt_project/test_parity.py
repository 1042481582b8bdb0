"""Cleaning in SQL and cleaning in pandas, as the study did it, give the same table row for row."""

from pathlib import Path

import pandas as pd
import pytest

from extract.dumps import import_dump
from tests.conftest import Dbt
from tests.dbt_project.pandas_cleaning import assert_same, clean_like_the_study
from tests.dbt_project.study_listing import STUDY_COLUMNS, Form, land_listing, make_listing, study_frame
from warehouse import files


def build(path: Path, dbt: Dbt) -> None:
    dbt(path, "build", "--exclude", "resource_type:unit_test")


def audit(path: Path) -> list[int]:
    """Rows left: the listings, then those after the zero rule, exact repeats, track repeats and renamed repeats."""
    with files.connect(path, read_only=True) as connection:
        query = "select rows_after from marts.cleaning_audit where step in (0, 4, 5, 6, 7) order by step"
        return [row[0] for row in connection.execute(query).fetchall()]


def clean_tracks(path: Path) -> pd.DataFrame:
    """The clean tracks in download order, numbered as the listing is."""
    with files.connect(path, read_only=True) as connection:
        return study_frame(connection, "marts.clean_tracks")


@pytest.mark.parametrize("form", ["crawl", pytest.param("dump", marks=pytest.mark.full)])
def test_parity_with_pandas_on_a_listing_of_the_studys_proportions(form: Form, tmp_path: Path, dbt: Dbt) -> None:
    """Another row kept than the study's, or a value changed on the way through JSON; or an order that matters."""
    path = tmp_path / "warehouse.duckdb"
    with files.connect(path) as connection:
        counts = make_listing(connection, 20_000)
        listing = study_frame(connection, "listing")
        land_listing(connection, form, shuffled=True)
    assert counts == (20_000, 19_990, 16_098, 12_006)
    assert ((listing["tempo"] < 10) | (listing["time_signature"] < 1)).sum() == 10
    assert listing["genre"].nunique() == 132
    expected = clean_like_the_study(listing)
    assert len(expected) == counts.clean
    build(path, dbt)
    assert audit(path) == [*counts, counts.clean]
    assert_same(clean_tracks(path), expected)


def test_tidytuesday_gives_the_known_counts_and_pandas_rows(tidytuesday: Path, tmp_path: Path, dbt: Dbt) -> None:
    """The real data: names with quotes and newlines, no time_signature, ids under several genres."""
    path = tmp_path / "warehouse.duckdb"
    import_dump(tidytuesday, path, name="tidytuesday")
    build(path, dbt)
    assert audit(path) == [32_833, 32_832, 30_384, 28_355, 28_355]
    listing = pd.read_csv(tidytuesday, keep_default_na=False, na_values=["NA"]).rename(
        columns={"track_id": "spotify_track_id", "track_name": "song_name", "track_artist": "artist_name",
                 "playlist_genre": "genre", "track_popularity": "popularity"}
    )  # fmt: skip
    columns = [name for name in STUDY_COLUMNS if name != "time_signature"]
    assert_same(clean_tracks(path)[columns], clean_like_the_study(listing[columns]))
    with files.connect(path, read_only=True) as connection:
        known = connection.execute("select count(time_signature) from marts.clean_tracks").fetchone()
    assert known == (0,)


@pytest.mark.full
def test_kaggle_gives_the_known_counts(kaggle_with_ids: Path, tmp_path: Path, dbt: Dbt) -> None:
    """The 114-genre layout: an unnamed index column, artists in one cell, tempo and time_signature 0."""
    path = tmp_path / "warehouse.duckdb"
    import_dump(kaggle_with_ids, path)
    build(path, dbt)
    assert audit(path) == [17_949, 17_905, 17_905, 17_905, 17_905]
    with files.connect(path, read_only=True) as connection:
        artists = connection.execute(
            "select artist_name from marts.track_artists where spotify_track_id = ? order by position",
            ["6MxGvnJWqdGS0chQypGXhB"],
        ).fetchall()
    assert artists == [("J Balvin",), ("Ryan Castro",)]
