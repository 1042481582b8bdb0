"""What columns hold: units told from figures, words, ids that are made, and what is kept beside them."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from extract.dumps import import_dump
from extract.song_files import ReadingOptions, SongFileError
from extract.song_files.texts import number_of_word
from extract.song_files.units import Shares, share_or_percent, unit_of_time

Query = Callable[..., list[tuple[Any, ...]]]
StudyCsv = Callable[..., Path]

TRACKS = "select payload from raw.tracks order by listing_id"
FEATURES = "select payload from raw.audio_features order by listing_id"


@pytest.mark.parametrize(
    ("found", "named", "others", "unit"),
    [
        (Shares(40, 0, 38, 0.98), None, (), "share"),
        (Shares(40, 1, 38, 1.5), None, (), "share"),  # one value is wrong
        (Shares(40, 40, 0, 98), None, (), "percent"),
        (Shares(40, 39, 1, 98.5), None, (), "percent"),  # of 0.4 percent
        (Shares(40, 20, 19, 98.5), None, (), None),
        (Shares(40, 4, 36, 85.2), None, ("percent",), "percent"),  # few tracks are instrumental at all
        (Shares(40, 40, 0, 9), None, (), None),  # of ten, or of a hundred?
        (Shares(40, 40, 0, 9), None, ("percent",), "percent"),
        (Shares(40, 0, 0, 1), None, ("percent",), "percent"),
        (Shares(40, 0, 0, 1), None, ("share",), "share"),
        (Shares(40, 20, 19, 98.5), "percent", (), "percent"),
        (Shares(40, 0, 38, 0.98), "percent", (), None),  # its name and its values say different things
    ],
)
def test_shares_and_percents(found: Shares, named: str | None, others: tuple[str, ...], unit: str | None) -> None:
    """Guards against a column read a hundred times too large or too small."""
    assert share_or_percent(found, named, others) == unit


@pytest.mark.parametrize(
    ("median", "named", "unit"),
    [
        (214_000, "ms", "ms"), (214_000, None, "ms"), (214_000, "s", "ms"), (214, "ms", "s"), (214, None, "s"),
        (214, "s", "s"), (3.6, "min", "min"), (3.6, None, None), (3.6, "ms", None), (8_000, None, None),
        (8_000, "ms", "ms"), (-1, "ms", "ms"), (214, "min", None),
    ],
)  # fmt: skip
def test_units_of_time(median: float, named: str | None, unit: str | None) -> None:
    """Guards against songs of a fifth of a second, or of a week."""
    assert unit_of_time(median, named) == unit


@pytest.mark.parametrize(
    ("name", "word", "number"),
    [
        ("key", "C", "0"), ("key", " c♯ ", "1"), ("key", "Db", "1"), ("key", "C#/Db", "1"), ("key", "B♭", "10"),
        ("key", "A minor", "9"), ("key", "F# Major", "6"), ("key", "Ebm", "3"), ("key", "C sharp", "1"),
        ("key", "H", None), ("key", "8A", "9"), ("key", "12b", "4"),
        ("mode", "Major", "1"), ("mode", "MIN", "0"), ("mode", "dorian", None),
        ("mode", "True", "1"), ("mode", "moll", "0"),
        ("time_signature", "4/4", "4"), ("time_signature", "4-Apr", "4"), ("time_signature", "3-Apr", "3"),
        ("time_signature", "4-Mar", "3"), ("time_signature", "04-May", "5"), ("time_signature", "Apr-04", "4"),
        ("time_signature", "2024-04-03 00:00:00", "3"), ("time_signature", "7-Mar", None),
        ("time_signature", "03.04.2024", "3"), ("time_signature", "3/4/2024", "3"), ("time_signature", "4/5/24", "5"),
        ("time_signature", "four", None),
    ],
)  # fmt: skip
def test_words_for_numbers(name: str, word: str, number: str | None) -> None:
    """Guards against a word that is no number, or another one."""
    assert number_of_word(name, word) == number


def without(path: Path, *columns: str) -> Path:
    """The CSV without these columns."""
    rows = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]
    places = [place for place, name in enumerate(rows[0]) if name not in columns]
    path.write_text("\n".join(",".join(row[place] for place in places) for row in rows) + "\n", encoding="utf-8")
    return path


def test_ids_are_derived_from_title_and_artists(study_csv: StudyCsv, warehouse_file: Path, query: Query) -> None:
    """Guards against repeats that are not found, and strangers of one title taken for one song."""
    songs = [
        {"song_name": "One", "artist_name": "Ann"}, {"song_name": " one", "artist_name": "ANN"},
        {"song_name": "One", "artist_name": "Bob"}, {"song_name": "Intro", "artist_name": ""},
        {"song_name": "Intro", "artist_name": "", "duration_ms": "90000"}, {"song_name": "Intro", "artist_name": ""},
        {"song_name": "", "artist_name": "Ann"},
    ]  # fmt: skip
    report = import_dump(without(study_csv(*songs), "spotify_track_id"), warehouse_file)
    ids = [json.loads(payload)["id"] for (payload,) in query(TRACKS)]
    digest = hashlib.md5(b"one\nann", usedforsecurity=False).hexdigest()
    assert ids[0] == f"derived:{digest}"
    assert ids[0] == ids[1] != ids[2]
    assert ids[3] == ids[5] != ids[4]
    assert ids[6] is None
    assert report.problems == ("row 7, it has no title to derive an id from",)
    assert query("select distinct track_id from raw.tracks where listing_id = 1") == [(ids[0],)]


def test_an_id_that_numbers_the_rows_is_none(study_csv: StudyCsv, warehouse_file: Path, query: Query) -> None:
    """Guards against a file of which no song is ever a repeat."""
    path = study_csv({"spotify_track_id": "1"}, {"spotify_track_id": "2"})
    path.write_text(path.read_text().replace("spotify_track_id", "ID"))
    report = import_dump(path, warehouse_file)
    first, second = (json.loads(payload) for (payload,) in query(TRACKS))
    assert first["id"] == second["id"]
    assert first["dump"] == {"ID": "1"}
    assert "ID" in report.file.other_columns
    mapped = import_dump(path, warehouse_file, name="mapped", options=ReadingOptions({"spotify_track_id": "ID"}))
    assert mapped.file.columns["spotify_track_id"] == "ID"


def test_the_files_own_text_stands_beside_what_was_read(
    study_csv: StudyCsv, warehouse_file: Path, query: Query
) -> None:
    """Guards against a document from which nobody can tell what the file said."""
    changes = {"spotify_track_id": "spotify:track:abc", "key": "C#", "energy": "0,25", "time_signature": "?"}
    path = study_csv(*[changes] * 3)
    path.write_text(path.read_text().replace('"0,25"', "25 %").replace(",0.5,", ",50 %,"))
    report = import_dump(path, warehouse_file)
    (track, *_), (features, *_) = query(TRACKS), query(FEATURES)
    assert json.loads(track[0])["id"] == "abc"
    assert json.loads(track[0])["dump"] == {"spotify_track_id": "spotify:track:abc", "key": "C#", "energy": "25 %"}
    found = json.loads(features[0])
    assert (found["key"], found["energy"], found["time_signature"]) == (1, 0.25, None)
    said = {use.field: use.done for use in report.file.uses}
    assert said["energy"] == "units after the numbers; percents read as shares: up to 25"
    assert report.file.unknown == ["time_signature"]


def test_a_value_in_another_unit_than_its_column_is_rejected_and_not_guessed(
    study_csv: StudyCsv, warehouse_file: Path, query: Query
) -> None:
    """Guards against a guess row by row: among shares a 57 is wrong, and among clocks a word is."""
    path = study_csv(*[{"duration_ms": "3:20"}] * 4, {"duration_ms": "long"}, {"duration_ms": "3:20", "energy": "57"})
    report = import_dump(path, warehouse_file)
    assert report.problems == (
        "row 5, column duration_ms: 'long' is not a number",
        "row 6, column energy: '57' is not within 0 to 1",
    )
    assert [json.loads(payload)["duration_ms"] for (payload,) in query(FEATURES)][3:5] == [200_000, "long"]


def test_a_unit_said_by_hand_decides(study_csv: StudyCsv, warehouse_file: Path, query: Query) -> None:
    """Guards against a refusal whose own advice does not help."""
    path = study_csv(*[{"duration_ms": "3.5"}] * 3)
    with pytest.raises(SongFileError, match="column duration_ms cannot be told.*median is 3.5.\n.*--unit duration=min"):
        import_dump(path, warehouse_file)
    import_dump(path, warehouse_file, options=ReadingOptions(units={"duration": "min"}))
    assert json.loads(query(FEATURES)[0][0])["duration_ms"] == 210_000
    for units, words in (({"tempo": "s"}, "'tempo' has no units"), ({"energy": "s"}, "'s' is no unit of energy")):
        with pytest.raises(SongFileError, match=words):
            import_dump(path, warehouse_file, name="other", options=ReadingOptions(units=units))
    artists = study_csv({"artist_name": "Ann & Bob"}, name="artists.csv")
    import_dump(artists, warehouse_file, options=ReadingOptions(units={"artist_name": "&"}))
    ((track,),) = query("select payload from raw.tracks where dataset = 'artists'")
    assert json.loads(track)["artists"] == [{"name": "Ann"}, {"name": "Bob"}]


@pytest.mark.parametrize(
    ("durations", "landed", "said"),
    [
        (["3:20", "3:30", "215", "3:40"], [200_000, 210_000, 215_000, 220_000],
         "duration read as seconds: median 215; minutes and seconds read as ms"),
        (["3:20", "3:30", "215000", "3:40"], [200_000, 210_000, 215_000, 220_000], "minutes and seconds read as ms"),
        (["200000", "3:30", "215000"], [200_000, 210_000, 215_000], "minutes and seconds read as ms"),
        (["3:20", "3:30", "-1", "3:40"], [200_000, 210_000, -1, 220_000], "minutes and seconds read as ms"),
        (["03:20:00", "03:30:00"], [200_000, 210_000],
         "hours and minutes, too long for songs, read as minutes and seconds"),
        (["0:03:20", "1:03:20"], [200_000, 3_800_000], "minutes and seconds read as ms"),
        (["200’000", "210\u202f000"], [200_000, 210_000], "minus signs and thousands as they are printed"),
    ],
)  # fmt: skip
def test_clocks_and_the_numbers_among_them(
    durations: list[str], landed: list[int], said: str, study_csv: StudyCsv, warehouse_file: Path, query: Query
) -> None:
    """Guards against a song of 215 ms beside songs of 3:30, and against songs of three hours."""
    report = import_dump(study_csv(*({"duration_ms": text} for text in durations)), warehouse_file)
    assert [json.loads(payload)["duration_ms"] for (payload,) in query(FEATURES)] == landed
    assert {use.field: use.done for use in report.file.uses}["duration_ms"] == said


def test_a_number_among_clocks_whose_unit_cannot_be_told_is_refused(study_csv: StudyCsv, warehouse_file: Path) -> None:
    """Guards against a number that is read as milliseconds because nothing else is said."""
    path = study_csv({"duration_ms": "3:20"}, {"duration_ms": "3.5"}, {"duration_ms": "3:40"})
    with pytest.raises(SongFileError, match="its median is 3.5.\n.*--unit duration=min"):
        import_dump(path, warehouse_file)


def test_a_key_that_names_its_mode_says_both(study_csv: StudyCsv, warehouse_file: Path, query: Query) -> None:
    """Guards against a mode that is called unknown while the file says it."""
    path = without(study_csv({"key": "A# Minor"}, {"key": "C Major"}), "mode")
    report = import_dump(path, warehouse_file)
    found = [json.loads(payload) for (payload,) in query(FEATURES)]
    assert [(song["key"], song["mode"]) for song in found] == [(10, 0), (0, 1)]
    assert report.file.unknown == []


def test_signs_of_print_are_read(study_csv: StudyCsv, warehouse_file: Path, query: Query) -> None:
    """Guards against a file that is refused for its minus signs."""
    import_dump(study_csv({"loudness": "−3.5"}, {"loudness": "-4"}), warehouse_file)
    assert [json.loads(payload)["loudness"] for (payload,) in query(FEATURES)] == [-3.5, -4]


def test_dates_for_time_signatures_are_told_as_they_are(study_csv: StudyCsv, warehouse_file: Path) -> None:
    """Guards against a sentence that names one date for all of them."""
    report = import_dump(study_csv({"time_signature": "3-Apr"}, *[{"time_signature": "4-Apr"}] * 2), warehouse_file)
    sentence = "A spreadsheet has turned 4/4 into 4-Apr in 3 rows (3/4 into 3-Apr among them): read as 4 or 3 beats."
    assert sentence in report.file.notes


def test_artists_that_are_objects_as_python_writes_them(
    study_csv: StudyCsv, warehouse_file: Path, query: Query
) -> None:
    """Guards against artists called "name" and "id", out of pandas' json_normalize."""
    cell = """[{'href': 'x', 'id': '1', 'name': 'Ann'}, {'id': '2', 'name': "B's"}]"""
    import_dump(study_csv({"artist_name": cell}), warehouse_file)
    assert json.loads(query(TRACKS)[0][0])["artists"] == [{"name": "Ann"}, {"name": "B's"}]


def test_what_may_separate_is_split_or_asked_for(study_csv: StudyCsv, warehouse_file: Path, query: Query) -> None:
    """Guards against a genre called "techno, indie", and a comma in artists' names about which nothing is said."""
    path = study_csv({"genre": "techno,indie", "artist_name": "Ann, Bob"}, {"genre": "jazz", "artist_name": "Cy"})
    path.write_text(path.read_text().replace("genre", "Genres").replace("artist_name", "Artists"))
    report = import_dump(path, warehouse_file)
    assert query("select genre from raw.tracks order by listing_id") == [("techno",), ("jazz",)]
    assert report.file.notes == (
        "Commas in Artists (1 rows) are read as part of the names. If they separate artists: --unit artist_name=,",
    )
    path.write_text(path.read_text().replace("Genres", "style of music").replace("jazz", "jazz; blues"))
    report = import_dump(path, warehouse_file, name="other", options=ReadingOptions({"genre": "style of music"}))
    assert query("select genre from raw.tracks where dataset = 'other' order by 1") == [("jazz",), ("techno,indie",)]


def test_columns_of_two_tables_that_pandas_joined(study_csv: StudyCsv, warehouse_file: Path, query: Query) -> None:
    """Guards against songs without titles where a file has them twice."""
    path = study_csv({"song_name": "One", "tempo": "99"})
    path.write_text(path.read_text().replace("song_name", "track_name_x").replace("tempo", "tempo_y"))
    import_dump(path, warehouse_file)
    assert json.loads(query(TRACKS)[0][0])["name"] == "One"
    assert json.loads(query(FEATURES)[0][0])["tempo"] == 99
