"""Songs in JSON, in workbooks and in Parquet: values as text, wherever each song begins and ends."""

import json
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import duckdb
import pytest

from extract.song_files import SongFileError, contained
from extract.song_files.rows import TABLE, count
from extract.song_files.staging import stage
from extract.song_files.xlsx_rows import cell_text
from ml.scoring import connect
from tests.extract.song_files.staged import COLUMNS, staged, zipped
from tests.extract.song_files.workbook import workbook

# JSON ---------------------------------------------------------------------------------------------------------------


def test_nested_values_stay_json(tmp_path: Path) -> None:
    """Guards against artists of the API's tracks that are read as something else than what stands there."""
    artists = [{"id": "1", "name": "Ann"}, {"id": "2", "name": "Bob"}]
    path = tmp_path / "api.jsonl"
    path.write_text(json.dumps({"id": "x", "artists": artists, "tempo": 1}) + "\n" + json.dumps({"id": "y"}))
    rows = staged(path).rows
    assert json.loads(str(rows[0][0])) == artists
    assert rows[0][1:] == ("x", "1")
    assert rows[1] == (None, "y", None)


def test_many_objects_are_read_within_the_memory_of_scoring(tmp_path: Path) -> None:
    """Guards against a file of 50,000 songs that `predict` cannot read, since DuckDB keeps what it told of them."""
    songs = [{"song": f"Song {row}"} | {f"feature {one}": row / 7 for one in range(15)} for row in range(50_000)]
    (path := tmp_path / "songs.jsonl").write_text("\n".join(map(json.dumps, songs)))
    with connect(tmp_path) as connection:
        stage(connection, contained(path))
        assert count(connection, f"select count(*) from {TABLE}") == len(songs)


def test_a_single_track_is_a_song_and_its_artists_are_none(tmp_path: Path) -> None:
    """Guards against a track's list of artists taken for the list of songs."""
    (path := tmp_path / "track.json").write_text(json.dumps({"id": "x", "artists": [{"name": "Ann"}]}, indent=1))
    assert [row[1] for row in staged(path).rows] == ["x"]


def test_numbers_of_an_array_keep_their_value(tmp_path: Path) -> None:
    """Guards against digits lost, in a list within an answer as well."""
    for text in ('[{"tempo": 0.12345678901234, "key": 4.0}]', '{"items": [{"tempo": 0.12345678901234, "key": 4.0}]}'):
        (path := tmp_path / "songs.json").write_text(text)
        assert staged(path).rows == [("4.0", "0.12345678901234")]


def test_an_array_is_cut_at_its_values_wherever_a_block_ends(tmp_path: Path) -> None:
    """Guards against a value lost or doubled where what is read at once ends within it."""
    songs = [{"song": f'[{{{number}}}], \\"é夜' * (number % 50), "tempo": number} for number in range(5_000)]
    for indent in (None, 1):
        (path := tmp_path / "songs.json").write_text(
            json.dumps(songs, indent=indent, ensure_ascii=False), encoding="utf-8"
        )
        assert staged(path).rows == [(song["song"], str(song["tempo"])) for song in songs]


@pytest.mark.parametrize("form", ["columns", "lists", "split", "index", "by id", "null first"])
def test_a_table_in_one_object_is_read_row_by_row(tmp_path: Path, form: str) -> None:
    """Guards against pandas' to_json, a table by columns unless told otherwise, taken for one song."""
    songs = [{"track_name": f"é {song}", "genre": "x", "tempo": song / 4} for song in range(1, 4)]
    table: Any = {
        "columns": {name: {str(row): song[name] for row, song in enumerate(songs)} for name in songs[0]},
        "lists": {name: [song[name] for song in songs] for name in songs[0]},
        "split": {"columns": list(songs[0]), "index": [0, 1, 2], "data": [list(song.values()) for song in songs]},
        "index": {str(row): song for row, song in enumerate(songs)},
        "by id": {f"id{row}": song for row, song in enumerate(songs)},
        "null first": {"audio_features": [None, *songs]},
    }[form]
    (path := tmp_path / "songs.json").write_text(json.dumps(table, indent=1))
    found = staged(path)
    columns = [found.columns.index(name) for name in songs[0]]
    assert [[row[at] for at in columns] for row in found.rows] == [list(map(str, song.values())) for song in songs]
    assert len(found.broken) == (form == "null first")
    assert len(found.notes) == 1
    if form == "by id":
        assert [row[found.columns.index("spotify_track_id")] for row in found.rows] == ["id0", "id1", "id2"]


def test_an_array_that_is_no_json_is_told_with_its_place(tmp_path: Path) -> None:
    """Guards against the rows behind a broken one dropped in silence."""
    (path := tmp_path / "songs.json").write_text('[{"a": 1},\n{"a": oops},\n' + '{"a": 3},\n' * 20 + "]")
    with pytest.raises(SongFileError, match="value 2 is not JSON: expecting value, near .*oops"):
        staged(path)


# Workbooks ----------------------------------------------------------------------------------------------------------


def test_a_workbook_gives_its_cells_as_text(tmp_path: Path) -> None:
    """Guards against 4.0 for 4, and against a sheet that was taken unseen."""
    path = workbook(
        tmp_path / "songs.csv", {"Notes": [["mine"]], "Songs": [COLUMNS, ["Café", 7, 120.5], [None], ["夜"]]}
    )
    found = staged(path)
    assert found.columns == COLUMNS
    assert found.rows == [("Café", "7", "120.5"), ("夜", None, None)]
    assert found.notes == ("read from the sheet 'Songs'",)
    assert contained(path).file_format == "xlsx"


def test_sheets_of_equal_columns_are_one(tmp_path: Path) -> None:
    """Guards against all sheets but the first lost, and against sheets mixed that are no one table."""
    path = workbook(tmp_path / "songs.xlsx", {"A": [["a", "b"], [1, 2]], "B": [["b", "a"], [4, 3]]})
    assert staged(path).rows == [("1", "2"), ("3", "4")]
    assert staged(path).notes == ("2 sheets, read as one: A, B",)
    other = workbook(tmp_path / "other.xlsx", {"A": [["a", "b"], [1, 2]], "My songs": [["c", "b"], [4, 3]]})
    with pytest.raises(SongFileError, match="different columns: A, My songs."):
        staged(other)
    assert staged(other / "My songs").rows == [("4", "3")]
    with pytest.raises(SongFileError, match="no sheet 'C'. It has: A, My songs"):
        staged(other / "C")


def test_a_table_may_begin_anywhere_in_a_sheet(tmp_path: Path) -> None:
    """Guards against a title in the first row that is taken for the header."""
    rows = [["My songs", None, None], [None, None, None], ["song", "artist", "song"], ["x", "y", "z"]]
    found = staged(workbook(tmp_path / "songs.xlsx", {"songs": rows}))
    assert (found.columns, found.rows) == (["song", "artist", "song (2)"], [("x", "y", "z")])


def test_a_workbook_in_a_zip(tmp_path: Path) -> None:
    """Guards against a workbook taken for an archive in the archive."""
    inner = workbook(tmp_path / "songs.xlsx", {"A": [["a", "b"], [1, 2]]})
    assert staged(zipped(tmp_path / "songs.zip", {"songs.xlsx": inner.read_bytes()})).rows == [("1", "2")]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (4.0, "4"), (0.1, "0.1"), (1e-05, "1e-05"), (-7.25, "-7.25"), (1e22, "1e+22"), (3, "3"), (True, "TRUE"),
        ("", None), (None, None), ("x", "x"), (date(2024, 4, 4), "2024-04-04"), (datetime(2024, 4, 4), "2024-04-04"),
        (datetime(2024, 4, 4, 1, 2), "2024-04-04 01:02:00"), (time(3, 45), "3:45"), (time(1, 2, 3), "1:02:03"),
    ],
)  # fmt: skip
def test_a_cell_is_what_a_person_sees(cell: Any, text: str | None) -> None:
    """Guards against text that no CSV of the same sheet would have."""
    assert cell_text(cell) == text


def test_parquet_under_any_name(tmp_path: Path) -> None:
    """Guards against Parquet read as text."""
    path = tmp_path / "songs.csv"
    with duckdb.connect() as connection:
        connection.execute(f"copy (select 'x' as song, [1, 2] as list) to '{path}' (format parquet)")
    assert staged(path).rows == [("x", "[1,2]")]
