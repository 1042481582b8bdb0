"""The console script's arguments and words; what the commands do is tested where it is done."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from orchestration.cli import app
from orchestration.failures import sentence

runner = CliRunner()


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WAREHOUSE_PATH", raising=False)
    monkeypatch.delenv("PUBLISHED_PATH", raising=False)


def test_using_an_unknown_dataset_names_those_that_there_are(study_csv: Callable[..., Path]) -> None:
    """Guards against an error that leaves the reader to guess."""
    assert runner.invoke(app, ["import", str(study_csv({}, name="mine.csv"))]).exit_code == 0
    result = runner.invoke(app, ["use", "nowhere"])
    assert result.exit_code == 1
    assert "There is no dataset 'nowhere'" in result.stderr
    assert "mine" in result.stderr


def test_reading_without_a_database_says_how_to_make_one() -> None:
    """Guards against DuckDB's own words where nothing has been run yet."""
    result = runner.invoke(app, ["report"])
    assert result.exit_code == 1
    assert "make run" in result.stderr


@pytest.mark.parametrize("command", ["export", "publish", "docs"])
def test_what_needs_a_database_makes_none(command: str) -> None:
    """Guards against an empty database, folder or page where nothing has been run yet."""
    result = runner.invoke(app, [command])
    assert result.exit_code == 1
    assert "There is no database" in result.stderr
    assert "make run" in result.stderr
    assert list(Path().iterdir()) == []


def test_a_mapping_without_an_equals_sign_is_refused_with_an_example() -> None:
    """Guards against a mistyped --map that would be ignored."""
    result = runner.invoke(app, ["import", "x.csv", "--map", "genre"])
    assert result.exit_code == 2
    assert "genre=style" in result.stderr


def test_import_makes_the_dataset_active(songs_csv: Path) -> None:
    """Guards against an import that lands documents nobody reads."""
    result = runner.invoke(app, ["import", str(songs_csv), "--name", "mine"])
    assert result.exit_code == 0, result.output
    assert "364 listings" in result.output
    listed = runner.invoke(app, ["datasets"])
    assert "mine" in listed.output
    assert "active" in listed.output


def test_too_little_memory_is_told_in_a_sentence() -> None:
    """Guards against a traceback for a file whose texts of a megabyte each do not fit."""
    words = sentence(duckdb.OutOfMemoryException("Out of Memory Error: failed to allocate\n\nPossible solutions:"))
    assert words is not None
    assert "a column of long texts" in words
    assert "Possible solutions" not in words
