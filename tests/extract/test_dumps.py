"""Importing dumps: formats, layouts, verbatim values, and every kind of bad file."""

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from extract.dumps import import_dump, look_at_dump
from extract.song_files import Container, ReadingOptions, SongFileError

Query = Callable[..., list[tuple[Any, ...]]]
StudyCsv = Callable[..., Path]

TRACKS = "select listing_id, track_id, payload from raw.tracks order by listing_id"
FEATURES = "select payload from raw.audio_features order by listing_id"


def edited(path: Path, edit: Callable[[list[str]], None]) -> Path:
    """The file with its list of lines changed in place by `edit`."""
    lines = path.read_text(encoding="utf-8").split("\n")
    edit(lines)
    path.write_bytes("\n".join(lines).encode())
    return path


def test_a_row_becomes_two_documents_with_the_digits_of_the_file(
    study_csv: StudyCsv, warehouse_file: Path, query: Query
) -> None:
    """Guards against values that change on the way: 0.30 and 4.0 are landed as they were written."""
    report = import_dump(study_csv({}), warehouse_file)
    assert (report.dataset, report.source, report.layout) == ("songs", "dump:songs.csv", "study")
    assert (report.listings, report.already_landed, report.problem_rows, report.problems) == (1, False, 0, ())
    track = '{"id":"id1","name":"One","artists":[{"name":"Ann"}],"duration_ms":200000,"popularity":50}'
    assert query("select genre, artist_name, track_id, listing_id, payload from raw.tracks") == [
        ("Jazz", "Ann", "id1", 1, track)
    ]
    features = (
        '{"id":"id1","danceability":0.5,"energy":0.0583,"key":4,"loudness":-7.25,"mode":1,"speechiness":0.04,'
        '"acousticness":0.1,"instrumentalness":1e-05,"liveness":0.2,"valence":0.30,"tempo":120.5,'
        '"duration_ms":200000,"time_signature":4.0}'
    )
    assert query("select track_id, listing_id, payload from raw.audio_features") == [("id1", 1, features)]
    assert query("select dataset, source, is_synthetic, is_active from raw.datasets") == [
        ("songs", "dump:songs.csv", False, True)
    ]


def test_the_name_keeps_the_dots_before_the_ending(study_csv: StudyCsv, warehouse_file: Path) -> None:
    """Guards against audio_features_4.0.csv becoming the dataset `audio_features_4`."""
    assert import_dump(study_csv({}, name="audio_features_4.0.csv"), warehouse_file).dataset == "audio_features_4.0"


def test_the_same_file_again_changes_nothing_but_is_active(
    study_csv: StudyCsv, warehouse_file: Path, query: Query
) -> None:
    """Guards against listings landed twice."""
    first, other = study_csv({}, {}, name="first.csv"), study_csv({}, name="other.csv")
    import_dump(first, warehouse_file)
    import_dump(other, warehouse_file)
    before = query("select * from raw.tracks order by all")
    report = import_dump(first, warehouse_file)
    assert (report.already_landed, report.listings) == (True, 2)
    assert query("select * from raw.tracks order by all") == before
    assert query("select dataset, is_active from raw.datasets order by all") == [("first", True), ("other", False)]


def test_other_content_under_a_name_that_is_taken_is_refused(
    study_csv: StudyCsv, warehouse_file: Path, query: Query
) -> None:
    """Guards against two files mixed in one dataset."""
    import_dump(study_csv({}), warehouse_file)
    with pytest.raises(SongFileError, match=r"(?s)'songs' was landed before .* with other content.*--name songs-2"):
        import_dump(study_csv({}, {}), warehouse_file)
    assert query("select count(*) from raw.tracks") == [(1,)]
    assert import_dump(study_csv({}, {}), warehouse_file, name="songs-2").listings == 2


def test_another_mapping_of_the_same_file_is_not_taken_for_landed(study_csv: StudyCsv, warehouse_file: Path) -> None:
    """Guards against a corrected --map that would silently change nothing."""
    path = study_csv({})
    import_dump(path, warehouse_file)
    with pytest.raises(SongFileError, match="another --map"):
        import_dump(path, warehouse_file, options=ReadingOptions({"genre": "artist_name"}))


@pytest.mark.parametrize("name", ["sandbox", "spotify", "auto"])
def test_a_dump_may_not_take_the_name_of_a_source(study_csv: StudyCsv, warehouse_file: Path, name: str) -> None:
    """Guards against a real dump that a later crawl of the sandbox would add synthetic songs to."""
    with pytest.raises(SongFileError, match=f"--name my-{name}"):
        import_dump(study_csv({}, name=f"{name}.csv"), warehouse_file)


# Layouts ------------------------------------------------------------------------------------------------------------

TIDYTUESDAY = (
    "track_id,track_name,track_artist,track_popularity,track_album_id,track_album_name,track_album_release_date,"
    "playlist_name,playlist_id,playlist_genre,playlist_subgenre,danceability,energy,key,loudness,mode,speechiness,"
    "acousticness,instrumentalness,liveness,valence,tempo,duration_ms\n"
    "t1,Song,Ann,66,a1,Album,2019,My list,p1,pop,dance pop,0.7,0.9,6,-2.6,1,0.05,0.1,0,0.06,0.5,122,194754\n"
    "t2,NA,NA,0,a2,NA,2012,My list,p1,rap,trap,0.7,0.9,6,-2.6,1,0.05,0.1,0,0.06,0.5,122,194754\n"
)


def test_tidytuesday_layout(tmp_path: Path, warehouse_file: Path, query: Query) -> None:
    """Guards against lost columns: what Spotify's document has no place for is kept under `dump`."""
    path = tmp_path / "tt.csv"
    path.write_text(TIDYTUESDAY)
    assert import_dump(path, warehouse_file).layout == "tidytuesday"
    first, second = (json.loads(payload) for *_, payload in query(TRACKS))
    assert first == {
        "id": "t1",
        "name": "Song",
        "artists": [{"name": "Ann"}],
        "duration_ms": 194754,
        "popularity": 66,
        "album": {"id": "a1", "name": "Album", "release_date": "2019"},
        "dump": {"playlist_name": "My list", "playlist_id": "p1", "playlist_subgenre": "dance pop"},
    }
    assert (second["name"], second["artists"]) == (None, [])
    assert query("select genre, artist_name from raw.tracks order by listing_id") == [("pop", "Ann"), ("rap", None)]
    assert "time_signature" not in json.loads(query(FEATURES)[0][0])


def test_kaggle_layout(tmp_path: Path, warehouse_file: Path, query: Query) -> None:
    """Guards against a lost index column, and against two artists taken for one."""
    path = tmp_path / "kaggle.csv"
    path.write_text(
        ",track_id,artists,album_name,track_name,popularity,duration_ms,explicit,danceability,energy,key,loudness,mode,"
        "speechiness,acousticness,instrumentalness,liveness,valence,tempo,time_signature,track_genre\n"
        "7,k1,Ann;Bob,Album,Song,2,151573,True,0.8,0.9,1,-3.6,1,0.07,0.02,0.0,0.06,0.7,91.983,4,latin\n"
    )
    assert import_dump(path, warehouse_file).layout == "kaggle"
    (track,) = (json.loads(payload) for *_, payload in query(TRACKS))
    assert track["artists"] == [{"name": "Ann"}, {"name": "Bob"}]
    assert track["explicit"] is True
    assert track["dump"] == {"column 1": "7"}
    assert query("select artist_name, genre from raw.tracks") == [("Ann;Bob", "latin")]


def test_what_a_file_says_of_the_album_is_where_spotify_has_it(
    tmp_path: Path, warehouse_file: Path, query: Query
) -> None:
    """Guards against details that a file holds and no mart shows, and against an album that is called after a mark."""
    path = tmp_path / "exportify.csv"
    path.write_text(
        "Track URI,Track Name,Artist URI(s),Artist Name(s),Album URI,Album Name,Album Release Date,Disc Number,"
        "Track Number,Track Duration (ms),Explicit,Popularity,ISRC,Danceability,Energy,Tempo,Genres\n"
        "spotify:track:t1,Song,x,Ann,spotify:album:a1,Album,1994-05,1,7,1000,false,3,XXS1,0.5,0.5,100,ska\n"
        "spotify:track:t2,Other,x,Ann,,#N/A,,,,1000,true,3,,0.5,0.5,100,ska\n"
    )
    import_dump(path, warehouse_file)
    first, second = (json.loads(payload) for *_, payload in query(TRACKS))
    names = ("album", "disc_number", "track_number", "explicit", "external_ids")
    assert {name: first[name] for name in names} == {
        "album": {"id": "a1", "name": "Album", "release_date": "1994-05"},
        "disc_number": 1,
        "track_number": 7,
        "explicit": False,
        "external_ids": {"isrc": "XXS1"},
    }
    assert second["album"] == {"id": None, "name": None, "release_date": None}
    assert (second["disc_number"], second["external_ids"]) == (None, {"isrc": None})


def test_spotifys_own_documents_keep_their_album(tmp_path: Path, warehouse_file: Path, query: Query) -> None:
    """Guards against an album whose title is a JSON object."""
    album = {"id": "a1", "name": "Album", "release_date": "1994", "release_date_precision": "year"}
    own = {"id": "t1", "name": "Song", "artists": [{"name": "Ann"}], "album": album, "external_ids": {"isrc": "XXS1"}}
    path = tmp_path / "own.json"
    path.write_text(json.dumps([own | {"genre": "ska", "danceability": 0.5, "energy": 0.5, "tempo": 100}]))
    import_dump(path, warehouse_file)
    (track,) = (json.loads(payload) for *_, payload in query(TRACKS))
    assert (track["album"], track["external_ids"]) == (album, {"isrc": "XXS1"})


def test_a_mapping_overrides_a_recognised_layout(tmp_path: Path, warehouse_file: Path, query: Query) -> None:
    """Guards against a --map that is read but not used."""
    path = tmp_path / "tt.csv"
    path.write_text(TIDYTUESDAY)
    report = import_dump(path, warehouse_file, options=ReadingOptions({"genre": "playlist_subgenre"}))
    assert report.layout == "tidytuesday, mapped"
    assert query("select genre from raw.tracks order by listing_id") == [("dance pop",), ("trap",)]
    assert json.loads(query(TRACKS)[0][2])["dump"]["playlist_genre"] == "pop"


def test_a_mapping_completes_an_unknown_layout(study_csv: StudyCsv, warehouse_file: Path, query: Query) -> None:
    """Guards against an error that tells the user to type what then does not work."""
    path = edited(study_csv({}), lambda lines: lines.__setitem__(0, lines[0].replace("genre", "my words")))
    with pytest.raises(SongFileError) as caught:
        import_dump(path, warehouse_file)
    message = str(caught.value)
    assert "It has the columns: danceability, energy," in message
    assert "it lacks a genre for each song." in message
    assert message.endswith(f"A model can name the genres of these songs: song-genres predict {path}")
    edited(path, lambda lines: lines.__setitem__(0, lines[0].replace("my words", "my style")))
    with pytest.raises(SongFileError) as caught:
        import_dump(path, warehouse_file)
    assert str(caught.value).endswith(f"song-genres import {path} --map 'genre=my style'")
    assert len(str(caught.value).splitlines()) == 4
    import_dump(path, warehouse_file, options=ReadingOptions({"genre": "my style"}))
    assert query("select genre from raw.tracks") == [("Jazz",)]


def test_a_dump_without_ids_and_titles_says_why_it_cannot_be_used(tmp_path: Path, warehouse_file: Path) -> None:
    """Guards against a landed dump of which cleaning would reject every listing."""
    path = tmp_path / "no_ids.csv"
    path.write_text(
        "popularity,duration_ms,explicit,danceability,energy,key,loudness,mode,speechiness,acousticness,"
        "instrumentalness,liveness,valence,tempo,time_signature,track_genre\n1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,x\n"
    )
    with pytest.raises(SongFileError, match=r"lacks ids or titles, which tell songs apart"):
        import_dump(path, warehouse_file)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [({"style": "genre"}, "no field 'style'.*genre"), ({"genre": "style"}, "no column 'style'.*It has: danceability")],
)
def test_a_mapping_of_what_is_not_there(
    study_csv: StudyCsv, warehouse_file: Path, mapping: dict[str, str], message: str
) -> None:
    """Guards against a mistyped --map that would be ignored."""
    with pytest.raises(SongFileError, match=message):
        import_dump(study_csv({}), warehouse_file, options=ReadingOptions(mapping))


def test_columns_of_awkward_names_are_kept(study_csv: StudyCsv, warehouse_file: Path, query: Query) -> None:
    """Guards against SQL that a column's name breaks."""

    def add(lines: list[str]) -> None:
        lines[0] += ',"it\'s ""odd""",select,'
        lines[1] += ",x,y,z"

    import_dump(edited(study_csv({}), add), warehouse_file)
    assert json.loads(query(TRACKS)[0][2])["dump"] == {'it\'s "odd"': "x", "select": "y", "column 21": "z"}


# Text and missing values --------------------------------------------------------------------------------------------


def test_names_stay_as_they_are(study_csv: StudyCsv, warehouse_file: Path, query: Query) -> None:
    """Guards against an artist called NA taken for a missing value, and against quoting that goes wrong."""
    names = [
        "NA",
        "Null",
        "None",
        "nan",
        'two\nlines, a "quote"',
        "夜に駆ける",
        "🔥",
        " spaces ",
        "\\N",
        "tab\there",
        "#1",
    ]
    import_dump(study_csv(*({"song_name": name, "artist_name": name} for name in names)), warehouse_file)
    tracks = [json.loads(payload) for *_, payload in query(TRACKS)]
    assert [track["name"] for track in tracks] == names
    assert [track["artists"] for track in tracks] == [[{"name": name}] for name in names]
    assert query("select artist_name from raw.tracks order by listing_id") == [(name,) for name in names]


def test_a_missing_number_is_null(study_csv: StudyCsv, warehouse_file: Path, query: Query) -> None:
    """Guards against a missing number taken for text or for zero; popularity may be missing, tempo may not."""
    missing = [{"tempo": cell, "popularity": cell} for cell in ("", "NaN", "NA", "null", " n/a ", "None", "\\N")]
    report = import_dump(study_csv(*missing, *({} for _ in range(7))), warehouse_file)
    assert (report.problem_rows, report.problems[0]) == (7, "row 1, column tempo: is missing")
    assert [json.loads(payload)["tempo"] for (payload,) in query(FEATURES)] == [None] * 7 + [120.5] * 7
    assert [json.loads(payload)["popularity"] for *_, payload in query(TRACKS)] == [None] * 7 + [50] * 7


@pytest.mark.parametrize(
    "cells",
    [
        [
            ("tempo", "fast", "column tempo: 'fast' is not a number"),
            ("tempo", "1_000", "column tempo: '1_000' is not a number"),
            ("tempo", "inf", "column tempo: 'inf' is not a finite number"),
            ("tempo", "301", "column tempo: '301' is not within 0 to 300"),
            ("energy", "-0.01", "column energy: '-0.01' is not within 0 to 1"),
        ],
        [
            ("duration_ms", "86400001", "column duration_ms: '86400001' is not within 0 to 86400000"),
            ("key", "4.5", "column key: '4.5' is not a whole number"),
            ("popularity", "many", "column popularity: 'many' is not a number"),
            ("spotify_track_id", "", "column spotify_track_id: is missing"),
            ("genre", "", "column genre: is missing"),
        ],
    ],
)
def test_what_cannot_be_used_is_landed_and_named(
    study_csv: StudyCsv, warehouse_file: Path, query: Query, cells: list[tuple[str, str, str]]
) -> None:
    """Guards against a row dropped in silence, and against an import that stops for one bad cell."""
    good: list[dict[str, str]] = [{} for _ in cells]
    report = import_dump(study_csv(*good, *({column: cell} for column, cell, _ in cells)), warehouse_file)
    assert (report.listings, report.problem_rows) == (10, 5)
    assert report.problems == tuple(f"row {row}, {reason}" for row, (*_, reason) in enumerate(cells, start=6))
    numbers = [(row,) for row in range(1, 11)]
    assert query("select listing_id from raw.tracks order by all") == numbers
    assert query("select listing_id from raw.audio_features order by all") == numbers


def test_text_in_a_numbers_place_is_landed_as_text(study_csv: StudyCsv, warehouse_file: Path, query: Query) -> None:
    """Guards against a document that is not JSON because of one cell, and against a lost reason for rejection."""
    import_dump(study_csv({"tempo": 'fa"st', "energy": ".5", "key": "007"}, {}), warehouse_file)
    features = json.loads(query(FEATURES)[0][0])
    assert (features["tempo"], features["energy"], features["key"]) == ('fa"st', ".5", "007")


def test_more_than_half_unusable_lands_nothing(study_csv: StudyCsv, warehouse_file: Path, query: Query) -> None:
    """Guards against a wrongly mapped dump that would be landed only to be rejected whole."""
    with pytest.raises(SongFileError) as caught:
        import_dump(study_csv({}, {"tempo": "fast"}, {"key": "H"}), warehouse_file)
    message = str(caught.value)
    assert "songs.csv: 2 of 3 rows cannot be used" in message
    assert "row 2, column tempo: 'fast' is not a number\n  row 3, column key: 'H' is not a number" in message
    assert query("select count(*) from raw.tracks") == query("select count(*) from raw.datasets") == [(0,)]


def test_exactly_half_unusable_is_landed(study_csv: StudyCsv, warehouse_file: Path) -> None:
    """Guards against a bound that is off by one row: the import goes on unless MORE than half fail."""
    assert import_dump(study_csv({}, {"tempo": "fast"}), warehouse_file).problem_rows == 1


# Broken rows --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("line", "fields"), [("0.5,0.5", 2), (",".join("x" * 20), 20)], ids=["too few", "too many"])
def test_a_row_with_the_wrong_number_of_fields_is_landed_as_its_line(
    study_csv: StudyCsv, warehouse_file: Path, query: Query, line: str, fields: int
) -> None:
    """Guards against dropped rows: the row is a listing that cannot be read, and those after it keep their numbers."""
    path = edited(study_csv({}, {}, {}), lambda lines: lines.__setitem__(2, line))
    report = import_dump(path, warehouse_file)
    assert report.problems == (f"row 2, line 3: {fields} fields, where the header has 18",)
    rows = query(TRACKS)
    assert [row[:2] for row in rows] == [(1, "id1"), (2, None), (3, "id3")]
    assert rows[1][2] == line
    assert query("select listing_id from raw.audio_features order by all") == [(1,), (3,)]


def test_numbers_count_neither_blank_lines_nor_the_lines_of_one_row(
    study_csv: StudyCsv, warehouse_file: Path, query: Query
) -> None:
    """Guards against listing ids that shift where blank lines, line breaks in names and broken rows meet."""
    path = edited(
        study_csv({}, {"song_name": "a\nb"}, {}, {}),
        lambda lines: lines.__setitem__(slice(4, 5), ["", "   ", "1,2,3", ""]),
    )
    # Lines: 1 header, 2 id1, 3-4 id2, 5-6 blank, 7 broken (in place of id3), 8 blank, 9 id4.
    report = import_dump(path, warehouse_file)
    assert report.problems == ("row 3, line 7: 3 fields, where the header has 18",)
    assert [row[:2] for row in query(TRACKS)] == [(1, "id1"), (2, "id2"), (3, None), (4, "id4")]


@pytest.mark.parametrize("last", ["Four", "with, comma"], ids=["never closed", "closed in a later row"])
def test_an_unclosed_quote_swallows_no_good_row(
    study_csv: StudyCsv, warehouse_file: Path, query: Query, last: str
) -> None:
    """Guards against rows that vanish into a song's name, or, with DuckDB on one thread, from the file."""
    path = edited(
        study_csv({}, {}, {}, {"song_name": last}),
        lambda lines: lines.__setitem__(2, lines[2].replace("One", '"One')),
    )
    report = import_dump(path, warehouse_file)
    assert report.problems == ("row 2, line 3: a quotation mark that is not closed, or closed in the wrong place",)
    rows = query(TRACKS)
    assert [row[:2] for row in rows] == [(1, "id1"), (2, None), (3, "id3"), (4, "id4")]
    assert rows[1][2] == path.read_text().split("\n")[2]


# Files that are no dump ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("broken", [False, True])
def test_bytes_that_are_not_utf8_are_read_as_windows_1252(
    study_csv: StudyCsv, warehouse_file: Path, query: Query, broken: bool
) -> None:
    """Guards against names full of question marks, and against a guess that nobody is told of."""
    path = study_csv({}, {"song_name": "café – ’90"}, *([{"tempo": '1"2'}] if broken else []))
    path.write_bytes(path.read_text(encoding="utf-8").encode("cp1252"))
    report = import_dump(path, warehouse_file)
    assert json.loads(query(TRACKS)[1][2])["name"] == "café – ’90"
    assert report.warnings == (
        f"{path}: 1 line is not UTF-8, and read as Windows-1252 (Latin-1), such as line 3: 'café –'",
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"PAR1\0\0\0\x15\x04", "cannot be read as parquet; it may be damaged"),
        ("danceability,energy\n".encode("utf-16"), "it lacks audio features"),
        (b"\n\n\n", "first line is empty"),
        (b'"danceability,energy\n1,2\n', "header cannot be read"),
        (b"just some words\nand more\n", "has one column only, 'just some words'"),
        (b"caf\xe9,b\n1,2\n", "It has the columns: café, b"),
    ],
    ids=["empty", "binary", "header alone", "blank", "quote", "prose", "latin-1 header"],
)
def test_what_is_no_csv_is_told_with_the_files_name(
    tmp_path: Path, warehouse_file: Path, content: bytes, message: str
) -> None:
    """Guards against tracebacks and DuckDB's own words for what a user can cause."""
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(SongFileError, match=f"(?s)bad.csv.*{message}"):
        import_dump(path, warehouse_file)


@pytest.mark.parametrize(("name", "content"), [("bad.jsonl", b"not json\n"), ("bad.parquet", b"not parquet")])
def test_other_formats_that_are_not_what_they_say(
    tmp_path: Path, warehouse_file: Path, name: str, content: bytes
) -> None:
    """Guards against tracebacks for a file with the wrong ending."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SongFileError, match=name):
        import_dump(path, warehouse_file)


def test_a_header_alone_is_no_dump(study_csv: StudyCsv, warehouse_file: Path) -> None:
    """Guards against an empty dataset made active."""
    with pytest.raises(SongFileError, match="songs.csv has a header but no rows"):
        import_dump(study_csv(), warehouse_file)


def test_paths_that_are_no_file(tmp_path: Path, warehouse_file: Path) -> None:
    """Guards against tracebacks; a file that is not there must not make a warehouse either."""
    with pytest.raises(SongFileError, match="nowhere.csv does not exist"):
        import_dump(tmp_path / "nowhere.csv", warehouse_file)
    with pytest.raises(SongFileError, match="The folder .* holds no table of songs .*, and no file"):
        import_dump(tmp_path, warehouse_file)
    assert not warehouse_file.exists()


def test_a_gzip_that_is_cut_short_is_refused(
    study_csv: StudyCsv, tmp_path: Path, warehouse_file: Path, query: Query
) -> None:
    """Guards against the first half of a download taken for the whole."""
    packed = gzip.compress(study_csv(*({} for _ in range(2000))).read_bytes())
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(SongFileError, match=r"cut.csv.gz cannot be unpacked; it may be damaged or cut short"):
        import_dump(path, warehouse_file)
    assert query("select count(*) from raw.tracks") == [(0,)]


# Formats ------------------------------------------------------------------------------------------------------------


def as_gz(path: Path) -> Path:
    packed = path.with_name("songs.csv.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    return packed


def as_windows(path: Path) -> Path:
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    return path


def as_mixed_line_ends(path: Path) -> Path:
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n", 1))
    return path


def as_semicolons(path: Path) -> Path:
    path.write_bytes(path.read_bytes().replace(b",", b";"))
    return path


def as_parquet(path: Path) -> Path:
    target = path.with_name("songs.parquet")
    with duckdb.connect() as connection:
        # Text as bytes, as some writers leave it.
        songs = f"select * replace (encode(song_name) as song_name) from read_csv('{path}')"
        connection.execute(f"copy ({songs}) to '{target}'")
    return target


def as_json_lines(path: Path) -> Path:
    target = path.with_name("songs.jsonl")
    with path.open(encoding="utf-8") as file:
        rows = [
            {name: float(cell) if cell[0] in "-0123456789" else cell for name, cell in row.items()}
            for row in csv.DictReader(file)
        ]
    target.write_text("\n\n".join(json.dumps(row) for row in rows))
    return target


def as_json_lines_gz(path: Path) -> Path:
    target = path.with_name("songs.ndjson.gz")
    target.write_bytes(gzip.compress(as_json_lines(path).read_bytes()))
    return target


@pytest.mark.parametrize(
    "convert",
    [as_gz, as_windows, as_mixed_line_ends, as_semicolons, as_parquet, as_json_lines, as_json_lines_gz],
)
def test_every_format_gives_the_same_songs(
    study_csv: StudyCsv, warehouse_file: Path, query: Query, convert: Callable[[Path], Path]
) -> None:
    """Guards against a format that reads other values, other names or another order."""
    report = import_dump(convert(study_csv({"song_name": "Café"}, {"tempo": "99.5"})), warehouse_file)
    assert (report.dataset, report.listings, report.problem_rows) == ("songs", 2, 0)
    tracks = [(listing, track_id, json.loads(payload)["name"]) for listing, track_id, payload in query(TRACKS)]
    assert tracks == [(1, "id1", "Café"), (2, "id2", "One")]
    features = [json.loads(payload) for (payload,) in query(FEATURES)]
    assert [feature["tempo"] for feature in features] == [120.5, 99.5]
    assert (features[0]["energy"], features[0]["key"]) == (0.0583, 4)


def test_a_json_line_that_is_no_object_is_landed_as_it_stands(
    study_csv: StudyCsv, warehouse_file: Path, query: Query
) -> None:
    """Guards against one broken line that spoils the file, and against one that is dropped."""
    broken = ['{"genre": "Jazz"', "[1]", "5", '{"genre": "Jazz", "genre": "Punk"}', "not json"]
    path = as_json_lines(study_csv(*({} for _ in range(6))))
    first, *others = path.read_text().split("\n\n")
    path.write_text("\n".join([first, "", *broken, *others]))
    report = import_dump(path, warehouse_file)
    assert report.problems == tuple(
        f"row {number}, line {number + 1} is not a JSON object that names each key once" for number in range(2, 7)
    )
    rows = query(TRACKS)
    assert [row[1] for row in rows] == ["id1", *[None] * 5, "id2", "id3", "id4", "id5", "id6"]
    assert [row[2] for row in rows[1:6]] == broken


def test_listing_ids_are_the_files_order_in_a_large_file(
    study_csv: StudyCsv, tmp_path: Path, warehouse_file: Path, query: Query
) -> None:
    """Guards against rows numbered out of order by several threads: more than one of DuckDB's row groups."""
    header, row = study_csv({}).read_text().split("\n")[:2]
    path = tmp_path / "large.csv"
    with path.open("w") as file:
        file.write(header + "\n")
        file.writelines(row.replace(",id1,", f",id{number},") + "\n" for number in range(1, 140_001))
    assert import_dump(path, warehouse_file).listings == 140_000
    for table in ("tracks", "audio_features"):
        assert query(
            f"""
            select count(*), count(distinct listing_id),
                bool_and(track_id = 'id' || listing_id and payload->>'id' = track_id)
            from raw.{table}
            """
        ) == [(140_000, 140_000, True)]


# Real data ----------------------------------------------------------------------------------------------------------


def test_tidytuesday_is_landed_verbatim(tidytuesday: Path, warehouse_file: Path, query: Query) -> None:
    """Guards against any change of an id or a value on real data, and against a second landing."""
    report = import_dump(tidytuesday, warehouse_file)
    assert (report.layout, report.listings, report.problem_rows) == ("tidytuesday", 32_833, 0)
    with tidytuesday.open(encoding="utf-8", newline="") as file:
        expected = [
            (row["track_id"], row["playlist_genre"], float(row["tempo"]), float(row["loudness"]), row["playlist_name"])
            for row in csv.DictReader(file)
        ]
    landed = """
        select track_id, genre, (features.payload->>'tempo')::double, (features.payload->>'loudness')::double,
            tracks.payload->'dump'->>'playlist_name'
        from raw.tracks inner join raw.audio_features as features using (dataset, listing_id, track_id)
        order by listing_id
        """
    assert query(landed) == expected
    assert import_dump(tidytuesday, warehouse_file).already_landed
    assert query(landed) == expected


def test_kaggle_with_ids_is_landed_whole(kaggle_with_ids: Path, warehouse_file: Path, query: Query) -> None:
    """Guards against rows lost to unnamed columns, quotes or non-Latin names on real data."""
    report = import_dump(kaggle_with_ids, warehouse_file)
    assert (report.layout, report.listings, report.problem_rows) == ("kaggle", 17_949, 0)
    assert query("select count(distinct track_id), count(distinct genre) from raw.tracks") == [(17_949, 113)]


def test_a_look_says_what_an_import_would_do(study_csv: StudyCsv, warehouse_file: Path, query: Query) -> None:
    """Guards against a look that asks for options which the import remembers, or that hides what stands in its way."""
    path, options = study_csv({}, {}), ReadingOptions({"genre": "style"})
    path.write_text(path.read_text().replace("genre", "style"))
    assert look_at_dump(path, warehouse_file, options=options).listings == 2
    assert not warehouse_file.exists()
    import_dump(path, warehouse_file, options=options)
    looked = look_at_dump(path, warehouse_file)
    assert (looked.already_landed, looked.file.options) == (True, options)
    with pytest.raises(
        SongFileError, match=r"(?s)other options.*\nsong-genres import .* --name songs-2 --merge-genres"
    ):
        look_at_dump(path, warehouse_file, options=ReadingOptions(merge_genres=True))
    with pytest.raises(SongFileError, match="no name for a dump's dataset"):
        look_at_dump(path, warehouse_file, name="spotify")
    assert query("select count(*) from raw.datasets") == [(1,)]


def test_a_file_that_is_none_is_not_read_to_its_end(
    tmp_path: Path, warehouse_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against minutes for 10 GB of what the first bytes show to be no table."""
    monkeypatch.setattr(Container, "digest", lambda _: pytest.fail("read to its end"))
    (path := tmp_path / "songs.csv").write_bytes(b"a,b\n" + b"\0" * 1000)
    with pytest.raises(SongFileError, match="not text but binary data"):
        import_dump(path, warehouse_file)
