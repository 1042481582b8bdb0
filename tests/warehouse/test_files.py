"""The DuckDB files: the lock, the published copy, the storage version."""

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from warehouse import files
from warehouse.files import WarehouseLocked, WarehouseMissing, connect, publish

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
    assert "readers should open copy.duckdb" in message
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


def write(file: Path, number: int) -> None:
    with connect(file) as connection:
        connection.execute("create or replace table numbers as select ? as number from range(200000)", [number])


def test_an_open_reader_keeps_the_old_copy_and_a_new_one_gets_the_new(
    warehouse_file: Path, tmp_path: Path, query: Query
) -> None:
    """Guards against a run that a reader stops, and against one that pulls the file from under a reader."""
    published = tmp_path / "out" / "published.duckdb"
    write(warehouse_file, 1)
    assert publish(warehouse_file, published) == published.stat().st_size
    read = "select min(number), max(number), count(*) from numbers"
    with duckdb.connect(str(published), read_only=True) as reader:
        write(warehouse_file, 2)
        publish(warehouse_file, published)
        assert reader.execute(read).fetchall() == [(1, 1, 200_000)]
    assert query(read, published) == [(2, 2, 200_000)]
    assert [path.name for path in published.parent.iterdir()] == ["published.duckdb"]


READ_ON_AND_ON = """
import duckdb, sys
while True:
    with duckdb.connect(sys.argv[1], read_only=True) as connection:
        low, high, count = connection.execute("select min(number), max(number), count(*) from numbers").fetchone()
    assert low == high and count == 200_000, (low, high, count)
    print(low, flush=True)
"""


def test_readers_never_see_a_mixture(warehouse_file: Path, tmp_path: Path) -> None:
    """Guards against a copy that is visible before it is complete."""
    published = tmp_path / "published.duckdb"
    write(warehouse_file, 0)
    publish(warehouse_file, published)
    with subprocess.Popen(
        [sys.executable, "-c", READ_ON_AND_ON, str(published)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as reader:  # fmt: skip
        assert reader.stdout is not None
        assert reader.stdout.readline() == "0\n"
        for number in range(1, 6):
            write(warehouse_file, number)
            publish(warehouse_file, published)
        while (line := reader.stdout.readline()) not in ("5\n", ""):
            pass
        reader.kill()
        assert line == "5\n", reader.stderr.read() if reader.stderr else ""


def test_a_copy_that_fails_leaves_the_old_one(
    warehouse_file: Path, tmp_path: Path, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a full disk that takes the published database with it."""
    published = tmp_path / "published.duckdb"
    write(warehouse_file, 1)
    publish(warehouse_file, published)
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(OSError, match="Could not copy"):
        publish(warehouse_file, published)
    assert query("select max(number) from numbers", published) == [(1,)]
    assert [path.name for path in tmp_path.glob("*.duckdb*")] == ["published.duckdb"]


def test_the_file_can_be_opened_by_duckdb_1_5(warehouse_file: Path, tmp_path: Path) -> None:
    """Guards against a database that today's command line refuses: DuckDB 2.0 would write its own version."""
    write(warehouse_file, 1)
    published = tmp_path / "published.duckdb"
    publish(warehouse_file, published)
    with duckdb.connect() as connection:
        connection.execute(f"attach '{published}' as copy (read_only)")
        assert connection.execute(
            "select tags['storage_version'] from duckdb_databases() where database_name = 'copy'"
        ).fetchall() == [("v1.5.0+",)]
