"""The DuckDB files: the lock, the published copy, the storage version."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from warehouse import files
from warehouse.files import WarehouseLocked, WarehouseMissing, connect
from warehouse.publication import publish

Query = Callable[..., list[tuple[Any, ...]]]

HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('holding', flush=True); sys.stdin.readline()"


@pytest.fixture
def holder(warehouse_file: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the warehouse open for writing until its standard input gets a line."""
    with connect(warehouse_file) as connection:
        connection.execute("create table numbers as select 1 as number")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(warehouse_file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "holding\n"
        yield process
        process.kill()


def test_a_file_that_stays_locked_is_told_within_the_wait(
    holder: subprocess.Popen[str], warehouse_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against waiting for ever, and against DuckDB's words without ours."""
    monkeypatch.setenv("PUBLISHED_PATH", "copy.duckdb")
    started = time.monotonic()
    with pytest.raises(WarehouseLocked) as caught:
        connect(warehouse_file, wait=0.6)
    assert 0.6 <= time.monotonic() - started < 5
    message = str(caught.value)
    assert f"{warehouse_file} is in use by another process, and still was after 1 s" in message
    assert f"readers should open {Path('copy.duckdb').absolute()}" in message
    assert f"PID {holder.pid}" in message
    with pytest.raises(WarehouseLocked):
        connect(warehouse_file, read_only=True, wait=0)


def test_a_lock_that_is_let_go_in_time_is_waited_for(holder: subprocess.Popen[str], warehouse_file: Path) -> None:
    """Guards against a run that fails because another was about to end."""
    assert holder.stdin is not None
    letting_go = threading.Timer(0.3, lambda: (holder.stdin.write("\n"), holder.stdin.flush()))  # type: ignore[union-attr]
    letting_go.start()
    with connect(warehouse_file, wait=20) as connection:
        assert connection.execute("select number from numbers").fetchall() == [(1,)]
    letting_go.join()


def test_other_troubles_are_not_taken_for_a_lock(warehouse_file: Path) -> None:
    """Guards against half a minute's wait, and wrong advice, for a file that is no database."""
    warehouse_file.parent.mkdir()
    warehouse_file.with_name("block.duckdb").write_text("no database at all " * 1000)
    started = time.monotonic()
    with pytest.raises(files.WarehouseError, match="WAREHOUSE_PATH.*not a valid DuckDB database"):
        connect(warehouse_file.with_name("block.duckdb"), wait=20)
    assert time.monotonic() - started < 5


def test_reading_what_is_not_there_makes_no_file(warehouse_file: Path, tmp_path: Path) -> None:
    """Guards against an empty database that hides a mistyped path, and against publishing one."""
    with pytest.raises(WarehouseMissing, match="make run"):
        connect(warehouse_file, read_only=True)
    with pytest.raises(WarehouseMissing, match="make run"):
        publish(warehouse_file, tmp_path / "published.duckdb")
    assert list(tmp_path.rglob("*.duckdb*")) == []


def test_the_session_is_in_utc(warehouse_file: Path) -> None:
    """Guards against times that depend on the machine."""
    with connect(warehouse_file) as connection:
        assert connection.execute("select current_setting('TimeZone')").fetchall() == [("UTC",)]


def test_paths_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against Python and dbt that write different files; an empty variable is none."""
    monkeypatch.setenv("WAREHOUSE_PATH", "a.duckdb")
    monkeypatch.setenv("PUBLISHED_PATH", "")
    assert files.warehouse_path() == Path("a.duckdb")
    assert files.published_path() == Path("data/song_genres.duckdb")


@pytest.mark.parametrize("variable", ["WAREHOUSE_PATH", "PUBLISHED_PATH"])
@pytest.mark.parametrize("name", ["raw.duckdb", "Marts.old.duckdb"])
def test_a_database_called_like_its_schema_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, name: str
) -> None:
    """Guards against "Ambiguous reference to catalog or schema", which says nothing of the file's name."""
    monkeypatch.setenv(variable, f"data/{name}")
    path = files.warehouse_path if variable == "WAREHOUSE_PATH" else files.published_path
    with pytest.raises(files.WarehouseError, match=f"{variable} is data/{name}: .* Name another file"):
        path()


def test_what_duckdb_rolled_back_itself_is_told_by_its_cause(warehouse_file: Path) -> None:
    """Guards against "cannot rollback" in place of the disk that failed while the log was written."""
    with files.connect(warehouse_file) as connection:
        with pytest.raises(OSError, match="the disk"), files.transaction(connection):
            connection.execute("create table lost (a integer)")
            connection.execute("rollback")
            raise OSError("the disk")
        with files.transaction(connection):
            connection.execute("create table kept (a integer)")
        assert connection.execute("select table_name from duckdb_tables()").fetchall() == [("kept",)]


def test_what_a_killed_process_left_beside_a_file_is_removed(tmp_path: Path) -> None:
    """Guards against a folder that fills with halves of files; DuckDB writes Parquet under a name of its own."""
    with subprocess.Popen([sys.executable, "-c", ""]) as killed:
        pass
    left = [f"{prefix}a.parquet.{killed.pid}.unfinished" for prefix in ("", "tmp_")]
    other = [f"tmp_b.parquet.{killed.pid}.unfinished", f"a.parquet.{os.getppid()}.unfinished", "tmp_a.parquet"]
    for name in (*left, *other):
        (tmp_path / name).touch()
    files.write_whole(tmp_path / "a.parquet", "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*other, "a.parquet"])
