"""Training runs in schema `ml`: written with all their tables, and found again.

Belongs here: the rows of a run. Not here: the tables themselves (tables.py), fitting (training.py), and whether a run
may be shown (verdict.py).
"""

from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from ml.evaluation import Scores
from ml.protocols import find_protocol
from ml.settings import BASELINE
from ml.tables import create_ml_tables
from ml.training import Run, Summary, require_publishable
from warehouse.files import transaction


def recall(connection: duckdb.DuckDBPyConnection, run_id: str, *, with_model: bool = False) -> Summary | None:
    """The recorded run of that id, so that it need not be fitted again; None if there is none.

    `with_model` asks for its model file and its feature importances as well.
    """
    names = [item.name for item in fields(Scores) if item.name != "n"]
    try:
        found = connection.execute(
            f"""
            select model, features, n_genres, n_artists_test, held_out_digest, model_path,
                exists (from ml.feature_importances as rows where rows.run_id = runs.run_id) as is_explained,
                n_test, {", ".join(names)}
            from ml.model_runs as runs where run_id = ?
            """,
            [run_id],
        ).fetchone()
    except (duckdb.CatalogException, duckdb.BinderException):  # nothing was trained, or by an earlier version
        return None
    if found is None:
        return None
    name, features, n_genres, n_artists, held_out, model_path, is_explained, n_test, *values = found
    if with_model and not (is_explained and model_path and Path(model_path).is_file()):
        return None
    scores = {key: np.nan if value is None else value for key, value in zip(names, values, strict=True)}
    return Summary(run_id, name, features, n_genres, n_artists, held_out, Scores(n=n_test, **scores))


def study_figures(connection: duckdb.DuckDBPyConnection, protocol: str) -> dict[str, dict[str, float]]:
    """What the study published under a protocol: each model's figures (0 to 1), of the study's own tracks."""
    create_ml_tables(connection)
    published: dict[str, dict[str, float]] = {}
    for name, figure, value in connection.execute(
        "select model, figure, value from ml.study_figures where protocol = ?", [protocol]
    ).fetchall():
        published.setdefault(name, {})[figure] = value
    return published


def record(connection: duckdb.DuckDBPyConnection, run: Run, model_path: Path | None, *, published: bool) -> None:
    """Write the run's rows into schema `ml` in one transaction, replacing those of the same run_id.

    `published` makes it the model of its dataset that people are shown, instead of the previous one; that raises
    `ModelError` where it cannot be (several folds, a protocol of the study). A card beside the model file is recorded
    with it. If the run is recorded with a model already and `model_path` is None, it stays as it is; a published run
    stays published.
    """
    if published:
        require_publishable(run)
    has_model, was_published = _standing(connection, run.run_id)
    if has_model and model_path is None and not published:
        return
    stamp: dict[str, Any] = {
        "run_id": run.run_id,
        "dataset": run.tracks.dataset,
        "is_synthetic": run.tracks.is_synthetic,
    }
    genres = run.tracks.frame["genre"]
    totals = genres.value_counts()
    trained = genres.iloc[np.concatenate([split.train for split in run.splits])].value_counts() / run.folds
    card = model_path.with_name("card.md") if model_path else None
    scored = {name: value for name, value in asdict(run.scores).items() if name != "n"}
    rows = {
        "model_runs": pd.DataFrame(
            [
                stamp
                | scored
                | {
                    "tracks_digest": run.tracks.digest,
                    "held_out_digest": run.summary.held_out_digest,
                    "has_study_genres": set(run.genres) == set(find_protocol(run.protocol).study_genres()),
                    "protocol": run.protocol,
                    "folds": run.folds,
                    "model": run.name,
                    "features": run.features,
                    "seed": run.seed,
                    "n_train": run.n_train,
                    "n_test": run.scores.n,
                    "n_set_aside": run.n_set_aside,
                    "n_genres": len(run.genres),
                    "n_genres_left_out": len(run.left_out),
                    "n_artists_test": run.n_artists_test,
                    "threshold": run.fitted.threshold if run.fitted else None,
                    "fit_seconds": run.fit_seconds,
                    "predict_seconds": run.predict_seconds,
                    "peak_mb": run.peak_mb,
                    "model_bytes": model_path.stat().st_size if model_path else None,
                    "model_path": str(model_path) if model_path else None,
                    "card_path": str(card) if card and card.exists() else None,
                    "notes": "\n".join(run.notes),
                    "is_baseline": run.name == BASELINE,
                    "is_published": published or was_published,
                    "created_at": datetime.now(UTC).replace(tzinfo=None),
                }
            ]
        ),
        "splits": _splits(run),
        "genre_scores": run.genre_scores.assign(
            n_tracks=run.genre_scores["genre"].map(totals),
            n_train=run.genre_scores["genre"].map(trained).round().astype(int),
        ),
        "confusions": run.confusions,
        "runner_ups": run.runner_ups,
        "calibration": run.calibration,
        "feature_importances": run.feature_importances,
        "surprises": run.surprises,
        "genres_left_out": pd.DataFrame(
            [(genre, int(totals[genre]), reason) for genre, reason in run.left_out.items()],
            columns=["genre", "n_tracks", "reason"],
        ),
    }
    with transaction(connection):
        create_ml_tables(connection)
        if published:
            connection.execute(
                "update ml.model_runs set is_published = false where is_published and dataset = ?", [run.tracks.dataset]
            )
        for table, frame in rows.items():
            connection.execute(f"delete from ml.{table} where run_id = ?", [run.run_id])
            connection.register("incoming", frame.assign(**(stamp if table != "splits" else {"run_id": run.run_id})))
            connection.execute(f"insert into ml.{table} by name select * from incoming")


def _standing(connection: duckdb.DuckDBPyConnection, run_id: str) -> tuple[bool, bool]:
    """Whether the run of that id is recorded with a model file, and whether it is the published one of its dataset."""
    try:
        found = connection.execute(
            "select model_path is not null, is_published from ml.model_runs where run_id = ?", [run_id]
        ).fetchall()
    except (duckdb.CatalogException, duckdb.BinderException):  # nothing was trained, or by an earlier version
        return False, False
    return found[0] if found else (False, False)


def _splits(run: Run) -> pd.DataFrame:
    """The rows of `ml.splits`, without the run."""
    track_ids = run.tracks.frame["spotify_track_id"].to_numpy()
    parts = [
        pd.DataFrame({"fold": fold, "spotify_track_id": track_ids[rows], "part": part})
        for fold, split in enumerate(run.splits, start=1)
        for part, rows in split.parts.items()
    ]
    return pd.concat(parts, ignore_index=True)
