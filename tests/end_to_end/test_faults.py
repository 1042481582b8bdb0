"""What a machine does to a warehouse: a disk that is full, and others who have the database open. Real processes."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from extract.dumps import import_dump
from tests.conftest import PATIENCE, ROOT
from warehouse import files

BIN = Path(sys.executable).parent


def start(folder: Path, *command: str) -> subprocess.Popen[str]:
    """A command of ours in `folder`; dbt runs in the project's root, as it must."""
    environment = os.environ | {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "WAREHOUSE_PATH": str(folder / "warehouse.duckdb"),
        "PUBLISHED_PATH": str(folder / "published.duckdb"),
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "target"),
        "COLUMNS": "200",
    }
    return subprocess.Popen(
        [str(BIN / command[0]), *command[1:]], cwd=ROOT if command[0] == "dbt" else folder, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def run(folder: Path, *command: str) -> tuple[int, str]:
    """Run it to its end: exit code, and all it said."""
    process = start(folder, *command)
    said, complained = process.communicate(timeout=PATIENCE)
    return process.returncode, said + complained


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 48 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", disk], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"needs to mount a small disk: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def fill(disk: Path, *, leaving: int) -> Path:
    """A file that leaves only this many bytes of the disk."""
    filler = disk / "filler"
    free = os.statvfs(disk)
    filler.write_bytes(b"\1" * max(0, free.f_bavail * free.f_frsize - leaving))
    return filler


def many_songs(songs_csv: Path, path: Path) -> Path:
    """A dump that is larger than what is left of the disk."""
    header, first, *_ = songs_csv.read_text().splitlines()
    row = first.split(",")
    with path.open("w") as file:
        file.write(header + "\n")
        for number in range(100_000):
            row[-2] = f"{number:022}"
            file.write(",".join(row[:14] + [f"Song {number} {hash(str(number))}", *row[15:]]) + "\n")
    return path


def test_a_full_disk_is_named_and_takes_nothing_with_it(
    small_disk: Path, finished: Path, songs_csv: Path, tmp_path: Path
) -> None:
    """Guards against DuckDB's traceback, a warehouse that does not open again, and a published copy cut in half."""
    folder = small_disk
    shutil.copyfile(finished / "data" / "warehouse.duckdb", folder / "warehouse.duckdb")
    shutil.copyfile(finished / "data" / "song_genres.duckdb", folder / "published.duckdb")
    good = (folder / "published.duckdb").read_bytes()

    filler = fill(folder, leaving=2_000_000)
    landing = run(folder, "song-genres", "import", str(many_songs(songs_csv, tmp_path / "many.csv")))
    assert landing[0] == 1
    assert "The disk is full" in landing[1]
    assert "Traceback" not in landing[1]
    assert rows(folder) == {"songs": 364}
    filler.unlink()

    filler = fill(folder, leaving=300_000)
    building = run(folder, "dbt", "build", "--exclude", "resource_type:unit_test")
    assert building[0] != 0
    assert rows(folder) == {"songs": 364}
    assert (folder / "published.duckdb").read_bytes() == good
    filler.unlink()

    assert run(folder, "dbt", "build", "--exclude", "resource_type:unit_test")[0] == 0
    filler = fill(folder, leaving=1_000_000)
    publishing = run(folder, "song-genres", "publish")
    assert publishing[0] == 1
    assert "The disk is full" in publishing[1]
    assert "Traceback" not in publishing[1]
    assert (folder / "published.duckdb").read_bytes() == good
    filler.unlink()
    assert run(folder, "song-genres", "publish")[0] == 0


def rows(folder: Path) -> dict[str, int]:
    with files.connect(folder / "warehouse.duckdb") as connection:
        return dict(connection.execute("select dataset, count(*) from raw.tracks group by all").fetchall())


@pytest.mark.full
def test_a_warehouse_that_somebody_else_holds_is_waited_for_and_then_named(songs_csv: Path, tmp_path: Path) -> None:
    """Guards against a run that hangs, or that fails in DuckDB's words."""
    import_dump(songs_csv, tmp_path / "warehouse.duckdb", name="songs")
    hold = (
        f"import duckdb; c = duckdb.connect({str(tmp_path / 'warehouse.duckdb')!r}); print('held', flush=True); input()"
    )
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        started = time.monotonic()
        code, said = run(tmp_path, "song-genres", "run", "--input", "auto")
        waited = time.monotonic() - started
        holder.kill()
    assert code == 1
    assert "is in use by another process, and still was after 30 s" in said
    assert "Traceback" not in said
    assert waited > 30


@pytest.mark.full
def test_dbt_by_hand_while_a_crawl_runs_and_both_end_well(songs_csv: Path, tmp_path: Path) -> None:
    """Guards against a crawl that holds the database between its batches, and one that gives up while dbt has it."""
    import_dump(songs_csv, tmp_path / "warehouse.duckdb", name="songs")
    crawl = start(
        tmp_path, "song-genres", "extract", "--input", "sandbox", "--genre", "Techno", "--genre", "Jazz",
        "--limit", "40",
        "--requests-per-window", "40",
    )  # fmt: skip
    time.sleep(4)
    code, said = run(tmp_path, "dbt", "build", "--exclude", "resource_type:unit_test")
    assert code == 0, said
    assert crawl.poll() is None, "the crawl was to go on meanwhile"
    said, complained = crawl.communicate(timeout=PATIENCE)
    assert crawl.returncode == 0, said + complained
    landed = rows(tmp_path)
    assert landed.keys() == {"songs", "sandbox"}
    assert landed["songs"] == 364
