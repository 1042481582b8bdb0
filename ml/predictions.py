"""The likeliest genres of every clean track, as rows of `ml.genre_predictions`.

Belongs here: ranking genres by their probabilities, and the table of the clean tracks. Not here: songs of a user's file
(scoring.py), and the model (model_file.py).
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from ml.dataset import ModelError
from ml.model_file import Model, predict_probabilities
from warehouse.progress import Progress

RANKS = 5
BATCH = 20_000  # tracks at a time: 132 genres of 8 bytes each keep a batch at 20 MB


def first_genres(model: Model, inputs: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """The first five genres (or all, if fewer) of each track and their probabilities: two arrays, tracks x ranks.

    Genres are given as their number in `model.genres`; of equal probabilities the first in that order comes first.
    """
    left = predict_probabilities(model, inputs).copy()
    rows = np.arange(len(left))
    ranks = min(RANKS, len(model.genres))
    numbers, probabilities = np.empty((len(left), ranks), dtype=np.int64), np.empty((len(left), ranks))
    # The largest five times over: a tenth of the time that sorting 132 genres takes.
    for rank in range(ranks):
        numbers[:, rank] = left.argmax(axis=1)
        probabilities[:, rank] = left[rows, numbers[:, rank]]
        left[rows, numbers[:, rank]] = -1
    return numbers, probabilities


def predict_tracks(
    model: Model, frame: pd.DataFrame, held_out: np.ndarray, *, progress: Progress, batch: int = BATCH
) -> Iterator[pa.Table]:
    """The rows of `ml.genre_predictions` for every track of `frame` (`Tracks.frame`), `batch` tracks at a time.

    `held_out` is a flag for each track. Give the tables to `record_predictions`.
    """
    genres = pa.array(model.genres.tolist(), pa.string())
    for start in range(0, len(frame), batch):
        part = frame.iloc[start : start + batch]
        numbers, probabilities = first_genres(model, part)
        ranks = numbers.shape[1]
        tracks = np.repeat(np.arange(len(part)), ranks)
        yield pa.table(
            {
                "spotify_track_id": pa.array(part["spotify_track_id"], pa.string()).take(pa.array(tracks)),
                "rank": np.tile(np.arange(1, ranks + 1), len(part)),
                "genre": genres.take(pa.array(numbers.ravel())),
                "probability": probabilities.ravel(),
                "held_out": held_out[start : start + batch][tracks],
                "run_id": pa.repeat(model.run_id, len(tracks)),
                "dataset": pa.repeat(model.dataset, len(tracks)),
                "is_synthetic": pa.repeat(model.is_synthetic, len(tracks)),
            }
        )
        progress("predict", min(start + batch, len(frame)), len(frame))


def record_predictions(connection: duckdb.DuckDBPyConnection, predictions: Iterable[pa.Table]) -> int:
    """Put `predictions`, table by table, into `ml.genre_predictions` in place of what stands there; returns the rows.

    One transaction: whoever reads meanwhile sees the old ones, and where a table fails, they stay.
    """
    rows = 0
    connection.execute("begin")
    try:
        connection.execute("delete from ml.genre_predictions")
        for incoming in predictions:
            connection.register("incoming", incoming)
            connection.execute("insert into ml.genre_predictions by name select * from incoming")
            connection.unregister("incoming")
            rows += len(incoming)
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise
    return rows


def published_model_path(connection: duckdb.DuckDBPyConnection) -> Path:
    """The file of the run whose predictions are published. Raises `ModelError` where there is none."""
    try:
        row = connection.execute("select model_path from ml.model_runs where is_published").fetchone()
    except duckdb.CatalogException:
        row = None
    if row is None:
        raise ModelError("No model has been trained yet. Train one: make run.")
    return Path(row[0])
