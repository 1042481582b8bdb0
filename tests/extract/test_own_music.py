"""A person's own music: what is landed of lists, libraries and histories, and what never is."""

import json
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from extract.dumps import import_songs
from extract.own_music import is_own_music, opened
from extract.song_files import SongFileError

ID = "4Ub8UsjWuewQrPhuepfVp{}"
PRIVATE = ("203.0.113.7", "bob_the_listener", "windows desktop", "10:15", "fwdbtn")


def play(number: int, moment: str, milliseconds: int = 200_000, **changes: Any) -> dict[str, Any]:
    """One play of an extended history, with all that Spotify says of it."""
    return {
        "ts": moment, "username": "bob_the_listener", "platform": "windows desktop", "ms_played": milliseconds,
        "conn_country": "DE", "ip_addr": "203.0.113.7", "user_agent_decrypted": "unknown",
        "master_metadata_track_name": f"Song {number}", "master_metadata_album_artist_name": "Ann",
        "master_metadata_album_album_name": "First", "spotify_track_uri": f"spotify:track:{ID.format(number)}",
        "episode_name": None, "reason_start": "fwdbtn", "reason_end": "fwdbtn", "skipped": False,
    } | changes  # fmt: skip


HISTORY = [
    play(1, "2023-01-05T10:15:00Z"),
    play(1, "2023-01-31T23:59:59Z", 29_999),
    play(1, "2023-02-01T00:00:00Z"),
    play(2, "2023-01-06T10:15:00Z"),
    play(0, "2023-01-07T10:15:00Z", spotify_track_uri=None, master_metadata_track_name=None, episode_name="A podcast"),
]
YEAR = [
    {"endTime": "2024-01-31 10:15", "artistName": "ann", "trackName": " Song 1", "msPlayed": 40_000},
    {"endTime": "2024-01-31 10:15", "artistName": "Cat", "trackName": "Of no id", "msPlayed": 50_000},
]
LIBRARY = {"tracks": [{"artist": "Ann", "album": "First", "track": "Song 1", "uri": f"spotify:track:{ID.format(1)}"}]}
PLAYLISTS = {
    "playlists": [{"name": "Mine", "items": [
        {"track": {"trackName": "Song 2", "artistName": "Ann", "albumName": "First",
                   "trackUri": f"spotify:track:{ID.format(2)}"}, "localTrack": None},
        {"track": None, "localTrack": {"uri": "spotify:local:x"}},
    ]}]
}  # fmt: skip


def landed(warehouse: Path, query: str) -> list[tuple[Any, ...]]:
    """Rows of the warehouse."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    """Where a warehouse will be."""
    return tmp_path / "warehouse.duckdb"


def test_a_list_has_ids_in_three_forms(tmp_path: Path, warehouse: Path) -> None:
    """Guards against a list of links that needs a header."""
    links = [ID.format(1), f"spotify:track:{ID.format(2)}", f"https://open.spotify.com/track/{ID.format(3)}?si=0a"]
    path = tmp_path / "mine.txt"
    path.write_text("# my songs\n\n" + "\n".join([*links, "spotify:local:a:b:c:1"]) + "\n")
    report = import_songs(path, warehouse)
    assert (report.dataset, report.source, report.listings, report.problem_rows) == ("mine", "songs:mine.txt", 4, 1)
    found = landed(warehouse, "select track_id, genre from raw.tracks order by listing_id")
    assert found == [*((ID.format(number), None) for number in (1, 2, 3)), ("spotify:local:a:b:c:1", None)]
    assert import_songs(path, warehouse).already_landed


def test_of_a_history_songs_and_counts_by_month_are_landed_and_nothing_else(tmp_path: Path, warehouse: Path) -> None:
    """Guards against an address, a name, a device or a time of day in the warehouse."""
    path = tmp_path / "Streaming_History_Audio_2023_1.json"
    path.write_text(json.dumps(HISTORY))
    report = import_songs(path, warehouse)
    assert report.file.notes == ("Left out, since they are no songs but podcasts, videos or empty: 1.",)
    assert landed(warehouse, "select track_id from raw.tracks order by listing_id") == [
        (ID.format(1),),
        (ID.format(2),),
    ]
    assert landed(warehouse, "select listing_id, month, plays, seconds from raw.plays order by all") == [
        (1, date(2023, 1, 1), 1, 229),  # of two plays one is shorter than half a minute
        (1, date(2023, 2, 1), 1, 200),
        (2, date(2023, 1, 1), 1, 200),
    ]
    content = warehouse.read_bytes()
    assert not [word for word in PRIVATE if word.encode() in content]


def test_account_data_is_read_as_the_zip_comes(tmp_path: Path, warehouse: Path) -> None:
    """Guards against a song that is there twice, known by its id in one file and by its name in another."""
    path = tmp_path / "my_spotify_data.zip"
    with zipfile.ZipFile(path, "w") as archive:
        folder = "Spotify Account Data"
        for name, content in {
            "YourLibrary.json": LIBRARY, "Playlist1.json": PLAYLISTS, "StreamingHistory_music_0.json": YEAR,
            "Identity.json": {"displayName": "bob_the_listener"},
        }.items():  # fmt: skip
            archive.writestr(f"{folder}/{name}", json.dumps(content))
    report = import_songs(path, warehouse)
    found = landed(warehouse, "select track_id, payload ->> '$.name' from raw.tracks order by payload ->> '$.name'")
    assert (report.listings, len(found)) == (3, 3)
    assert found[0][0].startswith("derived:")
    assert found[1:] == [(ID.format(1), "Song 1"), (ID.format(2), "Song 2")]
    plays = "select track_id, plays from raw.plays inner join raw.tracks using (listing_id) order by plays.seconds"
    assert landed(warehouse, plays) == [(ID.format(1), 1), (found[0][0], 1)]
    assert b"bob_the_listener" not in warehouse.read_bytes()


def test_exportify_without_features_is_a_list_and_its_genres_stay_with_it(tmp_path: Path, warehouse: Path) -> None:
    """Guards against an artist's tags taken for the genre of a song."""
    path = tmp_path / "liked.csv"
    path.write_text(
        "\ufeffTrack URI,Track Name,Artist Name(s),Added By,Added At,Genres,Danceability,Energy,Valence\n"
        f'spotify:track:{ID.format(1)},One,"Ann;Bob",carol_l,2024-01-31T10:07:55Z,"pop,rock",,,\n'
        f"spotify:track:{ID.format(2)},Two,Ann,carol_l,2024-01-31T10:07:55Z,pop,0.5,0.4,0.3\n"
    )
    assert not is_own_music(path)
    report = import_songs(path, warehouse)
    assert "Who listened, when and where is left in the file: Added By, Added At." in report.file.notes
    assert not [word for word in (b"carol_l", b"10:07:55") if word in warehouse.read_bytes()]
    tags = landed(warehouse, "select genre, payload ->> '$.genre_tags' from raw.tracks order by listing_id")
    assert tags == [(None, "pop,rock"), (None, "pop")]
    assert landed(warehouse, "select listing_id from raw.audio_features") == [(2,)]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[{\"ts\": \"2023-01-05T10:15:00Z\", \"ms_played\": 3", "cannot be read"),
        (json.dumps([play(1, "05.01.2023 10:15")]), "time is not written"),
        (json.dumps([play(1, "2023-01-05", spotify_track_uri=None)]), "names no song: 1 entries"),
        ("[]", "names no song: it holds none"),
    ],
    ids=["cut off", "no time", "podcasts alone", "empty"],
)  # fmt: skip
def test_a_broken_history_is_told_in_a_sentence(content: str, words: str, tmp_path: Path, warehouse: Path) -> None:
    """Guards against half of a history, and against a traceback."""
    path = tmp_path / "Streaming_History_Audio_2023_1.json"
    path.write_text(content)
    assert is_own_music(path)
    with pytest.raises(SongFileError, match=words) as error, opened(path):
        pass
    assert not [word for word in PRIVATE if word in str(error.value)]
    assert not warehouse.exists()


def test_a_list_may_have_a_header_and_links_that_were_shared(tmp_path: Path, warehouse: Path) -> None:
    """Guards against the name of a playlist's owner, or who shared a link, in the warehouse, and a header as a song."""
    path = tmp_path / "mine.txt"
    links = [
        "Track URI", f'"spotify:track:{ID.format(1)}"', f"https://open.spotify.com/track/{ID.format(2)}?si=shared_by_bob",
        f"spotify:user:bob_the_listener:playlist:{ID.format(3)}",
        f"https://open.spotify.com/user/bob_the_listener/playlist/{ID.format(4)}",
    ]  # fmt: skip
    path.write_text("\n".join(links))
    assert import_songs(path, warehouse).listings == 4
    assert not [word for word in (b"bob_the_listener", b"shared_by_bob") if word in warehouse.read_bytes()]
    assert landed(warehouse, "select track_id from raw.tracks order by listing_id limit 2") == [
        (ID.format(1),),
        (ID.format(2),),
    ]


def test_a_list_of_comments_names_no_song(tmp_path: Path) -> None:
    """Guards against a comment taken for a column."""
    path = tmp_path / "mine.txt"
    path.write_text("# nothing yet\n\n")
    with pytest.raises(SongFileError, match="names no song: it holds none"), opened(path):
        pass


def test_of_a_row_that_cannot_be_read_nothing_is_kept_where_columns_are_private(
    tmp_path: Path, warehouse: Path
) -> None:
    """Guards against Added By and Added At in the text of a row with a field too many."""
    path = tmp_path / "liked.csv"
    row = f"spotify:track:{ID.format(1)},One,Ann,bob_the_listener,2024-01-31T10:15:55Z"
    path.write_text(f"Track URI,Track Name,Artist Name(s),Added By,Added At\n{row}\n{row}\n{row},more\n")
    assert import_songs(path, warehouse).problem_rows == 1
    assert not [word for word in PRIVATE if word.encode() in warehouse.read_bytes()]
    assert landed(warehouse, "select listing_id from raw.tracks where not json_valid(payload)") == [(3,)]


def test_a_list_may_be_of_local_files_for_the_most_part(tmp_path: Path, warehouse: Path) -> None:
    """Guards against songs that are not shown since others are local files; of these alone nothing can be shown."""
    path, local = tmp_path / "mine.txt", "spotify:local:Ann::Song:180\nspotify:local:Ann::Other:180\n"
    path.write_text(local + ID.format(1))
    assert import_songs(path, warehouse).problem_rows == 2
    path.write_text(local)
    with pytest.raises(SongFileError, match="2 of 2 rows cannot be used"):
        import_songs(path, warehouse, name="local")
