"""What a person can cause is told in a sentence: every command, in every state of the files that it may meet.

Commands run in this process where they can; as an ordinary user (without root's right to pass over permissions), on a
full disk and on terminals of another alphabet they are processes of their own.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from extract.dumps import import_dump
from orchestration.cli import app
from tests.conftest import PATIENCE, own_environment

# dagster-dbt uses what dagster is about to rename.
pytestmark = pytest.mark.filterwarnings("ignore:AssetExecutionContext:DeprecationWarning")

COMMANDS = {
    "run": ["run"],
    "extract": ["extract", "--input", "auto"],
    "import": ["import", "songs.csv"],
    "clean": ["clean", "songs.csv", "out/clean.csv"],
    "use": ["use", "songs"],
    "datasets": ["datasets"],
    "train": ["train", "--model", "prior"],
    "predict": ["predict", "songs.csv"],
    "report": ["report"],
    "publish": ["publish"],
    "export": ["export"],
    "export-raw": ["export-raw"],
    "docs": ["docs"],
}
READS_THE_WAREHOUSE = ["use", "datasets", "train", "publish", "export-raw", "docs"]
READS_THE_COPY = ["predict", "report", "export"]


@pytest.fixture
def folder(songs_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with a dump in it."""
    shutil.copyfile(songs_csv, tmp_path / "songs.csv")
    monkeypatch.chdir(tmp_path)
    for name in ("WAREHOUSE_PATH", "PUBLISHED_PATH"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def no_warehouse(folder: Path) -> None:
    """Nothing was ever run here."""


def a_foreign_file(folder: Path) -> None:
    """Both paths name somebody's own DuckDB database."""
    (folder / "data").mkdir()
    for name in ("warehouse", "song_genres"):
        with duckdb.connect(str(folder / "data" / f"{name}.duckdb")) as connection:
            connection.execute("create table mine as select 1 as number")


def no_database(folder: Path) -> None:
    """Both paths name a file that is no database at all."""
    (folder / "data").mkdir()
    for name in ("warehouse", "song_genres"):
        (folder / "data" / f"{name}.duckdb").write_text("no database at all " * 1000)


def an_older_version(folder: Path) -> None:
    """The raw tables lack a column that this version has, and the marts are another's."""
    (folder / "data").mkdir()
    for name in ("warehouse", "song_genres"):
        with duckdb.connect(str(folder / "data" / f"{name}.duckdb")) as connection:
            connection.execute("create schema raw")
            connection.execute("create table raw.datasets as select 'songs' as dataset, 'dump:x' as source")


def nothing_landed(folder: Path) -> None:
    """The warehouse has its raw tables, and no row in them."""
    import_dump(folder / "songs.csv", folder / "data" / "warehouse.duckdb")
    with duckdb.connect(str(folder / "data" / "warehouse.duckdb")) as connection:
        for (table,) in connection.execute(
            "select table_name from duckdb_tables() where schema_name = 'raw'"
        ).fetchall():
            connection.execute(f"delete from raw.{table}")


STATES: list[tuple[Callable[[Path], None], list[str]]] = [
    (no_warehouse, [*READS_THE_WAREHOUSE, *READS_THE_COPY]),
    (a_foreign_file, ["run", "extract", "import", *READS_THE_WAREHOUSE, *READS_THE_COPY]),
    (no_database, ["run", "extract", "import", *READS_THE_WAREHOUSE, *READS_THE_COPY]),
    (an_older_version, ["run", "extract", "import", *READS_THE_WAREHOUSE, *READS_THE_COPY]),
    (nothing_landed, ["use", "datasets", "train", "publish", "export-raw"]),
]


@pytest.mark.parametrize(
    ("state", "command"),
    [
        pytest.param(state, command, id=f"{command}, {state.__name__}")
        for state, commands in STATES
        for command in commands
    ],
)
def test_a_state_of_the_files_is_told_in_a_sentence(folder: Path, state: Callable[[Path], None], command: str) -> None:
    """Guards against a traceback, and against an error that does not say what to do."""
    state(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*.duckdb")}
    result = CliRunner().invoke(app, COMMANDS[command])
    told(result.exit_code, result.output)
    assert isinstance(result.exception, SystemExit), result.exception
    if state is not nothing_landed:
        assert {path: path.read_bytes() for path in folder.rglob("*.duckdb")} == before, "the file was changed"


def told(code: int, words: str) -> None:
    """One error of at most four lines, as typed, with something that a person can do."""
    assert code == 1, words
    assert "Traceback" not in words
    (said,) = re.findall(r"^Error:.*", words, re.MULTILINE | re.DOTALL)
    assert "\nError:" not in said
    assert len(said.strip().splitlines()) <= 4, said
    assert any(hint in said for hint in ("`", "make ", "song-genres ", "_PATH", "another", "Land", "Build", "Train")), (
        said
    )


ADVICE = ("`", "make ", "song-genres ", "_PATH", "another", "Land", "Build", "Train")

SCRIPT = Path(sys.executable).with_name("song-genres")


def as_ordinary_user(*arguments: str, folder: Path, **variables: str) -> tuple[int, str]:
    """The console script without root's right to pass over permissions."""
    command = [str(SCRIPT), *arguments]
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("needs setpriv (util-linux) to give up root's rights")
        command = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", *command]
    done = subprocess.run(
        command, cwd=folder, env=own_environment(**variables), capture_output=True, timeout=PATIENCE, check=False
    )
    return done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace")


@pytest.mark.parametrize(
    ("command", "closed"),
    [("run", "."), ("import", "."), ("extract", "."), ("clean", "."), ("publish", "data"), ("export", "exports/songs"),
     ("report", "reports"), ("train", "data/warehouse.duckdb"), ("run", "data/warehouse.duckdb")],
)  # fmt: skip
def test_a_place_without_permission_is_named(finished: Path, tmp_path: Path, command: str, closed: str) -> None:
    """Guards against a traceback where a folder or file belongs to somebody else."""
    folder = tmp_path / "copy"
    if closed == ".":
        folder.mkdir()
        shutil.copyfile(finished / "songs.csv", folder / "songs.csv")
    else:
        shutil.copytree(finished, folder)
    place = folder / closed
    mode = place.stat().st_mode
    place.chmod(0o555 if place.is_dir() else 0o000)
    try:
        code, words = as_ordinary_user(*COMMANDS[command], folder=folder)
    finally:
        place.chmod(mode)
    told(code, words)
    assert "permission" in words.lower(), words
    assert str(folder) in words.replace("\n", ""), "the place is named from the root on"


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONIOENCODING": "ascii"},
        pytest.param({"LC_ALL": "C"}, marks=pytest.mark.full),
        pytest.param({"PYTHONIOENCODING": "latin-1"}, marks=pytest.mark.full),
    ],
    ids=str,
)
def test_a_terminal_of_another_alphabet_gets_question_marks(
    finished: Path, tmp_path: Path, variables: dict[str, str]
) -> None:
    """Guards against a command that does its work and then fails to say so."""
    folder = Path(shutil.copytree(finished, tmp_path / "copy"))
    for command in ("datasets", "predict", "report", "publish"):
        code, words = as_ordinary_user(*COMMANDS[command], folder=folder, **variables)
        assert code == 0, words
        assert "Traceback" not in words
    code, words = as_ordinary_user("use", "été 夜", folder=folder, **variables)
    assert code == 1, words
    assert "Landed so far: songs" in words


def test_another_working_directory_is_told_with_the_path_that_was_looked_for(folder: Path) -> None:
    """Guards against `data/song_genres.duckdb does not exist` where somebody stands in the wrong folder."""
    result = CliRunner().invoke(app, ["report"])
    told(result.exit_code, result.output)
    assert str(folder / "data" / "song_genres.duckdb") in result.output.replace("\n", "")
