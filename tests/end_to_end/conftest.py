"""A run that has ended well, for the tests of what it left, and a real browser: Debian's chromium, by Playwright."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.conftest import PATIENCE, own_environment

if TYPE_CHECKING:
    from tests.end_to_end.workplace import Dbt, Workplace

SCRIPT = Path(sys.executable).with_name("song-genres")


def song_genres(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The console script in a folder of its own; `variables` of its environment."""
    environment = own_environment(COLUMNS="160", **variables)
    return subprocess.run(
        [str(SCRIPT), *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=PATIENCE
    )


@pytest.fixture(scope="session")
def finished(songs_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `song-genres run --input songs.csv` has ended well, and what it said, in said.txt.

    Made once for all of pytest's workers: copy it before you write there.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished"
    folder.mkdir(exist_ok=True)
    with (folder / "making").open("w") as making:
        fcntl.flock(making, fcntl.LOCK_EX)
        if not (folder / "said.txt").exists():
            shutil.copyfile(songs_csv, folder / "songs.csv")
            result = song_genres("run", "--input", "songs.csv", "--model", "lightgbm", cwd=folder)
            assert result.returncode == 0, result.stdout + result.stderr
            (folder / "said.txt").write_text(result.stdout)
    return folder


@pytest.fixture(scope="session")
def dbt_in_process(tmp_path_factory: pytest.TempPathFactory) -> "Dbt":
    """dbt in this process, imported where it is wanted: that takes seconds."""
    from tests.end_to_end.workplace import Dbt

    return Dbt(tmp_path_factory.mktemp("dbt_in_process"))


@pytest.fixture
def workplace(tmp_path: Path, dbt_in_process: "Dbt", monkeypatch: pytest.MonkeyPatch) -> "Workplace":
    """An empty folder, the working directory, in which the commands can be played in this process."""
    from tests.end_to_end.workplace import Workplace

    return Workplace(tmp_path / "workplace", dbt_in_process).entered(monkeypatch)


def open_page(browser: Browser, **options: Any) -> Page:
    """A page whose waits are patient."""
    page = browser.new_page(**options)
    page.set_default_timeout(PATIENCE * 1000)
    return page


LAUNCH = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a screen; the test is skipped where there is none."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=LAUNCH)
        expect.set_options(timeout=PATIENCE * 1000)
        yield browser
        browser.close()


def contents(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[int, int]]:
    """Of each table of the database, by schema.table: its rows, and a digest of them in any order."""
    tables = connection.execute("select schema_name, table_name from duckdb_tables()").fetchall()
    held = {}
    for schema, table in tables:
        ((rows, digest),) = connection.execute(
            f'select count(*), sum(hash(listed)) from "{schema}"."{table}" as listed'
        ).fetchall()
        held[f"{schema}.{table}"] = (rows, digest)
    return held
