"""Cleaning in SQL and cleaning in pandas, as the study did it, give the same table row for row."""

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pandas as pd
import pytest

from extract import warehouse
from extract.dumps import import_dump
from extract.landing import Dataset, land

Dbt = Callable[..., CompletedProcess[str]]

STUDY_COLUMNS = [
    "danceability", "energy", "key", "loudness", "mode", "speechiness", "acousticness", "instrumentalness", "liveness",
    "valence", "tempo", "duration_ms", "time_signature", "artist_name", "song_name", "genre", "spotify_track_id",
    "popularity",
]  # fmt: skip
TEXTS = ("artist_name", "song_name", "genre", "spotify_track_id")

# The study's counts: listings, after the zero rule, after exact repeats, clean.
STUDY = (916_668, 916_214, 737_842, 550_295)


def study_listing(n: int, seed: int = 538) -> tuple[pd.DataFrame, tuple[int, int, int, int]]:
    """`n` listings in download order with the study's proportions, and the counts that they were made to have.

    132 genres; zero rows, exact repeats, repeats of (id, name); popularity missing in three of four; names that are
    missing, not Latin, or equal under other ids.
    """
    draw = np.random.default_rng(seed)
    after_zeros, after_exact, clean = (round(n * count / STUDY[0]) for count in STUDY[1:])
    zeros, exact, repeats = n - after_zeros, after_zeros - after_exact, after_exact - clean
    letters = np.array(list("abcdefgh éß雪Жक🎵'\"\\,;"))
    tracks = clean + zeros
    names = np.array(["".join(draw.choice(letters, 9)) + f" {number}" for number in range(tracks)], dtype=object)
    same_name = draw.random(tracks) < 0.1687
    names[same_name] = draw.choice(names[:200], same_name.sum())
    names[draw.random(tracks) < 0.002] = None
    artists = np.array([f"Artist {number}" for number in range(tracks // 8)], dtype=object)
    artists[:3] = None
    frame = pd.DataFrame(
        {name: np.round(draw.random(tracks), 4) for name in STUDY_COLUMNS if name not in TEXTS}
        | {
            "loudness": np.round(draw.uniform(-60, 5, tracks), 3),
            "tempo": np.round(draw.uniform(10, 250, tracks), 3),
            "instrumentalness": draw.random(tracks) ** 20,  # down to 1e-80: written with an exponent
            "key": draw.integers(0, 12, tracks),
            "mode": draw.integers(0, 2, tracks),
            "duration_ms": draw.integers(4_053, 5_676_437, tracks),
            "time_signature": draw.choice([1.0, 3.0, 4.0, 5.0, np.nan], tracks),
            "popularity": np.where(draw.random(tracks) < 0.25, draw.integers(0, 96, tracks), np.nan),
            "artist_name": draw.choice(artists, tracks),
            "song_name": names,
            "genre": draw.choice([f"Genre {number}" for number in range(132)], tracks),
            "spotify_track_id": [f"{number:022}" for number in draw.permutation(tracks)],
        }
    )[STUDY_COLUMNS]
    frame.loc[: zeros - 1, "tempo"] = np.where(np.arange(zeros) % 40, 0.0, 9.999)  # 444 and 454 rows in the study
    frame.loc[: zeros - 1, "time_signature"] = 0.0
    good = frame.iloc[zeros:]
    # A repeat differs from its track in one column, each another one: NULL against a number is such a difference too.
    other = good.sample(repeats, replace=False, random_state=seed).reset_index(drop=True)
    changed = np.arange(repeats) % 3
    other.loc[changed == 0, "genre"] = "Genre " + ((other["genre"].str[6:].astype(int) + 1) % 132).astype(str)
    other.loc[changed == 1, "artist_name"] = "The Other Artist"
    other.loc[changed == 2, "popularity"] = other["popularity"].map(lambda value: 96.0 if pd.isna(value) else np.nan)
    distinct = pd.concat([good, other], ignore_index=True)
    listing = pd.concat([frame.iloc[:zeros], distinct, distinct.sample(exact, replace=True, random_state=seed)])
    listing = listing.sample(frac=1, random_state=seed).reset_index(drop=True)
    return listing, (n, after_zeros, after_exact, clean)


def clean_like_the_study(listing: pd.DataFrame) -> pd.DataFrame:
    """The study's cleaning, in its own tool; the index stays the place in the listing."""
    valid = listing[~((listing["tempo"] < 10) | (listing.get("time_signature", pd.Series(dtype=float)) < 1))]
    return valid.drop_duplicates().drop_duplicates(["spotify_track_id", "song_name"])


def land_listing(path: Path, listing: pd.DataFrame) -> None:
    """Land the listing as documents, the rows of each table in an order that means nothing."""
    listing = listing.assign(listing_id=range(1, len(listing) + 1))  # noqa: F841 — DuckDB reads it by name
    features = ", ".join(f"'{name}', {name}" for name in STUDY_COLUMNS[:11])
    with warehouse.connect(path) as connection:
        connection.execute("set pandas_analyze_sample = 0")
        connection.execute(
            "create temp table listing as select * replace (time_signature::integer as time_signature, "
            "popularity::integer as popularity) from (select * from listing) order by hash(listing_id)"
        )
        tracks = connection.sql(
            """
            select listing_id, genre, artist_name, spotify_track_id as track_id, json_object(
                'id', spotify_track_id, 'name', song_name, 'artists', [{'name': artist_name}],
                'duration_ms', duration_ms, 'popularity', popularity) as payload
            from listing
            """
        )
        audio_features = connection.sql(
            f"""
            select listing_id, spotify_track_id as track_id,
                json_object({features}, 'time_signature', time_signature) as payload
            from listing order by hash(listing_id + 1)
            """
        )
        dataset = Dataset("study", "dump:study", is_synthetic=True)
        land(connection, dataset, {"tracks": tracks, "audio_features": audio_features})


def build(path: Path, dbt: Dbt) -> None:
    dbt(path, "build", "--exclude", "resource_type:unit_test")


def audit(path: Path) -> list[int]:
    """Rows left: the listings, then those after the zero rule, exact repeats, track repeats and renamed repeats."""
    with warehouse.connect(path, read_only=True) as connection:
        query = "select rows_after from marts.cleaning_audit where step in (0, 4, 5, 6, 7) order by step"
        return [row[0] for row in connection.execute(query).fetchall()]


def clean_tracks(path: Path, columns: list[str]) -> pd.DataFrame:
    """The clean tracks in download order, numbered as the listing is."""
    with warehouse.connect(path, read_only=True) as connection:
        frame = connection.sql(
            f"select listing_id - 1 as i, {', '.join(columns)} from marts.clean_tracks order by 1"
        ).df()
    return frame.set_index("i")


def assert_same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert found.index.tolist() == expected.index.tolist()
    for column in expected.columns:
        left, right = found[column], expected[column]
        different = ~((left == right) | (left.isna() & right.isna()))
        assert not different.any(), pd.DataFrame({"dbt": left, "pandas": right})[different.to_numpy()].head()


@pytest.mark.xdist_group("dbt_parity")
def test_parity_with_pandas_on_a_listing_of_the_studys_proportions(tmp_path: Path, dbt: Dbt) -> None:
    """Another row kept than the study's, or a value changed on the way through JSON; or an order that matters."""
    listing, (listings, after_zeros, after_exact, clean) = study_listing(20_000)
    assert (listings, after_zeros, after_exact, clean) == (20_000, 19_990, 16_098, 12_006)
    expected = clean_like_the_study(listing)
    assert len(expected) == clean
    path = tmp_path / "study.duckdb"
    land_listing(path, listing)
    build(path, dbt)
    assert audit(path) == [listings, after_zeros, after_exact, clean, clean]
    assert_same(clean_tracks(path, STUDY_COLUMNS), expected)


@pytest.mark.xdist_group("dbt_real_data")
def test_tidytuesday_gives_the_known_counts_and_pandas_rows(tidytuesday: Path, tmp_path: Path, dbt: Dbt) -> None:
    """The real data: names with quotes and newlines, no time_signature, ids under several genres."""
    path = tmp_path / "tidytuesday.duckdb"
    import_dump(tidytuesday, path, name="tidytuesday")
    build(path, dbt)
    assert audit(path) == [32_833, 32_832, 30_384, 28_355, 28_355]
    listing = pd.read_csv(tidytuesday, keep_default_na=False, na_values=["NA"]).rename(
        columns={"track_id": "spotify_track_id", "track_name": "song_name", "track_artist": "artist_name",
                 "playlist_genre": "genre", "track_popularity": "popularity"}
    )  # fmt: skip
    columns = [name for name in STUDY_COLUMNS if name != "time_signature"]
    assert_same(clean_tracks(path, columns), clean_like_the_study(listing[columns]))
    with warehouse.connect(path, read_only=True) as connection:
        known = connection.execute("select count(time_signature) from marts.clean_tracks").fetchone()
    assert known == (0,)


@pytest.mark.xdist_group("dbt_real_data")
def test_kaggle_gives_the_known_counts(kaggle_with_ids: Path, tmp_path: Path, dbt: Dbt) -> None:
    """The 114-genre layout: an unnamed index column, artists in one cell, tempo and time_signature 0."""
    path = tmp_path / "kaggle.duckdb"
    import_dump(kaggle_with_ids, path)
    build(path, dbt)
    assert audit(path) == [17_949, 17_905, 17_905, 17_905, 17_905]
    with warehouse.connect(path, read_only=True) as connection:
        artists = connection.execute(
            "select artist_name from marts.track_artists where spotify_track_id = ? order by position",
            ["6MxGvnJWqdGS0chQypGXhB"],
        ).fetchall()
    assert artists == [("J Balvin",), ("Ryan Castro",)]
