"""What the first lines of a CSV tell, and files that were joined or cut off."""

import json
from pathlib import Path

import pytest

from tests.extract.song_files.staged import ROWS, csv_text, objects, staged

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


@pytest.mark.parametrize(
    ("text", "columns", "note"),
    [
        ("My songs, 2024\n\nsong;artist;tempo\nx;y;1,5\n", ["song", "artist", "tempo"], "'My songs, 2024'"),
        ("Top,,\n,,\nsong,artist,tempo\nx,y,\"1,5\"\n", ["song", "artist", "tempo"], "'Top'"),
        ("song\tartist\ttempo\n1\tx\ty\t1,5\n2\tx\ty\t1,5\n", ["column 1", "song", "artist", "tempo"], None),
        ("song,,tempo,,\nx,y,\"1,5\",,\n", ["song", "column 2", "tempo", "column 4", "column 5"], None),
        (
            "song,artist,Song,song\nx,y,\"1,5\",z\n", ["song", "artist", "Song (2)", "song (3)"],
            "the first is read as that, the other is called 'Song (2)' here",
        ),
    ],
)  # fmt: skip
def test_headers_as_programs_write_them(tmp_path: Path, text: str, columns: list[str], note: str | None) -> None:
    """Guards against a file that has to be edited by hand: R's row names, a title, blank columns, a name twice."""
    (path := tmp_path / "songs.csv").write_text(text)
    found = staged(path)
    assert found.columns == columns
    assert ("x" in found.rows[0], "1,5" in found.rows[0], found.broken) == (True, True, [])
    assert any(note in words for words in found.notes) if note else not found.notes


def test_rows_of_empty_cells_are_none(tmp_path: Path) -> None:
    """Guards against listings that are rejected since a spreadsheet writes its blank lines with commas."""
    (path := tmp_path / "songs.csv").write_text("song,tempo\n,\nx,1\n,\n\ny,2\n")
    assert (staged(path).rows, staged(path).notes) == ([("x", "1"), ("y", "2")], ("2 rows of empty cells left out",))


def test_spaces_on_both_sides_of_a_delimiter_belong_to_no_value(tmp_path: Path) -> None:
    """Guards against a genre that ends with a space."""
    (path := tmp_path / "songs.csv").write_text("song , genre | x\na , jazz | y\nc , folk | z\n")
    assert staged(path).rows == [("a", "jazz | y"), ("c", "folk | z")]


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
