"""The small song files that issue 17 names, written by ../shared/cases/make_cases.py: what is right for each."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestration.cli import app
from warehouse import files

MAKE_CASES = Path(__file__).parents[3] / "shared" / "cases" / "make_cases.py"
pytestmark = pytest.mark.skipif(not MAKE_CASES.exists(), reason="needs ../shared/cases/make_cases.py")

runner = CliRunner()


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cases")
    subprocess.run([sys.executable, str(MAKE_CASES), str(folder)], check=True)
    return folder


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WAREHOUSE_PATH", raising=False)


def commands(path: Path, model_path: Path) -> list[list[str]]:
    return [
        ["import", str(path)],
        ["clean", str(path), "clean.csv"],
        ["predict", str(path), "scored.csv", "--model", str(model_path)],
    ]


NAMES = [
    "songs[1].csv",
    "Bob's songs.csv",
    "my songs.csv",
    "été 夜.csv",
    "50% off & more; $HOME.csv",
    "-dash.csv",
    "what?.csv",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_files(cases: Path, model_path: Path, name: str) -> None:
    """Guards against another file than the one that was named (folder 12)."""
    for command in commands(cases / "12-paths" / name, model_path):
        result = runner.invoke(app, command)
        assert result.exit_code == 0, result.output
    with files.connect(files.warehouse_path(), read_only=True) as connection:
        assert connection.execute(
            "select count(*), count(*) filter (payload->>'name' like 'WRONG%') from raw.tracks"
        ).fetchall() == [(10, 0)]
    for out in ("clean.csv", "scored.csv"):
        text = Path(out).read_text(encoding="utf-8")
        assert (len(text.splitlines()), "WRONG" in text) == (11, False)


@pytest.mark.parametrize(
    ("name", "words"), [("lfs_pointer.csv", "is a Git LFS pointer"), ("login_page.csv", "is an HTML page")]
)
def test_what_is_not_the_file_is_named_for_what_it_is(cases: Path, model_path: Path, name: str, words: str) -> None:
    """Guards against a hint about columns for a download that did not happen (folder 10)."""
    for command in commands(cases / "10-not-the-file" / name, model_path):
        result = runner.invoke(app, command)
        assert result.exit_code == 1
        assert f"{name} {words}" in result.stderr
        assert len(result.stderr.strip().splitlines()) <= 4
    assert list(Path().rglob("*.*")) == []


def test_a_file_cut_off_in_its_last_line_gives_its_good_rows_and_a_warning(cases: Path, model_path: Path) -> None:
    """Guards against half a download taken for the whole, and against good rows refused for one (folder 10)."""
    path = cases / "10-not-the-file" / "cut_off.csv"
    rows = len(path.read_text(encoding="utf-8").splitlines()) - 1
    for command in commands(path, model_path):
        result = runner.invoke(app, command)
        assert result.exit_code == 0, result.output
        assert f"cut_off.csv is cut off in its last line (row {rows})" in result.stderr
        assert "Is the download whole?" in result.stderr
    with files.connect(files.warehouse_path(), read_only=True) as connection:
        assert connection.execute("select count(*), count(track_id) from raw.tracks").fetchall() == [(rows, rows - 1)]
    assert len(Path("clean.csv").read_text(encoding="utf-8").splitlines()) == rows
    assert len(Path("scored.csv").read_text(encoding="utf-8").splitlines()) == rows + 1
