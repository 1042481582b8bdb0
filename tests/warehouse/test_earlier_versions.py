"""A warehouse that an earlier version made opens, is brought up, and loses no landed row."""

import logging
import re
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ml.tables import TABLES as ML_TABLES
from ml.tables import create_ml_tables
from warehouse import files, raw
from warehouse.files import WarehouseError
from warehouse.raw import Dataset, land, rows

SQL = Path(__file__).with_name("earlier_versions.sql").read_text(encoding="utf-8")
VERSIONS = dict(zip(*[iter(re.split(r"^-- version (\w+)\n", SQL, flags=re.MULTILINE)[1:])] * 2, strict=True))
RAW, ML = ([name for name, sql in VERSIONS.items() if f"create schema {schema};" in sql] for schema in ("raw", "ml"))

MINE = Dataset("mine", "dump:mine.csv", content_sha256="abc")
VALUES = {
    "varchar": "'mine'", "bigint": "7", "integer": "7", "double": "0.5", "boolean": "true", "date": "date '2026-01-02'",
    "timestamp": "timestamp '2026-01-02 03:04:05'",
}  # fmt: skip


def make(path: Path, *versions: str) -> dict[str, list[tuple[Any, ...]]]:
    """A warehouse with these tables and a row in each; gives the rows."""
    with duckdb.connect(str(path), config={"storage_compatibility_version": files.STORAGE_VERSION}) as connection:
        for version in versions:
            connection.execute(VERSIONS[version])
        for table in tables(connection):
            kinds = [str(kind).lower() for kind in connection.table(table).types]
            connection.execute(f"insert into {table} values ({', '.join(VALUES[kind] for kind in kinds)})")
        return contents(connection)


def tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    return [
        name for (name,) in connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() order by all"
        ).fetchall()
    ]  # fmt: skip


def contents(connection: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[Any, ...]]]:
    return {table: connection.table(table).fetchall() for table in tables(connection)}


@pytest.mark.parametrize("version", RAW)
def test_landed_rows_stay_and_more_are_landed(version: str, tmp_path: Path) -> None:
    """Guards against documents of weeks that an update drops, hides or refuses."""
    path = tmp_path / "warehouse.duckdb"
    before = make(path, version)
    with files.connect(path, read_only=True) as connection:
        active = raw.active_dataset(connection)
        assert active is not None
        assert active.name == "mine"
        assert raw.count_rows(connection, "mine")["tracks"] == 1
    with files.connect(path) as connection:
        land(connection, Dataset("other", "spotify", reading="{}"), {
            "tracks": rows("tracks", [{"listing_id": 1, "track_id": "a", "payload": "{}"}]),
            "plays": rows("plays", [{"listing_id": 1, "month": date(2026, 1, 1),
                                     "plays": 1, "seconds": 2}]),
        })  # fmt: skip
        after = contents(connection)
        assert {f"raw.{table}" for table in raw.TABLES} == after.keys()
    for table, kept in before.items():
        widths = {len(row) for row in kept}
        assert {row[: max(widths)] for row in after[table]} >= {
            row if table != "raw.datasets" else (*row[:3], False, *row[4:]) for row in kept
        }, table


@pytest.mark.parametrize("models", ML)
@pytest.mark.parametrize("version", RAW)
def test_tables_of_models_stay_or_are_made_anew_with_a_word_and_documents_stay(
    version: str, models: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards against a run that stops at old figures, and against documents that go with them."""
    path = tmp_path / "warehouse.duckdb"
    before = make(path, version, models)
    with files.connect(path) as connection, caplog.at_level(logging.WARNING):
        made_anew = create_ml_tables(connection)
        after = contents(connection)
    assert ("were made anew" in caplog.text) == ("Train again: make run." in caplog.text) == bool(made_anew)
    for table in before.keys() & {f"ml.{name}" for name in ML_TABLES if name != "study_figures"}:
        assert after[table] == ([] if made_anew else before[table]), table
    assert {table for table in after if table.startswith("ml.")} >= {f"ml.{table}" for table in ML_TABLES}
    assert {table: rows_ for table, rows_ in after.items() if table.startswith("raw.")} == {
        table: rows_ for table, rows_ in before.items() if table.startswith("raw.")
    }


@pytest.mark.parametrize("table", raw.TABLES)
def test_tables_that_this_version_cannot_read_are_refused_and_left(table: str, tmp_path: Path) -> None:
    """Guards against a file of a version to come, which is half read or half changed."""
    path = tmp_path / "warehouse.duckdb"
    with files.connect(path) as connection:
        land(connection, MINE, {"tracks": rows("tracks", [{"listing_id": 1, "track_id": "a", "payload": "{}"}])})
        column = connection.table(f"raw.{table}").columns[-2]
        connection.execute(f"alter table raw.{table} rename column {column} to renamed_later")
        before = contents(connection)
    with files.connect(path) as connection:
        with pytest.raises(WarehouseError, match=rf"made by another version: raw.{table} has no column {column}"):
            land(connection, MINE, {})
        assert contents(connection) == before
