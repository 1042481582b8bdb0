"""The five most probable genres of every clean track, as rows of `ml.genre_predictions`.

Belongs here: ranking genres by their probabilities, and the table of the clean tracks. Not here: songs of a user's file
(scoring.py), and the model (model_file.py).
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from ml.dataset import ModelError, Tracks
from ml.model_file import Model, predict_probabilities
from warehouse.files import connect, transaction
from warehouse.progress import Progress
from warehouse.publication import TRAIN, shown_model

RANKS = 5
UNSEEN = "unseen"
ANOTHER_MODEL = "If you have the file of a model, name it: --model models/<run_id>/model.skops"
BATCH = 20_000  # tracks at a time: 132 genres of 8 bytes each keep a batch at 20 MB


def first_genres(model: Model, inputs: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """The first five genres (or all, if fewer) of each track and their probabilities: two arrays, tracks x ranks.

    Genres are given as their number in `model.genres`; of equal probabilities the first in that order comes first.
    """
    left = predict_probabilities(model, inputs).copy()
    rows = np.arange(len(left))
    ranks = min(RANKS, len(model.genres))
    numbers, probabilities = np.empty((len(left), ranks), dtype=np.int64), np.empty((len(left), ranks))
    # Taking the largest five times is ten times as fast as sorting 132 genres.
    for rank in range(ranks):
        numbers[:, rank] = left.argmax(axis=1)
        probabilities[:, rank] = left[rows, numbers[:, rank]]
        left[rows, numbers[:, rank]] = -1
    return numbers, probabilities


def predict_tracks(
    model: Model, frame: pd.DataFrame, parts: np.ndarray, *, progress: Progress, batch: int = BATCH
) -> Iterator[pa.Table]:
    """The rows of `ml.genre_predictions` for every track of `frame` (`Tracks.frame`), `batch` tracks at a time.

    `parts` says what the model's run had done with each track (`parts_of`). Give the tables to `record_predictions`.
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
                "part": pa.array(parts[start : start + batch][tracks], pa.string()),
                "run_id": pa.repeat(model.run_id, len(tracks)),
                "dataset": pa.repeat(model.dataset, len(tracks)),
                "is_synthetic": pa.repeat(model.is_synthetic, len(tracks)),
            }
        )
        progress("predict", min(start + batch, len(frame)), len(frame))


def record_predictions(connection: duckdb.DuckDBPyConnection, dataset: str, predictions: Iterable[pa.Table]) -> int:
    """Replace the dataset's rows of `ml.genre_predictions`, table by table; returns the number of new rows.

    One transaction: readers see the old rows until it ends, and if it fails, the old rows stay.
    """
    rows = 0
    with transaction(connection):
        connection.execute("delete from ml.genre_predictions where dataset = ?", [dataset])
        for incoming in predictions:
            connection.register("incoming", incoming)
            connection.execute("insert into ml.genre_predictions by name select * from incoming")
            connection.unregister("incoming")
            rows += len(incoming)
    return rows


def record_song_predictions(
    connection: duckdb.DuckDBPyConnection, tracks: Tracks, predictions: Iterable[pa.Table]
) -> None:
    """Replace the rows of `ml.song_predictions` for a list of songs by those that another dataset's model gave.

    One transaction, as in `record_predictions`.
    """
    with transaction(connection):
        connection.execute("delete from ml.song_predictions where dataset = ?", [tracks.dataset])
        for incoming in predictions:
            connection.register("incoming", incoming)
            connection.execute(
                """
                insert into ml.song_predictions by name
                select $dataset as dataset, $digest as tracks_digest, spotify_track_id, rank, genre, probability,
                    run_id, dataset as learnt_from, is_synthetic or $is_synthetic as is_synthetic
                from incoming
                """,
                {"dataset": tracks.dataset, "digest": tracks.digest, "is_synthetic": tracks.is_synthetic},
            )
            connection.unregister("incoming")


def lent_model(connection: duckdb.DuckDBPyConnection) -> tuple[str, Path] | None:
    """The run and file of the model for songs without genres: the latest that may be shown, of any dataset.

    A model of made-up songs is taken only where there is no other. None where there is none at all.
    """
    try:
        found = connection.execute(
            "select run_id, model_path from ml.model_runs where is_published "
            "order by is_synthetic, created_at desc, run_id limit 1"
        ).fetchone()
    except duckdb.CatalogException:
        return None
    return found and (str(found[0]), Path(found[1]))


def parts_of(connection: duckdb.DuckDBPyConnection, run_id: str, track_ids: pd.Series) -> np.ndarray:
    """What the run did with each of the tracks, as recorded in `ml.splits`; `unseen` if the run had no such track."""
    recorded = dict(
        connection.execute("select spotify_track_id, part from ml.splits where run_id = ?", [run_id]).fetchall()
    )
    return np.array([recorded.get(track_id, UNSEEN) for track_id in track_ids], dtype=object)


def latest_model(connection: duckdb.DuckDBPyConnection) -> tuple[str, Path] | None:
    """The run and file of the model of the dataset that the marts hold, whatever tracks it learnt; None without one."""
    try:
        found = connection.execute(
            """
            select run_id, model_path from ml.model_runs
            where is_published and dataset = (select any_value(dataset) from marts.cleaning_audit)
            """
        ).fetchone()
    except duckdb.CatalogException:
        return None
    return found and (str(found[0]), Path(found[1]))


def published_model_path(published: Path) -> Path:
    """The file of the published model, as the published copy at `published` names it.

    Raises `ModelError` where there is no copy or no model in it, and what `warehouse.files.connect` raises.
    """
    if not published.exists():
        raise ModelError(
            f"No model has been published: there is no database at {published.absolute()}. {TRAIN}\n{ANOTHER_MODEL}"
        )
    with connect(published, read_only=True) as connection:
        shown = shown_model(connection)
        if shown.run_id is None:
            raise ModelError(f"{shown.finding or f'No model has been trained yet. {TRAIN}'}\n{ANOTHER_MODEL}")
        (path,) = connection.execute(
            "select model_path from ml.model_runs where run_id = ?", [shown.run_id]
        ).fetchone() or ("",)
    return Path(path)
