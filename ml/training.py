"""One training run: fit on the training part, score on the held-out part, record both in schema `ml`.

Belongs here: the order of the steps, the run's identity and the tables it writes. Not here: what is fitted
(estimators.py), on which rows (dataset.py) and what the figures mean (evaluation.py).
"""

import hashlib
import re
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from ml.dataset import AUDIO_FEATURES, Split, Tracks, split_by_artist
from ml.estimators import BASELINE, make_estimator
from ml.evaluation import Scores, runner_ups, score, score_genres
from ml.prediction import Model, predict_probabilities, save

PROTOCOL = "artist_grouped"

_DDL = {
    "model_runs": """run_id varchar, dataset varchar, is_synthetic boolean, protocol varchar, model varchar,
        features varchar, seed integer, n_train integer, n_test integer, n_genres integer, n_genres_left_out integer,
        top_1 double, top_2 double, top_3 double, top_4 double, macro_f1 double, log_loss double, fit_seconds double,
        model_bytes bigint, model_path varchar, is_baseline boolean, is_published boolean, created_at timestamp""",
    "genre_scores": """run_id varchar, genre varchar, n_tracks integer, n_train integer, support integer,
        precision double, recall double, f1 double, dataset varchar, is_synthetic boolean""",
    "runner_ups": """run_id varchar, genre varchar, predicted_genre varchar, probability double, n_tracks integer,
        dataset varchar, is_synthetic boolean""",
    "genres_left_out": """run_id varchar, genre varchar, n_tracks integer, reason varchar, dataset varchar,
        is_synthetic boolean""",
    "genre_predictions": """run_id varchar, spotify_track_id varchar, rank integer, genre varchar, probability double,
        held_out boolean, dataset varchar, is_synthetic boolean""",
}

_COMMENTS = {
    "model_runs": "One row a training run: its figures, on held-out tracks alone (n_test), and how it was made.",
    "genre_scores": "One row a run and genre: precision, recall and F1 on the genre's held-out tracks (support).",
    "runner_ups": "One row a run, genre and predicted genre: the mean probability over the genre's held-out tracks.",
    "genres_left_out": "One row a run and genre that could not be learnt, and why; its tracks stay in the marts.",
    "genre_predictions": "One row a clean track and rank (1 to 5) of the published run; held_out says that the model "
    "had seen neither the track nor its artists.",
}


@dataclass(frozen=True)
class Run:
    """A fitted model with its figures on the held-out part of `tracks`, not yet recorded."""

    model: Model
    protocol: str
    seed: int
    tracks: Tracks
    split: Split
    scores: Scores
    genre_scores: pd.DataFrame
    runner_ups: pd.DataFrame
    fit_seconds: float


def fit(tracks: Tracks, *, model: str, seed: int = 538, split: Split | None = None) -> Run:
    """Fit `model` (a name in the registry) on the training part and score it on the held-out part, which it never sees.

    Same tracks, seed and library versions give the same figures. Raises `ModelError`: unknown model, too few genres.
    """
    split = split or split_by_artist(tracks, seed=seed)
    features, genres = tracks.frame[AUDIO_FEATURES], tracks.frame["genre"].to_numpy(dtype=object)
    pipeline = make_estimator(model, seed)
    started = time.perf_counter()
    pipeline.fit(features.iloc[split.train], genres[split.train])
    seconds = time.perf_counter() - started
    fitted = Model(_run_id(tracks, model, seed), model, pipeline, tracks.dataset, tracks.is_synthetic)
    probabilities = predict_probabilities(fitted, features.iloc[split.test])
    true = genres[split.test]
    return Run(
        model=fitted,
        protocol=PROTOCOL,
        seed=seed,
        tracks=tracks,
        split=split,
        scores=score(true, probabilities, fitted.genres),
        genre_scores=score_genres(true, probabilities, fitted.genres),
        runner_ups=runner_ups(true, probabilities, fitted.genres),
        fit_seconds=seconds,
    )


def _run_id(tracks: Tracks, model: str, seed: int) -> str:
    """The same data, parameters and library versions give the same id: a repeated run replaces itself."""
    digest = hashlib.sha256(pd.util.hash_pandas_object(tracks.frame, index=False).to_numpy().tobytes())
    digest.update(repr((PROTOCOL, model, seed, version("scikit-learn"), version("numpy"))).encode())
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", tracks.dataset)
    return f"{name}-{PROTOCOL}-{model}-{digest.hexdigest()[:8]}"


def save_model(run: Run, folder: Path) -> Path:
    """Write the run's model to `folder`/<run_id>/model.skops and return that path."""
    path = folder / run.model.run_id / "model.skops"
    save(run.model, path)
    return path


def record(connection: duckdb.DuckDBPyConnection, run: Run, model_path: Path | None, *, published: bool) -> None:
    """Write the run's rows into schema `ml` in one transaction, in place of those of the same run_id.

    `published` marks the run whose predictions will stand in `ml.genre_predictions`.
    """
    stamp: dict[str, Any] = {
        "run_id": run.model.run_id,
        "dataset": run.tracks.dataset,
        "is_synthetic": run.tracks.is_synthetic,
    }
    genres = run.tracks.frame["genre"]
    totals, trained = genres.value_counts(), genres.iloc[run.split.train].value_counts()
    scored = {name: value for name, value in asdict(run.scores).items() if name != "n"}
    rows = {
        "model_runs": pd.DataFrame(
            [
                stamp
                | scored
                | {
                    "protocol": run.protocol,
                    "model": run.model.name,
                    "features": "audio",
                    "seed": run.seed,
                    "n_train": len(run.split.train),
                    "n_test": run.scores.n,
                    "n_genres": len(run.model.genres),
                    "n_genres_left_out": len(run.split.left_out),
                    "fit_seconds": run.fit_seconds,
                    "model_bytes": model_path.stat().st_size if model_path else None,
                    "model_path": str(model_path) if model_path else None,
                    "is_baseline": run.model.name == BASELINE,
                    "is_published": published,
                    "created_at": datetime.now(UTC).replace(tzinfo=None),
                }
            ]
        ),
        "genre_scores": run.genre_scores.assign(
            n_tracks=run.genre_scores["genre"].map(totals), n_train=run.genre_scores["genre"].map(trained), **stamp
        ),
        "runner_ups": run.runner_ups.assign(**stamp),
        "genres_left_out": pd.DataFrame(
            [{"genre": genre, "n_tracks": int(totals[genre]), "reason": reason} | stamp
             for genre, reason in run.split.left_out.items()],
            columns=["genre", "n_tracks", "reason", *stamp],
        ),
    }  # fmt: skip
    connection.execute("begin")
    try:
        create_ml_tables(connection)
        if published:
            connection.execute("update ml.model_runs set is_published = false where is_published")
        for table, frame in rows.items():
            connection.execute(f"delete from ml.{table} where run_id = ?", [run.model.run_id])
            connection.register("incoming", frame)
            connection.execute(f"insert into ml.{table} by name select * from incoming")
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise


def create_ml_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Create schema `ml` and its tables where they are missing; changes nothing else."""
    connection.execute("create schema if not exists ml")
    for table, columns in _DDL.items():
        connection.execute(f"create table if not exists ml.{table} ({columns})")
        comment = _COMMENTS[table].replace("'", "''")
        connection.execute(f"comment on table ml.{table} is '{comment}'")
