"""The tracks that models learn from, and the split that keeps each artist on one side.

Belongs here: reading the marts, grouping by artist, splitting, and which genres can be learnt at all. Not here:
features computed from the columns (estimators.py, inside the pipelines), and figures (evaluation.py).
"""

from dataclasses import dataclass

import duckdb
import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold

AUDIO_FEATURES = [
    "danceability", "energy", "key", "loudness", "mode", "speechiness", "acousticness", "instrumentalness",
    "liveness", "valence", "tempo", "duration_ms", "time_signature",
]  # fmt: skip
"""The study's features, in its order. Popularity is none: it is not known of a song that is new."""

MIN_ARTISTS = 2
"""A genre needs this many unrelated artists (groups), or it cannot stand on both sides of a split."""


class ModelError(ValueError):
    """Data or a model file that cannot be worked with; the message says what is wrong and what to do."""


@dataclass(frozen=True)
class Tracks:
    """The clean tracks of the active dataset.

    `frame` has a row a track in download order: the audio features, spotify_track_id, song_name, artist_name, genre.
    `groups` has a number a track: tracks of one group are linked by credited artists, or by identical audio vectors, so
    that a split between groups never shows a model the artist or the very song that it is tested on.
    """

    frame: pd.DataFrame
    groups: np.ndarray
    dataset: str
    is_synthetic: bool


@dataclass(frozen=True)
class Split:
    """Row numbers of the training and of the held-out part, and the genres that are in neither, with the reason."""

    train: np.ndarray
    test: np.ndarray
    left_out: dict[str, str]

    def is_held_out(self, tracks: int) -> np.ndarray:
        """A flag for each of the first `tracks` rows: held out or not."""
        return np.isin(np.arange(tracks), self.test)


def load_tracks(connection: duckdb.DuckDBPyConnection) -> Tracks:
    """Read `marts.clean_tracks` and group its tracks by credited artist. Raises `ModelError` where there are none."""
    try:
        frame = connection.execute(
            f"""
            select {", ".join(f"cast({name} as double) as {name}" for name in AUDIO_FEATURES)},
                spotify_track_id, song_name, artist_name, genre, dataset, is_synthetic
            from marts.clean_tracks order by listing_id
            """
        ).df()
        credits = connection.execute(
            "select spotify_track_id, coalesce(artist_id, artist_name) as artist from marts.track_artists "
            "where coalesce(artist_id, artist_name) is not null"
        ).df()
    except duckdb.CatalogException as error:
        raise ModelError("There is no table of clean tracks yet. Build it: make run, or dbt build.") from error
    if frame.empty:
        raise ModelError("marts.clean_tracks is empty: see marts.rejected_listings for the reasons.")
    dataset, is_synthetic = str(frame["dataset"].iloc[0]), bool(frame["is_synthetic"].iloc[0])
    frame = frame.drop(columns=["dataset", "is_synthetic"])
    return Tracks(frame, group_by_artist(frame, credits), dataset, is_synthetic)


def group_by_artist(frame: pd.DataFrame, credits: pd.DataFrame) -> np.ndarray:
    """A group number for each row of `frame` (spotify_track_id and the audio features).

    `credits` has a row for each artist (column `artist`) of a track (spotify_track_id). Groups are the connected
    components of the graph of tracks, artists and audio vectors.
    """
    rows = pd.Series(np.arange(len(frame)), index=frame["spotify_track_id"])
    artists = credits["artist"].astype("category").cat.codes.to_numpy(dtype=np.int64)
    vectors = frame.groupby(AUDIO_FEATURES, dropna=False, sort=False).ngroup().to_numpy()
    first_artist, first_vector = len(frame), len(frame) + (artists.max() + 1 if len(artists) else 0)
    left = np.concatenate([rows.loc[credits["spotify_track_id"]].to_numpy(), np.arange(len(frame))])
    right = np.concatenate([first_artist + artists, first_vector + vectors])
    nodes = int(first_vector + vectors.max() + 1)
    graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(nodes, nodes))
    _, labels = connected_components(graph, directed=False)
    return np.asarray(labels[: len(frame)])


def split_by_artist(tracks: Tracks, *, test_tenths: int = 3, seed: int = 538) -> Split:
    """Hold out about `test_tenths` tenths of the tracks, whole groups at a time, each genre in about that share.

    Raises `ModelError` where fewer than two genres can be learnt.
    """
    genres = tracks.frame["genre"].to_numpy()
    group_counts = pd.Series(tracks.groups).groupby(genres).nunique()
    track_counts = pd.Series(genres).value_counts()
    left_out = {
        genre: "it has one track"
        if track_counts[genre] == 1
        else "all its tracks are by one artist, or by artists who sing together"
        for genre in group_counts.index[group_counts < MIN_ARTISTS]
    }
    rows = np.flatnonzero(~np.isin(genres, list(left_out)))
    sizes = pd.Series(tracks.groups[rows]).map(pd.Series(tracks.groups[rows]).value_counts()).to_numpy()
    # Artists who all sang with each other make one huge group; held out, it would be the test. It is learnt from.
    small = rows[sizes <= max(1, len(rows) // 10)]
    folds = min(10, len(np.unique(tracks.groups[small])))
    if folds >= 2 and len(np.unique(genres[rows])) >= 2:
        splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
        parts = [part for _, part in splitter.split(small, genres[small], tracks.groups[small])]
        held_out = max(1, round(folds * test_tenths / 10))
        test = np.sort(small[np.concatenate(parts[:held_out])])
        train = np.setdiff1d(rows, test)
        # Small genres may fall on one side whole: nothing can be learnt of them, or nothing tested.
        both = np.intersect1d(genres[train], genres[test])
        for genre in np.setdiff1d(genres[rows], both):
            left_out[str(genre)] = "its few artists all fell on one side of the split"
        train, test = train[np.isin(genres[train], both)], test[np.isin(genres[test], both)]
        if len(both) >= 2:
            return Split(train, test, left_out)
    raise ModelError(
        f"Nothing to tell apart: of {track_counts.size} genres in {tracks.dataset!r}, fewer than two have tracks by "
        f"{MIN_ARTISTS} or more unrelated artists. Import a dump with more genres or more artists."
    )
