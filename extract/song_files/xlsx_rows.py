"""The rows of a workbook (.xlsx), each cell as the text that a CSV of it would have.

Belongs here: workbooks alone: which sheet, and a cell's text. Not here: what the columns mean (layouts.py).
"""

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from itertools import islice

import duckdb
from python_calamine import CalamineError, CalamineWorkbook

from extract.song_files.archives import unpacked
from extract.song_files.containers import Part
from extract.song_files.errors import SeveralTables, SongFileError
from extract.song_files.layouts import most_known
from extract.song_files.rows import ROWS_COMPARED, TABLE, Record, check_columns, fill, rows_before_header, told_apart

MOST_CELLS = 30_000_000  # as many as the longest sheet has in 28 columns; the reader takes about 40 bytes for each

_ROW = re.compile(rb'<(?:\w+:)?row\b[^>]*?\sr="(\d{1,7})"')
_COLUMN_BEYOND_Z = re.compile(rb'\br="([A-Z]{2,3})\d')

Cell = int | float | str | bool | time | date | datetime | timedelta | None


def stage_xlsx(connection: duckdb.DuckDBPyConnection, part: Part) -> dict[str, str]:
    """Make `TABLE` of the rows of its sheets, which must have the same columns; returns these, which are all text."""
    _require_small(part)
    try:
        with CalamineWorkbook.from_path(part.path) as book:
            return _stage(connection, part, book)
    except CalamineError as error:
        raise SongFileError(f"{part.name} cannot be read as a workbook; it may be damaged: {error}") from error


def _require_small(part: Part) -> None:
    """Raise `SongFileError` for a workbook that would fill the memory.

    The reader makes a grid of all cells up to the last one, so a single cell far from the others makes a large one.
    """
    rows: dict[str, int] = {}
    columns: dict[str, int] = {}
    rest = b""
    before = None
    for inner, block in unpacked(part.name, part.path):
        text = (rest if inner == before else b"") + block
        before, rest = inner, text[-64:]  # a place may stand in two blocks
        rows[inner] = max([rows.get(inner, 0), *map(int, _ROW.findall(text))])
        letters = set(_COLUMN_BEYOND_Z.findall(text))
        columns[inner] = max([columns.get(inner, 26), *map(_column_number, letters)])
        if rows[inner] * columns[inner] > MOST_CELLS:
            raise SongFileError(
                f"{part.name} has a sheet of more than {MOST_CELLS:,} cells, most of them perhaps empty. Delete the "
                "rows and columns that are not used, or save the table as CSV."
            )


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number


def _stage(connection: duckdb.DuckDBPyConnection, part: Part, book: CalamineWorkbook) -> dict[str, str]:
    if part.sheet is not None and part.sheet not in book.sheet_names:
        raise SongFileError(f"{part.name} has no sheet {part.sheet!r}. It has: {', '.join(book.sheet_names)}.")
    names = [part.sheet] if part.sheet is not None else book.sheet_names
    found = {name: header for name in names if (header := _header(book, name))}
    headers = {name: told_apart(header, part.notes) for name, (_, header) in found.items()}
    if not headers:
        raise SongFileError(f"{part.name} has no sheet with a table. Give one whose first row names the columns.")
    columns, *others = headers.values()
    if any(sorted(other) != sorted(columns) for other in others):
        listed = ", ".join(headers)
        raise SeveralTables(
            f"{part.name} has several sheets with different columns: {listed}.", f"{part.name}/{most_known(headers)}"
        )
    check_columns(part.name, columns)
    fill(connection, TABLE, columns, _records(book, headers, {name: row for name, (row, _) in found.items()}, columns))
    if len(headers) > 1:
        part.notes.append(f"{len(headers)} sheets, read as one: {', '.join(headers)}")
    elif len(book.sheet_names) > 1:
        part.notes.append(f"read from the sheet {next(iter(headers))!r}")
    return dict.fromkeys(columns, "VARCHAR")


def _header(book: CalamineWorkbook, sheet: str) -> tuple[int, list[str]] | None:
    """The row and the names of a sheet's header; None where it has not the two rows and two columns of a table."""
    found = book.get_sheet_by_name(sheet)
    if found.height < 2 or found.width < 2:
        return None
    first = [[(cell_text(cell) or "").strip() for cell in cells] for cells in islice(found.iter_rows(), ROWS_COMPARED)]
    row = rows_before_header([sum(map(bool, cells)) for cells in first])
    return row, first[row]


def _records(
    book: CalamineWorkbook, headers: dict[str, list[str]], places: dict[str, int], columns: Sequence[str]
) -> Iterator[Record]:
    """The rows of the sheets, one after the other; an empty row is none."""
    row = 0
    for sheet, header in headers.items():
        order = [header.index(column) for column in columns]
        for cells in islice(book.get_sheet_by_name(sheet).iter_rows(), places[sheet] + 1, None):
            values = [cell_text(cells[at]) for at in order]
            if any(values):
                row += 1
                yield row, None, None, *values


def cell_text(cell: Cell) -> str | None:
    """A cell as text: numbers with the fewest digits that say them, dates as ISO 8601 has them, times as h:mm."""
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat(" ")
    if isinstance(cell, time):
        return f"{cell.hour}:{cell.minute:02}" + (f":{cell.second:02}" if cell.second else "")
    if isinstance(cell, timedelta):
        minutes, seconds = divmod(round(cell.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02}" + (f":{seconds:02}" if seconds else "")
    return str(cell) if cell not in (None, "") else None
