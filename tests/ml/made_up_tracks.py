"""Tracks for the models' tests, made up."""

import numpy as np
import pandas as pd

from ml.dataset import Tracks, number_credits
from warehouse.features import AUDIO_FEATURES


def make_tracks(genres: list[str], artists: list[list[str]], *, loudness: dict[str, float] | None = None) -> Tracks:
    """A track for each genre and list of credited artists; every audio vector differs."""
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(rng.uniform(0.1, 0.9, (len(genres), len(AUDIO_FEATURES))), columns=AUDIO_FEATURES)
    frame["loudness"] = [(loudness or {}).get(genre, -9.0) for genre in genres] + rng.normal(0, 1, len(genres))
    frame["time_signature"] = 4.0
    frame["spotify_track_id"] = [f"track{number}" for number in range(len(genres))]
    frame["song_name"], frame["genre"] = "Song", genres
    frame["release_year"], frame["album_name"] = np.nan, None
    frame["artist_name"] = [names[0] if names else None for names in artists]
    credits = pd.DataFrame(
        [(f"track{number}", name) for number, names in enumerate(artists) for name in names],
        columns=["spotify_track_id", "artist"],
    )
    return Tracks(frame, number_credits(frame["spotify_track_id"], credits), "made_up", True)
