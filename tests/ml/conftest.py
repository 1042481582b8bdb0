"""Tracks for models: made up, small, with genres that their loudness tells apart."""

import duckdb
import pytest

from ml.dataset import Tracks
from tests.ml.made_up_tracks import make_tracks


@pytest.fixture(scope="session")
def tracks() -> Tracks:
    """3 genres x 20 artists x 3 tracks; loudness tells the genres apart."""
    genres, artists = [], []
    for genre in ("Ambient", "Jazz", "Punk"):
        for artist in range(20):
            genres += [genre] * 3
            artists += [[f"{genre} {artist}"]] * 3
    return make_tracks(genres, artists, loudness={"Ambient": -25.0, "Jazz": -15.0, "Punk": -5.0})


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()
