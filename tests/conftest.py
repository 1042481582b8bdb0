"""Fixtures for every test: the real data (where they are), a small dump of made-up songs, and dbt."""

import csv
import io
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from extract.dumps import import_dump

ROOT = Path(__file__).parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"
PATIENCE = 900
"""Seconds after which a wait is taken for a hang: many times what it takes on a slow and busy machine."""

Dbt = Callable[..., subprocess.CompletedProcess[str]]
Build = Callable[[Path], Path]


def own_environment(**variables: str) -> dict[str, str]:
    """The environment of a process that is to find its database in its working directory, and `variables`."""
    inherited = {name: value for name, value in os.environ.items() if not name.endswith("_PATH")}
    return inherited | variables


@pytest.fixture(scope="session", autouse=True)
def quiet_dbt() -> Iterator[None]:
    """Processes of tests write no log of dbt's: it takes a second of a build, and nobody reads it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DBT_LOG_LEVEL_FILE", "none")
        patch.setenv("DBT_USE_COLORS", "false")
        yield


@pytest.fixture(scope="session")
def dbt(tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    """Call as `dbt(warehouse, "build", ...)`: dbt in a process of its own; fails the test unless `succeeds=False`.

    It works in the warehouse's folder, for which the file is but a name: dbt parses the whole project again for every
    other spelling of the path, which takes as long as all the models of a small dataset.
    """
    target = tmp_path_factory.mktemp("dbt_target")

    def run(warehouse: Path, *arguments: str, succeeds: bool = True) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {
            "WAREHOUSE_PATH": warehouse.name,
            "DBT_PROJECT_DIR": str(ROOT),
            "DBT_PROFILES_DIR": str(ROOT),
            "DBT_TARGET_PATH": str(target),
            "DBT_LOG_PATH": str(target / "logs"),
        }
        command = [str(Path(sys.executable).with_name("dbt")), *arguments]
        result = subprocess.run(
            command, cwd=warehouse.parent, env=environment, capture_output=True, text=True, check=False
        )
        assert (result.returncode == 0) == succeeds, result.stdout + result.stderr
        return result

    return run


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory, dbt: Dbt) -> Build:
    """Call with a dump: imports it into a warehouse of its own and runs every model; gives the warehouse."""

    def run(dump: Path) -> Path:
        path: Path = tmp_path_factory.mktemp("built") / "warehouse.duckdb"
        import_dump(dump, path)
        dbt(path, "run")
        return path

    return run


@pytest.fixture(scope="session")
def tidytuesday() -> Path:
    """The real TidyTuesday dump, which is not part of the project."""
    return _shared("tidytuesday_spotify_songs.csv")


@pytest.fixture(scope="session")
def kaggle_with_ids() -> Path:
    """The real 114-genre dump with ids, which is not part of the project."""
    return _shared("kaggle_114_genres_17949_with_ids.csv")


def _shared(name: str) -> Path:
    path = SHARED_DATA / name
    if not path.exists():
        pytest.skip(f"needs the real data: {name} is not in ../shared/data, and may not be part of the project")
    return path


def made_up_song(
    draw: random.Random, genre: str, artist: int, number: int, *, loudness: float, spread: float
) -> dict[str, Any]:
    """A song in the study's layout without its popularity. Loudness is normal: its mean and its deviation are in dB."""
    return {
        "danceability": round(draw.uniform(0.2, 0.9), 3),
        "energy": round(draw.uniform(0.1, 0.95), 3),
        "key": draw.randrange(12),
        "loudness": round(draw.gauss(loudness, spread), 3),
        "mode": draw.randrange(2),
        "speechiness": round(draw.uniform(0.02, 0.4), 4),
        "acousticness": round(draw.uniform(0, 0.99), 4),
        "instrumentalness": round(draw.uniform(0, 0.9), 4),
        "liveness": round(draw.uniform(0.05, 0.6), 3),
        "valence": round(draw.uniform(0.05, 0.95), 3),
        "tempo": round(draw.uniform(60, 190), 3),
        "duration_ms": draw.randrange(90_000, 400_000),
        "time_signature": 4,
        "artist_name": f"{genre} Artist {artist}",
        "song_name": f"{genre} Song {artist}-{number}",
        "genre": genre,
        "spotify_track_id": f"{genre[:3]}{artist:02}{number:017}",
    }


@pytest.fixture(scope="session")
def songs_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dump in the study's own layout: 3 genres x 30 artists x 4 songs, made up, and 4 rows that cleaning takes.

    360 good songs; then an exact repeat of the first, the first again under another genre, one of tempo 0, and one
    whose energy is text. So: 364 listings, 360 clean tracks.
    """
    path = tmp_path_factory.mktemp("dump") / "songs.csv"
    draw = random.Random(1)
    loudness = {"Ambient": -20.0, "Punk": -5.0, "Jazz": -12.0}
    songs = []
    for genre, level in loudness.items():
        for artist in range(30):
            for number in range(4):
                song = made_up_song(draw, genre, artist, number, loudness=level, spread=2.0)
                songs.append(song | {"popularity": "" if number == 0 else draw.randrange(100)})
    first = songs[0]
    songs += [
        first,
        first | {"genre": "Jazz"},
        first | {"spotify_track_id": "silence0000000000000000", "tempo": 0},
        first | {"spotify_track_id": "text000000000000000000", "energy": "loud"},
    ]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(first))
        writer.writeheader()
        writer.writerows(songs)
    return path


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
