"""A run from tracks to tables: its figures, their repetition, and what is recorded."""

import time
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from ml import training
from ml.card import write_card
from ml.dataset import ModelError, Split, Tracks, split_by_artist
from ml.estimators import ESTIMATORS
from ml.features import Numbers
from ml.model_file import predict_probabilities
from ml.records import recall, record
from ml.settings import DEFAULT
from ml.tables import create_ml_tables
from ml.training import Job, PeakMemory, fit, save_model
from tests.ml.made_up_tracks import make_tracks
from warehouse.features import AUDIO_FEATURES


def test_a_forest_tells_loud_from_quiet_and_the_prior_does_not(tracks: Tracks) -> None:
    """Guards against a pipeline whose features do not reach the model."""
    assert fit(tracks, model="study_forest").scores.top_1 > 0.9
    assert fit(tracks, model="prior").scores.top_1 == pytest.approx(1 / 3)


@pytest.mark.parametrize("model", ["study_forest", pytest.param(DEFAULT, marks=pytest.mark.full)])
def test_the_same_data_and_seed_give_the_same_figures_and_run_id(model: str, tracks: Tracks) -> None:
    """Guards against figures that nobody can reproduce."""
    first, second, other = fit(tracks, model=model), fit(tracks, model=model), fit(tracks, model="prior")
    assert first.scores == second.scores
    for table in ("genre_scores", "confusions", "runner_ups", "calibration", "feature_importances", "surprises"):
        pd.testing.assert_frame_equal(getattr(first, table), getattr(second, table), check_exact=True)
    assert first.run_id == second.run_id != other.run_id
    assert first.run_id.startswith(f"made_up-artist_grouped-{model}-")


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


def test_sets_are_measured_and_their_threshold_goes_with_the_model(
    tracks: Tracks, connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """Guards against a threshold of other tracks than those held out, and sets for what is never shown."""
    split = split_by_artist(tracks)
    run = fit(tracks, model="knn", split=split)
    true = tracks.frame["genre"].to_numpy(dtype=object)[split.test]
    probabilities = predict_probabilities(run.model, tracks.inputs.iloc[split.test])
    right = probabilities[np.arange(54), np.searchsorted(run.genres, true)]
    assert run.model.threshold == pytest.approx(np.sort(right)[4], abs=1e-6)  # floor(55 / 10) = 5
    record(connection, run, save_model(run, tmp_path), published=False)
    in_five = fit(tracks, model="knn", folds=5)
    record(connection, in_five, None, published=False)
    record(connection, fit(tracks, model="knn", protocol="study_2023_04"), None, published=False)
    rows = connection.execute(
        "select threshold, coverage between coverage_low and coverage_high, set_size >= 1 from ml.model_runs "
        "order by protocol, folds"
    ).fetchall()
    assert rows == [(run.model.threshold, True, True), (None, True, True), (None, None, None)]
    by_genre = connection.execute(
        "select sum(coverage * support) / sum(support), sum(set_size * support) / sum(support) from ml.genre_scores "
        "where run_id = ?",
        [run.run_id],
    ).fetchone()
    assert by_genre == pytest.approx((run.scores.coverage, run.scores.set_size))
    assert in_five.scores.coverage >= 0.9, "loudness tells these genres apart"


def of_another_row(tracks: Tracks, job: Job) -> tuple[Tracks, Job]:
    frame = tracks.frame.copy()
    frame.loc[0, "energy"] += 0.001
    return replace(tracks, frame=frame), job


def of_another_year(tracks: Tracks, job: Job) -> tuple[Tracks, Job]:
    frame = tracks.frame.copy()
    frame.loc[0, "release_year"] = 1994.0
    return replace(tracks, frame=frame), job


def of_another_album(tracks: Tracks, job: Job) -> tuple[Tracks, Job]:
    return replace(tracks, frame=tracks.frame.assign(album_name="Blue")), job


CHANGES = {
    "a value of a track": of_another_row,
    "a year": of_another_year,
    "an album": of_another_album,
    "the seed": lambda tracks, job: (tracks, replace(job, seed=7)),
    "a setting": lambda tracks, job: (tracks, replace(job, features="audio+title")),
    "an input": lambda tracks, job: (tracks, replace(job, features="audio+year")),
    "the estimator": lambda tracks, job: (tracks, replace(job, model="logistic")),
    "another genre of a track": lambda tracks, job: (
        replace(tracks, also_listed=pd.DataFrame({"row": [0], "genre": ["Jazz"]})),
        job,
    ),
    "the split": lambda tracks, job: (tracks, replace(job, splits=[split_by_artist(tracks, seed=7)])),
    "nothing": lambda tracks, job: (tracks, job),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_recorded_fit_is_recalled_and_what_changed_is_seen(
    change: str, tracks: Tracks, connection: duckdb.DuckDBPyConnection
) -> None:
    """Guards against minutes spent on what is known, and against figures of other data, settings or seeds."""
    run = fit(tracks, model="prior", split=split_by_artist(tracks))
    record(connection, run, None, published=False)
    tracks, job = CHANGES[change](tracks, Job("prior", run.splits))
    known = recall(connection, job.run_id(tracks))
    assert known == (run.summary if change == "nothing" else None)


@pytest.mark.parametrize("module", training.CODE)
def test_changed_code_is_seen(module: str, tracks: Tracks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against a model of yesterday's estimator under today's name."""
    job = Job("prior", [split_by_artist(tracks)])
    before = job.run_id(tracks)
    for name in training.CODE:
        (tmp_path / name).write_bytes(Path(training.__file__).with_name(name).read_bytes())
    monkeypatch.setattr(training.resources, "files", lambda _: tmp_path)
    assert job.run_id(tracks) == before
    with (tmp_path / module).open("a") as file:
        file.write("# changed\n")
    assert job.run_id(tracks) != before


def test_a_model_whose_file_is_gone_is_fitted_again(
    tracks: Tracks, connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """Guards against a recorded model that nobody can load."""
    run = fit(tracks, model="study_forest", split=split_by_artist(tracks))
    path = save_model(run, tmp_path)
    record(connection, run, path, published=False)
    assert recall(connection, run.run_id, with_model=True) == run.summary
    path.unlink()
    assert recall(connection, run.run_id, with_model=True) is None


def test_genres_left_out_are_recorded_with_their_reason(connection: duckdb.DuckDBPyConnection) -> None:
    """Guards against genres that are missing from the figures without a word."""
    tracks = make_tracks(["A"] * 6 + ["B"] * 6 + ["Lonely"], [[f"a{n}"] for n in range(13)])
    record(connection, fit(tracks, model="prior"), None, published=False)
    found = connection.execute("select genre, n_tracks, reason from ml.genres_left_out").fetchall()
    assert found == [("Lonely", 1, "it has one track")]


def test_folds_pool_the_held_out_tracks_and_have_no_model(
    tracks: Tracks, connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """Guards against figures of one fold that pass for all, and a published model that stands for five."""
    run = fit(tracks, model="knn", folds=5)
    assert (run.scores.n, run.n_train, run.folds, run.n_artists_test) == (180, 144, 5, 60)
    assert run.confusions["tracks"].sum() == run.calibration["tracks"].sum() == 180
    with pytest.raises(ModelError, match="over 5 folds"):
        save_model(run, tmp_path)
    with pytest.raises(ModelError, match="over 5 folds"):
        record(connection, run, None, published=True)
    record(connection, run, None, published=False)
    assert connection.execute("select folds, n_test, model_path from ml.model_runs").fetchone() == (5, 180, None)
    assert run.run_id != fit(tracks, model="knn", folds=4).run_id


def test_what_makes_another_run_makes_another_id(tracks: Tracks) -> None:
    """Guards against runs that overwrite each other's figures."""
    ids = [
        fit(tracks, model="prior").run_id,
        fit(tracks, model="prior", features="audio+title").run_id,
        fit(tracks, model="prior", protocol="study_2023_04").run_id,
        fit(tracks, model="prior", seed=1).run_id,
        fit(tracks, model="prior", split=split_by_artist(tracks, test_share=0.5)).run_id,
        fit(replace(tracks, dataset="made up"), model="prior").run_id,
    ]
    assert len(set(ids)) == len(ids)
    long = fit(replace(tracks, dataset="d/" * 300), model="prior").run_id
    assert len(long) < 120
    assert "/" not in long


def test_all_tables_are_filled_from_held_out_tracks_alone(
    tracks: Tracks, connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """Guards against charts drawn on training rows, as the study's were."""
    split = split_by_artist(tracks)
    run = fit(tracks, model="study_forest", split=split)
    path = save_model(run, tmp_path)
    write_card(run, path)
    record(connection, run, path, published=True)
    held_out = set(tracks.frame["spotify_track_id"].iloc[split.test])
    assert {row[0] for row in connection.execute("select spotify_track_id from ml.surprises").fetchall()} <= held_out
    for table, column in (("confusions", "tracks"), ("calibration", "tracks"), ("runner_ups", "summed_probability")):
        [(total,)] = connection.execute(f"select sum({column}) from ml.{table}").fetchall()
        assert total == pytest.approx(54), table
    [(loudest, n_tracks)] = connection.execute(
        "select feature, n_tracks from ml.feature_importances order by importance desc limit 1"
    ).fetchall()
    assert (loudest, n_tracks) == ("loudness", 54)
    [row] = connection.execute(
        "select card_path, model_bytes, top_1 between top_1_low and top_1_high, peak_mb > 50, n_artists_test, "
        "predict_seconds > 0, features from ml.model_runs"
    ).fetchall()
    assert row == (str(path.with_name("card.md")), path.stat().st_size, True, True, 18, True, "audio")


def test_an_interval_that_cannot_be_is_null(connection: duckdb.DuckDBPyConnection) -> None:
    """Guards against a NaN in the warehouse, which compares as greater than every number."""
    tracks = make_tracks(["A", "B"] * 3, [["a"], ["b"], ["a"], ["b"], ["x"], ["x"]])
    rows = np.arange(6)
    record(connection, fit(tracks, model="prior", split=Split(rows[:4], rows[4:], rows[:0], {})), None, published=False)
    assert connection.execute("select top_1_low, top_1 from ml.model_runs").fetchone() == (None, 0.5)


def test_every_column_of_every_table_is_explained(connection: duckdb.DuckDBPyConnection) -> None:
    """Guards against tables that whoever queries them must guess at."""
    create_ml_tables(connection)
    for kind, names in (("tables", "table_name"), ("columns", "table_name, column_name")):
        found = connection.execute(f"select {names}, comment from duckdb_{kind}() where schema_name = 'ml'").fetchall()
        assert found
        assert [row for row in found if not row[-1]] == []


def test_tables_of_an_older_version_are_made_anew_and_that_is_said(
    tracks: Tracks, connection: duckdb.DuckDBPyConnection, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards against warehouses that cannot be written after an update, and against rows of runs that are gone."""
    connection.execute("create schema ml; create table ml.model_runs (run_id varchar, accuracy double)")
    connection.execute("create table ml.mine (a integer)")
    record(connection, fit(tracks, model="prior"), None, published=False)
    assert connection.execute("select count(top_1) from ml.model_runs").fetchone() == (1,)
    assert "an older version" in caplog.text
    assert create_ml_tables(connection) == []
    assert connection.execute("select count(*) from ml.mine").fetchone() == (0,)
    assert connection.execute("select count(*) from ml.model_runs").fetchone() == (1,)


def test_the_studys_figures_stand_beside_ours(connection: duckdb.DuckDBPyConnection) -> None:
    """Guards against published figures that are doubled by a second run, or lost."""
    create_ml_tables(connection)
    create_ml_tables(connection)
    rows = connection.execute(
        "select value from ml.study_figures where protocol = 'study_2023_04' and model = 'study_forest' order by figure"
    ).fetchall()
    assert rows == [(0.2484,), (0.3047,), (0.3573,)]


def test_peak_memory_is_of_the_block_and_not_of_the_whole_life() -> None:
    """Guards against a figure that an earlier model's memory would give to a later one."""
    with PeakMemory() as small:
        pass
    with PeakMemory() as large:
        block = np.ones(50_000_000)
        time.sleep(0.1)
    del block
    with PeakMemory() as after:
        pass
    assert large.megabytes - small.megabytes == pytest.approx(400, abs=60)
    assert after.megabytes < large.megabytes - 300


def test_a_model_that_has_not_converged_says_so(tracks: Tracks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against figures of a half-fitted model without a word."""
    hasty = LogisticRegression(max_iter=1)
    monkeypatch.setitem(ESTIMATORS, "hasty", lambda *_: make_pipeline(Numbers(AUDIO_FEATURES), hasty))
    notes = fit(tracks, model="hasty").notes
    assert "It stopped at its limit of iterations, before it had converged." in notes
    assert fit(tracks, model="knn").notes == [note for note in notes if "iterations" not in note]


def test_of_how_many_tracks_an_input_is_unknown_is_said() -> None:
    """Guards against a model of years and albums that hardly any track has, without a word."""
    tracks = make_tracks(["A", "B"] * 20, [[f"a{n}"] for n in range(40)], loudness={"A": -30.0})
    tracks.frame.loc[:9, "release_year"] = 1990.0 + np.arange(10)
    run = fit(tracks, model="knn", features="album+audio+year")
    assert run.features == "audio+year+album"
    assert "release_year is unknown of 30 of 40 tracks." in run.notes
    assert "Unknown of every track, so of no use: album_name." in run.notes
    assert run.feature_importances["feature"].tolist() == [*AUDIO_FEATURES, "release_year", "album_name"]
    assert not [note for note in fit(tracks, model="knn").notes if "release_year" in note or "album_name" in note]


@pytest.mark.parametrize("model", ["prior", "knn", "study_forest", "lightgbm"])
def test_awkward_labels_are_kept_as_they_are(model: str, connection: duckdb.DuckDBPyConnection) -> None:
    """Guards against genres cut, merged or refused for a space, an emoji, a quote or their length."""
    labels = ["  two  words ", "🎷 jazz", "x" * 500, 'it\'s; drop "table"', "{"]
    tracks = make_tracks(labels * 12, [[f"artist {number}"] for number in range(60)])
    run = fit(tracks, model=model)
    assert run.genres.tolist() == sorted(labels)
    record(connection, run, None, published=False)
    found = connection.execute("select genre from ml.genre_scores where support > 0").fetchall()
    assert sorted(label for (label,) in found) == sorted(labels)


@pytest.mark.parametrize("model", ["prior", "knn", "study_forest", "forest", "lightgbm", "mlp", "ensemble"])
def test_ten_tracks_give_figures_or_an_error_that_says_why(model: str) -> None:
    """Guards against a traceback of scikit-learn, and figures without the doubt that ten tracks leave."""
    tracks = make_tracks(["A", "B"] * 5, [[f"artist {number}"] for number in range(10)])
    try:
        run = fit(tracks, model=model)
    except ModelError as error:
        assert "to learn 2 genres from" in str(error) and "Import a dump with more tracks" in str(error)  # noqa: PT018
    else:
        assert run.scores.n == 2
        assert run.notes[-1].startswith("Only 2 artists are held out: the figures are rough")


@pytest.mark.parametrize(("model", "artists"), [("knn", 3), ("logistic", 5)])
def test_too_few_tracks_for_a_model_are_told_in_our_words(model: str, artists: int) -> None:
    """Guards against scikit-learn's words for a small file, also where a model fails only when it predicts."""
    tracks = make_tracks(["A", "B"] * artists, [[f"a{n}"] for n in range(2 * artists)])
    with pytest.raises(ModelError, match=f"'made_up' has too few tracks for the model {model}: .* 2 genres from"):
        fit(tracks, model=model)


@pytest.mark.parametrize("model", ["prior", "study_forest", "lightgbm", "mlp", "ensemble"])
def test_constant_and_unknown_features_are_noted(model: str, tracks: Tracks) -> None:
    """Guards against a crash, or silence, where a feature tells nothing."""
    frame = tracks.frame.assign(time_signature=np.nan, mode=1.0, key=np.where(np.arange(180) < 90, np.nan, 5.0))
    run = fit(replace(tracks, frame=frame), model=model)
    assert run.notes[:2] == [
        "Unknown of every track, so of no use: time_signature.",
        "The same for every track, so of no use: mode.",
    ]
    assert np.isfinite(run.scores.log_loss)


def test_features_that_all_tell_nothing_are_an_error(tracks: Tracks) -> None:
    """Guards against figures of a model that saw no difference between any two tracks."""
    blank = tracks.frame.assign(**dict.fromkeys(AUDIO_FEATURES, 0.5) | {"tempo": np.nan})
    for protocol in ("artist_grouped", "study_2023_04"):
        with pytest.raises(ModelError, match="No audio feature of 'made_up' varies"):
            fit(replace(tracks, frame=blank), model="study_forest", protocol=protocol)
    with pytest.raises(ModelError, match="No audio feature of 'made_up' varies"):
        fit(replace(tracks, frame=blank), model="study_forest", folds=5)


def test_infinite_values_are_an_error_that_names_the_track(tracks: Tracks) -> None:
    """Guards against an infinite value taken for a large one."""
    frame = tracks.frame.copy()
    frame.loc[3, "tempo"] = np.inf
    with pytest.raises(ModelError, match="tempo of track 'track3' is infinite"):
        fit(replace(tracks, frame=frame), model="prior")


def test_an_unknown_model_is_told_with_those_that_there_are(tracks: Tracks) -> None:
    """Guards against a KeyError for a mistyped name."""
    with pytest.raises(ModelError, match="no model 'forrest'.*prior, .*study_forest"):
        fit(tracks, model="forrest")


def test_the_studys_forest_gets_no_more_tracks_than_it_has_memory_for(
    tracks: Tracks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against 77 GB of trees for a comparison; and against another held-out part, or a genre lost, by it."""
    split = split_by_artist(tracks)
    assert training.sample_for_study_forest(tracks, split) is split
    monkeypatch.setattr(training, "STUDY_FOREST_BYTES", 20 * 150 * 8 * 3)
    sampled = training.sample_for_study_forest(tracks, split)
    assert 20 <= len(sampled.train) <= 23
    assert set(sampled.train) <= set(split.train)
    assert set(tracks.frame["genre"].iloc[sampled.train]) == {"Ambient", "Jazz", "Punk"}
    assert sampled.test is split.test
