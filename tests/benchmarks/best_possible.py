"""The most that any model can do on synthetic tracks: their genres by the very densities that they were drawn from.

The sandbox draws a track's sound from its artist's home genre (extract/sandbox/profiles.py: a Gaussian copula) and
lists it under that genre or a kindred one. So Bayes' rule gives the probabilities than which none are better for a
track whose artist was never heard. That they are right shows in their calibration error, which is chance.
"""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logsumexp, ndtr, ndtri

from extract.sandbox.catalogue import Catalogue, study_genres
from extract.sandbox.profiles import COUNTED, FEATURES, LEVELS, MEASURED, Profile, _square_root, blend, load

Floats = NDArray[np.float64]

ORDER = [*(name for name in MEASURED if name not in ("popularity", "instrumentalness")), "instrumentalness", *COUNTED]
"""Features of many values first: those are looked up, and only what comes after a range of ranks must be drawn."""
DRAWS = 32
IMPOSSIBLE = 1e-20  # rounded values may lie a hair beyond a genre's least or greatest
JITTER = 1e-4  # correlations are rounded, and some of them singular


def probabilities(catalogue: Catalogue, tracks: pd.DataFrame, seed: int = 538) -> tuple[Floats, NDArray[np.object_]]:
    """Of each of the `tracks` (the audio features) every genre's probability: tracks x genres, and the genres, sorted.

    A simulation: DRAWS draws a track and genre for what a track's ranks leave open.
    """
    sources, genres = load(), study_genres()
    homes, listed = home_genres(catalogue)
    rng = np.random.default_rng(seed)
    logs = np.column_stack(
        [log_density(blend(sources, genre.sources), tracks, rng) + np.log(homes[genre.name]) for genre in genres]
    )
    by_home = np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
    columns = np.array(sorted(genre.name for genre in genres), dtype=object)
    shares = np.array([[listed[genre.name, name] / homes[genre.name] for name in columns] for genre in genres])
    return by_home @ shares, columns


def home_genres(catalogue: Catalogue) -> tuple[Mapping[str, int], Mapping[tuple[str, str], int]]:
    """Tracks by their artist's home genre; and by home and the first genre that lists them.

    Counted over the artists whose document names a genre, which chance decides.
    """
    names = {genre.name.lower(): genre.name for genre in study_genres()}
    homes, listed, seen = Counter[str](), Counter[tuple[str, str]](), set[str]()
    for genre, hits in catalogue.hits.items():
        for artist in hits:
            home = catalogue.artists[artist].get("genres")
            for track in catalogue.top_tracks[artist] if artist not in seen else []:
                if home and track not in seen:
                    homes[names[home[0]]] += 1
                    listed[names[home[0]], genre] += 1
                seen.add(track)
            seen.add(artist)
    return homes, listed


def log_density(profile: Profile, tracks: pd.DataFrame, rng: np.random.Generator) -> Floats:
    """The logarithm of the profile's probability of each track's values as they are rounded, popularity unknown.

    Geweke, Hajivassiliou and Keane's simulator of normal probabilities: a feature at a time, given those before it.
    """
    places = [FEATURES.index(name) for name in ORDER]
    mixing = _square_root(profile.correlations)[:, places]
    root = np.linalg.cholesky(mixing.T @ mixing + JITTER * np.eye(len(places)))
    found = np.zeros((len(tracks), DRAWS))
    normals = np.zeros((len(tracks), DRAWS, len(places)))
    for number, name in enumerate(ORDER):
        low, high = (ndtri(rank)[:, None] for rank in ranks(profile, name, tracks[name].to_numpy(dtype=float)))
        mean, deviation = normals[:, :, :number] @ root[number, :number], root[number, number]
        # In the lower tail, where small probabilities are exact.
        sign = np.where(low + high > 2 * mean, -1.0, 1.0)
        ends = sign * (low - mean) / deviation, sign * (high - mean) / deviation
        below, above = ndtr(np.minimum(*ends)), ndtr(np.maximum(*ends))
        normals[:, :, number] = sign * ndtri(np.maximum(below + rng.random(mean.shape) * (above - below), 1e-300))
        found += np.log(np.maximum(above - below, IMPOSSIBLE))
    return np.asarray(logsumexp(found, axis=1) - np.log(DRAWS))


def ranks(profile: Profile, name: str, values: Floats) -> tuple[Floats, Floats]:
    """The least and the greatest rank (0 to 1) that give each value, which the sandbox rounds as Spotify does."""
    if name in COUNTED:
        steps = np.concatenate([[0], np.cumsum(profile.frequencies[name])[:-1], [1]])
        place = np.searchsorted(list(COUNTED[name]), values)
        return steps[place], steps[place + 1]
    units = {"loudness": 0.001, "tempo": 0.001, "duration_ms": 1.0}
    digits = np.floor(np.log10(np.maximum(np.abs(values), 1e-9)))
    half = units[name] / 2 if name in units else 10.0 ** (digits - 2) / 2
    edges = profile.quantiles[MEASURED.index(name)]
    return np.interp(values - half, edges, LEVELS), np.interp(values + half, edges, LEVELS)
