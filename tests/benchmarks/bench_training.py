"""Training at the study's size and beyond: seconds, memory, size and accuracy by the number of tracks.

The tracks are synthetic: the sandbox's catalogue at the study's full size (132 genres), and three more of other seeds,
with other artists, for two million. A fixed part of the first catalogue's artists is held out of every size. Beside
the ensemble: the study's recipe (25,000 tracks, SMOTE, RobustScaler, 150 unpruned trees) on the same held-out tracks.
It is a test of size and time; accuracy on synthetic tracks says little about real ones.

`TRAINING_TRACKS="25000 100000"` for a quick look: the catalogues are then smaller.
"""

import os
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from pyarrow.parquet import ParquetFile
from rich.console import Console
from rich.table import Table

from ml.estimators import make_estimator
from ml.evaluation import Scores, score
from ml.model_file import Model, load, predict_probabilities, save
from ml.predictions import BATCH
from ml.protocols import SAMPLE, find_protocol
from ml.settings import DEFAULT
from tests.benchmarks.bench_prediction import catalogue_songs, in_own_process, peak_mb
from tests.benchmarks.measuring import median_seconds
from warehouse.features import AUDIO_FEATURES

SIZES = [int(size) for size in os.environ.get("TRAINING_TRACKS", "25000 100000 550000 2000000").split()]
HELD_OUT = 50_000
LISTINGS_A_TRACK = 1.7  # 916,668 listings give about 550,000 tracks
LISTINGS = min(916_668, round((max(SIZES) + HELD_OUT) * LISTINGS_A_TRACK))
ROW_GROUP = 25_000
SEED = 538


class Fitted(NamedTuple):
    """What a training run cost and gave; bytes and load seconds are of the model's file."""

    tracks: int
    seconds: float
    peak_mb: float
    bytes: int
    load_seconds: float
    scores: Scores


def make_songs(folder: Path) -> tuple[Path, Path]:
    """Write the held-out tracks, and all others in random order, as Parquet; artists have numbers of their own."""
    test, parts, seed, artists, found = pd.DataFrame(), [], SEED, 0, 0
    while found < max(SIZES):
        path = folder / f"catalogue-{seed}.parquet"
        in_own_process(partial(catalogue_songs, LISTINGS, path, seed))
        songs = pd.read_parquet(path)
        path.unlink()
        songs["artist"] += artists
        artists = int(songs["artist"].max()) + 1
        if test.empty:
            shuffled = songs["artist"].drop_duplicates().sample(frac=1, random_state=SEED)
            sizes = songs["artist"].value_counts().loc[shuffled].cumsum()
            held_out = songs["artist"].isin(sizes.index[sizes <= HELD_OUT])
            test, songs = songs[held_out], songs[~held_out]
        parts.append(songs)
        found, seed = found + len(songs), seed + 1
    test.to_parquet(folder / "test.parquet")
    train = pd.concat(parts).sample(frac=1, random_state=SEED)
    train.head(max(SIZES)).to_parquet(folder / "train.parquet", row_group_size=ROW_GROUP)
    return folder / "train.parquet", folder / "test.parquet"


def read(path: Path, tracks: int | None = None) -> tuple[pd.DataFrame, np.ndarray]:
    """Inputs as `Tracks.inputs` has them, and genres, of the first `tracks` rows; no others are read."""
    file = ParquetFile(path)
    groups = range(-(-tracks // ROW_GROUP)) if tracks else range(file.num_row_groups)
    frame = file.read_row_groups(groups).to_pandas()[:tracks]
    inputs = frame[AUDIO_FEATURES].astype(float).assign(song_name=frame["song_name"], artist=frame["artist"])
    return inputs, frame["genre"].to_numpy(dtype=object)


def fit(train: Path, test: Path, tracks: int, model_path: Path) -> Fitted:
    """Fit the default model on the first `tracks` tracks, save it, load it, and score it on the held-out ones."""
    inputs, genres = read(train, tracks)
    started = time.perf_counter()
    pipeline = make_estimator(DEFAULT, seed=SEED).fit(inputs, genres)
    seconds, peak = time.perf_counter() - started, peak_mb()
    save(Model("benchmark", DEFAULT, pipeline, "sandbox", is_synthetic=True), model_path)
    load_seconds = median_seconds(partial(load, model_path))
    return Fitted(len(inputs), seconds, peak, model_path.stat().st_size, load_seconds, held_out(load(model_path), test))


def study_recipe(train: Path, test: Path) -> Fitted:
    """The study's first protocol's forest on its sample of the training tracks; no file is kept."""
    inputs, genres = read(train)
    rows = pd.Series(np.arange(len(inputs))).sample(min(SAMPLE, len(inputs)), random_state=SEED).to_numpy()
    counts = pd.Series(genres[rows]).value_counts()
    rows = rows[np.isin(genres[rows], counts.index[counts > 1])]  # SMOTE needs two tracks of a genre
    protocol = find_protocol("study_2023_04")
    pipeline = protocol.make("study_forest", seed=SEED, training_genres=genres[rows])
    started = time.perf_counter()
    pipeline.fit(inputs.iloc[rows], genres[rows])
    seconds = time.perf_counter() - started
    scores = held_out(Model("benchmark", "study_forest", pipeline, "sandbox", is_synthetic=True), test)
    return Fitted(len(rows), seconds, peak_mb(), 0, 0.0, scores)


def held_out(model: Model, test: Path) -> Scores:
    """Scores on the held-out tracks, of which a genre that the model did not learn is a miss."""
    inputs, genres = read(test)
    classes = np.union1d(model.genres, genres)
    probabilities = np.zeros((len(inputs), len(classes)))
    known = np.searchsorted(classes, model.genres)
    for start in range(0, len(inputs), BATCH):
        rows = slice(start, start + BATCH)
        probabilities[rows, known] = predict_probabilities(model, inputs.iloc[rows])
    return score(genres, probabilities, classes)


def main() -> None:
    """Print one row per size, and one for the study's recipe."""
    table = Table(
        "model", "tracks learnt", "fit s", "peak MB", "file MB", "load s", "top-1", "top-3", "macro F1", "log loss",
        "top-3 to the study's",
        title=f"Training on synthetic tracks of 132 genres; about {HELD_OUT:,} tracks of other artists held out",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train, test = make_songs(folder)
        theirs = in_own_process(partial(study_recipe, train, test))
        runs = [("the study's recipe", theirs)]
        for size in SIZES:
            runs.append((DEFAULT, in_own_process(partial(fit, train, test, size, folder / "model.skops"))))
    for model, run in runs:
        table.add_row(
            model, f"{run.tracks:,}", f"{run.seconds:.0f}", f"{run.peak_mb:,.0f}", f"{run.bytes / 1e6:.1f}",
            f"{run.load_seconds:.2f}", f"{run.scores.top_1:.3f}", f"{run.scores.top_3:.3f}",
            f"{run.scores.macro_f1:.3f}", f"{run.scores.log_loss:.3f}",
            f"{run.scores.top_3 / theirs.scores.top_3:.2f} x",
        )  # fmt: skip
    Console(width=150).print(table)
