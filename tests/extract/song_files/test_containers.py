"""Every container that people hold is read by its content, gives the same rows, and is said for what it was."""

import bz2
import csv
import gzip
import io
import json
import lzma
import runpy
import sys
from pathlib import Path

import pytest

from extract.song_files import SongFileError, contained, standard_input
from extract.song_files.errors import SeveralTables
from tests.extract.song_files.staged import COLUMNS, ROWS, Staged, csv_text, objects, staged, write_csv, zipped
from warehouse.files import OutputError, require_another_file

SHARED = Path("/work/shared/cases/make_cases.py")


WHOLE = csv_text().encode()

FORMS: dict[str, tuple[str, bytes]] = {
    "plain": ("songs.csv", WHOLE),
    "no ending": ("songs", WHOLE),
    "wrong ending": ("songs.parquet", WHOLE),
    "gzip": ("songs.csv.gz", gzip.compress(WHOLE)),
    "gzip under .csv": ("songs.csv", gzip.compress(WHOLE)),
    "plain under .gz": ("songs.csv.gz", WHOLE),
    "two gzips joined": ("songs.csv.gz", gzip.compress(WHOLE[:40]) + gzip.compress(WHOLE[40:])),
    "bzip2": ("songs.csv.bz2", bz2.compress(WHOLE)),
    "xz under .csv": ("songs.csv", lzma.compress(WHOLE)),
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


@pytest.mark.parametrize(
    ("encoding", "word"), [("cp932", "夜風カフェ"), ("cp1251", "Кварц"), ("gb18030", "周杰伦"), ("cp949", "아이유")]
)
def test_text_that_is_not_western_is_refused_with_what_it_may_be(tmp_path: Path, encoding: str, word: str) -> None:
    """Guards against titles landed as `–é•—ƒJ`, and against a guess: libraries take short titles for Korean."""
    (path := tmp_path / "my songs.csv").write_bytes(csv_text([(word, word, "1.5")] * 9).encode(encoding))
    with pytest.raises(SongFileError) as caught:
        staged(path)
    first, second, third = str(caught.value).splitlines()
    assert "neither in UTF-8 nor in a Western encoding" in first
    assert f"'{word}' ({encoding.upper()})" in second
    assert third.startswith("iconv -f ")
    assert third.endswith(f" -t UTF-8 '{path}' > songs-in-utf8.csv")


def test_a_file_joined_of_two_encodings_is_right_in_both(tmp_path: Path) -> None:
    """Guards against Ã© for é in all rows, because of one row that is not UTF-8."""
    path = tmp_path / "songs.csv"
    path.write_bytes("song,artist\nCafé,夜\né,夜\n".encode() + "Café,Ann\n".encode("cp1252"))
    assert staged(path).rows == [("Café", "夜"), ("é", "夜"), ("Café", "Ann")]


def test_utf8_beyond_the_first_block_counts(tmp_path: Path) -> None:
    """Guards against an encoding told from the first lines alone."""
    path = tmp_path / "songs.csv"
    path.write_bytes(b"song,artist\n" + b"x,y\n" * 300_000 + "Café,Ann\n".encode("cp1252"))
    found = staged(path)
    assert found.rows[-1] == ("Café", "Ann")
    assert found.notes == ("1 line is not UTF-8, and read as Windows-1252 (Latin-1), such as line 300,002: 'Café'",)


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
    with pytest.raises(SeveralTables) as caught:
        staged(path)
    assert caught.value.one == f"{path}/a.csv", "the one with more of our fields"
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


def test_neither_an_archive_nor_a_folder_is_written_over(tmp_path: Path) -> None:
    """Guards against an archive replaced by its own clean tracks, and a folder that reads them the next time."""
    path = zipped(tmp_path / "songs.csv", {"a.csv": WHOLE})
    with pytest.raises(OutputError, match="is the file that is read"):
        require_another_file(path / "a.csv", path)
    with pytest.raises(OutputError, match="lies in the folder that is read"):
        require_another_file(tmp_path, tmp_path / "out.csv")
    require_another_file(tmp_path, tmp_path / "sub" / "out.csv")
    require_another_file(path / "a.csv", tmp_path / "out.csv")


@pytest.mark.parametrize(
    ("name", "dataset"),
    [
        ("audio_features_4.0.csv", "audio_features_4.0"), ("songs.csv.gz", "songs"),
        ("a.csv.bz2", "a"), ("dataset.csv.zip", "dataset"),
        ("archive.ZIP", "archive"), ("songs", "songs"), ("v1.2", "v1.2"), ("txt.csv", "txt"), (".csv", ".csv"),
    ],
)  # fmt: skip
def test_a_dataset_is_called_like_its_file(tmp_path: Path, name: str, dataset: str) -> None:
    """Guards against a dataset called like an ending, and against dots lost from a name."""
    assert contained(write_csv(tmp_path / name)).dataset == dataset


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
