"""The console script's arguments and words; what the commands do is tested where it is done."""

import errno
import re
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from ml.model_file import load
from ml.scoring import Tally
from ml.summary import Summary
from ml.training import fit
from orchestration import definitions
from orchestration.builds import build_error
from orchestration.cli import app
from orchestration.failures import sentence
from orchestration.progress import run_progress
from orchestration.screens import print_difference, print_publication, print_runs, print_songs, print_summary
from orchestration.songs import ScoredFile, scored_file
from tests.ml.made_up_tracks import make_tracks
from warehouse import files
from warehouse.changes import MartChange
from warehouse.features import AUDIO_FEATURES
from warehouse.publication import Build, Difference, Publication, ShownModel

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
        connection.execute(
            "create table marts.track_details as select 'a' as spotify_track_id, null::integer as release_year, "
            "null::varchar as album_name, 'theirs' as dataset, false as is_synthetic"
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


def test_the_stages_of_a_run_are_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Guards against a log that stays empty until the run ends, against a line per step, and an end that was none."""
    with run_progress() as progress:
        for done in range(3):
            progress("extract", done, 2)
        progress("dbt build", 0, None)
        progress("extract", 3, 3)  # a crawl goes back to a stage
    said = [re.sub(r"[0-9.]+ s$", "1 s", line) for line in capsys.readouterr().err.splitlines()]
    assert said == ["extract …", "extract: done in 1 s", "dbt build …", "dbt build: done in 1 s"]
    with pytest.raises(ValueError, match="broken"), run_progress() as progress:
        progress("report", 0, None)
        raise ValueError("broken")
    assert capsys.readouterr().err == "report …\n"


def test_the_end_of_a_run_says_which_models_were_recalled(capsys: pytest.CaptureFixture[str]) -> None:
    """Guards against a training of seconds that looks like a fit."""
    build = Build("songs", is_synthetic=False, tracks_digest="", built_at=None)
    summary = Summary(build, 2, 1, 1, ShownModel("run", ""), [], [], [])
    for recalled, words in (("knn from ml.model_runs", True), ("", False)):
        seconds = {"train, evaluate, predict": 1.0, "publish": 2.0}
        print_summary(summary, seconds, recalled=recalled, database=Path("d"), report=Path("r"))
        lines = [" ".join(line.replace("│", " ").split()) for line in capsys.readouterr().out.splitlines()]
        assert ("recalled, not fitted (--refit fits): knn from" in " ".join(lines)) == words


def test_songs_are_shown_with_their_whole_genres_on_a_narrow_screen(
    songs_csv: Path, model_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Guards against genres cut to "Melod…" where the screen has 80 columns, and columns in which nothing stands."""
    monkeypatch.setenv("COLUMNS", "80")
    genres = ["Melodic Death Metal", "Contemporary Country", "Traditional Folk", "Progressive Rock", "Smooth Jazz"]
    guesses = {f"genre_{rank}": genre for rank, genre in enumerate(genres, start=1)}
    song = guesses | {f"probability_{rank}": 0.2 for rank in range(1, 6)} | {"genre_set_size": 7}
    with scored_file(load(model_path), songs_csv) as found:
        for missing in ("", "tempo"):
            first = [song | {"song_name": "A Song of a Very Long Title Indeed", "missing_features": missing}]
            print_songs(ScoredFile("run", False, Tally(1), found.file, first, has_more=False, unknown=found.unknown))
            said = capsys.readouterr().out
            assert max(map(len, said.splitlines())) <= 80
            assert "…" not in said
            assert ("missing" in said) == bool(missing)
            for word in " ".join(genres).split():
                assert word in said


def test_figures_are_shown_whole_on_a_narrow_screen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Guards against intervals cut to "(0.6…" where the screen has 80 columns, and figures without their inputs."""
    monkeypatch.setenv("COLUMNS", "80")
    tracks = make_tracks(["Jazz", "Punk"] * 30, [[f"{number}"] for number in range(60)])
    runs = [fit(tracks, model=model, features="audio+title+year+album") for model in ("study_forest", "knn")]
    print_runs(runs, {"study_forest": {"top_3": 0.3047}})
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80
    assert "…" not in said.replace("--features …", "")
    assert "study_forest " in said
    assert "artist_grouped by audio+title+year+album, one split" in " ".join(said.split())
    for figure in ("top_1", "top_3", "top_1_any", "macro_f1", "log_loss"):
        for bound in ("", "_low", "_high"):
            assert f"{getattr(runs[1].scores, figure + bound):.3f}" in said


def test_what_becomes_of_each_column_is_said(songs_csv: Path) -> None:
    """Guards against columns that are counted and not named, and "not used" of what is kept."""
    header, *rows = songs_csv.read_text(encoding="utf-8").splitlines()
    Path("labelled.csv").write_text("\n".join([f"{header},label", *(f"{row},Blue Note" for row in rows)]))
    said = runner.invoke(app, ["import", "labelled.csv"]).output
    assert "Read as they stand: spotify_track_id, song_name, artist_name, genre, danceability, energy," in said
    assert "Columns that are no field, kept with each listing as they stand: label." in said
    with files.connect(files.warehouse_path(), read_only=True) as connection:
        ((document,),) = connection.execute("select payload from raw.tracks where listing_id = 1").fetchall()
    assert '"label":"Blue Note"' in document
    said = runner.invoke(app, ["clean", "labelled.csv", "clean.csv"]).output
    assert "Columns that are no field, left out of the output: label." in said
    assert "label" not in Path("clean.csv").read_text()


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


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EIO, "Input/output error", "published.duckdb"),
        InterruptedError(errno.EINTR, "Interrupted system call"),
        duckdb.IOException('IO Error: Could not write file "warehouse.duckdb.wal": Input/output error\nmore'),
        duckdb.FatalException("FATAL Error: fsync failed!"),
        duckdb.TransactionException("TransactionContext Error: Failed to commit: Cannot open file: Input/output error"),
    ],
)
def test_a_file_that_fails_is_told_in_a_sentence(error: Exception) -> None:
    """Guards against a traceback where a disk breaks, a share goes away or a signal comes in between."""
    words = sentence(error)
    assert words is not None
    assert words.startswith("A file could not be written or read (")
    assert "run the same again" in words
    assert "\n" not in words
