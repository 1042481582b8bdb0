"""Schema `ml` of the warehouse: its tables, and what each column holds.

Belongs here: names, types, units and ranges. Not here: the rows, which those who compute them write.
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from ml.settings import BINS, RESAMPLES
from warehouse.files import quoted, transaction

if TYPE_CHECKING:
    import pandas as pd  # Dagster's definitions read the tables' descriptions, and need not wait for pandas

    from ml.dataset import Tracks

STUDY_FIGURES_FILE = Path(__file__).parent / "study_figures.csv"

_RUN = {
    "run_id": ("varchar", "The run, as in ml.model_runs."),
    "dataset": ("varchar", "The dataset that was learnt, as in raw.datasets."),
    "is_synthetic": ("boolean", "Whether that dataset is made up; then so is every figure."),
}
_INTERVAL = f"95 % interval, bootstrap over held-out artists ({RESAMPLES} resamples); NULL for fewer than two artists"


def _with_interval(name: str, comment: str) -> dict[str, tuple[str, str]]:
    return {
        name: ("double", comment),
        f"{name}_low": ("double", f"Lower bound of {name}: {_INTERVAL}."),
        f"{name}_high": ("double", f"Upper bound of {name}: {_INTERVAL}."),
    }


TABLES: dict[str, tuple[str, dict[str, tuple[str, str]]]] = {
    "model_runs": (
        "One row per training run: its figures, on held-out tracks alone (n_test), and how it was made.",
        {
            "run_id": ("varchar", "Dataset, protocol, model and a hash of the data, splits, settings and versions."),
            "dataset": _RUN["dataset"],
            "is_synthetic": _RUN["is_synthetic"],
            "tracks_digest": (
                "varchar",
                "Which clean tracks it was made from: an MD5 of what a model sees of them (warehouse/publication.py).",
            ),
            "protocol": ("varchar", "How tracks were held out: a name in ml/protocols.py."),
            "folds": ("integer", "1: one split; k: every track held out once, and the figures are of all of them."),
            "model": ("varchar", "The estimator: a name in ml/estimators.py."),
            "features": ("varchar", "What it learnt from: inputs of ml/inputs.py, joined by +, such as audio+title."),
            "seed": ("integer", "The seed of splits, model and intervals."),
            "n_train": (
                "integer",
                "Tracks learnt, before any resampling; the mean of the folds where there are several.",
            ),
            "n_test": ("integer", "Held-out tracks: those that the figures are of."),
            "n_set_aside": (
                "integer",
                "Tracks in neither part, since they share an artist or the audio vector with held-out ones; the mean "
                "over the folds.",
            ),
            "n_genres": ("integer", "Genres learnt."),
            "held_out_digest": (
                "varchar",
                "Which tracks were held out: equal for runs of the same tracks_digest that held out the very same.",
            ),
            "has_study_genres": (
                "boolean",
                "Whether they are the genres of the study's published figures: its 132, or ten under study_2023_05.",
            ),
            "n_genres_left_out": ("integer", "Genres that were not learnt: see ml.genres_left_out."),
            "n_artists_test": ("integer", "First credited artists of the held-out tracks."),
            **_with_interval("top_1", "Share (0 to 1) of held-out tracks whose genre is the first guess."),
            **_with_interval("top_2", "Share (0 to 1) whose genre is among the first two guesses."),
            **_with_interval("top_3", "Share (0 to 1) whose genre is among the first three guesses."),
            **_with_interval("top_4", "Share (0 to 1) whose genre is among the first four guesses."),
            **_with_interval("macro_f1", "Plain mean of the genres' F1 (0 to 1)."),
            **_with_interval("log_loss", "Mean of minus the log of the true genre's probability, in nats (0 is best)."),
            **_with_interval(
                "top_1_any", "Share (0 to 1) whose first guess is any genre under which the track is listed."
            ),
            **_with_interval(
                "top_3_any", "Share (0 to 1) of which one of the first three guesses is any genre of the track's."
            ),
            **_with_interval(
                "coverage",
                "Share (0 to 1) whose set of genres holds the genre, 0.9 or a little more by design; halves of the "
                "held-out artists in turn set the threshold and are measured. NULL under the study's protocols",
            ),
            "set_size": ("double", "Mean number of genres in these sets."),
            "threshold": (
                "double",
                "The probability from which on a genre is in a track's set, by all held-out tracks; the most probable "
                "genre always is. NULL where there is no single model, or no sets.",
            ),
            "ece": ("double", f"Expected calibration error (0 to 1) over {BINS} equal bins of the first probability."),
            "fit_seconds": ("double", "Seconds to fit, all folds together."),
            "predict_seconds": ("double", "Seconds to score the held-out tracks, all folds together."),
            "peak_mb": (
                "double",
                "Highest resident memory in MB of the whole process, data included, while it fitted and scored.",
            ),
            "model_bytes": ("bigint", "Size of the model file in bytes; NULL where none was kept."),
            "model_path": ("varchar", "The model file; NULL where none was kept."),
            "card_path": ("varchar", "The model card; NULL where none was written."),
            "notes": ("varchar", "What to know of the figures, one per line; empty where there is nothing."),
            "is_baseline": ("boolean", "Whether the model knows the genres' shares only."),
            "is_published": (
                "boolean",
                "Whether it is the model of its dataset that people are shown: one run per dataset at most, and "
                "one at most in the published copy, which is of exactly its tracks.",
            ),
            "created_at": ("timestamp", "When it was recorded, UTC."),
        },
    ),
    "genre_scores": (
        "One row per run and genre: precision, recall and F1 on the genre's held-out tracks (support).",
        {
            **_RUN,
            "genre": ("varchar", "The genre."),
            "n_tracks": ("integer", "Its clean tracks in the dataset."),
            "n_train": ("integer", "Its tracks that were learnt; the mean of the folds where there are several."),
            "support": ("integer", "Its held-out tracks."),
            "precision": ("double", "Of the tracks taken for it, the share that is of it (0 to 1; 0 if none was)."),
            "recall": ("double", "Of its held-out tracks, the share that was taken for it (0 to 1)."),
            "f1": ("double", "Harmonic mean of precision and recall (0 to 1)."),
            "coverage": (
                "double",
                "Share (0 to 1) of its held-out tracks whose set of genres holds it. What is promised, 0.9, is over "
                "all genres together. NULL where the run has no sets.",
            ),
            "set_size": ("double", "Mean number of genres in the sets of its held-out tracks."),
        },
    ),
    "confusions": (
        "One row per run, genre and predicted genre that some held-out track of the genre was taken for.",
        {
            **_RUN,
            "genre": ("varchar", "The tracks' genre."),
            "predicted_genre": ("varchar", "The first guess."),
            "tracks": ("integer", "How many held-out tracks, 1 or more."),
            "also_listed": (
                "integer",
                "How many of these are listed under the predicted genre, too (or as their own).",
            ),
        },
    ),
    "runner_ups": (
        "One row per run, genre and predicted genre: what probability the genre's held-out tracks were given.",
        {
            **_RUN,
            "genre": ("varchar", "The tracks' genre."),
            "predicted_genre": ("varchar", "The genre that the probability is of."),
            "probability": ("double", "Mean over the genre's held-out tracks (0 to 1; a genre's rows sum to 1)."),
            "summed_probability": ("double", "Sum over the genre's held-out tracks, in tracks (0 to n_tracks)."),
            "n_tracks": ("integer", "The genre's held-out tracks."),
        },
    ),
    "calibration": (
        "One row per run and bin of confidence that has held-out tracks: how often the first guess is right.",
        {
            **_RUN,
            "bin": ("integer", f"1 to {BINS}, equally wide."),
            "lower_bound": ("double", "The bin's lower bound of the first guess's probability, exclusive (0 to 1)."),
            "upper_bound": ("double", "Its upper bound, inclusive (0 to 1)."),
            "tracks": ("integer", "Held-out tracks in it, 1 or more."),
            "mean_confidence": ("double", "Mean probability of their first guess (0 to 1)."),
            "accuracy": ("double", "Share of them whose first guess is right (0 to 1)."),
        },
    ),
    "feature_importances": (
        "One row per run and input column: by how much top-1 falls when the column is shuffled among held-out tracks.",
        {
            **_RUN,
            "feature": (
                "varchar",
                "An audio feature, song_name, release_year or album_name; with it goes all that the model makes of it.",
            ),
            "importance": ("double", "Mean fall of top-1 (-1 to 1; about 0, or below, for a feature of no use)."),
            "standard_deviation": ("double", "Of the fall, over the repeats."),
            "repeats": ("integer", "How often it was shuffled, all folds together."),
            "n_tracks": ("integer", "Held-out tracks among which it was shuffled, a sample."),
        },
    ),
    "surprises": (
        "The most confident right and wrong first guesses of a run on held-out tracks, 100 of each at most.",
        {
            **_RUN,
            "kind": ("varchar", "sure_and_right or sure_and_wrong."),
            "rank": ("integer", "1 is the most confident of its kind."),
            "spotify_track_id": ("varchar", "The track, as in marts.clean_tracks."),
            "song_name": ("varchar", "Its title."),
            "artist_name": ("varchar", "Its artist."),
            "genre": ("varchar", "Its genre."),
            "predicted_genre": ("varchar", "The first guess."),
            "probability": ("double", "The guess's probability (0 to 1)."),
        },
    ),
    "genres_left_out": (
        "One row per run and genre that was not learnt, and why; its tracks stay in the marts.",
        {
            **_RUN,
            "genre": ("varchar", "The genre."),
            "n_tracks": ("integer", "Its clean tracks."),
            "reason": ("varchar", "Why it was not learnt."),
        },
    ),
    "splits": (
        "One row per run, fold and clean track that the run used: what it did with the track.",
        {
            "run_id": _RUN["run_id"],
            "fold": ("integer", "1 to the number of folds; 1 where there is one split."),
            "spotify_track_id": ("varchar", "The track, as in marts.clean_tracks when the run was made."),
            "part": (
                "varchar",
                "train: learnt. held_out: scored; neither the track nor its artists were learnt, unless the protocol "
                "splits by row. set_aside: neither, because it is linked to a held-out track.",
            ),
        },
    ),
    "verdicts": (
        "One row per dataset and state of its clean tracks for which a model was wanted: what was found.",
        {
            "dataset": _RUN["dataset"],
            "is_synthetic": _RUN["is_synthetic"],
            "tracks_digest": ("varchar", "Which clean tracks, as in ml.model_runs."),
            "run_id": ("varchar", "The run that was judged; NULL where no model could be fitted."),
            "may_publish": ("boolean", "Whether the model may be shown with these tracks."),
            "finding": ("varchar", "Why not, in sentences with figures; empty where it may."),
            "decided_at": ("timestamp", "When it was judged, UTC."),
        },
    ),
    "genre_predictions": (
        "One row per clean track and rank (1 to 5), by the model that people are shown; only held-out tracks "
        "say how good it is. The warehouse keeps those of each dataset, the published copy its own alone.",
        {
            "run_id": _RUN["run_id"],
            "spotify_track_id": ("varchar", "The track, as in marts.clean_tracks."),
            "rank": ("integer", "1 (most probable) to 5, or to the number of genres if there are fewer."),
            "genre": ("varchar", "The genre guessed."),
            "probability": ("double", "Its probability (0 to 1)."),
            "part": (
                "varchar",
                "What the run had done with the track, as in ml.splits, or 'unseen': it was no part of that run.",
            ),
            "dataset": _RUN["dataset"],
            "is_synthetic": _RUN["is_synthetic"],
        },
    ),
    "song_predictions": (
        "One row per clean track without a genre and rank (1 to 5): the genres that it sounds like to the model of "
        "another dataset, which never saw how such songs are listed. The warehouse keeps those of each list of songs.",
        {
            "dataset": ("varchar", "The list of songs, as in raw.datasets."),
            "tracks_digest": ("varchar", "Which clean tracks they are, as in ml.model_runs."),
            "spotify_track_id": ("varchar", "The track, as in marts.clean_tracks."),
            "rank": ("integer", "1 (most probable) to 5, or to the number of genres if there are fewer."),
            "genre": ("varchar", "The genre guessed."),
            "probability": ("double", "Its probability (0 to 1), as on songs like those that the model learnt."),
            "run_id": _RUN["run_id"],
            "learnt_from": ("varchar", "The dataset that the model learnt, as in raw.datasets."),
            "is_synthetic": ("boolean", "Whether the songs' sound or that dataset is made up."),
        },
    ),
    "genre_clusters": (
        "One row per dataset, method and genre: which genres belong together by their mean sound. No model is in it.",
        {
            "dataset": ("varchar", "The dataset, as in raw.datasets."),
            "is_synthetic": ("boolean", "Whether that dataset is made up."),
            "tracks_digest": ("varchar", "Which clean tracks they are, as in ml.model_runs."),
            "method": ("varchar", "How the clusters were made: a name in ml/clusters.py."),
            "genre": ("varchar", "The genre."),
            "cluster": ("integer", "Its cluster, from 1; those of a method that are calm come first."),
            "clusters": ("integer", "How many clusters the method made."),
            "silhouette": (
                "double",
                "Of the method: how much nearer genres are to their own cluster than to the next, the mean (-1 to 1).",
            ),
            "stability": (
                "double",
                "Of the method: how alike its clusters stay where artists are drawn anew, as the mean adjusted Rand "
                "index (1: the same; 0: as alike as by chance).",
            ),
        },
    ),
    "popularity_fits": (
        "One row per dataset and what a regression was given: how far popularity follows from it, on held-out artists.",
        {
            "dataset": ("varchar", "The dataset, as in raw.datasets."),
            "is_synthetic": ("boolean", "Whether that dataset is made up."),
            "tracks_digest": ("varchar", "Which clean tracks they are, as in ml.model_runs."),
            "inputs": ("varchar", "What the regression was given: a name in ml/popularity.py."),
            "r2": ("double", "R² on the held-out tracks (at most 1; below 0 it is worse than naming their mean)."),
            "r2_low": ("double", f"Lower bound of r2: {_INTERVAL}."),
            "r2_high": ("double", f"Upper bound of r2: {_INTERVAL}."),
            "r2_training": ("double", "R² on the tracks learnt, where it flatters: the study gave this kind."),
            "n_train": ("integer", "Tracks of known popularity that were learnt."),
            "n_test": ("integer", "Held-out tracks of known popularity: those that r2 is of."),
            "n_artists_test": ("integer", "First credited artists of the held-out tracks."),
        },
    ),
    "genre_sets": (
        "One row per clean track, with a genre or without: the genres among which the right one is nine times in ten, "
        "by the model of ml.genre_predictions or ml.song_predictions; empty where that model has no threshold.",
        {
            "spotify_track_id": ("varchar", "The track, as in marts.clean_tracks."),
            "genres": (
                "varchar[]",
                "The most probable first, one or more. The promise is of songs like those that were held out: of those "
                "that were learnt it is kept more often, and of songs unlike them it may be kept less often.",
            ),
            "size": ("integer", "How many genres."),
            "run_id": _RUN["run_id"],
            "dataset": ("varchar", "The track's dataset, as in raw.datasets."),
            "is_synthetic": ("boolean", "Whether the tracks, or what the model learnt, are made up."),
        },
    ),
    "study_figures": (
        "One row per figure that the original study published; none was measured here.",
        {
            "protocol": ("varchar", "The protocol it is of, as in ml.model_runs."),
            "model": ("varchar", "The model, as in ml.model_runs."),
            "figure": ("varchar", "Which figure: a column of ml.model_runs, or 'f1 of' a genre."),
            "value": ("double", "The figure as published (0 to 1)."),
            "note": ("varchar", "What it was measured on."),
        },
    ),
}


def create_ml_tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Create schema `ml` and those of its tables that are missing, with comments; returns the tables it replaced.

    Where an older version made the tables, all are dropped and created again, since their rows belong together and can
    all be computed again; this is logged as a warning. Tables of other names are left alone.
    """
    connection.execute("create schema if not exists ml")
    found: dict[str, dict[str, str]] = {}
    for table, column, kind in connection.execute(
        """select table_name, column_name, lower(data_type) from duckdb_columns()
        where schema_name = 'ml' and database_name = current_database() order by column_index"""
    ).fetchall():
        found.setdefault(table, {})[column] = kind
    expected = {table: {name: kind for name, (kind, _) in columns.items()} for table, (_, columns) in TABLES.items()}
    ours = [table for table in TABLES if table in found]
    outdated = ours if any(found[table] != expected[table] for table in ours) else []
    if outdated:
        logging.getLogger(__name__).warning(
            "The tables of schema ml were those of an older version. They were made anew, and the runs recorded in "
            "them are gone. Train again: make run."
        )
    for table in outdated:
        connection.execute(f"drop table ml.{table}")
    for table, (comment, columns) in TABLES.items():
        if table in found and table not in outdated:
            continue
        connection.execute(f"create table ml.{table} ({', '.join(f'{name} {columns[name][0]}' for name in columns)})")
        connection.execute(f"comment on table ml.{table} is {quoted(comment)}")
        for name, (_, meaning) in columns.items():
            connection.execute(f"comment on column ml.{table}.{name} is {quoted(meaning)}")
    connection.execute("delete from ml.study_figures")
    connection.execute(
        "insert into ml.study_figures by name select * from read_csv(?, header = true)", [str(STUDY_FIGURES_FILE)]
    )
    return outdated


def record_finding(connection: duckdb.DuckDBPyConnection, table: str, tracks: "Tracks", rows: "pd.DataFrame") -> None:
    """Replace the dataset's rows of a table about its tracks (dataset, is_synthetic and tracks_digest are added)."""
    create_ml_tables(connection)
    with transaction(connection):
        connection.execute(f"delete from ml.{table} where dataset = ?", [tracks.dataset])
        stamped = rows.assign(dataset=tracks.dataset, is_synthetic=tracks.is_synthetic, tracks_digest=tracks.digest)
        connection.register("incoming", stamped)
        connection.execute(f"insert into ml.{table} by name select * from incoming")
        connection.unregister("incoming")
