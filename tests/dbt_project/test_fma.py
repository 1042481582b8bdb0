"""FMA's archive to the marts: what it lacks is unknown, what has no genre is rejected, its tree is a mart."""

from pathlib import Path
from typing import Any

import duckdb
import pytest

from extract.dumps import import_dump
from extract.song_files import ReadingOptions
from tests.conftest import Dbt
from tests.extract.fma_archive import SONGS, SOUND, fma_archive

Rows = list[tuple[Any, ...]]

ODD = {"id": 200, "title": "Odd", "artist": "Eve", "top": "Rock", "genres": [12], "all": [12], "sound": (9, *SOUND[1:])}


def rows(warehouse: Path, query: str) -> Rows:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def by_top(dbt: Dbt, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The warehouse after a build by top genre."""
    folder = tmp_path_factory.mktemp("by_top")
    import_dump(fma_archive(folder / "fma_metadata.zip", [*SONGS, ODD]), folder / "warehouse.duckdb")
    dbt(folder / "warehouse.duckdb", "build", "--exclude-resource-type", "unit_test")
    return folder / "warehouse.duckdb"


@pytest.fixture(scope="module")
def by_all(dbt: Dbt, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The warehouse after a build by all genres."""
    folder = tmp_path_factory.mktemp("by_all")
    options = ReadingOptions(all_genres=True)
    import_dump(fma_archive(folder / "fma_metadata.zip"), folder / "warehouse.duckdb", options=options)
    dbt(folder / "warehouse.duckdb", "build", "--exclude-resource-type", "unit_test")
    return folder / "warehouse.duckdb"


def test_what_fma_lacks_is_unknown(by_top: Path) -> None:
    """Guards against 13,129 tracks that are rejected for a key, a loudness and a mode that nobody measured."""
    columns = (
        "spotify_track_id, genre, artist_name, key, loudness, mode, time_signature, popularity, duration_ms, tempo"
    )
    nothing = [None] * 5
    assert rows(by_top, f"select {columns} from marts.clean_tracks order by listing_id") == [
        ("fma:2", "Hip-Hop", "Awl", *nothing, 168_000, 165.922),
        ("fma:5", "Rock", "Ann; & Bob", *nothing, 168_000, 165.922),
        ("fma:140", "Rock", "Cy", *nothing, 168_000, 165.922),
    ]


def test_songs_without_a_top_genre_are_rejected_with_that_reason(by_top: Path) -> None:
    """Guards against listings that are neither clean nor rejected, and against a reason that is not theirs."""
    found = rows(by_top, "select spotify_track_id, rule, reason from marts.rejected_listings order by 1")
    assert [row[:2] for row in found] == [
        ("fma:134", "unreadable_document"), ("fma:155", "unreadable_document"), ("fma:200", "invalid_audio_features"),
    ]  # fmt: skip
    assert found[0][2] == "The listing has no genre."
    assert found[2][2].startswith("Acousticness is 9.0")


TREE = "select genre, parent, top_level, depth, tracks, source_tracks from marts.genre_tree order by genre_id"


def test_the_tree_counts_the_clean_tracks(by_top: Path, by_all: Path) -> None:
    """Guards against a tree that counts one way of listing alone."""
    above = [("Rock", None, "Rock", 1), ("Hip-Hop", None, "Hip-Hop", 1), ("Punk", "Rock", "Rock", 2)]
    above.append(("Oi", "Punk", "Rock", 3))
    for warehouse, counts in ((by_top, (2, 1, 0, 0)), (by_all, (3, 2, 2, 1))):
        assert rows(warehouse, TREE) == [
            (*names, tracks, source)
            for names, tracks, source in zip(above, counts, (4, 3, 3, 1), strict=True)
        ]  # fmt: skip


def test_by_all_genres_a_track_is_kept_under_its_deepest(by_all: Path) -> None:
    """Guards against a report by all genres that is the one by top genre again."""
    assert rows(by_all, "select spotify_track_id, genre from marts.clean_tracks order by listing_id") == [
        ("fma:2", "Hip-Hop"), ("fma:5", "Oi"), ("fma:134", "Punk"), ("fma:140", "Rock"),
    ]  # fmt: skip
    assert rows(by_all, "select count(*) from marts.track_genres") == [(8,)]
    assert rows(by_all, "select rule, count(*) from marts.rejected_listings group by all order by all") == [
        ("track_repeat", 4), ("unreadable_document", 1),
    ]  # fmt: skip
