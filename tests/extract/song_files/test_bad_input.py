"""What is no song file is named for what it is, in bounded time and memory, and leaves nothing behind."""

import bz2
import gzip
import json
import lzma
import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import duckdb
import pytest

from extract.dumps import import_dump
from extract.song_files import ListeningHistory, SongFileError, contained
from extract.song_files.staging import stage
from tests.extract.song_files.staged import ROWS, csv_text, staged, write_csv, zipped
from tests.extract.song_files.workbook import workbook

MIB = 1 << 20


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files, which must be empty after each test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


WHAT_IT_IS = {
    "a PDF document": b"%PDF-1.7\n%\xe2\xe3",
    r"a picture \(PNG\)": b"\x89PNG\r\n\x1a\n\0\0",
    r"a picture \(JPEG\)": b"\xff\xd8\xff\xe0\0\x10JFIF",
    r"a sound file \(MP3\)": b"ID3\x04\0\0",
    "an SQLite database": b"SQLite format 3\0\x10\0",
    "a DuckDB database": b"\1\2\3\4\5\6\7\x08DUCK\x40\0",
    "an old Office file, or one with a password": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0",
    "a 7z archive": b"7z\xbc\xaf\x27\x1c\0\4",
    "a RAR archive": b"Rar!\x1a\x07\1\0",
    "packed with zstd": b"\x28\xb5\x2f\xfd\x24\0",
    "a tar archive": b"songs.csv".ljust(257, b"\0") + b"ustar\x0000",
    "an Arrow": b"ARROW1\0\0\xff",
    "R's own data file": b"RDX3\nX\n\0\0",
    "a pickle of Python's": b"\x80\x05\x95\xa1\x0f\0",
    "an XML document": b'<?xml version="1.0"?><songs>',
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n",
    "an HTML page": b"\xef\xbb\xbf \n<!DOCTYPE html>\n<html>",
    "not text but binary data": b"\1\2\3\0\4\5\6\7\x08\x09\0\x01",
}


@pytest.mark.parametrize("what", WHAT_IT_IS)
@pytest.mark.parametrize("packing", ["plain", "gzip", "zip"])
def test_what_is_no_table_is_named(tmp_path: Path, what: str, packing: str) -> None:
    """Guards against the words of a CSV reader for a picture, and for one that is packed."""
    content = WHAT_IT_IS[what]
    path = tmp_path / "songs.csv"
    if packing == "zip":
        zipped(path, {"songs.csv": content})
    else:
        written(path, gzip.compress(content) if packing == "gzip" else content)
    with pytest.raises(SongFileError, match=f"songs.csv is {what}") as caught:
        staged(path)
    assert str(caught.value).count("\n") < 4


@pytest.mark.parametrize(
    ("inner", "what"),
    [
        ("xl/workbook.bin", "a binary workbook"), ("word/document.xml", "a word processor's document"),
        ("ppt/presentation.xml", "a presentation"), ("content.xml", "an OpenDocument file"),
    ],
)  # fmt: skip
def test_office_files_are_named(tmp_path: Path, inner: str, what: str) -> None:
    """Guards against the parts of a document read as tables."""
    path = zipped(tmp_path / "songs.xlsx", {inner: b"x", "META-INF/manifest.xml": b"x"})
    with pytest.raises(SongFileError, match=f"songs.xlsx is {what}.*Save"):
        contained(path)


SHORT = [{"endTime": "2024-01-01 10:00", "artistName": "A", "trackName": "B", "msPlayed": 1}]
LONG = [{"ts": "2023-01-01T00:00:00Z", "ms_played": 1, "spotify_track_uri": None}]
HISTORIES = {
    "StreamingHistory_music_0.json": SHORT,
    "mine.json": SHORT,
    "Streaming_History_Audio_2023-2024_3.json": LONG,
    "2023.json": LONG,
    "YourLibrary.json": {"tracks": [{"artist": "A", "album": "B", "track": "C", "uri": "spotify:track:x"}]},
    "Playlist1.json": {"playlists": [{"name": "P", "items": [{"track": {"trackName": "A", "trackUri": "x"}}]}]},
}


@pytest.mark.parametrize("name", HISTORIES)
@pytest.mark.parametrize("packing", ["plain", "zip"])
def test_a_listening_history_is_named(tmp_path: Path, name: str, packing: str) -> None:
    """Guards against what a person played read as songs, or refused without a word of where to go."""
    content = json.dumps(HISTORIES[name], indent=2).encode()
    path = tmp_path / name
    if packing == "plain":
        path.write_bytes(content)
    else:
        path = zipped(tmp_path / "my_spotify_data.zip", {
            f"Spotify Account Data/{name}": content, "Spotify Account Data/Userdata.json": b"{}",
        })  # fmt: skip
    with pytest.raises(ListeningHistory, match="not how they sound.\n.*song-genres run --input") as caught:
        contained(path)
    assert str(caught.value).count("\n") < 4


def test_a_playlist_of_ones_own_with_features_is_read(tmp_path: Path) -> None:
    """Guards against a table of songs refused for its name."""
    path = written(tmp_path / "Playlist1.json", json.dumps([{"energy": 1, "danceability": 0}]).encode())
    assert staged(path).rows == [("0", "1")]


# Archives -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_allowance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("extract.song_files.archives.FREE_BYTES", MIB)


@pytest.mark.parametrize(
    "packing", ["gzip", "zip", "several in a zip", "a header that lies", "workbook", "gzip in zip"]
)
@pytest.mark.usefixtures("small_allowance")
def test_a_bomb_is_stopped(tmp_path: Path, packing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against a disk filled by a file of a few kilobytes, also where its own list says that it is small."""
    monkeypatch.setattr(
        "extract.song_files.archives.MAXIMUM_RATIO", 20 if packing in ("several in a zip", "workbook") else 100
    )
    zeros = b"song,tempo\n" + b"0,0\n" * (2 * MIB)
    path = tmp_path / "songs.csv"
    if packing == "gzip":
        written(path, gzip.compress(zeros))
    elif packing == "several in a zip":
        zipped(path, {f"{number}.csv": zeros[:MIB] for number in range(8)})
    elif packing == "workbook":
        book = workbook(path, {"A": [["a", "b"], [1, 2]]})
        with zipfile.ZipFile(book, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("xl/sharedStrings.xml", zeros)
    elif packing == "gzip in zip":
        zipped(path, {"songs.csv.gz": gzip.compress(zeros)})
    else:
        zipped(path, {"songs.csv": zeros})
    if packing == "a header that lies":
        content = path.read_bytes().replace(struct.pack("<L", len(zeros)), struct.pack("<L", 100))
        path.write_bytes(content)
    # Python gives no more of a file than the list says, and then finds that the sum of it is wrong.
    words = "bad|damaged" if packing == "a header that lies" else "unpacks to more than .* times its size"
    with pytest.raises(SongFileError, match=words):
        staged(path)


def test_names_that_climb_lead_nowhere(tmp_path: Path) -> None:
    """Guards against a file written where an archive says."""
    names = ["../../evil.csv", "/tmp/evil.csv", "a\\..\\..\\evil.csv", "C:\\evil.csv"]
    folder = tmp_path / "in"
    folder.mkdir()
    path = zipped(folder / "songs.zip", {name: csv_text().encode() for name in names})
    before = sorted(tmp_path.rglob("*"))
    assert len(staged(path).rows) == 12
    assert sorted(tmp_path.rglob("*")) == before
    assert contained(path).dataset == "songs"
    assert not Path("/tmp/evil.csv").exists()


def test_archives_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    """Guards against tracebacks of the zip reader."""
    whole = csv_text().encode()
    packed = zipped(tmp_path / "whole.zip", {"songs.csv": whole}).read_bytes()
    locked = bytearray(packed)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[packed.index(signature) + offset] |= 1
    inner = zipped(tmp_path / "inner.zip", {"songs.csv": whole}).read_bytes()
    cases = {
        "locked with a password": bytes(locked),
        "cannot be unpacked; it may be damaged or cut short": packed[: len(packed) // 2],
        "is an archive in its turn|holds an archive in its turn": zipped(
            tmp_path / "a.zip", {"b.zip": inner}
        ).read_bytes(),
        "packed by a method": zipped(tmp_path / "c.zip", {"a.csv": whole}, zipfile.ZIP_BZIP2).read_bytes(),
        "and no file": zipped(tmp_path / "d.zip", {"__MACOSX/._a.csv": b"x", ".a.csv": b"x"}).read_bytes(),
        r"holds no table of songs .*: a.md, b.txt": zipped(
            tmp_path / "e.zip", {"a.md": b"x", "b.txt": b"x"}
        ).read_bytes(),
        "a.csv is empty": zipped(tmp_path / "f.zip", {"a.csv": b"", "b.csv": whole}).read_bytes(),
        "is packed twice": gzip.compress(gzip.compress(whole)),
        "the table in it|is packed twice. Unpack it": gzip.compress(packed),
    }
    for words, content in cases.items():
        with pytest.raises(SongFileError, match=words):
            staged(written(tmp_path / "songs.csv", content))


@pytest.mark.parametrize("at", [0.3, 0.6, 0.97])
def test_an_archive_cut_short_or_damaged_is_told(tmp_path: Path, at: float) -> None:
    """Guards against half of the rows taken for all of them."""
    text = csv_text([(f"{number}", os.urandom(8).hex(), "1") for number in range(30_000)]).encode()
    for packed in (
        gzip.compress(text),
        bz2.compress(text),
        lzma.compress(text),
        zipped(tmp_path / "whole.zip", {"songs.csv": text}).read_bytes(),
    ):
        place = int(len(packed) * at)
        for content in (packed[:place], packed[:place] + b"\xff\0\xff" * 40 + packed[place + 120 :]):
            # Of bzip2 a damaged block gives bytes, which may be found to be no text before the block's end is read.
            with pytest.raises(SongFileError, match="cannot be unpacked; it may be damaged or cut short|is not text"):
                staged(written(tmp_path / "songs.csv", content))


# Files that change, and lines that have no end ----------------------------------------------------------------------


def test_a_file_that_grows_while_it_is_read_lands_nothing(
    study_csv: Callable[..., Path], warehouse_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against half of a download landed under the name of the whole."""
    path = study_csv({}, {})

    def grow(connection: duckdb.DuckDBPyConnection, file: object) -> object:
        with path.open("ab") as end:
            end.write(b"more\n")
        return stage(connection, file)  # type: ignore[arg-type]

    monkeypatch.setattr("extract.song_files.reading.stage", grow)
    with pytest.raises(SongFileError, match="songs.csv has changed while it was read.*Wait until it is whole"):
        import_dump(path, warehouse_file)
    with duckdb.connect(warehouse_file) as connection:
        assert connection.execute("select count(*) from raw.tracks").fetchall() == [(0,)]


@pytest.mark.parametrize("form", ["header", "row", "quoted", "json", "array", "cr"])
def test_a_line_without_an_end_is_refused(tmp_path: Path, form: str) -> None:
    """Guards against a memory that fills with ten gigabytes of one line."""
    begins = {
        "header": b"song,tempo,", "row": b"song,tempo\nx,1\n", "quoted": b'song,tempo\nx,"',
        "json": b'{"song": "', "array": b'[{"song": "', "cr": b"song,tempo\rx,1\r",
    }  # fmt: skip
    path = tmp_path / "songs.csv"
    with path.open("wb") as file:
        file.write(begins[form])
        for _ in range(40):
            file.write(b"x" * MIB)
    with pytest.raises(SongFileError, match="more than 16 MiB"):
        staged(path)


def test_ten_gigabytes_of_nothing_are_refused_at_once(tmp_path: Path) -> None:
    """Guards against a file read to its end only to be refused: this one is sparse, and takes no place on disk."""
    path = tmp_path / "songs.csv"
    with path.open("wb") as file:
        file.write(b"song,tempo\n" * 10_000)
        file.truncate(10 << 30)
    with pytest.raises(SongFileError, match="line 10,001: more than 16 MiB in one line"):
        staged(path)


def test_long_texts_are_read(tmp_path: Path) -> None:
    """Guards against a bound that refuses lyrics or pictures in a column; broken rows among them as well."""
    rows = [(str(number), "é" * (MIB // 2) + str(number), "1") for number in range(6)]
    path = write_csv(tmp_path / "songs.csv", rows)
    assert staged(path).rows == rows
    with path.open("a", encoding="utf-8") as file:
        file.write("broken\n" + csv_text([("9", "x" * 3 * MIB, "1")]).split("\n", 1)[1])
    found = staged(path)
    assert [row[0] for row in found.rows] == [*"012345", "9"]
    assert [number for number, *_ in found.broken] == [7]
    (path := tmp_path / "songs.json").write_text(json.dumps([{"a": row[1]} for row in rows]))
    assert staged(path).rows == [(row[1],) for row in rows]


@pytest.mark.full
def test_many_columns_are_read(tmp_path: Path) -> None:
    """Guards against minutes for a wide table."""
    columns = [f"a column with a long name {number}" for number in range(5_000)]
    rows = [[str(row * column % 7) for column in range(5_000)] for row in range(3)]
    found = staged(write_csv(tmp_path / "songs.csv", rows, columns))
    assert (found.columns, found.rows) == (columns, [tuple(row) for row in rows])


# Headers ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0.5,0.2,x\n0.1,0.3,y\n", "has no header: its first line holds values"),
        ("Song A,Ann,0.5,120,-7.2,200000\nSong B,Ann,0.5,120,-7.2,200000\n", "has no header"),
        ("", "is empty"),
        ("\n \n\r\n", "is not a CSV: its first line is empty"),
        ("\ufeff", "is not a CSV: its first line is empty"),
        (",a,a,a,b,b\n,x,y,z,x,y\ntrack_id,,,,,\n1,2,3,4,5,6\n", "has several header rows"),
    ],
)
def test_headers_that_cannot_be_used_are_told(tmp_path: Path, text: str, words: str) -> None:
    """Guards against a song taken for the names of the columns."""
    (path := tmp_path / "songs.csv").write_text(text, encoding="utf-8")
    with pytest.raises(SongFileError, match=words):
        staged(path)


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    """Guards against a command that waits for a pipe for ever."""
    os.mkfifo(pipe := tmp_path / "songs.csv")
    with pytest.raises(SongFileError, match="a pipe or a device"):
        contained(pipe)


def test_a_text_that_ends_within_a_sign_is_told(tmp_path: Path) -> None:
    """Guards against a traceback for UTF-16 that is cut off, and for one that is no text further on."""
    text = csv_text([*ROWS] * 10).encode("utf-16")
    with pytest.raises(SongFileError, match="begins like text in UTF-16, but is damaged or cut short"):
        staged(written(tmp_path / "songs.csv", text[:-1]))
    with pytest.raises(SongFileError, match="begins like text in UTF-16, but is damaged or cut short"):
        staged(written(tmp_path / "songs.csv", text + b"\0\xdc\0\xdc"))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "[1, 2]", "[]", "{}", '{"a": {}}\n{', '["x"'])
def test_json_that_is_no_song_is_told(tmp_path: Path, text: str) -> None:
    """Guards against a stack that overflows, and against an empty dataset."""
    (path := tmp_path / "songs.json").write_text(text)
    if text.startswith('{"a": {}}'):
        assert staged(path).rows == [("{}",)]
        return
    with pytest.raises(SongFileError, match="nested too deep|no line is a JSON object|cannot be read"):
        staged(path)


def test_a_workbook_that_is_none_is_told(tmp_path: Path) -> None:
    """Guards against tracebacks of the workbook reader."""
    for files in ({"xl/workbook.xml": b"<x"}, {"xl/workbook.xml": b"\0" * 100, "xl/a": b""}):
        with pytest.raises(SongFileError, match="songs.xlsx (cannot be read as a workbook|has no sheet)"):
            staged(zipped(tmp_path / "songs.xlsx", files))
    with pytest.raises(SongFileError, match="has no sheet with a table"):
        staged(workbook(tmp_path / "songs.xlsx", {"A": [], "B": [["only a title"]]}))


def test_no_file_is_changed_and_none_is_left_on_errors(tmp_path: Path) -> None:
    """Guards against a copy of a person's file that stays on the disk (the fixture looks), also upon an error."""
    text = (csv_text() + "x\n").encode("cp1252")
    for content in (text, gzip.compress(text), b"a,b\n1\xe9,2\n" + zlib.compress(text)):
        path = written(tmp_path / "songs.csv", content)
        before = path.stat()
        with suppress(SongFileError):
            staged(path)
        assert path.read_bytes() == content
        assert path.stat().st_mtime_ns == before.st_mtime_ns


@pytest.mark.parametrize("place", ["A1048576", "XFD1048576"])
def test_a_cell_far_from_the_others_fills_no_memory(tmp_path: Path, place: str) -> None:
    """Guards against gigabytes for a workbook of one kilobyte: its reader makes a grid of all cells up to the last."""
    path = workbook(tmp_path / "songs.xlsx", {"A": [["a", "b"], [1, 2]]})
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    row = f'<row r="1048576"><c r="{place}"><v>3</v></c></row></sheetData>'
    zipped(path, {name: content.replace(b"</sheetData>", row.encode()) for name, content in files.items()})
    if place == "A1048576":
        assert staged(path).rows == [("1", "2"), ("3", None)]
        return
    with pytest.raises(SongFileError, match="more than 30,000,000 cells, most of them perhaps empty"):
        staged(path)
