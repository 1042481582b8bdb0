"""The raw documents as Parquet: what dbt reads on Spark instead of the warehouse's schema `raw`.

Belongs here: which tables and rows, how the files lie, and that they appear whole. Not here: what reads them
(dbt_project/macros/require_raw_documents.sql), and the marts as files (exports.py).
"""

import os
from pathlib import Path

import duckdb

from warehouse.exports import Export
from warehouse.files import WarehouseError, file_to_write, folder_whole_or_not_there, quoted
from warehouse.progress import Progress, ignore
from warehouse.raw import READ_BY_DBT, active_dataset

BY_GENRE = ("artists", "tracks")
MEMORY_LIMIT = "500MB"  # DuckDB's
ROW_GROUP = 10_000  # rows; a track's document has 1.6 kB, and a row group is made in memory

# A folder's name is for people: the genre's letters and numbers, and few enough for any file system. Genres may share
# one, since the files hold the genre itself.
GENRE_KEY = r"coalesce(nullif(left(regexp_replace(genre, '[^\p{L}\p{N}]+', '-', 'g'), 20), ''), 'none')"


def raw_export_path() -> Path:
    """The folder of the files: `RAW_EXPORT_PATH`, else `data/raw` below the working directory."""
    return Path(os.environ.get("RAW_EXPORT_PATH") or "data/raw")


def export_raw(connection: duckdb.DuckDBPyConnection, folder: Path, *, progress: Progress = ignore) -> Export:
    """Write the active dataset's raw tables into `folder`, one folder per table; what was there before is replaced.

    Rows are as they were landed; moments are UTC. `tracks` and `artists` lie in folders `genre_key=…`; the column genre
    is in the files, as it was landed (NULL, '' and every sign), and a file holds few genres, so that a filter on it
    skips the others. An empty table has no folder. A process that is killed leaves the earlier files, or none, and
    memory does not grow with the documents.

    Raises `WarehouseError` where nothing was landed, or `folder` holds something else.
    """
    active = active_dataset(connection)
    if active is None:
        raise WarehouseError(
            "There are no raw documents to export. Land some with `make run` or `song-genres import FILE`."
        )
    if folder.exists() and {path.name for path in folder.iterdir()} - set(READ_BY_DBT):
        raise WarehouseError(
            f"{folder} is no export of raw documents, and would be replaced. Name another folder with RAW_EXPORT_PATH."
        )
    connection.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
    rows = {}
    with folder_whole_or_not_there(folder) as unfinished:
        for done, table in enumerate(READ_BY_DBT):
            progress("export", done, len(READ_BY_DBT))
            rows[table] = _copy(connection, table, active.name, unfinished / table)
        progress("export", len(READ_BY_DBT), len(READ_BY_DBT))
    return Export(folder, active.name, active.is_synthetic, rows)


def _copy(connection: duckdb.DuckDBPyConnection, table: str, dataset: str, folder: Path) -> int:
    columns = connection.execute(
        "select column_name, data_type from duckdb_columns() where schema_name = 'raw' and table_name = ? "
        "and database_name = current_database() order by column_index",
        [table],
    ).fetchall()
    # With a time zone: Spark would read one without as another type.
    selected = [f"{name}::timestamptz as {name}" if kind == "TIMESTAMP" else name for name, kind in columns]
    rows = 0
    for place, where in _parts(connection, table, dataset):
        (folder / place).mkdir(parents=True)
        target = file_to_write(folder / place / "documents.parquet")
        copied = connection.execute(
            f"copy (select {', '.join(selected)} from raw.{table} where dataset = {quoted(dataset)}{where}) "
            f"to {target} (format parquet, compression zstd, row_group_size {ROW_GROUP})"
        ).fetchall()
        rows += copied[0][0]
    return rows


def _parts(connection: duckdb.DuckDBPyConnection, table: str, dataset: str) -> list[tuple[str, str]]:
    """Folders below the table's, and the condition (in SQL, after the dataset's) on the rows of each.

    One `copy` per folder, not DuckDB's `partition_by`, which keeps rows of every folder in memory. Genres were landed
    one after the other, so that each copy passes over the documents of the others without reading them.
    """
    of_dataset = f"from raw.{table} where dataset = {quoted(dataset)}"
    if table not in BY_GENRE:
        return [("", "")] if connection.execute(f"select 1 {of_dataset} limit 1").fetchone() else []
    keys = connection.execute(
        f"select {GENRE_KEY} as key, list(distinct coalesce(genre, '')) {of_dataset} group by key order by key"
    ).fetchall()
    parts = []
    for key, genres in keys:
        or_unknown = " or genre is null" if "" in genres else ""
        parts.append((f"genre_key={key}", f" and (genre in ({', '.join(map(quoted, genres))}){or_unknown})"))
    return parts
