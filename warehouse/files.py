"""Files: where the databases lie, how they are opened, and how any file is named, read and written.

Belongs here: paths, connections, how a text or a path is written in SQL or for the shell, and the one way to write a
file whole or not at all. Not here: what stands in the tables (raw.py, the dbt project, ml/), what is published
(publication.py), and how songs are read from a file (extract/song_files).
"""

import errno
import glob
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import duckdb
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

LOCK_WAIT_SECONDS = 30.0
LOCK_CONFLICT = re.compile(r"could not set lock[^\n]*", re.IGNORECASE)
"""What DuckDB says where another process has the file open."""
STORAGE_VERSION = "v1.5.0"  # DuckDB 2.0 would else write files that today's 1.5 command line cannot open

SCHEMAS = ("raw", "staging", "intermediate", "marts", "ml")
"""The schemas of a warehouse: raw is written by raw.py, the others by dbt and `ml/`."""


class WarehouseError(RuntimeError):
    """The database cannot be used; the message says why and what to do."""


class WarehouseLocked(WarehouseError):
    """Another process held the database file for longer than we were willing to wait."""


class WarehouseMissing(WarehouseError):
    """There is no database file to read."""


class OutputError(ValueError):
    """A file that cannot be written as it was named; the message says why and what to do."""


def warehouse_path() -> Path:
    """The file that runs write: `WAREHOUSE_PATH`, else `data/warehouse.duckdb` below the working directory.

    Raises `WarehouseError` for a name with which DuckDB could not find the tables in it, and for a path that DuckDB
    takes, but dbt does not: dbt-duckdb 1.11 puts the name of the file into SQL without doubling its quotation marks,
    and takes what follows a `?` or `#` for no part of the path.
    """
    path = Path(os.environ.get("WAREHOUSE_PATH") or "data/warehouse.duckdb")
    if set(path.name) & set("'\"#") or set(str(path.absolute().parent)) & set("?#"):
        raise WarehouseError(
            f"WAREHOUSE_PATH is {path}: dbt cannot use a database whose name holds a quotation mark or #, or that lies "
            "in a folder whose name holds ? or #. Name another file."
        )
    return _not_named_like_a_schema(path, "WAREHOUSE_PATH")


def published_path() -> Path:
    """The file that people read: `PUBLISHED_PATH`, else `data/song_genres.duckdb` below the working directory.

    Raises `WarehouseError` for a name with which DuckDB could not find the tables in it.
    """
    return _not_named_like_a_schema(
        Path(os.environ.get("PUBLISHED_PATH") or "data/song_genres.duckdb"), "PUBLISHED_PATH"
    )


def _not_named_like_a_schema(path: Path, variable: str) -> Path:
    """DuckDB calls a database after its file, and refuses `marts.albums` in a database that is called marts too."""
    name = path.name.partition(".")[0]
    if name.lower() in SCHEMAS:
        raise WarehouseError(
            f"{variable} is {path}: DuckDB cannot tell a database called {name} from the schema in it. "
            "Name another file."
        )
    return path


def quoted(text: object) -> str:
    """The text as SQL has it, for statements that take no parameters."""
    return "'" + str(text).replace("'", "''") + "'"


def identifier(name: str) -> str:
    """The name of a column or table as SQL has it, whatever signs it holds."""
    return '"' + name.replace('"', '""') + '"'


def file_to_read(path: Path) -> str:
    """The path as SQL has it for DuckDB's readers of files: that file, and no other.

    They take `[ ] ? *` for patterns and a leading `~` for a home. Give them `hive_partitioning = false` as well, or a
    folder called `genre=Jazz` adds a column.
    """
    return quoted(glob.escape(str(path.absolute())))


def file_to_write(path: Path) -> str:
    """The path as SQL has it for DuckDB's `copy … to`, which takes a leading `~` for a home, but nothing for a pattern.

    Name the compression as well: else DuckDB takes it from the ending.
    """
    return quoted(path.absolute())


def for_shell(path: Path | str) -> str:
    """The path as one word of a command that a person can copy into a shell."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


@dataclass(frozen=True)
class OutputFormat:
    """What a file is written as: `kind` is csv, parquet or jsonl, and text may be compressed with gzip."""

    kind: str
    is_gzipped: bool = False

    @property
    def copy_options(self) -> str:
        """The same for DuckDB's `copy … to`."""
        if self.kind == "parquet":
            return "format parquet, compression zstd"
        return f"format {self.kind.replace('jsonl', 'json')}{', header' if self.kind == 'csv' else ''}, " + (
            "compression gzip" if self.is_gzipped else "compression none"
        )


OUTPUT_FORMATS = {
    ".csv": OutputFormat("csv"),
    ".csv.gz": OutputFormat("csv", is_gzipped=True),
    ".parquet": OutputFormat("parquet"),
    ".jsonl": OutputFormat("jsonl"),
    ".jsonl.gz": OutputFormat("jsonl", is_gzipped=True),
    ".ndjson": OutputFormat("jsonl"),
}
"""What can be written, by the ending of the file's name in any case of its letters."""


def output_format(path: Path) -> OutputFormat:
    """What `path` is to be written as. Raises `OutputError` for an ending that we do not write."""
    for ending, found in OUTPUT_FORMATS.items():
        if path.name.lower().endswith(ending) and len(path.name) > len(ending):
            return found
    raise OutputError(
        f"{path.absolute()}: unknown ending, so nothing was written. Known for writing: {', '.join(OUTPUT_FORMATS)}."
    )


def require_another_file(source: Path, output: Path) -> None:
    """Raise `OutputError` where `output` is the file `source` itself, even through a symbolic or hard link.

    A source may also be a folder, whose files are read, or a table in an archive (`archive.zip/songs.csv`).
    """
    if source.is_dir() and output.absolute().parent.resolve() == source.resolve():
        raise OutputError(f"{output.absolute()} lies in the folder that is read. Name an output elsewhere.")
    source = next((path for path in (source, *source.parents) if path.is_file()), source)
    if output.exists() and source.exists() and output.samefile(source):
        raise OutputError(
            f"{output.absolute()} is the file that is read, and would be overwritten. It is as it was. Name "
            "another output."
        )


UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG)
UNFINISHED, REPLACED = ".unfinished", ".replaced"


@contextmanager
def whole_or_not_there(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; it replaces `path` if all goes well and is removed if not.

    Its folder is made where it is missing. Enter it before the work whose result is written: a place that cannot be
    written raises `OutputError` at once. Processes that write the same file do not disturb each other: the last wins.
    Through a symbolic link the file that it names is replaced, and the link stays.
    """
    path = path.resolve() if path.is_symlink() else path
    unfinished = _beside(path, UNFINISHED)
    with _told_as_unwritable(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if path.exists() and not path.is_file():
            raise FileExistsError(errno.EEXIST, "it is a pipe or a device")
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_left_behind(path)
        unfinished.touch()
    try:
        yield unfinished
        with _told_as_unwritable(path):
            unfinished.replace(path)
    finally:
        _remove_left_behind(path)


@contextmanager
def folder_whole_or_not_there(folder: Path) -> Iterator[Path]:
    """The same for a folder: an empty one to fill, which takes the place of `folder` and of all that it holds."""
    unfinished, replaced = _beside(folder, UNFINISHED), _beside(folder, REPLACED)
    try:
        _remove_left_behind(folder)
        with _told_as_unwritable(folder):
            unfinished.mkdir(parents=True)
        yield unfinished
        with _told_as_unwritable(folder):
            if folder.exists():
                folder.replace(replaced)
            unfinished.replace(folder)
    finally:
        _remove_left_behind(folder)


def _beside(path: Path, suffix: str) -> Path:
    """A name beside `path` that is this process's own."""
    return path.with_name(f"{path.name}.{os.getpid()}{suffix}")


def _remove_left_behind(path: Path) -> None:
    """Remove what this process, and those that were killed, left beside `path`; DuckDB's files beside those too."""
    for prefix, suffix in product(("", "tmp_"), (UNFINISHED, REPLACED)):
        for found in path.parent.glob(f"{prefix}{glob.escape(path.name)}.*{suffix}*"):
            process = found.name.removeprefix(f"{prefix}{path.name}.").partition(".")[0]
            if process.isdigit() and (int(process) == os.getpid() or not _is_running(int(process))):
                shutil.rmtree(found, ignore_errors=True)
                with suppress(OSError):  # a folder, which is gone, or a file of somebody else
                    found.unlink()


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


def write_whole(path: Path, text: str) -> None:
    """Write the text in UTF-8, whole or not at all."""
    with whole_or_not_there(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


@contextmanager
def _told_as_unwritable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        raise OutputError(
            f"{path.absolute()} cannot be written: {error.strerror}. Name another place, or change who may write there."
        ) from error


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All that the block writes, or nothing of it: it is committed at the end, and rolled back on an error."""
    connection.execute("begin")
    try:
        yield
        connection.execute("commit")
    except BaseException:
        with suppress(duckdb.Error):  # DuckDB has rolled back what it could not commit
            connection.execute("rollback")
        raise


def _is_lock_conflict(error: BaseException) -> bool:
    return isinstance(error, duckdb.IOException) and LOCK_CONFLICT.search(str(error)) is not None


def locked(path: Path, wait: float, said: str) -> WarehouseLocked:
    """What to tell of a database that another process still held after `wait` seconds; DuckDB `said` which."""
    return WarehouseLocked(
        f"{path.absolute()} is in use by another process, and still was after {wait:.0f} s. Wait for the other run "
        f"to end, or close the program that has it open (readers should open {published_path().absolute()}). "
        f"DuckDB says: {said}"
    )


def connect(
    path: Path, *, read_only: bool = False, create: bool = True, wait: float = LOCK_WAIT_SECONDS
) -> duckdb.DuckDBPyConnection:
    """Open the database at `path`, in UTC; where there is none, create it, unless `read_only` or told not to.

    DuckDB lets one process write a file, and then no other may read it. So hold the connection as briefly as
    possible: fetch first, connect only to write. Waits up to `wait` seconds for another process to let go.

    Raises `WarehouseMissing` (a file that is not there, and was not to be created), `WarehouseLocked`, or
    `WarehouseError` for a file that is no database.
    """
    if (read_only or not create) and not path.exists():
        raise WarehouseMissing(f"There is no database at {path.absolute()}. Make one with `make run`.")
    if not read_only:
        with _told_as_unwritable(path):
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
            duckdb.connect, str(path.absolute()), read_only=read_only, config={} if read_only else config
        )
    except duckdb.IOException as error:
        if "Permission denied" in str(error):
            raise WarehouseError(
                f"{path.absolute()} cannot be opened: there is no permission. Change who may read and write it, or "
                "name another file with WAREHOUSE_PATH or PUBLISHED_PATH."
            ) from error
        if not _is_lock_conflict(error):
            raise WarehouseError(
                f"{path.absolute()} cannot be opened as a DuckDB database. Move it away, or name another file with "
                f"WAREHOUSE_PATH or PUBLISHED_PATH. DuckDB says: {error}"
            ) from error
        raise locked(path, wait, str(error)) from error
    connection.execute("set timezone = 'UTC'")
    return connection
