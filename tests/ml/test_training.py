"""A run from tracks to tables: its figures, their repetition, and what is recorded."""

from pathlib import Path

import duckdb
import pytest

from ml.dataset import ModelError, Tracks, split_by_artist
from ml.training import fit, record, save_model
from tests.ml.made_up_tracks import make_tracks


def test_a_forest_tells_loud_from_quiet_and_the_prior_does_not(tracks: Tracks) -> None:
    """Guards against a pipeline whose features do not reach the model."""
    assert fit(tracks, model="study_forest").scores.top_1 > 0.9
    assert fit(tracks, model="prior").scores.top_1 == pytest.approx(1 / 3)


def test_the_same_data_and_seed_give_the_same_figures_and_run_id(tracks: Tracks) -> None:
    """Guards against figures that nobody can reproduce."""
    first, second, other = (
        fit(tracks, model="study_forest"),
        fit(tracks, model="study_forest"),
        fit(tracks, model="prior"),
    )
    assert first.scores == second.scores
    assert first.model.run_id == second.model.run_id != other.model.run_id
    assert first.model.run_id.startswith("made_up-artist_grouped-study_forest-")


def test_a_feature_that_is_unknown_throughout_does_not_stop_training() -> None:
    """Guards against datasets without a time signature, as TidyTuesday's."""
    tracks = make_tracks(["A", "B"] * 10, [[f"a{n}"] for n in range(20)], loudness={"A": -30.0})
    tracks.frame["time_signature"] = float("nan")
    assert fit(tracks, model="study_forest").scores.n > 0


def test_figures_are_recorded_once_a_run_on_held_out_rows(
    tracks: Tracks, connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """Guards against runs doubled by repetition, and against support counted on all rows."""
    split = split_by_artist(tracks)
    run = fit(tracks, model="study_forest", split=split)
    path = save_model(run, tmp_path)
    for _ in range(2):
        record(connection, run, path, published=True)
    record(connection, fit(tracks, model="prior", split=split), None, published=False)
    runs = connection.execute(
        "select model, n_train, n_test, is_baseline, is_published, is_synthetic from ml.model_runs"
    )
    assert sorted(runs.fetchall()) == [
        ("prior", 126, 54, True, False, True),
        ("study_forest", 126, 54, False, True, True),
    ]
    support = connection.execute(
        "select genre, n_tracks, n_train, support from ml.genre_scores where run_id = ? order by genre",
        [run.model.run_id],
    ).fetchall()
    assert support == [("Ambient", 60, 42, 18), ("Jazz", 60, 42, 18), ("Punk", 60, 42, 18)]


def test_genres_left_out_are_recorded_with_their_reason(connection: duckdb.DuckDBPyConnection) -> None:
    """Guards against genres that are missing from the figures without a word."""
    tracks = make_tracks(["A"] * 6 + ["B"] * 6 + ["Lonely"], [[f"a{n}"] for n in range(13)])
    record(connection, fit(tracks, model="prior"), None, published=False)
    found = connection.execute("select genre, n_tracks, reason from ml.genres_left_out").fetchall()
    assert found == [("Lonely", 1, "it has one track")]


def test_an_unknown_model_is_told_with_those_that_there_are(tracks: Tracks) -> None:
    """Guards against a KeyError for a mistyped name."""
    with pytest.raises(ModelError, match="no model 'forrest'.*prior, .*study_forest"):
        fit(tracks, model="forrest")
