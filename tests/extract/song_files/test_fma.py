"""FMA's metadata archive: its songs as one table, by top genre or by all, its tree, and archives that are not right."""

import json
import zipfile
from pathlib import Path
from typing import Any

import duckdb
import pytest

from extract.dumps import import_dump, look_at_dump
from extract.song_files import ReadingOptions, SongFileError, contained, genre_tree
from tests.extract.fma_archive import GENRES, SONGS, echonest, fma_archive, genres, tracks
from tests.extract.song_files.staged import staged


def landed(warehouse: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return connection.execute(query).fetchall()


LISTINGS = "select track_id, genre from raw.tracks order by listing_id"


def test_the_songs_with_features_are_landed_by_their_top_genres(tmp_path: Path, warehouse_file: Path) -> None:
    """Guards against songs without features, ids that look like Spotify's, seconds for ms, and a lost licence."""
    report = import_dump(fma_archive(tmp_path / "fma_metadata.zip"), warehouse_file)
    assert (report.dataset, report.layout, report.listings, report.problem_rows) == ("fma_metadata", "FMA", 5, 0)
    assert landed(warehouse_file, LISTINGS) == [
        ("fma:2", "Hip-Hop"), ("fma:5", "Rock"), ("fma:134", None), ("fma:140", "Rock"), ("fma:155", None),
    ]  # fmt: skip
    ((warning,),) = [report.warnings]
    assert "2 of 5 songs have no top genre" in warning
    documents = [json.loads(row[0]) for row in landed(warehouse_file, "select payload from raw.tracks order by all")]
    second = next(document for document in documents if document["id"] == "fma:5")
    assert second["name"] == "Nails, and “more”"
    assert second["artists"] == [{"name": "Ann; & Bob"}]
    assert second["duration_ms"] == 168_000
    assert second["album"] == {"id": "fma:7", "name": "Way, of life", "release_date": "2009-01-05 00:00:00"}
    assert (second["dump"]["artist_id"], second["dump"]["license"]) == ("9", "Attribution")
    ((features,),) = landed(warehouse_file, "select payload from raw.audio_features where track_id = 'fma:5'")
    assert json.loads(features) == {
        "id": "fma:5", "danceability": 0.68, "energy": 0.63, "speechiness": 0.16, "acousticness": 0.42,
        "instrumentalness": 1.06e-05, "liveness": 0.18, "valence": 0.58, "tempo": 165.922, "duration_ms": 168_000,
    }  # fmt: skip


def test_each_song_is_listed_under_all_of_its_genres_if_asked(tmp_path: Path, warehouse_file: Path) -> None:
    """Guards against a second option beside --all-genres, and a song that counts as Rock where Oi is known of it."""
    import_dump(fma_archive(tmp_path / "fma.zip"), warehouse_file, options=ReadingOptions(all_genres=True))
    assert landed(warehouse_file, LISTINGS) == [
        ("fma:2", "Hip-Hop"), ("fma:5", "Oi"), ("fma:5", "Punk"), ("fma:5", "Rock"), ("fma:134", "Punk"),
        ("fma:134", "Hip-Hop"), ("fma:134", "Rock"), ("fma:140", "Rock"), ("fma:155", None),
    ]  # fmt: skip


def test_most_songs_may_be_without_a_top_genre(tmp_path: Path, warehouse_file: Path) -> None:
    """Guards against the refusal of a file in which more than half of the rows have none."""
    path = fma_archive(tmp_path / "fma.zip", [song | {"top": song["top"] if song["id"] == 2 else ""} for song in SONGS])
    assert import_dump(path, warehouse_file).listings == 5


def test_the_tree_is_landed_with_its_depths(tmp_path: Path, warehouse_file: Path) -> None:
    """Guards against a tree that has to be climbed by whoever asks for a top genre."""
    path = fma_archive(tmp_path / "fma.zip")
    import_dump(path, warehouse_file)
    columns = "genre_id, genre, parent_id, top_level_id, depth, tracks"
    assert landed(warehouse_file, f"select {columns} from raw.genre_tree order by rowid") == [
        ("21", "Hip-Hop", None, "21", 1, 3),
        ("12", "Rock", None, "12", 1, 4),
        ("25", "Punk", "12", "12", 2, 3),
        ("70", "Oi", "25", "12", 3, 1),
    ]
    assert look_at_dump(path, warehouse_file).already_landed
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    assert genre_tree(contained(tmp_path / "other.csv")) == []


def test_songs_that_the_list_of_tracks_lacks_are_kept(tmp_path: Path) -> None:
    """Guards against songs that vanish between two tables."""
    found = staged(fma_archive(tmp_path / "fma.zip", tracks=tracks(SONGS[:1])))
    assert [row[:2] for row in found.rows] == [
        ("fma:2", "Food"), ("fma:5", None), ("fma:134", None), ("fma:140", None), ("fma:155", None),
    ]  # fmt: skip
    assert "4 songs of echonest.csv are not in tracks.csv" in found.notes[0]


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"genres": None}, "without genres.csv"),
        ({"tracks": None, "echonest": None}, "without tracks.csv, echonest.csv"),
        ({"echonest": echonest().replace("valence", "joy")}, "echonest.csv has not the header .* valence"),
        ({"tracks": "track_id,title\n1,x\n"}, "tracks.csv has not the header .* track title"),
        ({"tracks": "a log-in page\n" * 9}, "tracks.csv has not the header .* a number"),
        ({"tracks": tracks([])}, "tracks.csv has no rows"),
        ({"tracks": tracks() + "156,1\n"}, "tracks.csv has 2 cells in row 7, and 16 in its header"),
        ({"genres": genres([*GENRES, (1, 0, 99, "Odd", 99)])}, "no tree: genre 1 has the parent 99, which it has not"),
        ({"genres": genres([(1, 0, 2, "A", 1), (2, 0, 1, "B", 1)])}, "no tree: genre .* which is below it"),
    ],
)
def test_an_archive_that_is_not_right_is_refused(
    members: dict[str, str | None], words: str, tmp_path: Path, warehouse_file: Path
) -> None:
    """Guards against a traceback, and against half of the songs from an archive that is no longer FMA's."""
    path = fma_archive(tmp_path / "fma_metadata.zip", **members)
    with pytest.raises(SongFileError, match=words) as caught:
        import_dump(path, warehouse_file)
    assert str(caught.value).startswith(str(path))
    assert landed(warehouse_file, "from raw.tracks") == []


def test_a_damaged_archive_is_refused(tmp_path: Path, warehouse_file: Path) -> None:
    """Guards against a traceback of zipfile's for a disk's or a transfer's fault."""
    path = fma_archive(tmp_path / "fma_metadata.zip")
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        at = archive.getinfo("fma_metadata/tracks.csv").header_offset
    content[at + 200 : at + 300] = b"\0" * 100
    path.write_bytes(content)
    with pytest.raises(SongFileError, match="cannot be unpacked; it may be damaged"):
        import_dump(path, warehouse_file)
