"""The rows of a CSV, with a broken one as its text.

Belongs here: CSV alone. Not here: what the columns mean (layouts.py).
"""

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice

import duckdb

from extract.song_files.containers import Container, SongFileError
from extract.song_files.rows import TABLE, Record, check_columns, count, fill
from warehouse.files import file_to_read, identifier, quoted


def stage_csv(connection: duckdb.DuckDBPyConnection, file: Container) -> dict[str, str]:
    """Make `TABLE` of the rows; returns the columns and their types, which are all text."""
    columns, delimiter = csv_header(file)
    types = ", ".join(f"{quoted(column)}: 'VARCHAR'" for column in columns)
    # One thread: so the row numbers are the file's order. It is no slower; making the documents takes the time.
    # Nothing is guessed: a guess from the first rows may take a header or a row for something else.
    query = f"""
        create or replace temp table {TABLE} as
        select row_number() over () as __row, null::varchar as __text, null::varchar as __reason, *
        from read_csv(
            {file_to_read(file.path)}, auto_detect=false, header=true, delim={quoted(delimiter)}, quote='"', escape='"',
            columns={{{types}}}, parallel=false, buffer_size=4000000, hive_partitioning=false,
            compression={quoted("gzip" if file.is_gzipped else "none")}
        )
        """
    try:
        connection.execute(query)
        # DuckDB 2.0, on one thread, drops all that follows a quotation mark that is never closed, and raises nothing.
        # So the lines are counted; where there are blank ones too, Python's reader counts the rows, which is slow.
        rows, lines = count(connection, f"select count(*) from {TABLE}"), file.count_lines()[0] - 1
        is_whole = (
            rows == lines
            or rows + _count_lines_in_values(connection, columns) == lines
            or rows == sum(1 for _ in csv_records(file, columns, delimiter))
        )
    except duckdb.Error:
        is_whole = False
    if not is_whole:
        # Some row is broken. DuckDB can skip it, but then does not say how many rows stand before it where there
        # are blank lines. Python's reader does; it takes ten times as long to fill a table.
        fill(connection, TABLE, columns, csv_records(file, columns, delimiter))
    return dict.fromkeys(columns, "VARCHAR")


def _count_lines_in_values(connection: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> int:
    """How many line ends stand within the values of `TABLE`."""
    ends = (
        f"coalesce(sum(len({name}) - len(replace({name}, chr(10), ''))) filter (contains({name}, chr(10))), 0)"
        for name in map(identifier, columns)
    )
    return count(connection, f"select {' + '.join(ends)} from {TABLE}")


def csv_header(file: Container) -> tuple[list[str], str]:
    """The columns of a CSV and what delimits them."""
    with file.open() as content:
        beginning = content.read(1 << 16)
    if b"\0" in beginning:
        raise SongFileError(
            f"{file.name} is not text in UTF-8 but binary (or UTF-16). Give CSV (also .gz), Parquet or JSON lines."
        )
    lines = file.lines()
    first = next(lines, "")
    delimiter = max(",;\t|", key=first.count)
    try:
        columns = next(csv.reader([first, *islice(lines, 10)], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise SongFileError(f"{file.name} is not a CSV: its header cannot be read ({error}).") from error
    if not columns:
        raise SongFileError(f"{file.name} is not a CSV: its first line is empty, and should name the columns.")
    # A data frame's index is written without a name.
    columns = [column or f"column {number}" for number, column in enumerate(columns, start=1)]
    check_columns(file.name, columns)
    return columns, delimiter


def csv_records(file: Container, columns: Sequence[str], delimiter: str) -> Iterator[Record]:
    """The rows of a CSV, with those that are broken as text.

    After a wrong quotation mark the row's first line alone is broken, and what follows is read anew: so an unclosed one
    swallows no good row.
    """
    lines, again = file.lines(), deque[str]()
    taken: list[str] = []  # the lines of the row that is being read

    def next_lines() -> Iterator[str]:
        while (line := again.popleft() if again else next(lines, None)) is not None:
            taken.append(line)
            yield line

    reader = csv.reader(next_lines(), delimiter=delimiter, strict=True)
    next(reader)
    row, line = 0, 1 + len(taken)
    while True:
        taken.clear()
        broken = None
        try:
            fields = next(reader)
            # DuckDB lets one comma more than the header has pass as well.
            if len(fields) != len(columns) and fields[len(columns) :] != [""]:
                broken = f"line {line}: {len(fields)} fields, where the header has {len(columns)}"
        except StopIteration:
            return
        except csv.Error:
            broken = f"line {line}: a quotation mark that is not closed, or closed in the wrong place"
            again.extendleft(reversed(taken[1:]))
            del taken[1:]
            reader = csv.reader(next_lines(), delimiter=delimiter, strict=True)
        text = "".join(taken)
        line += len(taken)
        if text.isspace():
            continue
        row += 1
        if broken:
            yield row, text.rstrip("\r\n"), broken, *(None for _ in columns)
        else:
            yield row, None, None, *(value or None for value in fields[: len(columns)])
