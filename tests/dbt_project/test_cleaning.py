"""The dbt project on documents small enough to know every row by heart."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.conftest import Dbt
from warehouse import files, raw
from warehouse.changes import MART_KEYS
from warehouse.raw import Dataset, land, rows

FEATURES: dict[str, Any] = {
    "danceability": 0.5, "energy": 0.6, "key": 1, "loudness": -7.5, "mode": 1, "speechiness": 0.05,
    "acousticness": 0.1, "instrumentalness": 0.0, "liveness": 0.2, "valence": 0.4, "tempo": 120.0,
    "duration_ms": 200000, "time_signature": 4,
}  # fmt: skip


def track(track_id: str, name: str | None, *artists: tuple[str, str], **other: Any) -> str:
    credited = [{"id": artist_id, "name": artist_name} for artist_id, artist_name in artists]
    return json.dumps({"id": track_id, "name": name, "artists": credited, "popularity": 30} | other)


ALBUM = {
    "album": {"id": "al", "name": "Al", "album_type": "album", "total_tracks": 9, "release_date": "1994-05"},
    "explicit": True, "disc_number": 1, "track_number": 7, "external_ids": {"isrc": "XXS1"},
}  # fmt: skip


def features(**other: Any) -> str:
    return json.dumps(FEATURES | other)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, dbt: Dbt) -> Path:
    """A crawl in two batches beside a dataset that is not active, and `dbt build` of it."""
    path = tmp_path_factory.mktemp("cleaning") / "songs of 2026.duckdb"  # dbt-duckdb names the catalogue after the file
    crawl = Dataset("tiny", "sandbox", is_synthetic=True)
    ska, dub = {"genre": "Ska", "artist_name": "The Asked"}, {"genre": "Dub", "artist_name": "Other"}
    with files.connect(path) as connection:
        first_listing: list[dict[str, Any]] = [
            ska | {"track_id": "a", "payload": track("a", "A", ("x", "X"), ("y", "Y"), **ALBUM)},  # 1 clean
            ska | {"track_id": "a", "payload": track("a", "A", ("x", "X"), ("y", "Y"))},  # 2 exact repeat of 1
            dub | {"track_id": "a", "payload": track("a", "A", ("x", "X"), ("y", "Y"))},  # 3 repeat in another genre
            ska | {"track_id": "b", "payload": track("b", "A", popularity=None)},  # 4 clean: the same name, another id
            ska | {"track_id": "c", "payload": "Bad Gateway"},  # 5 unreadable
            ska | {"track_id": "d", "payload": track("d", "D")},  # 6 null slot
            ska | {"track_id": "e", "payload": track("e", "E")},  # 7 nobody was asked for its features
            ska | {"track_id": "f", "payload": track("f", "F")},  # 8 energy is text
            ska | {"track_id": "g", "payload": track("g", "G")},  # 9 tempo 0
        ]
        first_features: list[dict[str, Any]] = [
            {"track_id": "a", "payload": features()},
            {"track_id": "b", "payload": features(time_signature=None)},
            {"track_id": "c", "payload": features()},
            {"track_id": "d", "payload": None},
            {"track_id": "f", "payload": features(energy="loud", key=12)},
            {"track_id": "g", "payload": features(tempo=0, time_signature=0)},
            {"track_id": "h", "payload": None},
        ]
        first_popularity = [{"track_id": "b", "payload": '{"popularity": 77}'}]
        land(connection, crawl, {
            "tracks": rows("tracks", [row | {"listing_id": n} for n, row in enumerate(first_listing, 1)]),
            "audio_features": rows("audio_features", first_features),
            "popularity": rows("popularity", first_popularity),
            "artists": rows("artists", [
                {"genre": "Ska", "artist_id": "x", "payload": '{"id": "x", "name": "X", "followers": {"total": 5}}'}
            ]),
        })  # fmt: skip
        second_listing: list[dict[str, Any]] = [
            dub | {"track_id": "a", "payload": track("a", "A (Remastered)", ("x", "X"))},  # 10 renamed
            dub | {"track_id": "h", "payload": track("h", "雪 \"ünï\" 'q'", ("z", "Ż"))},  # 11 clean: later features
            {"genre": None, "track_id": "i", "payload": track("i", "I")},  # 12 without genre
        ]
        land(connection, crawl, {
            "tracks": rows("tracks", [row | {"listing_id": n} for n, row in enumerate(second_listing, 1)]),
            "audio_features": rows("audio_features", [{"track_id": "h", "payload": features(key=-1.0)}]),
        })  # fmt: skip
        land(connection, Dataset("asleep", "dump:asleep.csv"), {
            "tracks": rows("tracks", [ska | {"listing_id": 1, "track_id": "zz", "payload": track("zz", "Z")}]),
            "audio_features": rows("audio_features", [{"listing_id": 1, "payload": features()}]),
        }, activate=False)  # fmt: skip
    output = dbt(path, "build").stdout
    assert "WARN=0 ERROR=0 SKIP=0" in output
    return path


@pytest.fixture
def marts(built: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with files.connect(built, read_only=True) as connection:
        yield connection


def test_clean_tracks_are_the_first_valid_listings(marts: duckdb.DuckDBPyConnection) -> None:
    """A repeat, a bad row or another dataset's row among the clean tracks; or a good one lost."""
    found = marts.execute(
        "select listing_id, spotify_track_id, song_name, artist_name, genre, key, time_signature, popularity, dataset, "
        "is_synthetic from marts.clean_tracks order by listing_id"
    ).fetchall()
    assert found == [
        (1, "a", "A", "The Asked", "Ska", 1, 4, 30, "tiny", True),
        (4, "b", "A", "The Asked", "Ska", 1, None, 77, "tiny", True),  # unknown is not zero; popularity came later
        (11, "h", "雪 \"ünï\" 'q'", "Other", "Dub", -1, 4, 30, "tiny", True),
    ]


def test_every_rejected_listing_names_its_rule_and_reason(marts: duckdb.DuckDBPyConnection) -> None:
    """A listing that vanishes without a reason, or is charged to the wrong rule."""
    found = marts.execute(
        "select listing_id, spotify_track_id, rule, reason from marts.rejected_listings order by listing_id"
    ).fetchall()
    assert found == [
        (2, "a", "exact_repeat", "Equal in every column to listing 1."),
        (3, "a", "track_repeat", "Same track id and name as listing 1."),
        (5, "c", "unreadable_document", "The track document is not a JSON object that names each key once."),
        (6, "d", "missing_audio_features", "No source has audio features of this track."),
        (7, "e", "missing_audio_features", "No audio features of this track have been landed yet."),
        (8, "f", "invalid_audio_features", 'Key is 12, not from -1 to 11; energy is "loud", not a number.'),
        (9, "g", "invalid_tempo_or_time_signature", "Tempo is 0.0 bpm, below 10; time_signature is 0, below 1."),
        (10, "a", "renamed_repeat", "Same track id as listing 1."),
        (12, "i", "unreadable_document", "The listing has no genre."),
    ]


def test_audit_counts_each_rule_in_order(marts: duckdb.DuckDBPyConnection) -> None:
    """Rules applied in another order than the study's, or counted twice."""
    found = marts.execute(
        "select step, rule, rows_before, rows_removed, rows_after from marts.cleaning_audit order by step"
    ).fetchall()
    assert found == [
        (0, "listings", 12, 0, 12),
        (1, "unreadable_document", 12, 2, 10),
        (2, "missing_audio_features", 10, 2, 8),
        (3, "invalid_audio_features", 8, 1, 7),
        (4, "invalid_tempo_or_time_signature", 7, 1, 6),
        (5, "exact_repeat", 6, 1, 5),
        (6, "track_repeat", 5, 1, 4),
        (7, "renamed_repeat", 4, 1, 3),
    ]


def test_artists_and_genres_of_a_track(marts: duckdb.DuckDBPyConnection) -> None:
    """A credited artist who is lost would let one artist stand on both sides of a split; so would a genre be lost."""
    artists = marts.execute(
        "select spotify_track_id, position, artist_id, artist_name from marts.track_artists order by all"
    ).fetchall()
    assert artists == [
        ("a", 1, "x", "X"),
        ("a", 2, "y", "Y"),
        ("b", 1, None, "The Asked"),
        ("h", 1, "z", "Ż"),
    ]
    genres = marts.execute(
        "select spotify_track_id, genre, listings, is_kept from marts.track_genres order by all"
    ).fetchall()
    assert genres == [("a", "Dub", 2, False), ("a", "Ska", 2, True), ("b", "Ska", 1, True), ("h", "Dub", 1, True)]


def test_what_else_the_documents_say(marts: duckdb.DuckDBPyConnection) -> None:
    """An album, a date or an artist's followers that lie landed and out of reach."""
    assert marts.execute(
        "select spotify_track_id, isrc, is_explicit, album_id, disc_number, track_number, release_date::varchar, "
        "release_date_precision, release_year from marts.track_details order by all"
    ).fetchall() == [
        ("a", "XXS1", True, "al", 1, 7, "1994-05-01", "month", 1994),
        ("b", *[None] * 8),
        ("h", *[None] * 8),
    ]
    assert marts.execute(
        "select album_id, album_name, album_type, total_tracks, tracks from marts.albums"
    ).fetchall() == [("al", "Al", "album", 9, 1)]
    assert marts.execute(
        "select artist_key, artist_name, followers, tracks, genres from marts.artists order by all"
    ).fetchall() == [
        ("The Asked", "The Asked", None, 1, 1),
        ("x", "X", 5, 1, 1),
        ("y", "Y", None, 1, 1),
        ("z", "Ż", None, 1, 1),
    ]
    assert marts.execute("select * exclude (dataset, is_synthetic) from marts.genre_overlap").fetchall() == [
        ("Dub", "Ska", 1, 2, 2, 1 / 3)
    ]


def test_contract_of_clean_tracks(marts: duckdb.DuckDBPyConnection) -> None:
    """The exports and the models read these columns in this order and of these types."""
    found = marts.execute("select column_name, column_type from (describe marts.clean_tracks)").fetchall()
    doubles = "danceability energy loudness speechiness acousticness instrumentalness liveness valence tempo"
    types = dict.fromkeys(doubles.split(), "DOUBLE") | {"duration_ms": "BIGINT", "listing_id": "BIGINT"}
    types |= dict.fromkeys(("key", "mode", "time_signature", "popularity"), "INTEGER") | {"is_synthetic": "BOOLEAN"}
    columns = (
        "danceability energy key loudness mode speechiness acousticness instrumentalness liveness valence tempo "
        "duration_ms time_signature artist_name song_name genre spotify_track_id popularity "
        "listing_id dataset is_synthetic"
    )
    assert found == [(name, types.get(name, "VARCHAR")) for name in columns.split()]


def test_every_mart_describes_itself(marts: duckdb.DuckDBPyConnection) -> None:
    """Someone who opens the file alone finds out what a table and a column hold."""
    tables = marts.execute("select table_name, comment from duckdb_tables() where schema_name = 'marts'").fetchall()
    assert {name for name, _ in tables} == set(MART_KEYS)
    assert [name for name, comment in tables if not comment or "One row per" not in comment] == []
    columns = marts.execute(
        "select table_name, column_name from duckdb_columns() "
        "where schema_name = 'marts' and coalesce(comment, '') = ''"
    ).fetchall()
    assert columns == []


def test_schemas_are_named_after_the_layers(marts: duckdb.DuckDBPyConnection) -> None:
    """dbt's default would prefix them with the target's schema, and every query in the README would fail."""
    schemas = marts.execute(
        "select distinct schema_name from duckdb_tables() union select distinct schema_name from duckdb_views() "
        "where not internal order by all"
    ).fetchall()
    assert schemas == [("intermediate",), ("marts",), ("raw",), ("staging",)]


def test_data_tests_notice_what_is_wrong(
    built: Path,
    tmp_path: Path,
    dbt: Dbt,
    failed_nodes: Callable[[], set[str]],
) -> None:
    """Data tests that cannot fail: here the marts are spoiled, and each spoiled place must be noticed."""
    spoiled = tmp_path / built.name
    spoiled.write_bytes(built.read_bytes())
    with files.connect(spoiled) as connection:
        connection.execute("delete from marts.rejected_listings where listing_id = 2")
        connection.execute("update marts.clean_tracks set energy = 1.5 where listing_id = 1")
        connection.execute("update marts.clean_tracks set tempo = 9.0 where listing_id = 4")
        connection.execute("update marts.cleaning_audit set rows_after = 99 where step = 3")
        connection.execute("insert into marts.track_genres from marts.track_genres")
        connection.execute("update marts.rejected_listings set rule = 'no_such_rule' where listing_id = 3")
    dbt(
        spoiled, "test", "--exclude", "resource_type:unit_test", "--select", "clean_tracks", "rejected_listings",
        "track_genres", succeeds=False,
    )  # fmt: skip
    assert failed_nodes() == {
        "listings_equal_clean_plus_rejected",
        "in_audio_feature_range_clean_tracks_energy",
        "in_range_clean_tracks_tempo__10",
        "cleaning_audit_adds_up",
        "unique_combination_track_genres_spotify_track_id__genre",
        "relationships_rejected_listings_rule__rule__ref_cleaning_audit_",
    }


@pytest.mark.parametrize("landed", [False, True], ids=["no raw tables", "no active dataset"])
def test_without_raw_documents_one_sentence_says_what_to_do(landed: bool, tmp_path: Path, dbt: Dbt) -> None:
    """Views that fail one after another, on a table that nobody has heard of."""
    path = tmp_path / "warehouse.duckdb"
    if landed:
        with files.connect(path) as connection:
            raw.create_raw_tables(connection)
    output = dbt(path, "build", succeeds=False).stdout
    assert f"No raw documents in {path.name}: run `make run`, or `song-genres import FILE`, first." in output
