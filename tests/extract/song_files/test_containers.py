"""Every container that people hold is read by its content, gives the same rows, and is said for what it was."""

import csv
import gzip
import io
import json
import runpy
import sys
import zipfile
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import duckdb
import pytest

from extract.song_files import SongFileError, contained, standard_input
from extract.song_files.xlsx_rows import cell_text
from tests.extract.song_files.staged import COLUMNS, ROWS, Staged, csv_text, staged, write_csv
from tests.extract.song_files.workbook import workbook

SHARED = Path("/work/shared/cases/make_cases.py")


def zipped(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def objects(rows: list[tuple[str, ...]] = ROWS) -> list[dict[str, str]]:
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


WHOLE = csv_text().encode()

FORMS: dict[str, tuple[str, bytes]] = {
    "plain": ("songs.csv", WHOLE),
    "no ending": ("songs", WHOLE),
    "wrong ending": ("songs.parquet", WHOLE),
    "gzip": ("songs.csv.gz", gzip.compress(WHOLE)),
    "gzip under .csv": ("songs.csv", gzip.compress(WHOLE)),
    "plain under .gz": ("songs.csv.gz", WHOLE),
    "two gzips joined": ("songs.csv.gz", gzip.compress(WHOLE[:40]) + gzip.compress(WHOLE[40:])),
    "bom": ("songs.csv", b"\xef\xbb\xbf" + WHOLE),
    "utf-16": ("songs.csv", csv_text(delimiter="\t", end="\r\n").encode("utf-16")),
    "utf-16 without a mark": ("songs.txt", csv_text(delimiter="\t").encode("utf-16-le")),
    "utf-16 big-endian": ("songs.txt", csv_text().encode("utf-16-be")),
    "utf-32": ("songs.txt", csv_text().encode("utf-32")),
    "windows-1252": ("songs.csv", csv_text(end="\r\n").encode("cp1252")),
    "windows-1252 and cr": ("songs.csv", csv_text(end="\r").encode("cp1252")),
    "semicolons": ("songs.csv", csv_text(delimiter=";").encode()),
    "tabs": ("songs.tsv", csv_text(delimiter="\t").encode()),
    "bars": ("songs.txt", csv_text(delimiter="|").encode()),
    "sep": ("songs.csv", b"sep=;\r\n" + csv_text(delimiter=";", end="\r\n").encode()),
    "sep and bom": ("songs.csv", b'\xef\xbb\xbf"sep=;"\n' + csv_text(delimiter=";").encode()),
    "cr": ("songs.csv", csv_text(end="\r").encode()),
    "crlf": ("songs.csv", csv_text(end="\r\n").encode()),
    "all quoted": ("songs.csv", csv_text(quoting=csv.QUOTE_ALL).encode()),
    "spaces after commas": ("songs.csv", csv_text(quoting=csv.QUOTE_ALL).replace(",", ", ").encode()),
    "comments": ("songs.csv", b"# by my script, 2024\n#\n" + WHOLE),
    "blank lines first": ("songs.csv", b"\n  \n" + WHOLE),
    "blank lines, comment, blank line": ("songs.csv", b"\n# mine\n\n" + WHOLE),
    "json array": ("songs.json", json.dumps(objects(), indent=2).encode()),
    "json array in one line": ("songs.jsonl", json.dumps(objects(), ensure_ascii=False).encode()),
    "json arrays joined": ("songs.json", (json.dumps(objects()[:1]) + "\n" + json.dumps(objects()[1:])).encode()),
    "json lines": ("songs.csv", "\n".join(map(json.dumps, objects())).encode()),
    "json objects over lines": ("songs.jsonl", "\n".join(json.dumps(song, indent=1) for song in objects()).encode()),
    "json objects and commas": ("songs.json", ",\n".join(json.dumps(song, indent=1) for song in objects()).encode()),
    "json answer": ("songs.json", json.dumps({"href": "x", "n": 3, "tracks": objects()}, indent=1).encode()),
    "json in utf-16": ("songs.json", json.dumps(objects(), ensure_ascii=False).encode("utf-16")),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_content_says_what_a_file_is(tmp_path: Path, form: str) -> None:
    """Guards against a file that its ending decides about, and against values that a container changes."""
    name, content = FORMS[form]
    path = tmp_path / name
    path.write_bytes(content)
    found = staged(path)
    in_order = sorted(COLUMNS) if "json" in form else COLUMNS
    assert found.columns == in_order
    expected = [tuple(song[column] for column in in_order) for song in objects()]
    if "spaces" in form:
        expected = [(song.replace(",", ", ").replace(",  ", ", "), *rest) for song, *rest in expected]
    assert [tuple(cell.replace(",  ", ", ") if cell else cell for cell in row) for row in found.rows] == expected
    assert not found.broken
    assert path.read_bytes() == content


SAID = {
    "utf-16": "read as UTF-16",
    "windows-1252": "2 lines are not UTF-8, and read as Windows-1252 (Latin-1), such as line 2: 'Café'",
    "comments": "2 comment lines before the header",
    "json answer": "the songs are what stands under tracks",
    "spaces after commas": "spaces after the delimiters are no part of the values",
}


@pytest.mark.parametrize("form", SAID)
def test_what_was_made_of_a_file_is_said(tmp_path: Path, form: str) -> None:
    """Guards against a silent guess."""
    name, content = FORMS[form]
    path = tmp_path / name
    path.write_bytes(content)
    assert staged(path).notes == (SAID[form],)


@pytest.mark.parametrize("form", ["plain", "bom", "semicolons", "crlf", "sep"])
def test_a_file_in_utf8_is_read_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """Guards against a copy of each large file, which would cost its size on disk and its time."""
    name, content = FORMS[form]
    (path := tmp_path / name).write_bytes(content)
    monkeypatch.setattr("extract.song_files.encodings._mend_lines", lambda *_: pytest.fail("copied"))
    monkeypatch.setattr("extract.song_files.encodings._transcode", lambda *_: pytest.fail("copied"))
    monkeypatch.setattr("extract.song_files.csv_rows.fill", lambda *_: pytest.fail("read by Python"))
    assert len(staged(path).rows) == 3


def test_windows_1252_has_its_own_signs(tmp_path: Path) -> None:
    """Guards against Latin-1 for 80 to 9f, and against a file refused for the five bytes that stand for nothing."""
    path = tmp_path / "songs.csv"
    path.write_bytes(b"song,artist\n\x91\x92\x93\x94 \x96 \x85 \x80 \x81,\xd6\xe9\n")
    assert staged(path).rows == [("‘’“” – … € \x81", "Öé")]


def test_a_file_joined_of_two_encodings_is_right_in_both(tmp_path: Path) -> None:
    """Guards against Ã© for é in all rows, because of one row that is not UTF-8."""
    path = tmp_path / "songs.csv"
    path.write_bytes("song,artist\nCafé,夜\n".encode() + "Café,Ann\n".encode("cp1252"))
    assert staged(path).rows == [("Café", "夜"), ("Café", "Ann")]


def test_utf8_beyond_the_first_block_counts(tmp_path: Path) -> None:
    """Guards against an encoding told from the first lines alone."""
    path = tmp_path / "songs.csv"
    path.write_bytes(b"song,artist\n" + b"x,y\n" * 300_000 + "Café,Ann\n".encode("cp1252"))
    found = staged(path)
    assert found.rows[-1] == ("Café", "Ann")
    assert found.notes == ("1 line is not UTF-8, and read as Windows-1252 (Latin-1), such as line 300,002: 'Café'",)


# What separates the fields ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "columns", "row"),
    [
        ("name;a,b,c,d;tempo\nx;1,5;2,5\ny;1,5;2,5\n", ["name", "a,b,c,d", "tempo"], ("x", "1,5", "2,5")),
        ("a;b\n1,5;2,5\n3,5;4,5\n", ["a", "b"], ("1,5", "2,5")),
        ("name\ttempo, bpm\nOne, two, three\t1,5\nx\t2\n", ["name", "tempo, bpm"], ("One, two, three", "1,5")),
        ("name,tempo;bpm\nA;B;C,1\nD;E,2\n", ["name", "tempo;bpm"], ("A;B;C", "1")),
        ("a,b|c\nx,y\nz,w\n", ["a", "b|c"], ("x", "y")),
        ('"a;b","c"\n"x;y","z"\n', ["a;b", "c"], ("x;y", "z")),
        ("#,song,tempo\n1,x,2\n", ["#", "song", "tempo"], ("1", "x", "2")),
        ("# mine\n# song,tempo\nx,2\n", ["song", "tempo"], ("x", "2")),
        ("song, tempo\nx,2\ny, 3\nz,4\n", ["song", "tempo"], ("x", "2")),
        ("one\nx\n", ["one"], ("x",)),
    ],
)
def test_the_delimiter_is_what_the_rows_agree_on(
    tmp_path: Path, text: str, columns: list[str], row: tuple[str, ...]
) -> None:
    """Guards against decimal commas that split fields, and lists of artists that split a row."""
    (path := tmp_path / "songs.csv").write_text(text)
    found = staged(path)
    assert (found.columns, found.rows[0], found.broken) == (columns, row, [])


def test_line_numbers_are_those_of_the_file(tmp_path: Path) -> None:
    """Guards against a broken row that is looked for in the wrong line, where lines before the header were left out."""
    (path := tmp_path / "songs.csv").write_text("\n# mine\nsong,tempo\nx,1\n\ny\n")
    assert staged(path).broken == [(2, "y", "line 6: 1 fields, where the header has 2")]


# Joined and cut off -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("broken", ["", "x\n"])
def test_a_header_that_is_repeated_is_no_row(tmp_path: Path, bom: str, broken: str) -> None:
    """Guards against a song called track_name in files that were joined with cat."""
    (path := tmp_path / "songs.csv").write_text(csv_text() + broken + bom + csv_text(ROWS[:2]), encoding="utf-8")
    found = staged(path)
    row = 5 if broken else 4
    assert found.rows == [*ROWS, *ROWS[:2]]
    assert [number for number, *_ in found.broken] == ([4] if broken else [])
    assert found.notes == (f"the header is repeated in row {row}: left out",)


def test_a_file_cut_off_keeps_its_good_rows(tmp_path: Path) -> None:
    """Guards against half a download taken for the whole, or thrown away: as CSV, as lines and as an array."""
    song = json.dumps(objects()[0])
    for name, text in (
        ("a.csv", csv_text() + "Four,Dan"),
        ("b.jsonl", f'{song}\n{song}\n{song}\n{{"song": "Fo'),
        ("c.json", f'[{song},\n{song},\n{song},\n{{"song": "Four", "artist": "Da'),
    ):
        (path := tmp_path / name).write_text(text, encoding="utf-8")
        found = staged(path)
        assert (len(found.rows), [number for number, *_ in found.broken]) == (3, [4])
        assert found.notes == (f"{path} is cut off in its last line (row 4). Is the download whole?",)


# Several tables -----------------------------------------------------------------------------------------------------


def test_a_zip_of_equal_tables_is_one_dataset(tmp_path: Path) -> None:
    """Guards against all tables but one lost, read out of order, or with their columns exchanged."""
    path = zipped(tmp_path / "mine.csv.zip", {
        "b.csv": csv_text(ROWS[1:2]).encode("cp1252"), "data/a.csv": csv_text(ROWS[:1], delimiter=";").encode(),
        "c.json": json.dumps([dict(reversed(objects()[2].items()))]).encode(),
        "__MACOSX/._a.csv": b"\0\5", ".hidden.csv": b"x", "README.txt": b"Read me.", "license.md": b"Mine.",
    })  # fmt: skip
    found = staged(path)
    assert contained(path).dataset == "mine"
    assert found.rows == [ROWS[1], ROWS[2], ROWS[0]]
    assert found.notes == (
        "3 tables, read as one: b.csv, c.json, a.csv",
        f"{path}/b.csv: 1 line is not UTF-8, and read as Windows-1252 (Latin-1), such as line 2: '“Tide”'",
    )


def test_a_zip_of_different_tables_is_refused_by_name_and_one_can_be_named(tmp_path: Path) -> None:
    """Guards against two datasets mixed, and against advice that then does not work."""
    path = zipped(tmp_path / "my music.zip", {"a.csv": WHOLE, "sub/b c.csv": b"song,genre\nx,y\n"})
    with pytest.raises(SongFileError, match="Only in .*a.csv: artist, tempo. Only in .*c.csv: genre"):
        staged(path)
    with pytest.raises(SongFileError, match=r"Name one of them: '.*/my music.zip/a.csv'$"):
        staged(path)
    assert staged(path / "a.csv").rows == ROWS
    assert staged(path / "sub" / "b c.csv").rows == [("x", "y")]
    assert contained(path / "sub" / "b c.csv").dataset == "b c"
    with pytest.raises(SongFileError, match="my music.zip has no table other.csv. It has: a.csv, sub/b c.csv"):
        contained(path / "other.csv")
    with pytest.raises(SongFileError, match="songs.csv is one file, not an archive with x.csv in it"):
        contained(write_csv(tmp_path / "songs.csv") / "x.csv")


def test_a_folder_of_equal_files_is_one_dataset(tmp_path: Path) -> None:
    """Guards against files in the order of the disk, and against a folder taken for landed when a file was added."""
    folder = tmp_path / "genre=Jazz [1] 4.0"
    folder.mkdir()
    write_csv(folder / "b.csv", ROWS[1:])
    (folder / "a.csv").write_bytes(gzip.compress(csv_text(ROWS[:1]).encode()))
    (folder / ".DS_Store").write_bytes(b"\0")
    (folder / "notes.txt").write_text("mine")
    found = contained(folder)
    before = found.digest().hexdigest()
    assert (found.dataset, found.file_format) == ("genre=Jazz [1] 4.0", "csv")
    assert staged(folder).rows == ROWS
    assert staged(folder).notes == ("2 tables, read as one: a.csv, b.csv",)
    write_csv(folder / "c.csv", ROWS[:1])
    assert contained(folder).digest().hexdigest() != before
    assert len(staged(folder).rows) == 4


def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    """Guards against datasets landed by an earlier version that would be taken for others."""
    path = write_csv(tmp_path / "songs.csv")
    with path.open("rb") as file:
        import hashlib

        assert contained(path).digest().hexdigest() == hashlib.file_digest(file, "sha256").hexdigest()


@pytest.mark.parametrize(
    ("name", "dataset"),
    [
        ("audio_features_4.0.csv", "audio_features_4.0"), ("songs.csv.gz", "songs"), ("dataset.csv.zip", "dataset"),
        ("archive.ZIP", "archive"), ("songs", "songs"), ("v1.2", "v1.2"), ("txt.csv", "txt"), (".csv", ".csv"),
    ],
)  # fmt: skip
def test_a_dataset_is_called_like_its_file(tmp_path: Path, name: str, dataset: str) -> None:
    """Guards against a dataset called like an ending, and against dots lost from a name."""
    assert contained(write_csv(tmp_path / name)).dataset == dataset


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
    with pytest.raises(SongFileError, match="different columns: A, My songs. Name one of them: .*other.xlsx/A"):
        staged(other)
    assert staged(other / "My songs").rows == [("4", "3")]
    with pytest.raises(SongFileError, match="no sheet 'C'. It has: A, My songs"):
        staged(other / "C")


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


# Standard input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["gzip", "windows-1252", "json array", "utf-16"])
def test_standard_input_is_told_by_its_content(form: str) -> None:
    """Guards against a pipe that reads fewer kinds than a file does."""
    with standard_input(io.BytesIO(FORMS[form][1])) as container:
        assert container.name == "Standard input"
        assert container.file_format == ("json" if "json" in form else "csv")
        assert len(staged(container.path).rows) == 3


# The shared cases ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not SHARED.exists():
        pytest.skip(f"{SHARED} is not there")
    folder = tmp_path_factory.mktemp("cases")
    arguments, sys.argv = sys.argv, [str(SHARED), str(folder)]
    try:
        runpy.run_path(str(SHARED))
    finally:
        sys.argv = arguments
    return folder


def test_every_shared_case_is_read_or_named(cases: Path) -> None:
    """Guards against a kind of file that people hold, and that is read with other rows or not at all."""
    rows: dict[str, tuple[int, int]] = {}
    refused: dict[str, str] = {}
    for path in sorted(file for file in cases.rglob("*") if file.is_file()):
        try:
            found: Staged = staged(path)
        except SongFileError as error:
            refused[path.name] = str(error)
        else:
            rows[path.name] = (len(found.rows), len(found.broken))
    others = {name: count for name, count in rows.items() if count != (40, 0)}
    assert others == {
        **{name: (10, 0) for name in rows if name in {path.name for path in (cases / "12-paths").iterdir()}},
        "cp1252.csv": (30, 0), "latin1 with space.csv": (28, 0), "latin1.csv.gz": (28, 0), "cut_off.csv": (26, 1),
        "genres.csv": (120, 0), "mysongs.csv": (300, 0), "plain.csv": (300, 0), "mixed_ids.csv": (30, 0),
    }  # fmt: skip
    words = {
        "StreamingHistory_music_0.json": "listening history", "Streaming_History_Audio_2023.json": "listening history",
        "fma_echonest.csv": "several header rows: FMA's echonest.csv; give its folder or zip",
        "lfs_pointer.csv": "Git LFS pointer", "login_page.csv": "an HTML page",
    }  # fmt: skip
    assert refused.keys() == words.keys()
    for name, sentence in words.items():
        assert sentence in refused[name]


def test_every_shared_case_has_the_same_songs(cases: Path) -> None:
    """Guards against values that a container changes: the same songs as in the plain file beside it."""
    plain = staged(cases / "10-not-the-file" / "whole.csv")
    for name in (
        "04-kaggle-zip/archive.zip", "04-kaggle-zip/dataset.csv", "04-kaggle-zip/gzipped.csv",
        "04-kaggle-zip/notgz.csv.gz", "05-windows-1252/utf16.csv", "06-decimal-commas/semi_dot_sep.csv",
        "11-odd-csv/mac_cr.csv", "11-odd-csv/space_after_comma.csv", "11-odd-csv/comment_first.csv",
        "11-odd-csv/blank_first.csv", "11-odd-csv/joined_with_cat.csv",
    ):  # fmt: skip
        assert staged(cases / name).rows == plain.rows, name
    for name in ("songs.json", "array_as_lines.jsonl", "pretty.jsonl"):
        found = staged(cases / "09-json" / name)
        assert [dict(zip(found.columns, row, strict=True)) for row in found.rows] == [
            dict(zip(plain.columns, row, strict=True)) for row in plain.rows
        ]
