"""Genres of songs from a fitted model: of the clean tracks, and of a user's file.

Belongs here: the model file (skops, no pickle), probabilities in batches, the first five genres. Not here: fitting.
"""

import csv
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import duckdb
import joblib
import numpy as np
import pandas as pd
import skops.io as sio
from sklearn.pipeline import Pipeline

from ml.dataset import AUDIO_FEATURES, ModelError

RANKS = 5
BATCH = 20_000  # tracks at a time: 132 genres of 8 bytes each keep a batch at 20 MB
FORMAT = "song-genres model 2"
INPUTS = {"audio": AUDIO_FEATURES, "audio+title": [*AUDIO_FEATURES, "song_name"]}
"""The columns that a model reads, by its features."""
RANGES_FILE = Path(__file__).parent.parent / "dbt_project" / "seeds" / "audio_feature_ranges.csv"

# What our own pipelines are made of, and skops does not trust by itself. A file with any other type is refused.
TRUSTED_TYPES = frozenset({"numpy.dtype", "sklearn.tree._tree.Tree"})


@dataclass(frozen=True)
class Model:
    """A fitted pipeline, with what is needed to use it and to say where it comes from."""

    run_id: str
    name: str
    pipeline: Pipeline
    dataset: str
    is_synthetic: bool
    features: str = "audio"
    protocol: str = "artist_grouped"

    @property
    def columns(self) -> list[str]:
        """The columns it reads: the audio features and, where it was trained with titles, song_name."""
        return INPUTS[self.features]

    @property
    def genres(self) -> np.ndarray:
        """The genres it knows, sorted: the columns of its probabilities."""
        return np.asarray(self.pipeline.classes_)


def save(model: Model, path: Path) -> None:
    """Write the model to `path` as a compressed skops file; the file is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".unfinished")
    content = {
        "format": FORMAT,
        "run_id": model.run_id,
        "name": model.name,
        "dataset": model.dataset,
        "is_synthetic": model.is_synthetic,
        "features": model.features,
        "protocol": model.protocol,
        "columns": model.columns,
        "genres": [str(genre) for genre in model.genres],
        "pipeline": model.pipeline,
    }
    with unfinished.open("wb") as file:
        sio.dump(content, file, compression=zipfile.ZIP_DEFLATED, compresslevel=1)
    unfinished.replace(path)


def load(path: Path) -> Model:
    """The model at `path`. Nothing in the file is run, and a type that our models do not have is refused.

    Raises `ModelError`: no such file, a foreign or damaged file, or a model of other features.
    """
    if not path.exists():
        raise ModelError(f"There is no model at {path}. Train one: make run.")
    try:
        untrusted = set(sio.get_untrusted_types(file=path)) - TRUSTED_TYPES
        if untrusted:
            raise ModelError(
                f"{path} is refused: it holds types that no song-genres model has ({', '.join(sorted(untrusted))}). "
                "Use only model files that you or `make run` made."
            )
        content = sio.load(path, trusted=sorted(TRUSTED_TYPES))
    except ModelError:
        raise
    except Exception as error:  # skops raises whatever a damaged archive makes it stumble over
        raise ModelError(
            f"{path} is not a song-genres model, or it is damaged ({error}). Train anew: make run."
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ModelError(f"{path} is a skops file, but not a song-genres model. Train one: make run.")
    model = Model(*(content.get(field.name) for field in fields(Model)))
    if content.get("columns") != INPUTS.get(model.features):
        raise ModelError(
            f"{path} does not fit this version: it was trained on other columns ({content.get('columns')}). "
            "Train anew: make run."
        )
    if content.get("genres") != model.genres.tolist():
        raise ModelError(f"{path}: the genres it names are not those its pipeline was fitted to. Train anew: make run.")
    return model


def predict_probabilities(model: Model, inputs: pd.DataFrame) -> np.ndarray:
    """Probabilities (tracks x genres, rows sum to 1) from the model's columns, NaN or None where unknown."""
    # Threads would add a forest's trees in the order they finish, and so change the last digits from run to run.
    with joblib.parallel_config(backend="sequential"):
        return np.asarray(model.pipeline.predict_proba(inputs[model.columns]))


def first_genres(model: Model, features: pd.DataFrame) -> pd.DataFrame:
    """The first five genres (or all, if fewer) of each track: row (0-based), rank (1-based), genre, probability."""
    probabilities = predict_probabilities(model, features)
    ranks = min(RANKS, len(model.genres))
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :ranks]
    return pd.DataFrame(
        {
            "row": np.repeat(np.arange(len(features)), ranks),
            "rank": np.tile(np.arange(1, ranks + 1), len(features)),
            "genre": model.genres[order].ravel(),
            "probability": np.take_along_axis(probabilities, order, axis=1).ravel(),
        }
    )


def predict_tracks(
    model: Model, frame: pd.DataFrame, held_out: np.ndarray, *, progress: Callable[[str, int, int | None], None]
) -> pd.DataFrame:
    """The rows of `ml.genre_predictions` for every track of `frame` (the features and spotify_track_id), in batches."""
    parts = []
    for start in range(0, len(frame), BATCH):
        batch = frame.iloc[start : start + BATCH]
        first = first_genres(model, batch)
        rows = first.pop("row").to_numpy()
        parts.append(
            first.assign(
                spotify_track_id=batch["spotify_track_id"].to_numpy()[rows],
                held_out=held_out[start : start + BATCH][rows],
            )
        )
        progress("predict", min(start + BATCH, len(frame)), len(frame))
    return pd.concat(parts).assign(run_id=model.run_id, dataset=model.dataset, is_synthetic=model.is_synthetic)


def record_predictions(connection: duckdb.DuckDBPyConnection, predictions: pd.DataFrame) -> None:
    """Put `predictions` into `ml.genre_predictions` in place of what stands there, in one transaction."""
    connection.execute("begin")
    try:
        connection.execute("delete from ml.genre_predictions")
        connection.register("incoming", predictions)
        connection.execute("insert into ml.genre_predictions by name select * from incoming")
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise


def published_model_path(connection: duckdb.DuckDBPyConnection) -> Path:
    """The file of the run whose predictions are published. Raises `ModelError` where there is none."""
    try:
        row = connection.execute("select model_path from ml.model_runs where is_published").fetchone()
    except duckdb.CatalogException:
        row = None
    if row is None:
        raise ModelError("No model has been trained yet. Train one: make run.")
    return Path(row[0])


def feature_ranges() -> dict[str, tuple[float, float]]:
    """The range of each audio feature, from the dbt project's seed, where the rule stands."""
    with RANGES_FILE.open(encoding="utf-8", newline="") as file:
        return {row["feature"]: (float(row["minimum"]), float(row["maximum"])) for row in csv.DictReader(file)}


def read_songs(path: Path) -> pd.DataFrame:
    """The songs in a CSV (also .gz), Parquet or JSON-lines file, every cell as text.

    Raises `ModelError`: no such file, not such a format, or a missing audio-feature column.
    """
    json_lines = "read_json(?, format='newline_delimited')"
    readers = {
        "csv": "read_csv(?, header=true, all_varchar=true)",
        "parquet": "read_parquet(?)",
        "jsonl": json_lines,
        "ndjson": json_lines,
    }
    if not path.exists():
        raise ModelError(f"{path} does not exist. Give a CSV (also .gz), Parquet or JSON-lines file.")
    reader = readers.get(path.name.lower().removesuffix(".gz").rpartition(".")[2])
    if reader is None:
        raise ModelError(f"{path}: unknown ending. Known: .csv, .parquet, .jsonl and .ndjson; text also as .gz.")
    try:
        with duckdb.connect() as connection:
            songs = connection.execute(f"select columns(*)::varchar from {reader}", [str(path)]).df()
    except duckdb.Error as error:
        raise ModelError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
    # A time signature is known of few songs outside Spotify: where the column is missing, so is the value.
    if missing := [name for name in AUDIO_FEATURES if name not in songs and name != "time_signature"]:
        raise ModelError(f"{path} lacks the columns {', '.join(missing)}. It has: {', '.join(songs.columns)}.")
    return songs


def write_songs(songs: pd.DataFrame, path: Path) -> None:
    """Write scored songs as CSV or Parquet, by the path's ending. Raises `ModelError` for any other."""
    if path.suffix not in (".csv", ".parquet"):
        raise ModelError(f"{path}: unknown ending. Write .csv or .parquet.")
    with duckdb.connect() as connection:
        connection.register("songs", songs)
        connection.sql("from songs").write_csv(str(path)) if path.suffix == ".csv" else connection.sql(
            "from songs"
        ).write_parquet(str(path))


def predict_songs(model: Model, songs: pd.DataFrame) -> pd.DataFrame:
    """Score songs as `read_songs` gives them: their own columns that are no features, then what the model says.

    Added: genre_1 to genre_5 with probability_1 to probability_5, `missing_features` (comma-separated; a missing one
    is taken as the training part's median), `model`, and `model_data` ("synthetic" or "real": what it was trained on).
    Raises `ModelError` for a value that is no number or out of its range, by row (1 is the first song) and column.
    """
    features = pd.DataFrame(index=songs.index)
    for name in AUDIO_FEATURES:
        text = songs[name] if name in songs else pd.Series(None, index=songs.index, dtype=object)
        unknown = text.isna() | text.astype(str).str.strip().str.lower().isin(["", "nan", "na", "null", "none"])
        values = pd.to_numeric(text.mask(unknown), errors="coerce").astype(float)
        minimum, maximum = feature_ranges()[name]
        bad = ~unknown & ~values.between(minimum, maximum)
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise ModelError(
                f"row {row + 1}, column {name}: {text.iloc[row]!r} is not a number from {minimum:g} to {maximum:g} "
                f"({int(bad.sum())} such rows). Correct the cell, or empty it: an empty cell is allowed."
            )
        features[name] = values
    result = songs.drop(columns=[name for name in AUDIO_FEATURES if name in songs])
    for start in range(0, len(songs), BATCH):
        first = first_genres(model, features.iloc[start : start + BATCH])
        for rank, part in first.groupby("rank"):
            rows = songs.index[start : start + BATCH]
            result.loc[rows, f"genre_{rank}"] = part["genre"].to_numpy()
            result.loc[rows, f"probability_{rank}"] = part["probability"].to_numpy()
    names = np.array(AUDIO_FEATURES)
    result["missing_features"] = [", ".join(names[row]) for row in features[AUDIO_FEATURES].isna().to_numpy()]
    result["model"] = model.run_id
    result["model_data"] = "synthetic" if model.is_synthetic else "real"
    return result
