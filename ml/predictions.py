"""The five most probable genres of every clean track, and the set that holds the right one, as rows of schema ml.

Belongs here: ranking genres by their probabilities, and the tables of the clean tracks. Not here: songs of a user's
file (scoring.py), and the model (model_file.py).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ml.dataset import ModelError, Tracks
from ml.model_file import Model, predict_probabilities
from ml.sets import members
from warehouse.files import connect, transaction
from warehouse.progress import Progress
from warehouse.publication import TRAIN, shown_model

RANKS = 5
UNSEEN = "unseen"
ANOTHER_MODEL = "If you have the file of a model, name it: --model models/<run_id>/model.skops"
BATCH = 20_000  # tracks at a time: 132 genres of 8 bytes each keep a batch at 20 MB


@dataclass(frozen=True)
class Guesses:
    """What a model says of some tracks.

    `numbers` and `probabilities` are tracks x ranks: the first five genres (or all, if fewer), each as its number in
    `Model.genres`. `sets` has a list of genres for each track, the most probable first, among which the right one is
    nine times in ten; NULL for a model that has no threshold.
    """

    numbers: np.ndarray
    probabilities: np.ndarray
    sets: pa.ListArray


def guess(model: Model, inputs: pd.DataFrame) -> Guesses:
    """The guesses for each row of the model's columns; of equal probabilities the lower number is first."""
    left = predict_probabilities(model, inputs).copy()
    sets = _sets(model, left)
    rows = np.arange(len(left))
    ranks = min(RANKS, len(model.genres))
    numbers, probabilities = np.empty((len(left), ranks), dtype=np.int64), np.empty((len(left), ranks))
    # Taking the largest five times is ten times as fast as sorting 132 genres.
    for rank in range(ranks):
        numbers[:, rank] = left.argmax(axis=1)
        probabilities[:, rank] = left[rows, numbers[:, rank]]
        left[rows, numbers[:, rank]] = -1
    return Guesses(numbers, probabilities, sets)


def _sets(model: Model, probabilities: np.ndarray) -> pa.ListArray:
    if model.threshold is None:
        return pa.nulls(len(probabilities), pa.list_(pa.string()))
    rows, columns = np.nonzero(members(probabilities, model.threshold))
    order = np.lexsort((columns, -probabilities[rows, columns], rows))
    ends = np.searchsorted(rows, np.arange(len(probabilities) + 1))  # the rows come in order
    genres = pa.array(model.genres.tolist(), pa.string())
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), genres.take(pa.array(columns[order])))


@dataclass(frozen=True)
class Predicted:
    """Rows of some tracks: of `ml.genre_predictions`, and of `ml.genre_sets` (none where the model has no sets)."""

    genres: pa.Table
    sets: pa.Table


def predict_tracks(
    model: Model, frame: pd.DataFrame, parts: np.ndarray, *, progress: Progress, batch: int = BATCH
) -> Iterator[Predicted]:
    """The rows for every track of `frame` (`Tracks.frame`), `batch` tracks at a time.

    `parts` says what the model's run had done with each track (`parts_of`). Give the rows to `record_predictions`.
    """
    genres = pa.array(model.genres.tolist(), pa.string())

    def stamped(columns: dict[str, pa.Array | np.ndarray]) -> pa.Table:
        rows = len(columns["spotify_track_id"])
        return pa.table(
            {
                **columns,
                "run_id": pa.repeat(model.run_id, rows),
                "dataset": pa.repeat(model.dataset, rows),
                "is_synthetic": pa.repeat(model.is_synthetic, rows),
            }
        )

    for start in range(0, len(frame), batch):
        part = frame.iloc[start : start + batch]
        found, track_ids = guess(model, part), pa.array(part["spotify_track_id"], pa.string())
        ranks = found.numbers.shape[1]
        tracks = np.repeat(np.arange(len(part)), ranks)
        ranked = {
            "spotify_track_id": track_ids.take(pa.array(tracks)),
            "rank": np.tile(np.arange(1, ranks + 1), len(part)),
            "genre": genres.take(pa.array(found.numbers.ravel())),
            "probability": found.probabilities.ravel(),
            "part": pa.array(parts[start : start + batch][tracks], pa.string()),
        }
        sets = stamped({"spotify_track_id": track_ids, "genres": found.sets, "size": pc.list_value_length(found.sets)})
        yield Predicted(stamped(ranked), sets if model.threshold is not None else sets.slice(0, 0))
        progress("predict", min(start + batch, len(frame)), len(frame))


def record_predictions(connection: duckdb.DuckDBPyConnection, dataset: str, predictions: Iterable[Predicted]) -> int:
    """Replace the dataset's rows of `ml.genre_predictions` and `ml.genre_sets`; returns the number of new predictions.

    One transaction: readers see the old rows until it ends, and if it fails, the old rows stay.
    """
    return _replace(
        connection, dataset, predictions,
        {"genre_predictions": "select * from incoming", "genre_sets": "select * from incoming"},
    )  # fmt: skip


def record_song_predictions(
    connection: duckdb.DuckDBPyConnection, tracks: Tracks, predictions: Iterable[Predicted]
) -> None:
    """Replace the rows of `ml.song_predictions` and `ml.genre_sets` for a list of songs by those of another's model.

    One transaction, as in `record_predictions`.
    """
    made_up = "is_synthetic or $is_synthetic as is_synthetic"
    _replace(
        connection, tracks.dataset, predictions,
        {
            "song_predictions": f"""
                select $dataset as dataset, $digest as tracks_digest, spotify_track_id, rank, genre, probability,
                    run_id, dataset as learnt_from, {made_up}
                from incoming
            """,
            "genre_sets": f"select * replace ($dataset as dataset, {made_up}) from incoming",
        },
        {"dataset": tracks.dataset, "digest": tracks.digest, "is_synthetic": tracks.is_synthetic},
    )  # fmt: skip


def _replace(
    connection: duckdb.DuckDBPyConnection,
    dataset: str,
    predictions: Iterable[Predicted],
    queries: dict[str, str],
    parameters: dict[str, Any] | None = None,
) -> int:
    """Replace the dataset's rows of the tables named in `queries`, each by what its query makes of `incoming`."""
    rows = 0
    with transaction(connection):
        for table in queries:
            connection.execute(f"delete from ml.{table} where dataset = ?", [dataset])
        for predicted in predictions:
            for (table, query), incoming in zip(queries.items(), (predicted.genres, predicted.sets), strict=True):
                connection.register("incoming", incoming)
                used = {name: value for name, value in (parameters or {}).items() if f"${name}" in query}
                connection.execute(f"insert into ml.{table} by name {query}", used)
                connection.unregister("incoming")
            rows += len(predicted.genres)
    return rows


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
