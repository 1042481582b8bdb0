"""All rows of a container in one table, whatever it is and however many tables it has.

Belongs here: several tables as one, and what is to be said of how they were read. Not here: the reader of each kind
(csv_rows.py and its like), and what the columns mean (layouts.py).
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import duckdb

from extract.song_files.containers import Container, Part, parts
from extract.song_files.csv_rows import stage_csv
from extract.song_files.errors import SeveralTables, SongFileError
from extract.song_files.fma_rows import stage_fma
from extract.song_files.json_rows import stage_json
from extract.song_files.layouts import most_known
from extract.song_files.parquet_rows import stage_parquet
from extract.song_files.rows import TABLE, append, count
from extract.song_files.xlsx_rows import stage_xlsx

STAGES = {"csv": stage_csv, "json": stage_json, "parquet": stage_parquet, "xlsx": stage_xlsx, "fma": stage_fma}
_ALL = "song_rows_of_all"


def stage(connection: duckdb.DuckDBPyConnection, file: Container) -> tuple[dict[str, str], tuple[str, ...]]:
    """Put the rows of all its tables into `TABLE`, in the order of the tables' names.

    Returns the columns with the types to give them back as, and sentences for the person whose file it is. Raises
    `SongFileError`: a table cannot be read in its format, has other columns than the first, or changes meanwhile.
    """
    first: dict[str, str] = {}
    warnings: list[str] = []
    with tempfile.TemporaryDirectory(prefix="song-genres-") as folder:
        for number, part in enumerate(parts(file, Path(folder))):
            types = _stage_part(connection, part)
            warnings += [f"{part.name}: {note}" for note in part.notes]
            if _is_cut_off(connection, part):
                row = count(connection, f"select count(*) from {TABLE}")
                warnings.append(f"{part.name} is cut off in its last line (row {row:,}). Is the download whole?")
            if number == 0:
                first = types
                if len(file.tables) > 1:
                    connection.execute(f"create or replace temp table {_ALL} as from {TABLE} order by __row")
                continue
            if types.keys() != first.keys():
                raise _different(file, first, part, types)
            first = {column: kind if types[column] == kind else "VARCHAR" for column, kind in first.items()}
            append(connection, _ALL)
    file.require_unchanged()
    if len(file.tables) > 1:
        connection.execute(f"drop table {TABLE}")
        connection.execute(f"alter table {_ALL} rename to {TABLE}")
        names = ", ".join(Path(table.inner or table.path).name for table in file.tables)
        warnings.insert(0, f"{file.name}: {len(file.tables)} tables, read as one: {names}")
    return first, tuple(warnings)


def _stage_part(connection: duckdb.DuckDBPyConnection, part: Part) -> dict[str, str]:
    try:
        return STAGES[part.kind](connection, part)
    except duckdb.Error as error:
        if isinstance(error, duckdb.OutOfMemoryException) or "No space left on device" in str(error):
            raise
        raise SongFileError(
            f"{part.name} cannot be read as {part.kind}; it may be damaged or cut short: {str(error).splitlines()[0]}"
        ) from error


def _is_cut_off(connection: duckdb.DuckDBPyConnection, part: Part) -> bool:
    """Whether the last row is broken and the last line has no end."""
    if part.text.has_last_end:
        return False
    broken_last = f"from {TABLE} where __row = (select max(__row) from {TABLE}) and __reason is not null"
    return count(connection, f"select count(*) {broken_last}") > 0


def _different(file: Container, first: Mapping[str, str], part: Part, types: Mapping[str, str]) -> SeveralTables:
    """The error for a table that has other columns than the first one."""
    only = [f"{', '.join(names[:5])}{' …' if len(names) > 5 else ''}" for names in (
        [name for name in first if name not in types], [name for name in types if name not in first],
    )]  # fmt: skip
    named = file.tables[0]
    inner = {table.name: table.inner or table.path.name for table in file.tables}
    one = most_known({inner[named.name]: list(first), inner[part.name]: list(types)})
    return SeveralTables(
        f"{file.name} has tables with different columns, which are no one dataset. Only in {named.name}: "
        f"{only[0] or 'nothing'}. Only in {part.name}: {only[1] or 'nothing'}.",
        f"{file.path}/{one}",
    )
