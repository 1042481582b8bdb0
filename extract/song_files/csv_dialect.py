"""How a CSV is written: what separates its fields, which line is its header, and what its columns are called.

Belongs here: what the first lines tell. Not here: the rows (csv_rows.py), and what the columns mean (layouts.py).
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from extract.song_files.containers import Part
from extract.song_files.encodings import LONGEST_LINE, lines
from extract.song_files.errors import SongFileError
from extract.song_files.kinds import BEGINNING
from extract.song_files.rows import ROWS_COMPARED, check_columns, rows_before_header, told_apart

DELIMITERS = ",;\t|"
_NUMBER = re.compile(r"\s*[-+]?\d+([.,]\d+)?([eE][-+]?\d+)?\s*")


@dataclass(frozen=True)
class Dialect:
    """How a CSV is written.

    `skip` is the number of lines before the header; `has_spaces` says that spaces stand beside the delimiters and
    belong to no value. `header` are the names as they stand in the file, `columns` those that are used here.
    """

    columns: Sequence[str]
    header: Sequence[str]
    delimiter: str
    skip: int
    has_spaces: bool


def dialect_of(part: Part) -> Dialect:
    """How the CSV is written; its notes say what stands before the header.

    Raises `SongFileError` where there is no header, or none that can be used.
    """
    csv.field_size_limit(LONGEST_LINE)
    first = _first_lines(part.path)
    skip = _blank_lines(first)
    if delimiter := _separator("".join(first[skip : skip + 1])):
        skip += 1 + _blank_lines(first[skip + 1 :])
    if comments := _comments(first[skip:], delimiter):
        part.notes.append(f"{comments} comment line{'s' if comments > 1 else ''} before the header")
        skip += comments + _blank_lines(first[skip + comments :])
    if skip == len(first):
        raise SongFileError(f"{part.name} is not a CSV: its first line is empty, and should name the columns.")
    first = first[skip:]
    delimiter = delimiter or _delimiter(first)
    if titles := _title_lines(first, delimiter):
        part.notes.append(
            f"left out before the header: {' '.join(''.join(first[:titles]).split(delimiter)).strip()[:80]!r}"
        )
        skip, first = skip + titles, first[titles:]
    header, *rows = _records(part.name, first, delimiter)
    has_spaces = _has_spaces(header, rows)
    if has_spaces:
        part.notes.append("spaces after the delimiters are no part of the values")
        header = _records(part.name, first, delimiter, skip_spaces=True)[0]
    if _has_row_names(header, rows):
        header = ["", *header]
    _refuse_several_headers(part.name, header, rows)
    columns = [name.strip() for name in header]
    columns[0] = columns[0].lstrip("# ") or columns[0]  # a header behind a # is none the less one
    if sum(bool(_NUMBER.fullmatch(name)) for name in columns) * 3 > max(len(columns), 3):
        raise SongFileError(
            f"{part.name} has no header: its first line holds values ({', '.join(columns[:4])} …). Put a line before "
            "it that names the columns."
        )
    columns = told_apart(columns, part.notes)
    check_columns(part.name, columns)
    return Dialect(columns, header, delimiter, skip, has_spaces)


def _first_lines(path: Path) -> list[str]:
    """The first lines: what stands within the first bytes, but at least a header and a row."""
    found, length = list[str](), 0
    for line in lines(path):
        found.append(line)
        length += len(line)
        if length > BEGINNING and sum(not line.isspace() for line in found) > 1:
            break
    return found


def _blank_lines(first: Sequence[str]) -> int:
    """How many lines are blank before the first one that is not."""
    return next((number for number, line in enumerate(first) if line.strip()), len(first))


def _separator(line: str) -> str | None:
    """The delimiter that a line such as `sep=;` names, which spreadsheets write and read; None for any other line."""
    found = re.fullmatch(r'"?sep=(.)"?\s*', line, re.IGNORECASE)
    return found[1] if found and found[1] in DELIMITERS else None


def _comments(first: Sequence[str], delimiter: str | None) -> int:
    """How many lines before the header begin with `#` and are none: a header has as many fields as the row below it."""
    count = next((number for number, line in enumerate(first) if line.strip() and not line.startswith("#")), len(first))
    if not count or count == len(first):
        return 0
    above = first[count - 1 :]
    is_header = _matching(above, delimiter or _delimiter(above), has_title=False) == 1
    return count - 1 if is_header else count


def _delimiter(first: Sequence[str]) -> str:
    """What separates the fields: what gives the most rows as many fields as the header has; of several, the most."""
    return max(DELIMITERS, key=lambda delimiter: (_matching(first, delimiter), first[0].count(delimiter)))


def _matching(first: Sequence[str], delimiter: str, *, has_title: bool = True) -> float:
    """The share of the first rows that have as many fields as the header, with this delimiter; -1 for one column.

    Before the header there may be a title, unless `has_title` is false.
    """
    try:
        reader = csv.reader(first, delimiter=delimiter, skipinitialspace=True)
        widths = [len(row) for row in islice(reader, ROWS_COMPARED) if row]
    except csv.Error:
        return -1
    header, *rows = widths[rows_before_header(widths) if has_title else 0 :] or [0]
    if header < 2:
        return -1
    return sum(width == header for width in rows) / len(rows) if rows else 0


def _title_lines(first: Sequence[str], delimiter: str) -> int:
    """How many lines stand before the header as a title."""
    reader, filled, ends = csv.reader(first, delimiter=delimiter), list[int](), [0]
    try:
        for row in islice(reader, ROWS_COMPARED):
            filled.append(sum(bool(field.strip()) for field in row))
            ends.append(reader.line_num)
    except csv.Error:
        return 0
    return ends[rows_before_header(filled)]


def _has_row_names(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether the rows are numbered in a column that the header does not name, as R's write.table has it."""
    if not rows or any(len(row) != len(header) + 1 for row in rows) or not rows[0][0].isdecimal():
        return False
    return [row[0] for row in rows] == [str(int(rows[0][0]) + place) for place in range(len(rows))]


def _records(name: str, first: Sequence[str], delimiter: str, *, skip_spaces: bool = False) -> list[list[str]]:
    """The header and a few rows; a broken row ends them, and a broken header is an error."""
    reader = csv.reader(first, delimiter=delimiter, strict=True, skipinitialspace=skip_spaces)
    found: list[list[str]] = []
    try:
        found.extend(row for row in islice(reader, 10) if row)
    except csv.Error as error:
        if not found:
            raise SongFileError(f"{name} is not a CSV: its header cannot be read ({error}).") from error
    return found


def _has_spaces(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether a space follows each delimiter, in the header and in most rows."""
    spaced = [all(field.startswith(" ") or not field for field in row[1:]) for row in (header, *rows)]
    return len(header) > 1 and spaced[0] and any(header[1:]) and sum(spaced) * 2 > len(spaced)


def _refuse_several_headers(name: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Raise `SongFileError` for a table with a header of several rows, as pandas writes one of names within names."""
    repeated = len(header) - len(set(header)) > len(header) // 3
    has_index_row = any(row and row[0].strip() and not any(field.strip() for field in row[1:]) for row in rows[:3])
    if len(header) > 3 and repeated and has_index_row:
        what = "FMA's echonest.csv" if "echonest" in header else "as FMA's tracks.csv has"
        raise SongFileError(
            f"{name} has several header rows: {what}; give its folder or zip. Otherwise write it with one header row."
        )
