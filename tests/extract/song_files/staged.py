"""What the tests here share: the rows of a file as the reader gives them."""

import csv
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from extract.song_files import contained
from extract.song_files.rows import TABLE
from extract.song_files.staging import stage

COLUMNS = ["song", "artist", "tempo"]
ROWS = [("Café", "Ann", "120.5"), ("“Tide” – Part 2 …", "Bob", "0.30"), ("One, two", "Cy", "1e-05")]


@dataclass(frozen=True)
class Staged:
    """The rows of a file with the text of the broken ones, its columns, and what is said of it."""

    columns: list[str]
    rows: list[tuple[str | None, ...]]
    broken: list[tuple[int, str, str]]
    notes: tuple[str, ...]


def staged(path: Path) -> Staged:
    with duckdb.connect() as connection:
        types, notes = stage(connection, contained(path))
        columns = ", ".join('"' + column.replace('"', '""') + '"' for column in types)
        numbers = connection.execute(f"select __row from {TABLE} order by rowid").fetchall()
        assert numbers == [(number,) for number in range(1, len(numbers) + 1)], "rows are numbered in file order"
        rows = connection.execute(f"select {columns} from {TABLE} where __text is null order by __row").fetchall()
        broken = connection.execute(
            f"select __row, __text, __reason from {TABLE} where __text is not null order by __row"
        ).fetchall()
    return Staged(list(types), rows, broken, tuple(note.removeprefix(f"{path}: ") for note in notes))


def csv_text(
    rows: Sequence[Sequence[str | None]] = ROWS, columns: Sequence[str] = COLUMNS, *, delimiter: str = ",",
    end: str = "\n", quoting: int = csv.QUOTE_MINIMAL,
) -> str:  # fmt: skip
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows([columns, *rows])
    return file.getvalue()


def write_csv(path: Path, rows: Sequence[Sequence[str | None]] = ROWS, columns: Sequence[str] = COLUMNS) -> Path:
    path.write_text(csv_text(rows, columns), encoding="utf-8", newline="")
    return path


def zipped(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def objects(rows: list[tuple[str, ...]] = ROWS) -> list[dict[str, str]]:
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]
