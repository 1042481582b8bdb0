"""The rows of a CSV, with a broken one as its text.

Belongs here: CSV alone. Not here: how it is written (csv_dialect.py), and what the columns mean (layouts.py).
"""

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice

import duckdb

from extract.song_files.containers import Part
from extract.song_files.csv_dialect import Dialect, dialect_of
from extract.song_files.encodings import lines as lines_of
from extract.song_files.rows import TABLE, Record, count, fill, leave_out, leave_out_empty
from warehouse.files import file_to_read, identifier, quoted

_DUCKDBS_LONGEST_LINE = 2_000_000
_BUFFER = 4_000_000


def stage_csv(connection: duckdb.DuckDBPyConnection, part: Part) -> dict[str, str]:
    """Make `TABLE` of the rows; returns the columns and their types, which are all text."""
    dialect = dialect_of(part)
    if not _stage_with_duckdb(connection, part, dialect):
        # Some row is broken. DuckDB can skip it, but then does not say how many rows stand before it where there
        # are blank lines. Python's reader does; it takes ten times as long to fill a table.
        fill(connection, TABLE, dialect.columns, csv_records(part, dialect))
    _leave_out_headers(connection, dialect, part.notes)
    leave_out_empty(connection, dialect.columns, part.notes)
    return dict.fromkeys(dialect.columns, "VARCHAR")


def _stage_with_duckdb(connection: duckdb.DuckDBPyConnection, part: Part, dialect: Dialect) -> bool:
    """Whether DuckDB could read the rows, all of them."""
    if dialect.has_spaces:  # DuckDB knows no spaces that belong to no value
        return False
    types = ", ".join(f"{quoted(column)}: 'VARCHAR'" for column in dialect.columns)
    longest = max(part.text.longest_line + 1, _DUCKDBS_LONGEST_LINE)
    # One thread: so the row numbers are the file's order. It is no slower; making the documents takes the time.
    # Nothing is guessed: a guess from the first rows may take a header or a row for something else.
    query = f"""
        create or replace temp table {TABLE} as
        select row_number() over () as __row, null::varchar as __text, null::varchar as __reason, *
        from read_csv(
            {file_to_read(part.path)}, auto_detect=false, header=true, skip={dialect.skip},
            delim={quoted(dialect.delimiter)}, quote='"', escape='"', columns={{{types}}}, parallel=false,
            max_line_size={longest}, buffer_size={max(_BUFFER, 2 * longest)}, hive_partitioning=false,
            compression='none'
        )
        """
    try:
        connection.execute(query)
    except duckdb.Error as error:
        if "No space left on device" in str(error):
            raise
        return False
    # DuckDB 2.0, on one thread, drops all that follows a quotation mark that is never closed, and raises nothing.
    # So the lines are counted; where there are blank ones too, Python's reader counts the rows, which is slow.
    rows, lines = count(connection, f"select count(*) from {TABLE}"), part.text.lines - dialect.skip - 1
    return (
        rows == lines
        or rows + _count_lines_in_values(connection, dialect.columns) == lines
        or rows == sum(1 for _ in csv_records(part, dialect))
    )


def _count_lines_in_values(connection: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> int:
    """How many line ends stand within the values of `TABLE`."""
    ends = (
        f"coalesce(sum(len({name}) - len(replace({name}, chr(10), ''))) filter (contains({name}, chr(10))), 0)"
        for name in map(identifier, columns)
    )
    return count(connection, f"select {' + '.join(ends)} from {TABLE}")


def _leave_out_headers(connection: duckdb.DuckDBPyConnection, dialect: Dialect, notes: list[str]) -> None:
    """Take the header out of the rows, where it stands among them again: in files that were joined with `cat`."""
    pairs = [
        f"trim({identifier(column)}, chr(65279) || ' ') = {quoted(name.strip())}"
        for column, name in zip(dialect.columns, dialect.header, strict=True)
        if name.strip()
    ]
    if repeated := leave_out(connection, " and ".join(pairs or ["false"])):
        shown = ", ".join(f"{row:,}" for row in repeated[:5]) + (" …" if len(repeated) > 5 else "")
        notes.append(
            f"the header is repeated in row {shown}: left out" if len(repeated) == 1 else
            f"the header is repeated in {len(repeated):,} rows ({shown}): left out"
        )  # fmt: skip


def csv_records(part: Part, dialect: Dialect) -> Iterator[Record]:
    """The rows of a CSV, with those that are broken as text.

    After a wrong quotation mark the row's first line alone is broken, and what follows is read anew: so an unclosed one
    swallows no good row.
    """
    columns, padding = dialect.columns, " " if dialect.has_spaces else ""
    lines, again = islice(lines_of(part.path), dialect.skip, None), deque[str]()
    taken: list[str] = []  # the lines of the row that is being read

    def next_lines() -> Iterator[str]:
        while (line := again.popleft() if again else next(lines, None)) is not None:
            taken.append(line)
            yield line

    def new_reader() -> Iterator[list[str]]:
        return csv.reader(
            next_lines(), delimiter=dialect.delimiter, strict=True, skipinitialspace=dialect.has_spaces
        )  # fmt: skip

    reader = new_reader()
    next(reader)
    row, line = 0, 1 + dialect.skip + len(taken)
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
            reader = new_reader()
        text = "".join(taken)
        line += len(taken)
        if text.isspace():
            continue
        row += 1
        if broken:
            yield row, text.rstrip("\r\n"), broken, *(None for _ in columns)
        else:
            yield row, None, None, *((value.rstrip(padding) or None) for value in fields[: len(columns)])
