"""Fixtures for the extraction's tests: a warehouse in a temporary folder, and a small dump in the study's layout."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

SONG = {
    "danceability": "0.5", "energy": "0.0583", "key": "4", "loudness": "-7.25", "mode": "1", "speechiness": "0.04",
    "acousticness": "0.1", "instrumentalness": "1e-05", "liveness": "0.2", "valence": "0.30", "tempo": "120.5",
    "duration_ms": "200000", "time_signature": "4.0", "artist_name": "Ann", "song_name": "One", "genre": "Jazz",
    "spotify_track_id": "id1", "popularity": "50",
}  # fmt: skip


@pytest.fixture
def warehouse_file(tmp_path: Path) -> Path:
    """Where a warehouse may be made; there is none yet."""
    return tmp_path / "data" / "warehouse.duckdb"


@pytest.fixture
def query(warehouse_file: Path) -> Callable[..., list[tuple[Any, ...]]]:
    """`query(sql)` gives the rows of the warehouse; `query(sql, other_file)` those of another file."""

    def run(sql: str, file: Path = warehouse_file) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(file), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    return run


@pytest.fixture
def song() -> dict[str, str]:
    """The cells of one good row in the study's layout."""
    return dict(SONG)


@pytest.fixture
def study_csv(tmp_path: Path) -> Callable[..., Path]:
    """`study_csv({"tempo": "fast"}, {}, …)` writes a CSV of one good row each, changed so; ids are id1, id2, …"""

    def write(*changes: dict[str, str], name: str = "songs.csv") -> Path:
        text = io.StringIO()
        writer = csv.DictWriter(text, list(SONG), lineterminator="\n")
        writer.writeheader()
        for number, change in enumerate(changes, start=1):
            writer.writerow(SONG | {"spotify_track_id": f"id{number}"} | change)
        path = tmp_path / name
        path.write_text(text.getvalue(), encoding="utf-8")
        return path

    return write
