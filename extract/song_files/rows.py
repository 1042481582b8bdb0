"""The table that a song file's rows are put into.

Belongs here: its name, our own columns, and how it is filled from Python. Not here: any format.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from statistics import median

import duckdb

from extract.song_files.errors import SongFileError
from warehouse.files import identifier

TABLE = "song_rows"
"""A temporary table in the file's order: `OUR_COLUMNS`, then each column of the file as text. An empty cell is NULL."""

OUR_COLUMNS = "__row bigint, __text varchar, __reason varchar"
"""The row's number from 1, and of a row that cannot be read its text and why."""

Record = tuple[int | str | None, ...]
"""A row of `TABLE`."""

ROWS_PER_BATCH = 50_000

ROWS_COMPARED = 50
"""So many of the first rows tell which one is the header."""


def rows_before_header(widths: Sequence[int]) -> int:
    """How many of the first rows, of which `widths` are the filled cells, are a title: less than half a usual row."""
    usual = median([width for width in widths if width] or [0])
    return next((row for row, width in enumerate(widths) if width * 2 >= usual), 0) if usual > 2 else 0


def told_apart(names: Sequence[str], notes: list[str]) -> list[str]:
    """The columns' names, with a number where there is none (a data frame's index has none) or it stood before."""
    found: list[str] = []
    seen: set[str] = set()
    for number, name in enumerate(names, start=1):
        column, place = name or f"column {number}", 2
        while column.lower() in seen:
            column, place = f"{name} ({place})", place + 1
        if column != name and name:
            notes.append(
                f"two columns are called {name}: the first is read as that, the other is called {column!r} here"
            )
        seen.add(column.lower())
        found.append(column)
    return found


def check_columns(name: str, columns: Sequence[str]) -> None:
    """Raise `SongFileError` where a column of the file `name` stands there twice, or is called like one of ours."""
    lowered = [column.lower() for column in columns]
    if twice := [column for column in columns if lowered.count(column.lower()) > 1]:
        raise SongFileError(f"{name} names a column twice (upper or lower case): {', '.join(twice)}. Rename one.")
    if ours := [column for column in columns if column.lower() in ("__row", "__text", "__reason")]:
        raise SongFileError(f"{name} has a column {ours[0]}, a name that is used here for the row itself. Rename it.")


def count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    """The one number that the query gives."""
    ((found,),) = connection.execute(query).fetchall()  # to its end: an open result stands in the next query's way
    return int(found)


def fill(connection: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str], records: Iterable[Record]) -> None:
    """Make the temporary table anew with these columns of text, and fill it batch by batch."""
    types = "".join(f", {identifier(column)} varchar" for column in columns)
    connection.execute(f"create or replace temp table {table} ({OUR_COLUMNS}{types})")
    import pyarrow as pa  # 35 MB that a file which DuckDB can read does without

    ours = [("__row", pa.int64()), ("__text", pa.string()), ("__reason", pa.string())]
    schema = pa.schema([*ours, *((column, pa.string()) for column in columns)])
    records = iter(records)
    while batch := list(islice(records, ROWS_PER_BATCH)):
        arrays = [pa.array(values, kind.type) for values, kind in zip(zip(*batch, strict=True), schema, strict=True)]
        rows = pa.Table.from_arrays(arrays, schema=schema)  # noqa: F841 - DuckDB finds it by its name
        connection.execute(f"insert into {table} select * from rows")


def leave_out(connection: duckdb.DuckDBPyConnection, condition: str) -> list[int]:
    """Take the rows that meet the condition out of `TABLE`, and number the others anew; returns their old numbers."""
    numbers = connection.execute(f"select __row from {TABLE} where {condition} order by __row").fetchall()
    if numbers:
        connection.execute(f"delete from {TABLE} where {condition}")
        connection.execute(
            f"""
            create or replace temp table {TABLE} as
            select * replace (row_number() over (order by __row) as __row) from {TABLE} order by __row
            """
        )
    return [number for (number,) in numbers]


def leave_out_empty(connection: duckdb.DuckDBPyConnection, columns: Sequence[str], notes: list[str]) -> None:
    """Take the rows of empty cells out of `TABLE`: a spreadsheet writes a blank line so."""
    nothing = " and ".join(f"{name} is null" for name in map(identifier, columns))
    if rows := leave_out(connection, f"__text is null and {nothing}"):
        notes.append(f"{len(rows):,} row{'s' if len(rows) > 1 else ''} of empty cells left out")


def append(connection: duckdb.DuckDBPyConnection, to: str) -> None:
    """Put the rows of `TABLE` behind those of the table `to`, which has the same columns, and number them on."""
    before = count(connection, f"select count(*) from {to}")
    connection.execute(
        f"insert into {to} by name select * replace (__row + {before} as __row) from {TABLE} order by __row"
    )
