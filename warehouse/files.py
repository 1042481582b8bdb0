"""Files: where the databases lie, how they are opened, and how a file is written whole or not at all.

Belongs here: paths, connections, and how a text is written in SQL. Not here: what stands in the tables
(raw.py, the dbt project, ml/).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

LOCK_WAIT_SECONDS = 30.0
STORAGE_VERSION = "v1.5.0"  # DuckDB 2.0 would else write files that today's 1.5 command line cannot open


class WarehouseError(RuntimeError):
    """The database cannot be used; the message says why and what to do."""


class WarehouseLocked(WarehouseError):
    """Another process holds the database file, and kept it for as long as we were willing to wait."""


class WarehouseMissing(WarehouseError):
    """There is no database file where one was to be read."""


def warehouse_path() -> Path:
    """The file that runs write: `WAREHOUSE_PATH`, else `data/warehouse.duckdb` below the working directory."""
    return Path(os.environ.get("WAREHOUSE_PATH") or "data/warehouse.duckdb")


def published_path() -> Path:
    """The file that people read: `PUBLISHED_PATH`, else `data/song_genres.duckdb` below the working directory."""
    return Path(os.environ.get("PUBLISHED_PATH") or "data/song_genres.duckdb")


def quoted(text: object) -> str:
    """The text as SQL has it, for statements that take no parameters."""
    return "'" + str(text).replace("'", "''") + "'"


@contextmanager
def whole_or_not_there(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to, which takes the place of `path` if all goes well and is removed if not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".unfinished")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _is_lock_conflict(error: BaseException) -> bool:
    return isinstance(error, duckdb.IOException) and "could not set lock" in str(error).lower()


def connect(path: Path, *, read_only: bool = False, wait: float = LOCK_WAIT_SECONDS) -> duckdb.DuckDBPyConnection:
    """Open the database at `path`, in UTC, and create it (with its folder) unless `read_only`.

    DuckDB lets one process write a file, and then no other may read it. So hold the connection as briefly as
    possible: fetch first, connect only to write. Waits up to `wait` seconds for another process to let go.

    Raises `WarehouseMissing` (reading a file that is not there), `WarehouseLocked`, or `WarehouseError` for a file that
    is no database.
    """
    if read_only and not path.exists():
        raise WarehouseMissing(f"There is no database at {path}. Make one with `make run`.")
    path.parent.mkdir(parents=True, exist_ok=True)
    attempts = Retrying(
        retry=retry_if_exception(_is_lock_conflict),
        stop=stop_after_delay(wait),
        wait=wait_random(0.02, 0.2),
        reraise=True,
    )
    config: dict[str, str | bool | int | float | list[str]] = {"storage_compatibility_version": STORAGE_VERSION}
    try:
        connection: duckdb.DuckDBPyConnection = attempts(
            duckdb.connect, str(path), read_only=read_only, config={} if read_only else config
        )
    except duckdb.IOException as error:
        if not _is_lock_conflict(error):
            raise WarehouseError(
                f"{path} cannot be opened as a DuckDB database. Move it away, or name another file with WAREHOUSE_PATH "
                f"or PUBLISHED_PATH. DuckDB says: {error}"
            ) from error
        raise WarehouseLocked(
            f"{path} is in use by another process, and still was after {wait:.0f} s. Wait for the other run to end, or "
            f"close the program that has it open (readers should open {published_path()}). DuckDB says: {error}"
        ) from error
    connection.execute("set timezone = 'UTC'")
    return connection
