"""Any table, written in any way, is read as the same rows: a property, on random tables and random ways."""

import csv
import gzip
import json
import string
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extract.song_files import contained
from extract.song_files.containers import parts
from extract.song_files.csv_dialect import dialect_of
from extract.song_files.csv_rows import csv_records, stage_csv
from extract.song_files.rows import TABLE, fill, leave_out_empty
from tests.extract.song_files.staged import csv_text, staged
from tests.extract.song_files.workbook import workbook

ANY_TABLE = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
Rows = list[tuple[str, str, str]]

CELLS = st.text(st.sampled_from(string.ascii_letters + ' ,;"\n\r\\é夜#'), max_size=8)


@ANY_TABLE
@given(rows=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=6))
def test_both_readers_give_the_cells_that_were_written(rows: Rows, tmp_path: Path) -> None:
    """Guards against a file whose good rows read otherwise once a row is broken and Python reads in DuckDB's place."""
    path = tmp_path / "written.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("a", "b", "c"), *rows])
    filled = [row for row in rows if any(row)]
    expected = [(number, *(cell or None for cell in row)) for number, row in enumerate(filled, start=1)]
    with duckdb.connect() as connection:
        (copies := tmp_path / "copies").mkdir(exist_ok=True)
        (part,) = parts(contained(path), copies)
        columns = list(stage_csv(connection, part))
        cells = f"select * exclude (__text, __reason) from {TABLE}"
        assert connection.execute(cells).fetchall() == expected
        fill(connection, TABLE, columns, csv_records(part, dialect_of(part)))
        leave_out_empty(connection, columns, [])
        assert connection.execute(cells).fetchall() == expected


# A name as songs have them, a number with a decimal point or comma, and a name that any of the encodings can write.
WORDS = st.text(st.sampled_from(string.ascii_letters + string.digits + " ,;|'&#-_éÖß’“–…€\\"), min_size=1, max_size=12)
NAMES = WORDS.map(str.strip).filter(lambda name: name and not name.startswith("#"))
NUMBERS = st.floats(0, 300).map(lambda number: f"{number:.3f}") | st.floats(0, 1).map(lambda number: f"{number:.2f}")
TABLES = st.lists(st.tuples(NAMES, NAMES, NUMBERS), min_size=2, max_size=8)
COLUMNS = ("song", "artist", "tempo")

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
KINDS = ["csv"] * 6 + ["array", "pretty array", "lines", "objects", "xlsx"]
PACKINGS = ["plain", "gzip", "zip", "gzip in a zip", "two in a zip", "folder"]


def as_text(kind: str, rows: Rows, draw: st.DataObject) -> str:
    """The table as text of the kind, with what a CSV may vary in drawn."""
    songs = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    if kind == "array":
        return json.dumps(songs, ensure_ascii=False)
    if kind == "pretty array":
        return json.dumps(songs, ensure_ascii=False, indent=2)
    if kind == "lines":
        return "\n".join(json.dumps(song, ensure_ascii=False) for song in songs)
    if kind == "objects":
        return "\n".join(json.dumps(song, ensure_ascii=False, indent=1) for song in songs)
    delimiter = draw.draw(st.sampled_from(",;\t|"), "delimiter")
    end = draw.draw(st.sampled_from(["\n", "\r\n", "\r"]), "end")
    quoting = draw.draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]), "quoting")
    lines = ["", end, f"# by my script{end}", f"sep={delimiter}{end}", f"My songs{end}{end}", f"{delimiter * 2}{end}"]
    before = draw.draw(st.sampled_from(lines), "before the header")
    text = csv_text(rows, COLUMNS, delimiter=delimiter, end=end, quoting=quoting)
    has_last_end = draw.draw(st.booleans(), "last end")
    return before + (text if has_last_end else text.removesuffix(end))


def in_encoding(text: str, encoding: str) -> bytes:
    """The text as bytes; where it could be UTF-8 by chance as well as Windows-1252, in UTF-8."""
    content = text.encode(encoding)
    if encoding == "cp1252":
        for line in content.replace(b"\r", b"\n").split(b"\n"):
            with suppress(UnicodeDecodeError):
                if not line.decode("utf-8").isascii():
                    return text.encode()
    return content


def packed(path: Path, packing: str, tables: Sequence[bytes]) -> Path:
    """The tables as one file or folder."""
    named = {f"{number}.{'xlsx' if table[:2] == b'PK' else 'csv'}": table for number, table in enumerate(tables)}
    if packing == "gzip in a zip":
        named = {name: gzip.compress(table) if name.endswith("csv") else table for name, table in named.items()}
    if packing in ("plain", "gzip"):
        path.write_bytes(tables[0] if packing == "plain" or tables[0][:2] == b"PK" else gzip.compress(tables[0]))
    elif packing == "folder":
        path.mkdir()
        for name, table in named.items():
            (path / name).write_bytes(table)
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, table in named.items():
                archive.writestr(name, table)
    return path


@ANY_TABLE
@given(rows=TABLES, more=TABLES, draw=st.data())
def test_any_table_written_in_any_way_is_read_as_its_rows(
    rows: Rows, more: Rows, draw: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Guards against a way of writing that changes, loses or invents a cell."""
    folder = tmp_path_factory.mktemp("written")
    packing = draw.draw(st.sampled_from(PACKINGS), "packing")
    written = [rows, more] if packing in ("two in a zip", "folder") else [rows]
    tables = []
    for table in written:
        kind = draw.draw(st.sampled_from(KINDS), "kind")
        if kind == "xlsx":
            tables.append(workbook(folder / "book", {"songs": [COLUMNS, *table]}).read_bytes())
        else:
            encoding = draw.draw(st.sampled_from(ENCODINGS), "encoding")
            tables.append(in_encoding(as_text(kind, table, draw), encoding))
    name = draw.draw(st.sampled_from(["songs.csv", "songs [1]?*.json", "夜"]), "name")
    found = staged(packed(folder / name, packing, tables))
    assert not found.broken
    in_order = [tuple(row[found.columns.index(column)] for column in COLUMNS) for row in found.rows]
    assert in_order == [row for table in written for row in table]
