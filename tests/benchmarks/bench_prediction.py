"""Scoring songs with the default model: time and peak memory by the number of songs, one song's latency, loading.

The model is trained on a synthetic catalogue of `PREDICTION_LISTINGS` listings (default 91,667, a tenth of the study's;
the catalogue's songs are kept in the temporary folder), or taken from the file `PREDICTION_MODEL`. The 55,000 songs
that are scored are the catalogue's, the 550,000 the same over and over.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from joblib.externals.loky import get_reusable_executor
from rich.console import Console
from rich.table import Table

from extract.sandbox.catalogue import build_catalogue
from ml.estimators import make_estimator
from ml.model_file import Model, load, predict_probabilities, save
from ml.predictions import predict_tracks, record_predictions
from ml.scoring import write_songs
from ml.settings import DEFAULT
from ml.tables import create_ml_tables
from orchestration.songs import scored_file
from warehouse.features import AUDIO_FEATURES

SONGS = (55_000, 550_000)
FORMATS = ("csv", "parquet", "jsonl")
T = TypeVar("T")


def in_own_process(work: Callable[[], T]) -> T:
    """The result of `work` in a new process, so that its peak memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_alone, work).result()


def _alone(work: Callable[[], T]) -> T:
    """The result, when joblib's workers have gone: the process would wait five minutes for them."""
    try:
        return work()
    finally:
        get_reusable_executor().shutdown(kill_workers=True)


def peak_mb() -> float:
    """The most memory (MB) this process had. The kernel's other figure, ru_maxrss, may be the parent's."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1000


def catalogue_songs(listings: int, path: Path, seed: int = 538) -> None:
    """Each track of the synthetic catalogue once, under the first genre that lists it, in random order."""
    catalogue = build_catalogue(listings=listings, seed=seed)
    artists = {artist: number for number, artist in enumerate(catalogue.artists)}

    def rows() -> Iterator[dict[str, Any]]:
        seen: set[str] = set()
        for genre, hits in catalogue.hits.items():
            for artist in hits:
                for track in catalogue.top_tracks[artist]:
                    if track not in seen and (features := catalogue.audio_features[track]):
                        seen.add(track)
                        document = catalogue.tracks[track]
                        yield {
                            "spotify_track_id": track,
                            "song_name": document["name"],
                            **{name: features[name] for name in AUDIO_FEATURES},
                            "genre": genre,
                            "artist": artists[document["artists"][0]["id"]],
                        }

    pd.DataFrame(rows()).sample(frac=1, random_state=538).to_parquet(path, index=False)


def train(songs: Path, path: Path) -> float:
    """Fit the default model on all the songs and save it; returns seconds."""
    frame = pd.read_parquet(songs)
    started = time.perf_counter()
    inputs = frame[AUDIO_FEATURES].astype(float).assign(song_name=frame["song_name"], artist=frame["artist"])
    pipeline = make_estimator(DEFAULT).fit(inputs, frame["genre"].to_numpy(dtype=object))
    save(Model("benchmark", DEFAULT, pipeline, "sandbox", is_synthetic=True), path)
    return time.perf_counter() - started


def write_inputs(songs: Path, folder: Path) -> None:
    """The files that are scored."""
    table = pq.read_table(songs, columns=["spotify_track_id", "song_name", *AUDIO_FEATURES])
    for number in SONGS:
        repeated = pa.concat_tables([table] * -(-number // len(table))).slice(0, number)
        pq.write_table(repeated, folder / f"{number}.parquet")
        pa_csv.write_csv(repeated, folder / f"{number}.csv")
        repeated.to_pandas().to_json(folder / f"{number}.jsonl", orient="records", lines=True)


def score(model_path: Path, source: Path, output: Path) -> tuple[int, float, float]:
    """Load the model and score a file into another: songs, seconds, peak MB."""
    started = time.perf_counter()
    with scored_file(load(model_path), source) as found:
        write_songs(found.scoring, output)
    return found.scoring.songs, time.perf_counter() - started, peak_mb()


def into_table(model_path: Path, source: Path, database: Path) -> tuple[int, float, float]:
    """Score tracks that are in memory, as the asset has them, into `ml.genre_predictions`: rows, seconds, peak MB."""
    frame = pd.read_parquet(source)
    started = time.perf_counter()
    with duckdb.connect(str(database)) as connection:
        create_ml_tables(connection)
        parts = np.full(len(frame), "train", dtype=object)
        model = load(model_path)
        tables = predict_tracks(model, frame, parts, progress=lambda *_: None)
        rows = record_predictions(connection, model.dataset, tables)
    return rows, time.perf_counter() - started, peak_mb()


def one_song(model_path: Path, songs: Path) -> tuple[list[float], list[float], str]:
    """Seconds of five loads, and of a hundred songs one by one; the model in words."""
    loads, seconds = [], []
    for _ in range(5):
        started = time.perf_counter()
        model = load(model_path)
        loads.append(time.perf_counter() - started)
    inputs = pd.read_parquet(songs).head(100)[["song_name", *AUDIO_FEATURES]]
    for row in range(len(inputs)):
        started = time.perf_counter()
        predict_probabilities(model, inputs.iloc[[row]])
        seconds.append(time.perf_counter() - started)
    return loads, seconds, f"{model.name}, {len(model.genres)} genres"


def main() -> None:
    """Train, score, and print both tables."""
    listings = int(os.environ.get("PREDICTION_LISTINGS", "91667"))
    console = Console(width=140)
    songs = Path(tempfile.gettempdir()) / f"song-genres-benchmark-{listings}.parquet"
    if not songs.exists():
        in_own_process(partial(catalogue_songs, listings, songs))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model_path = Path(os.environ.get("PREDICTION_MODEL", folder / "model.skops"))
        trained = "as given"
        if not model_path.exists():
            seconds = in_own_process(partial(train, songs, model_path))
            trained = f"trained on {pq.read_metadata(songs).num_rows:,} synthetic tracks in {seconds:.0f} s"
        in_own_process(partial(write_inputs, songs, folder))
        loads, latencies, words = in_own_process(partial(one_song, model_path, songs))
        table = Table(
            "songs", "from and to", "seconds", "songs per second", "peak MB",
            title=f"Scoring with {words}, {trained}; loading included",
        )  # fmt: skip
        for file_format in FORMATS:
            for number in SONGS:
                source, output = folder / f"{number}.{file_format}", folder / f"scored.{file_format}"
                scored, seconds, peak = in_own_process(partial(score, model_path, source, output))
                table.add_row(f"{scored:,}", file_format, f"{seconds:.1f}", f"{scored / seconds:,.0f}", f"{peak:,.0f}")
        for number in SONGS:
            work = partial(into_table, model_path, folder / f"{number}.parquet", folder / f"{number}.duckdb")
            _, seconds, peak = in_own_process(work)
            table.add_row(
                f"{number:,}", "a frame to ml.genre_predictions", f"{seconds:.1f}", f"{number / seconds:,.0f}",
                f"{peak:,.0f}",
            )  # fmt: skip
        console.print(table)
        size = model_path.stat().st_size / 1e6
        single = Table("what", "median", "slowest", title=f"One song; the model is {size:.1f} MB")
        single.add_row("load the model, s (of 5)", f"{statistics.median(loads):.2f}", f"{max(loads):.2f}")
        milliseconds = np.array(latencies) * 1000
        single.add_row("score a song, ms (of 100)", f"{np.median(milliseconds):.1f}", f"{milliseconds.max():.1f}")
        console.print(single)
