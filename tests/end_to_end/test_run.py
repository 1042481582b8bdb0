"""The main job as a user runs it: the console script in a folder of its own, real processes, real files."""

import csv
import shutil
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest

from tests.end_to_end.conftest import song_genres


def published(cwd: Path, query: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
    with duckdb.connect(str(cwd / "data" / "song_genres.duckdb"), read_only=True) as connection:
        return connection.execute(query, list(parameters)).fetchall()


@pytest.fixture(scope="module")
def folder(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of it, in which more may be done."""
    return Path(shutil.copytree(finished, tmp_path_factory.mktemp("run") / "copy"))


def test_every_listing_is_clean_or_rejected_with_its_rule(folder: Path) -> None:
    """Guards against a listing lost on the whole way from the file to the published copy."""
    assert published(folder, "select count(*) from marts.clean_tracks") == [(360,)]
    rejected = published(folder, "select listing_id, rule from marts.rejected_listings order by listing_id")
    assert rejected == [
        (361, "exact_repeat"),
        (362, "track_repeat"),
        (363, "invalid_tempo_or_time_signature"),
        (364, "invalid_audio_features"),
    ]


def test_the_summary_names_what_was_made(folder: Path) -> None:
    """Guards against an ending that hides the figures, the stages' seconds or the paths."""
    printed = (folder / "said.txt").read_text()
    for expected in ("364", "360", "top-1", "top-3", "macro F1", "prior", "extract", "reports/index.html"):
        assert expected in printed
    assert "synthetic" not in printed
    assert "recalled" not in printed
    assert (folder / "reports" / "index.html").stat().st_size > 10_000


def test_predictions_cover_every_clean_track(folder: Path) -> None:
    """Guards against tracks without a prediction, and against probabilities that are none."""
    assert published(
        folder,
        """
        select count(distinct spotify_track_id), min(rank), max(rank), bool_and(probability between 0 and 1)
        from ml.genre_predictions
        """,
    ) == [(360, 1, 3, True)]


def test_the_held_out_part_beats_the_majority_on_three_distinct_genres(folder: Path) -> None:
    """Guards against a model fitted to nothing: loudness alone tells these genres apart."""
    scores = dict(published(folder, "select model, top_1 from ml.model_runs"))  # type: ignore[arg-type]
    assert scores["prior"] < 0.5 < 0.8 < scores["study_forest"]


def test_extracting_again_changes_no_raw_row(folder: Path, songs_csv: Path) -> None:
    """Guards against a dump landed twice."""
    result = song_genres("extract", "--input", str(songs_csv), cwd=folder)
    assert result.returncode == 0, result.stdout + result.stderr
    with duckdb.connect(str(folder / "data" / "warehouse.duckdb"), read_only=True) as connection:
        assert connection.execute("select count(*), max(listing_id) from raw.tracks").fetchall() == [(364, 364)]


def test_predict_scores_a_csv_and_writes_one(folder: Path, songs_csv: Path) -> None:
    """Guards against a scoring command that drops rows."""
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


@pytest.mark.full
def test_a_sample_of_the_real_dump_goes_all_the_way(tidytuesday: Path, tmp_path: Path) -> None:
    """Guards against real names, and a feature that nobody knows, of which a later step chokes.

    That all rows give the known counts: tests/dbt_project/test_parity.py.
    """
    with tidytuesday.open(newline="", encoding="utf-8") as file:
        header, *songs = csv.reader(file)
    with (tmp_path / "sample.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *songs[::24]])
    result = song_genres("run", "--input", "sample.csv", "--model", "lightgbm", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    ((clean, rejected, known),) = published(
        tmp_path,
        """
        select count(*), (select count(*) from marts.rejected_listings), count(time_signature) from marts.clean_tracks
        """,
    )
    assert (clean + rejected, known) == (len(songs[::24]), 0)  # type: ignore[operator]
    assert clean == len({song[header.index("track_id")] for song in songs[::24]})
    scores = dict(published(tmp_path, "select model, top_1 from ml.model_runs"))  # type: ignore[arg-type]
    assert scores["lightgbm"] > 2 * scores["prior"]
