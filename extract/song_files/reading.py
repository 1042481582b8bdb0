"""A song file read: its rows as a table, what its columns mean, and which rows cannot be used.

Belongs here: the way from a file to the table, for whatever purpose. Not here: what is made of the table.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from extract.song_files.containers import Container
from extract.song_files.errors import SongFileError
from extract.song_files.layouts import OPTIONAL, Layout, Purpose, recognise
from extract.song_files.rows import TABLE, count
from extract.song_files.staging import stage
from warehouse.features import feature_ranges
from warehouse.files import identifier, quoted
from warehouse.values import problem

PROBLEMS_SHOWN = 5


@dataclass(frozen=True)
class SongFile:
    """A song file whose rows are in `TABLE` of a connection.

    `types` are the columns of the file and the types (DuckDB's) that their text may be given back as; `fields` is our
    field -> its column, for the fields that the file has; `warnings` are sentences for the person whose file it is.
    """

    container: Container
    types: Mapping[str, str]
    layout: Layout
    fields: Mapping[str, str]
    rows: int
    warnings: tuple[str, ...]

    @property
    def name(self) -> str:
        """What errors call the file."""
        return self.container.name

    def value(self, field: str) -> str:
        """The field as SQL: its column of `TABLE`."""
        return identifier(self.fields[field])

    def known(self, field: str) -> str:
        """A name as SQL: NULL where the layout writes something else for a name that is not known."""
        return f"nullif({self.value(field)}, {quoted(self.layout.missing_text)})" if self.layout.missing_text else (
            self.value(field)
        )  # fmt: skip


def read(
    connection: duckdb.DuckDBPyConnection, file: Container, purpose: Purpose, mapping: Mapping[str, str] | None = None
) -> SongFile:
    """Put the rows of the file into `TABLE` of `connection`, and recognise its columns.

    `mapping` gives our field -> the file's column, for layouts that are not known. Raises `SongFileError`: the file
    cannot be read in its format, lacks what the purpose needs, or has no rows.
    """
    types, notes = stage(connection, file)
    layout, fields = recognise(file, list(types), mapping or {}, purpose)
    rows = count(connection, f"select count(*) from {TABLE}")
    if rows == 0:
        raise SongFileError(f"{file.name} has a header but no rows. Nothing was written.")
    return SongFile(file, types, layout, fields, rows, notes)


def require_usable(connection: duckdb.DuckDBPyConnection, file: SongFile) -> tuple[int, list[str]]:
    """How many rows hold a value that cannot be used, and the first few, named by row and column.

    Raises `SongFileError`, which names them, if they are more than half.
    """
    problem_rows, problems = _problems(connection, file)
    if problem_rows * 2 > file.rows:
        shown = "\n  ".join(problems[:2])
        raise SongFileError(
            f"{file.name}: {problem_rows:,} of {file.rows:,} rows cannot be used, more than half; nothing was "
            f"written. Is a column mapped to the wrong field (--map field=column)? The first:\n  {shown}"
        )
    return problem_rows, problems


def _problems(connection: duckdb.DuckDBPyConnection, file: SongFile) -> tuple[int, list[str]]:
    checks = ["__reason"]
    for name in ("spotify_track_id", "genre"):
        words = quoted(f"column {file.fields[name]}: is missing")
        checks.append(f"case when coalesce({file.value(name)}, '') = '' then {words} end")
    for name, (minimum, maximum) in feature_ranges().items():
        if name in file.fields:
            column, may_be_missing = file.fields[name], name in OPTIONAL
            checks.append(
                problem(name, column, identifier(column), minimum, maximum, may_be_missing=may_be_missing)
            )  # fmt: skip
    connection.execute(
        f"""
        create or replace temp table song_problems as
        select * from (select __row, coalesce({", ".join(checks)}) as problem from {TABLE}) where problem is not null
        """
    )
    found = connection.execute(
        "select __row, problem from song_problems order by __row limit ?", [PROBLEMS_SHOWN]
    ).fetchall()
    return count(connection, "select count(*) from song_problems"), [f"row {row:,}, {words}" for row, words in found]
