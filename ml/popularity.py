"""How far a track's popularity follows from its sound, its genre and its year: R² on artists that were held out.

Belongs here: the regression and its figures. Not here: the split (dataset.py), and the chart (charts/data.py). Genres
are never predicted from popularity: it stays out of every genre model.
"""

import duckdb
import numpy as np
import pandas as pd
from lightgbm import LGBMRegressor
from sklearn.metrics import r2_score

from ml.dataset import TooLittleToLearn, Tracks, split_by_artist
from ml.estimators import THREADS
from ml.settings import RESAMPLES
from warehouse.features import AUDIO_FEATURES

INPUTS = {
    "sound": AUDIO_FEATURES,
    "sound and year": [*AUDIO_FEATURES, "release_year"],
    "genre": ["genre"],
    "sound and genre": [*AUDIO_FEATURES, "genre"],
    "sound, genre and year": [*AUDIO_FEATURES, "genre", "release_year"],
}
"""What the regression is given, by the name that people read."""
MOST_TRACKS = 50_000
"""Tracks learnt at most, a sample: more of them change R² by less than its interval is wide."""
FEWEST_ARTISTS = 10
"""Held-out artists of another popularity than the commonest one, below which no figure is given.

An interval over fewer says nothing: where most tracks have popularity 0, artists drawn anew often have nothing else,
and R² of no differences is minus infinity.
"""
COLUMNS = ["inputs", "r2", "r2_low", "r2_high", "r2_training", "n_train", "n_test", "n_artists_test"]


def load_popularity(connection: duckdb.DuckDBPyConnection, tracks: Tracks) -> np.ndarray:
    """The popularity (0 to 100) of each track, in the order of `tracks`; NaN where unknown."""
    found = connection.execute(
        "select spotify_track_id, cast(popularity as double) as popularity from marts.clean_tracks"
    ).df()
    return found.set_index("spotify_track_id")["popularity"].loc[tracks.frame["spotify_track_id"]].to_numpy(np.float64)


def explain_popularity(tracks: Tracks, popularity: np.ndarray, *, seed: int = 538) -> pd.DataFrame:
    """R² of popularity by what the regression is given, one row per entry of `INPUTS`; columns as in `COLUMNS`.

    `popularity` is as `load_popularity` gives it. The artists held out are those that a genre model of this seed would
    hold out. R² is 1 minus the squared error over that of always naming the held-out tracks' mean: 1 is perfect, and
    below 0 it is worse than that. `r2_training` is on the tracks learnt, where it flatters; `r2_low` and `r2_high`
    bound the 95 % interval, a bootstrap over the held-out artists. The inputs with a year are left out where no track
    has one. No rows where popularity is unknown, or the same for all artists or all but a few, and where there is one
    genre alone.
    """
    try:
        split = split_by_artist(tracks, seed=seed)
    except TooLittleToLearn:
        return pd.DataFrame(columns=COLUMNS)
    train, test = (part[~np.isnan(popularity[part])] for part in (split.train, split.test))
    train = np.sort(np.random.default_rng(seed).permutation(train)[:MOST_TRACKS])
    artists = np.unique(tracks.first_artists[test], return_inverse=True)[1]
    n_artists = int(artists.max()) + 1 if len(artists) else 0
    if _artists_that_differ(popularity[test], artists) < FEWEST_ARTISTS or len(np.unique(popularity[train])) < 2:
        return pd.DataFrame(columns=COLUMNS)
    table = tracks.frame[[*AUDIO_FEATURES, "release_year"]].assign(genre=tracks.frame["genre"].astype("category"))
    rows = []
    for name, columns in INPUTS.items():
        if "release_year" in columns and table["release_year"].iloc[train].isna().all():
            continue
        model = _regression(seed).fit(table[columns].iloc[train], popularity[train])
        guesses = np.asarray(model.predict(table[columns].iloc[test]))
        low, high = _interval(popularity[test], guesses, artists, seed)
        rows.append({
            "inputs": name,
            "r2": r2_score(popularity[test], guesses),
            "r2_low": low,
            "r2_high": high,
            "r2_training": r2_score(popularity[train], model.predict(table[columns].iloc[train])),
            "n_train": len(train),
            "n_test": len(test),
            "n_artists_test": n_artists,
        })  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


def _artists_that_differ(popularity: np.ndarray, artists: np.ndarray) -> int:
    """How many artists have a track of another popularity than the commonest one."""
    values, counts = np.unique(popularity, return_counts=True)
    return len(np.unique(artists[popularity != values[counts.argmax()]])) if len(values) else 0


def _regression(seed: int) -> LGBMRegressor:
    """Gradient boosting, which takes unknown values and names of genres as they are; the settings are its defaults."""
    return LGBMRegressor(n_jobs=THREADS, random_state=seed, deterministic=True, force_row_wise=True, verbose=-1)


def _interval(true: np.ndarray, guesses: np.ndarray, artists: np.ndarray, seed: int) -> tuple[float, float]:
    """The 95 % interval of R²: percentiles over RESAMPLES draws of the artists with repeats."""
    sums = np.column_stack(
        [np.bincount(artists, values) for values in (np.ones(len(true)), true, true**2, (true - guesses) ** 2)]
    )
    rng = np.random.default_rng(seed)
    figures = []
    for _ in range(RESAMPLES):
        n, total, squares, errors = np.bincount(rng.integers(len(sums), size=len(sums)), minlength=len(sums)) @ sums
        figures.append(1 - errors / max(squares - total**2 / n, 1e-12))
    low, high = np.percentile(figures, [2.5, 97.5])
    return float(low), float(high)
