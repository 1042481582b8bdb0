"""A published copy in seconds: made-up tracks, their marts, a fitted model with its predictions."""

from dataclasses import replace
from pathlib import Path

import duckdb

from ml.dataset import Tracks, split_by_artist
from ml.predictions import parts_of, predict_tracks, record_predictions, record_song_predictions
from ml.records import record
from ml.training import fit, save_model
from tests.ml.report_database import make_marts, some_tracks
from warehouse.progress import ignore

HOSTILE = "</script><script>document.title='bad'</script>R&B"
GENRES = ["Ambient", "Jazz", "Punk", HOSTILE]


def made_up_songs(genres: list[str] | None = None) -> Tracks:
    """Tracks with titles; the first song of each genre by its first artist has an accent, or is hostile."""
    tracks = some_tracks(genres or GENRES)
    titles = [f"Song {number}" for number in range(len(tracks.frame))]
    titles[0], titles[1], titles[2] = "Café Éluard", "<script>document.title='bad'</script>", "=cmd|' /C calc'!A0"
    return Tracks(tracks.frame.assign(song_name=titles), tracks.credits, tracks.dataset, tracks.is_synthetic)


def make_copy(
    folder: Path, *, genres: list[str] | None = None, with_model: bool = True, features: str = "audio"
) -> Path:
    """`folder`/song_genres.duckdb, and the model's file in models/ beside it."""
    path = folder / "song_genres.duckdb"
    with duckdb.connect(str(path)) as connection:
        tracks = make_marts(connection, made_up_songs(genres))
        connection.execute("update marts.clean_tracks set popularity = listing_id")
        if with_model:
            run = fit(tracks, model="knn", features=features, split=split_by_artist(tracks))
            record(connection, run, save_model(run, folder / "models"), published=True)
            parts = parts_of(connection, run.run_id, tracks.frame["spotify_track_id"])
            tables = predict_tracks(run.model, tracks.frame, parts, progress=ignore)
            record_predictions(connection, tracks.dataset, tables)
    return path


def make_list_copy(folder: Path) -> Path:
    """The copy of a list of songs without genres, which the model of another dataset has named."""
    path = folder / "song_genres.duckdb"
    tracks = made_up_songs(["Ambient", "Jazz", "Punk"])
    run = fit(tracks, model="knn", split=split_by_artist(tracks))
    mine = replace(tracks, frame=tracks.frame.assign(genre=None), dataset="mine")
    with duckdb.connect(str(path)) as connection:
        mine = make_marts(connection, mine)
        connection.execute(
            """
            delete from marts.genre_summary; delete from marts.track_genres; delete from marts.genre_overlap;
            create or replace table marts.feature_distribution as select distinct * from marts.feature_distribution
            """
        )
        record(connection, run, save_model(run, folder / "models"), published=False)
        parts = parts_of(connection, run.run_id, mine.frame["spotify_track_id"])
        record_song_predictions(connection, mine, predict_tracks(run.model, mine.frame, parts, progress=ignore))
    return path
