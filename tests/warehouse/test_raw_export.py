"""The raw documents as Parquet: every row as it was landed, and files that are whole."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from warehouse import files, raw_export
from warehouse.files import WarehouseError
from warehouse.raw import Dataset, land, rows
from warehouse.raw_export import export_raw

GENRES = [
    "Ska", "Hip-Hop/Rap", "🎵", "50% off = ?", "..", "1950", "", None, " space ", "x" * 300, "ska", "雪" * 100,
    "__HIVE_DEFAULT_PARTITION__", 'quote " and \'', "a\nb",
]  # fmt: skip


@pytest.fixture
def landed(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A dataset with one listing per genre, and another that is not active."""
    with files.connect(tmp_path / "warehouse.duckdb") as connection:
        for name, active in (("asleep", False), ("awake", True)):
            land(connection, Dataset(name, "sandbox", is_synthetic=True), {
                "tracks": rows("tracks", [
                    {"listing_id": n, "genre": genre, "track_id": f"{name} {n}", "payload": '{"id": "\\u00e9"}'}
                    for n, genre in enumerate(GENRES, 1)
                ]),
                "artists": rows("artists", [{"genre": genre or "", "payload": "no json"} for genre in GENRES]),
                "audio_features": rows("audio_features", [{"track_id": "a", "payload": None}]),
            }, activate=active)  # fmt: skip
        yield connection


def read(folder: Path, table: str) -> str:
    return f"read_parquet('{folder}/{table}/**/*.parquet', hive_partitioning = false)"


@pytest.mark.parametrize("table", ["datasets", "tracks", "artists", "audio_features"])
def test_every_row_comes_back_as_it_was_landed(landed: duckdb.DuckDBPyConnection, tmp_path: Path, table: str) -> None:
    """Guards against a genre changed by a folder's name, a document changed by a file, and rows of another dataset."""
    written = export_raw(landed, tmp_path / "raw")
    expected = f"from raw.{table} where dataset = 'awake'"
    columns = [name for name, *_ in landed.execute(f"describe raw.{table}").fetchall()]
    moments = {name for name, kind, *_ in landed.execute(f"describe raw.{table}").fetchall() if kind == "TIMESTAMP"}
    selected = ", ".join(f"{name}::timestamp as {name}" if name in moments else name for name in columns)
    found = f"select {selected} from {read(tmp_path / 'raw', table)}"
    expected = f"select {', '.join(columns)} {expected}"
    difference = landed.execute(f"({expected} except all {found}) union all ({found} except all {expected})").fetchall()
    assert difference == []
    assert written.rows[table] == {"datasets": 1, "audio_features": 1}.get(table, len(GENRES))


def test_tracks_and_artists_lie_in_folders_by_genre(landed: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Guards against one folder for all: who wants a genre's documents would have to read everything."""
    export_raw(landed, tmp_path / "raw")
    for table in ("tracks", "artists"):
        folders = {path.name for path in (tmp_path / "raw" / table).iterdir()}
        assert {"genre_key=Ska", "genre_key=Hip-Hop-Rap", "genre_key=1950", "genre_key=none"} <= folders
        assert all(len(name.encode()) < 255 for name in folders)


def test_an_export_that_fails_leaves_the_earlier_one(
    landed: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against half an export, which Spark would take for a whole one."""
    export_raw(landed, tmp_path / "raw")
    before = {path: path.read_bytes() for path in (tmp_path / "raw").rglob("*.parquet")}
    landed.execute("update raw.tracks set payload = 'another'")
    copied: list[str] = []
    copy = raw_export._copy

    def fail(connection: duckdb.DuckDBPyConnection, table: str, dataset: str, folder: Path) -> int:
        if len(copied) == 3:
            raise OSError("the disk is full")
        copied.append(table)
        return copy(connection, table, dataset, folder)

    monkeypatch.setattr(raw_export, "_copy", fail)
    with pytest.raises(OSError, match="disk is full"):
        export_raw(landed, tmp_path / "raw")
    assert {path: path.read_bytes() for path in (tmp_path / "raw").rglob("*.parquet")} == before
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["raw"]


def test_a_killed_export_leaves_the_earlier_one_or_none_and_the_next_one_is_whole(tmp_path: Path) -> None:
    """Guards against half an export after kill -9, and against what it left in the way of the next."""
    path, folder = tmp_path / "warehouse.duckdb", tmp_path / "raw"
    with files.connect(path) as connection:
        land(connection, Dataset("made up", "sandbox"), {"tracks": connection.sql(
            "select i as listing_id, 'Genre ' || i % 100 as genre, repeat('document ', 20) || i as payload "
            "from range(1, 200001) as numbers(i)"
        )})  # fmt: skip
    for seconds in (0.1, 0.3, 0.6):
        process = subprocess.Popen(
            [sys.executable, "-m", "orchestration.cli", "export-raw"], cwd=Path(__file__).parents[2],
            env=os.environ | {"WAREHOUSE_PATH": str(path), "RAW_EXPORT_PATH": str(folder)}, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        while process.poll() is None and not folder.with_name(f"raw.{process.pid}.unfinished").exists():
            time.sleep(0.01)
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if folder.exists():
            assert duckdb.sql(f"select count(*) from {read(folder, 'tracks')}").fetchall() == [(200_000,)]
    with files.connect(path, read_only=True) as connection:
        assert export_raw(connection, folder).rows["tracks"] == 200_000
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["raw"]


def test_a_folder_that_holds_something_else_is_not_replaced(landed: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Guards against a mistyped RAW_EXPORT_PATH that costs somebody a folder."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.jpg").write_text("dear")
    with pytest.raises(WarehouseError, match="RAW_EXPORT_PATH"):
        export_raw(landed, tmp_path / "photos")
    assert (tmp_path / "photos" / "one.jpg").exists()


def test_without_documents_it_says_what_to_do(tmp_path: Path) -> None:
    """Guards against DuckDB's own words, and against an empty folder that looks like an export."""
    with duckdb.connect() as connection, pytest.raises(WarehouseError, match="song-genres import"):
        export_raw(connection, tmp_path / "raw")
    assert not (tmp_path / "raw").exists()
