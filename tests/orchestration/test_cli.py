"""The console script's arguments and words; what the commands do is tested where it is done."""

import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from orchestration import definitions
from orchestration.builds import build_error
from orchestration.cli import app
from orchestration.failures import sentence
from orchestration.screens import print_difference, print_publication
from warehouse import files
from warehouse.features import AUDIO_FEATURES
from warehouse.publication import Build, Difference, MartChange, Publication, ShownModel

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


@pytest.mark.parametrize("name", ["[/x]", "[red]songs", ":smile: [b]songs[/b]"])
def test_the_name_of_a_dataset_is_printed_as_it_stands(study_csv: Callable[..., Path], name: str) -> None:
    """Guards against a name that Rich takes for its markup: dropped without a word, or a traceback."""
    path = str(study_csv({}, name="mine.csv"))
    for command in (["import", path, "--name", name], ["use", name], ["datasets"]):
        result = runner.invoke(app, command)
        assert result.exit_code == 0, result.output
        assert name in result.output


def test_a_dry_run_says_what_the_import_would(study_csv: Callable[..., Path]) -> None:
    """Guards against "would land" where the import refuses, against asking for what is remembered, and a change."""
    first, other = str(study_csv({}, name="first.csv")), str(study_csv({}, {}, name="other.csv"))
    assert runner.invoke(app, ["import", first, "--dry-run"]).exit_code == 0
    assert not Path("data").exists()
    assert runner.invoke(app, ["import", first, "--merge-genres"]).exit_code == 0
    before = Path("data/warehouse.duckdb").read_bytes()
    for arguments in ([other, "--name", "first"], [other, "--name", "sandbox"], [other, "--name", "local-sandbox"]):
        dry, wet = (runner.invoke(app, ["import", *arguments, *extra]) for extra in (["--dry-run"], []))
        assert dry.exit_code == wet.exit_code == 1
        assert dry.stderr == wet.stderr
        assert "--merge-genres" not in wet.stderr  # it was said of the other file
    result = runner.invoke(app, ["import", first, "--dry-run"])
    assert "was landed already; nothing changed" in result.output
    assert Path("data/warehouse.duckdb").read_bytes() == before


def test_a_run_whose_dataset_another_process_replaced_does_not_end_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against exit code 0 and the figures of another dataset under the file that was asked for."""
    Path("data").mkdir()
    with files.connect(files.published_path()) as connection:
        connection.execute("create schema marts")
        connection.execute(
            "create table marts.cleaning_audit as "
            "select 'theirs' as dataset, false as is_synthetic, 0 as step, 1 as rows_after"
        )
        features = ", ".join(f"0.5 as {name}" for name in AUDIO_FEATURES)
        connection.execute(
            f"create table marts.clean_tracks as select 'a' as spotify_track_id, 'Jazz' as genre, 'Song' as song_name, "
            f"{features}, 1 as listing_id, 'theirs' as dataset, false as is_synthetic"
        )
        connection.execute(
            "create table marts.track_artists as "
            "select 'a' as spotify_track_id, 1 as position, null::varchar as artist_id, 'Ann' as artist_name"
        )
    monkeypatch.setattr(definitions, "run_everything", lambda *_: definitions.Everything("mine", {}, None))
    result = runner.invoke(app, ["run"])
    assert result.exit_code == 1
    assert "While mine was made, another process made theirs the active dataset" in result.stderr
    assert "clean tracks" not in result.output


def test_a_warehouse_that_dbt_found_in_use_is_told_as_such(tmp_path: Path) -> None:
    """Guards against twelve lines of Dagster's and dbt's, and against failures of an earlier build."""
    said = 'failed with exit code `2`.\n\nRuntime Error\n  IO Error: Could not set lock on file "w": (PID 7)\nmore'
    (tmp_path / "run_results.json").write_text('{"results": [{"status": "fail", "unique_id": "test.s.old"}]}')
    told = str(build_error(tmp_path, said, Path("w")))
    assert told.startswith(f"{Path('w').absolute()} is in use by another process")
    assert told.endswith('Could not set lock on file "w": (PID 7)')


def test_reading_without_a_database_says_how_to_make_one() -> None:
    """Guards against DuckDB's own words where nothing has been run yet."""
    result = runner.invoke(app, ["report"])
    assert result.exit_code == 1
    assert "make run" in result.stderr


def test_a_difference_says_what_is_compared_and_which_rows_differ(capsys: pytest.CaptureFixture[str]) -> None:
    """Guards against a refusal below a long table, and keys cut short where they would be looked up."""
    key = "a-long-genre-" * 20 + ", energy"
    changes = [
        MartChange("albums", 0, 0, 0),
        MartChange("genre_summary", 1200, 0, 1, {"added": [key, "[b], tempo"], "changed": ["Dub, energy"]}),
    ]
    print_difference(Difference("new", "new", changes, ""), Path("copy"))
    said = capsys.readouterr()
    assert "1,200" in said.out
    assert f"genre_summary (genre, feature)\n  added: {key}; [b], tempo\n  changed: Dub, energy\n" in said.out
    assert "albums (" not in said.out
    with redirect_stderr(sys.stdout):
        print_difference(Difference("new", "new", changes, "A test failed."), Path("copy"))
    assert capsys.readouterr().out.startswith("It would not be published as it is. A test failed.")
    print_difference(Difference("new", "old", [], "A test failed."), Path("copy"))
    said = capsys.readouterr()
    assert said.out.startswith("The two hold different datasets: the warehouse new, the published copy old. So rows ")
    assert said.err == "It would not be published as it is. A test failed.\n"
    print_difference(Difference("new", "new", changes[:1], ""), Path("copy"))
    assert capsys.readouterr().out.endswith("No row of a mart differs.\n")
    print_difference(Difference("new", None, [], ""), Path("copy"))
    assert capsys.readouterr() == ("There is no published copy with marts at copy to compare with.\n", "")


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (None, "Make the report and the exports from it: "),
        ("songs", "The report and the exports are older than this copy now. Renew them: "),
        ("other", "It replaces a copy of another dataset, other, so rows are not compared."),
    ],
)
def test_publishing_says_that_the_report_and_the_exports_are_not_renewed(
    before: str | None, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Guards against yesterday's report taken for that of the new copy."""
    build = Build("songs", is_synthetic=False, tracks_digest="", built_at=None)
    print_publication(Publication(1, build, ShownModel("run", ""), before, []), Path("copy"))
    said = capsys.readouterr().out
    assert words in said
    assert said.endswith("song-genres report && song-genres export\n")


def test_predicting_without_a_published_model_says_how_to_name_another(songs_csv: Path) -> None:
    """Guards against a person who has a model file, and is told to train one."""
    for words in ("No model has been published: there is no database at", "No model has been trained yet"):
        result = runner.invoke(app, ["predict", str(songs_csv)])
        assert result.exit_code == 1
        assert words in result.stderr
        assert "--model models/<run_id>/model.skops" in result.stderr
        assert list(Path().iterdir()) in ([], [Path("data")])
        files.connect(files.published_path()).close()


@pytest.mark.parametrize("command", ["export", "publish", "diff", "docs"])
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


def test_a_run_with_an_unknown_model_lands_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against a crawl and a build that end with a mistyped name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WAREHOUSE_PATH", str(tmp_path / "w.duckdb"))
    result = runner.invoke(app, ["run", "--input", "sandbox", "--model", "nosuch"])
    assert result.exit_code == 1
    assert "There is no model 'nosuch'" in result.output + result.stderr
    assert not (tmp_path / "w.duckdb").exists()


def test_too_little_memory_is_told_in_a_sentence() -> None:
    """Guards against a traceback for a file whose texts of a megabyte each do not fit."""
    words = sentence(duckdb.OutOfMemoryException("Out of Memory Error: failed to allocate\n\nPossible solutions:"))
    assert words is not None
    assert "a column of long texts" in words
    assert "Possible solutions" not in words
