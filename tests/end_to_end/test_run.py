"""The main job as a user runs it: the console script in a folder of its own, real processes, real files."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest

SCRIPT = Path(sys.executable).with_name("song-genres")


def song_genres(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_PATH")}
    environment |= {"PATH": os.environ["PATH"], "COLUMNS": "160"}
    return subprocess.run(
        [str(SCRIPT), *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=540
    )


def published(cwd: Path, query: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
    with duckdb.connect(str(cwd / "data" / "song_genres.duckdb"), read_only=True) as connection:
        return connection.execute(query, list(parameters)).fetchall()


@pytest.fixture(scope="module")
def finished(songs_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder in which `song-genres run --input songs.csv` has ended well, and what it printed."""
    folder = tmp_path_factory.mktemp("run")
    result = song_genres("run", "--input", str(songs_csv), cwd=folder)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder, result.stdout


def test_every_listing_is_clean_or_rejected_with_its_rule(finished: tuple[Path, str]) -> None:
    """Guards against a listing lost on the whole way from the file to the published copy."""
    folder, _ = finished
    assert published(folder, "select count(*) from marts.clean_tracks") == [(360,)]
    rejected = published(folder, "select listing_id, rule from marts.rejected_listings order by listing_id")
    assert rejected == [
        (361, "exact_repeat"),
        (362, "track_repeat"),
        (363, "invalid_tempo_or_time_signature"),
        (364, "invalid_audio_features"),
    ]


def test_the_summary_names_what_was_made(finished: tuple[Path, str]) -> None:
    """Guards against an ending that hides the figures, the stages' seconds or the paths."""
    folder, printed = finished
    for expected in ("364", "360", "top-1", "top-3", "macro F1", "prior", "extract", "reports/index.html"):
        assert expected in printed
    assert "synthetic" not in printed
    assert (folder / "reports" / "index.html").stat().st_size > 10_000


def test_predictions_cover_every_clean_track(finished: tuple[Path, str]) -> None:
    """Guards against tracks without a prediction, and against probabilities that are none."""
    folder, _ = finished
    assert published(
        folder,
        """
        select count(distinct spotify_track_id), min(rank), max(rank), bool_and(probability between 0 and 1)
        from ml.genre_predictions
        """,
    ) == [(360, 1, 3, True)]


def test_the_held_out_part_beats_the_majority_on_three_distinct_genres(finished: tuple[Path, str]) -> None:
    """Guards against a model fitted to nothing: loudness alone tells these genres apart."""
    folder, _ = finished
    scores = dict(published(folder, "select model, top_1 from ml.model_runs"))  # type: ignore[arg-type]
    assert scores["prior"] < 0.5 < 0.8 < scores["study_forest"]


def test_extracting_again_changes_no_raw_row(finished: tuple[Path, str], songs_csv: Path) -> None:
    """Guards against a dump landed twice."""
    folder, _ = finished
    result = song_genres("extract", "--input", str(songs_csv), cwd=folder)
    assert result.returncode == 0, result.stdout + result.stderr
    with duckdb.connect(str(folder / "data" / "warehouse.duckdb"), read_only=True) as connection:
        assert connection.execute("select count(*), max(listing_id) from raw.tracks").fetchall() == [(364, 364)]


def test_predict_scores_a_csv_and_writes_one(finished: tuple[Path, str], songs_csv: Path) -> None:
    """Guards against a scoring command that drops rows."""
    folder, _ = finished
    rows = songs_csv.read_text().splitlines()
    (folder / "few.csv").write_text("\n".join(rows[:4]) + "\n")
    shown = song_genres("predict", "few.csv", cwd=folder)
    assert shown.returncode == 0, shown.stderr
    assert "Ambient" in shown.stdout
    written = song_genres("predict", "few.csv", "--output", "scored.csv", cwd=folder)
    assert written.returncode == 0, written.stderr
    assert len((folder / "scored.csv").read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "does not exist"), ("", "empty"), ("a,b\n1,2\n", "--map")],
    ids=["missing", "empty", "unknown columns"],
)
def test_bad_input_is_told_in_a_sentence(content: str | None, words: str, tmp_path: Path) -> None:
    """Guards against tracebacks for what a user can cause."""
    path = tmp_path / "bad.csv"
    if content is not None:
        path.write_text(content)
    result = song_genres("import", str(path), cwd=tmp_path)
    assert result.returncode == 1
    assert words in result.stderr
    assert "bad.csv" in result.stderr
    assert "Traceback" not in result.stderr


def test_tidytuesday_gives_the_known_counts(tidytuesday: Path, tmp_path: Path) -> None:
    """Guards against any change of meaning on real data: the counts were worked out with pandas beforehand."""
    result = song_genres("run", "--input", str(tidytuesday), "--model", "lightgbm", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    audit = dict(published(tmp_path, "select rule, rows_after from marts.cleaning_audit"))  # type: ignore[arg-type]
    assert audit["listings"] == 32_833
    assert audit["invalid_tempo_or_time_signature"] == 32_832
    assert audit["exact_repeat"] == 30_384
    assert audit["track_repeat"] == audit["renamed_repeat"] == 28_355
    assert published(tmp_path, "select count(*), count(time_signature) from marts.clean_tracks") == [(28_355, 0)]


def test_the_embedded_default_is_crawled_labelled_and_about_as_hard_as_the_study(tmp_path: Path) -> None:
    """Guards against a toy: every genre is there, all is labelled, and the model is about as lost as the study's."""
    result = song_genres("run", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "synthetic" in result.stdout
    ((tracks, genres, synthetic),) = published(
        tmp_path, "select count(*), count(distinct genre), bool_and(is_synthetic) from marts.clean_tracks"
    )
    assert (genres, synthetic) == (132, True)
    assert tracks > 14_000
    assert published(
        tmp_path,
        """
        select (select count(*) from raw.tracks) = (select count(*) from marts.clean_tracks)
            + (select count(*) from marts.rejected_listings)
        """,
    ) == [(True,)]
    assert published(tmp_path, "select count(*) / ? <= 0.16 from raw.requests", [tracks]) == [(True,)]
    ((top_3,),) = published(tmp_path, "select top_3 from ml.model_runs where is_published")
    assert 0.25 < top_3 < 0.40  # type: ignore[operator]
    assert "Synthetic data." in (tmp_path / "reports" / "index.html").read_text()
