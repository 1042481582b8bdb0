"""The files that people without DuckDB work with, and the study's notebooks among them."""

import csv
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from tests.conftest import Build
from warehouse import exports, files
from warehouse.exports import CLEAN_TRACKS, LISTINGS, STUDY_COLUMNS, default_folder, export
from warehouse.files import WarehouseError

SONG = {
    "danceability": "0.5", "energy": "0.25", "key": "3", "loudness": "-60", "mode": "1", "speechiness": "1e-80",
    "acousticness": "0.1", "instrumentalness": "0.30000000000000004", "liveness": "0.1", "valence": "0.123456789012345",
    "tempo": "120", "duration_ms": "180000", "time_signature": "4", "artist_name": "Björk", "song_name": "Jóga",
    "genre": "Art Rock", "spotify_track_id": "id1", "popularity": "",
}  # fmt: skip

# What the study's notebook can clean, and what it never saw.
ODDITIES = [
    SONG,
    SONG | {"spotify_track_id": "id2", "song_name": '雪, "ice"\r\nand\tfire 🎵'},
    SONG,  # an exact repeat
    SONG | {"genre": "Ambient"},  # the same song under another genre
    SONG | {"popularity": "0"},  # … or with a popularity
    SONG | {"spotify_track_id": "id3"},  # another song of the same name
    SONG | {"spotify_track_id": "id4", "tempo": "9.999"},
    SONG | {"spotify_track_id": "id5", "time_signature": "0"},
    SONG | {"spotify_track_id": "id6", "time_signature": "NaN", "artist_name": "", "popularity": "41.0"},
    SONG | {"spotify_track_id": "id7", "song_name": ""},
    SONG | {"spotify_track_id": "id7", "song_name": "", "genre": "Ambient"},
    SONG | {"spotify_track_id": "id8", "song_name": "  spaces, and 'quotes' \\ "},
    SONG | {"spotify_track_id": "id9", "song_name": "-", "artist_name": "007", "genre": "7"},
    SONG | {"spotify_track_id": "idA", "song_name": "=1+1"},
]
NEVER_SEEN = [
    SONG | {"spotify_track_id": "idB", "energy": "loud"},
    SONG | {"spotify_track_id": "idC", "energy": "1.5"},
    SONG | {"spotify_track_id": "idD", "valence": ""},
    SONG | {"spotify_track_id": ""},
    SONG | {"spotify_track_id": "id3", "song_name": "Another name"},
]


def write_csv(path: Path, songs: list[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(SONG))
        writer.writeheader()
        writer.writerows(songs)
    return path


def exported(path: Path, folder: Path) -> exports.Export:
    with files.connect(path, read_only=True) as connection:
        return export(connection, folder)


def clean_like_the_notebook(tracks: pd.DataFrame) -> pd.DataFrame:
    tracks = tracks.drop("id", axis=1)
    tracks = tracks.drop(tracks[(tracks.tempo < 10) | (tracks.time_signature < 1)].index)
    return tracks.drop_duplicates().drop_duplicates(["spotify_track_id", "song_name"])


def assert_the_notebook_gets_the_clean_file(folder: Path) -> pd.DataFrame:
    listings, clean = pd.read_csv(folder / LISTINGS), pd.read_csv(folder / CLEAN_TRACKS)
    assert list(listings.columns) == ["id", *STUDY_COLUMNS]
    assert list(clean.columns) == list(STUDY_COLUMNS)
    assert listings["id"].is_monotonic_increasing
    for column in STUDY_COLUMNS:
        expected = "str" if column in ("artist_name", "song_name", "genre", "spotify_track_id") else "float64"
        assert str(listings[column].dtype) == expected, column
    pd.testing.assert_frame_equal(clean_like_the_notebook(listings).reset_index(drop=True), clean)
    return listings


def test_the_notebooks_cleaning_of_the_first_file_gives_the_second(tmp_path: Path, build: Build) -> None:
    """Guards against files that the study's notebooks read otherwise: columns, order, types, names, what is NULL."""
    written = exported(build(write_csv(tmp_path / "odd.csv", ODDITIES)), tmp_path / "out")
    assert (written.rows[LISTINGS], written.rows[CLEAN_TRACKS]) == (14, 8)
    listings = assert_the_notebook_gets_the_clean_file(tmp_path / "out")
    assert listings.loc[1, "song_name"] == '雪, "ice"\r\nand\tfire 🎵'
    assert listings["popularity"].tolist()[4] == 0
    clean = pd.read_csv(tmp_path / "out" / CLEAN_TRACKS)
    assert clean.loc[0, ["speechiness", "instrumentalness", "valence"]].tolist() == [
        1e-80, 0.30000000000000004, 0.123456789012345,
    ]  # fmt: skip


def test_what_the_study_never_saw_is_accounted_for(tmp_path: Path, build: Build) -> None:
    """Guards against listings lost on the way into the files: clean + rejected are all that there were."""
    dump = write_csv(tmp_path / "made-up.csv", [*ODDITIES, *NEVER_SEEN])
    written = exported(build(dump), tmp_path / "out")
    assert (written.dataset, written.is_synthetic) == ("made-up", False)
    rejected = pd.read_parquet(tmp_path / "out" / "rejected_listings.parquet")
    rules = dict(zip(rejected["listing_id"], rejected["rule"], strict=True))
    assert rules == {
        3: "exact_repeat", 4: "track_repeat", 5: "track_repeat", 7: "invalid_tempo_or_time_signature",
        8: "invalid_tempo_or_time_signature", 11: "track_repeat", 15: "invalid_audio_features",
        16: "invalid_audio_features", 17: "invalid_audio_features", 18: "unreadable_document", 19: "renamed_repeat",
    }  # fmt: skip
    assert written.rows[CLEAN_TRACKS] + len(rejected) == 19
    assert pd.read_csv(tmp_path / "out" / LISTINGS)["id"].tolist() == [*range(1, 15), 19]
    readme = (tmp_path / "out" / "README.md").read_text()
    for words in (
        "19 listings = 8 clean tracks + 11",
        f"15 of them stand in {LISTINGS}; the other 4",
        "1 listings of an id",
    ):
        assert words in readme
    assert "Not synthetic" in readme


MARTS = """
create schema marts;
create schema intermediate;
create table marts.cleaning_audit as
select unnest([0, 3, 4, 7]) as step,
    unnest(['listings', 'invalid_audio_features', 'invalid_tempo_or_time_signature', 'renamed_repeat']) as rule,
    unnest([0, 0, 0, 0]) as rows_removed, 1 as rows_after, 'made up' as dataset, true as is_synthetic;
create table marts.clean_tracks as
select 0.5 as danceability, 0.5 as energy, 1 as key, -5.0 as loudness, 1 as mode, 0.5 as speechiness,
    0.5 as acousticness, 0.5 as instrumentalness, 0.5 as liveness, 0.5 as valence, 120.0 as tempo,
    180000 as duration_ms, 4 as time_signature, 'a' as artist_name, 's' as song_name, 'g' as genre,
    'i' as spotify_track_id, null::integer as popularity, 1 as listing_id, 'made up' as dataset, true as is_synthetic;
create table intermediate.int_listings_joined as from marts.clean_tracks;
create table marts.rejected_listings (listing_id bigint, rule varchar, dataset varchar, is_synthetic boolean);
"""


@pytest.fixture
def marts() -> Iterator[duckdb.DuckDBPyConnection]:
    """One clean track of a synthetic dataset, in memory."""
    with duckdb.connect() as connection:
        connection.execute(MARTS)
        yield connection


def test_synthetic_data_say_so_beside_the_files(marts: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Guards against made-up songs that pass for real ones: the two CSVs have no column that could tell."""
    written = export(marts, tmp_path)
    assert written.is_synthetic
    assert "**Synthetic data**" in (tmp_path / "README.md").read_text()
    assert pd.read_parquet(tmp_path / "clean_tracks.parquet")["is_synthetic"].tolist() == [True]
    assert (tmp_path / CLEAN_TRACKS).read_text().splitlines()[1] == (
        "0.5,0.5,1.0,-5.0,1.0,0.5,0.5,0.5,0.5,0.5,120.0,180000.0,4.0,a,s,g,i,"
    )


def test_an_export_that_fails_leaves_the_earlier_files(
    marts: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against half a file, and against new files beside old ones."""
    export(marts, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    marts.execute("update marts.clean_tracks set artist_name = 'another'")

    def fail(*_: object) -> str:
        raise OSError("the disk is full")

    monkeypatch.setattr(exports, "_readme", fail)
    with pytest.raises(OSError, match="disk is full"):
        export(marts, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_without_marts_it_says_what_to_do(tmp_path: Path) -> None:
    """Guards against DuckDB's own words, and against an empty folder that looks like an export."""
    with duckdb.connect() as connection, pytest.raises(WarehouseError, match="make run"):
        export(connection, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("dataset", "folder"),
    [
        ("sandbox", "sandbox"),
        ("../../etc", "_.._etc-74ccf3"),
        ("my songs/2024", "my_songs_2024-6dc666"),
        ("my_songs_2024", "my_songs_2024"),
        ("..", "dataset-5ec1f7"),
        ("long" * 100, "long" * 15 + "-0184fa"),
    ],
)
def test_a_datasets_folder_stays_below_exports(dataset: str, folder: str) -> None:
    """Guards against a name that leads somewhere else or is too long, and against files of another dataset replaced."""
    assert default_folder(dataset) == Path("exports") / folder
