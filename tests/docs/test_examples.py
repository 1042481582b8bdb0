"""What the pages show is run: SQL on a published copy, and the commands that need neither network nor minutes."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.conftest import PATIENCE, Dbt, own_environment
from tests.docs.pages import PAGES, commands, read_page
from tests.end_to_end.conftest import contents, finished, song_genres  # noqa: F401

LONG = {"train", "run", "sandbox", "extract", "fetch", "docs", "serve"}
"""Commands of the console that take minutes, a server or a network; other tests run them."""

QUERIES = [
    pytest.param(text, id=f"{path.name}: {' '.join(text.split())[:40]}")
    for path in PAGES
    for page in [read_page(path)]
    for text in [
        *(text for language, text in page.fences if language == "sql"),
        *(text for text in page.inline if text.startswith("select ")),
    ]
]
SCRIPTS = [text for path in PAGES for language, text in read_page(path).fences if language == "python"]
LINES = sorted(
    {
        line
        for path in PAGES
        for language, text in read_page(path).fences
        if language == "sh"
        for line in re.sub(r" +#.*", "", text).splitlines()
        if (words := (commands(line) or [[""]])[0])[0] == "song-genres" and words[1] not in LONG and "spark" not in line
    }
)


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_gives_rows(query: str, finished: Path) -> None:  # noqa: F811
    """Guards against SQL that names a column or table that is gone, or that answers with nothing."""
    with duckdb.connect(str(finished / "data" / "song_genres.duckdb"), read_only=True) as connection:
        rows = connection.execute(query).fetchall()
        # A dump costs no requests, this one has neither albums nor odd songs, and a sample of a few may be empty.
        may_be_empty = ("marts.crawl_cost", "marts.albums", "marts.track_outliers", "tablesample")
        assert rows or any(word in query for word in may_be_empty)


@pytest.mark.full
def test_every_output_is_what_the_embedded_catalogue_gives(tmp_path: Path, dbt: Dbt) -> None:
    """Guards against figures of another time, made up on the page in place of in the catalogue."""
    assert song_genres("extract", "--input", "sandbox", cwd=tmp_path).returncode == 0
    warehouse = tmp_path / "data" / "warehouse.duckdb"
    dbt(warehouse, "run")
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        for path in PAGES:
            for query, output in read_page(path).outputs:
                assert str(connection.sql(query)).rstrip() == output.rstrip(), path.name


@pytest.mark.parametrize("code", SCRIPTS)
def test_every_piece_of_python_reads_the_clean_tracks(
    code: str,
    finished: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Guards against a recipe that nobody tried."""
    if ".pl()" in code:
        pytest.importorskip("polars", reason="polars is not among the project's packages")
    monkeypatch.chdir(finished)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["tracks"].shape[0] == 360


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:  # noqa: F811
    """A copy of the folder of a run, and beside its songs.csv an other.csv with the columns that README maps."""
    copy = tmp_path / "work"
    shutil.copytree(finished, copy)
    header, rest = (copy / "songs.csv").read_text(encoding="utf-8").split("\n", 1)
    mapped = header.replace("song_name", "title").replace("genre", "style")
    (copy / "other.csv").write_text(mapped + "\n" + rest, encoding="utf-8")
    return copy


@pytest.mark.parametrize("line", LINES)
def test_every_quick_command_ends_well(line: str, folder: Path) -> None:
    """Guards against an example that a newcomer copies and that fails."""
    if " use " in line:
        assert song_genres("import", "songs.csv", "--name", line.split()[-1], cwd=folder).returncode == 0
    result = in_shell(line, folder)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_backup_of_operations_md_restores_the_warehouse(folder: Path) -> None:
    """Guards against a recipe for a backup that was never tried: the warehouse is lost, and comes back as published."""
    (block,) = (
        text
        for path in PAGES
        if path.name == "operations.md"
        for language, text in read_page(path).fences
        if language == "sh" and "# restore" in text
    )
    back_up, restore = (block[: block.index("# back up")], block[block.index("# back up") :])
    (folder / "backup").mkdir()
    before = published_contents(folder)
    assert in_shell(back_up, folder).returncode == 0
    for lost in (folder / "data").glob("*.duckdb*"):
        lost.unlink()
    shutil.rmtree(folder / "models")
    result = in_shell(restore, folder)
    assert result.returncode == 0, result.stdout + result.stderr
    assert published_contents(folder) == before
    assert {"raw.tracks", "marts.clean_tracks", "ml.model_runs"} <= before.keys()
    assert in_shell("song-genres predict songs.csv", folder).returncode == 0


def published_contents(folder: Path) -> dict[str, tuple[int, int]]:
    with duckdb.connect(str(folder / "data" / "song_genres.duckdb"), read_only=True) as connection:
        return contents(connection)


def in_shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A piece of shell in `folder`, with this environment's commands first."""
    environment = own_environment(COLUMNS="160")
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    return subprocess.run(
        ["bash", "-e", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
