"""Metrics from probabilities: how often the right genre is among the first guesses, calibration, and metrics by genre.

Belongs here: metrics (scikit-learn's own where it has them), their intervals, and the tables behind the charts. Not
here: which rows they are computed on (the caller says, and the caller passes held-out rows).

Throughout, `genres` are the true genres of the tracks, `probabilities` is tracks x classes (rows sum to 1) and
`classes` are the sorted genres, its columns. Equal probabilities are ranked in the classes' order.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator
from sklearn.inspection import permutation_importance
from sklearn.metrics import f1_score, precision_recall_fscore_support

from ml.sets import Measured
from ml.settings import BINS, RESAMPLES

_BATCH = 50  # resamples at a time: 60,000 artists of 8 bytes each keep a batch at 24 MB
_TRACKS = 20_000  # tracks at a time: 132 genres of 8 bytes each keep a batch at 20 MB


@dataclass(frozen=True)
class Scores:
    """Shares (0 to 1) of `n` tracks whose genre is among the first 1 to 4 guesses, and how good the probabilities are.

    `macro_f1` is the plain mean of the genres' F1 (0 to 1), `log_loss` is in nats, `ece` is the expected calibration
    error (0 to 1): the mean distance between confidence and accuracy over BINS bins of the first guess's probability.
    `top_1_any` and `top_3_any` count a guess as right that is any of the genres under which the track is listed.
    `coverage` is the share (0 to 1) of tracks whose set of genres (sets.py) holds their genre, and `set_size` the mean
    number of genres in a set; NaN where no sets were measured.
    `_low` and `_high` bound the 95 % interval; NaN where it was not asked for, or fewer than two artists are tested.
    """

    n: int
    top_1: float
    top_2: float
    top_3: float
    top_4: float
    macro_f1: float
    log_loss: float
    ece: float
    top_1_any: float
    top_3_any: float
    coverage: float = math.nan
    set_size: float = math.nan
    top_1_low: float = math.nan
    top_1_high: float = math.nan
    top_2_low: float = math.nan
    top_2_high: float = math.nan
    top_3_low: float = math.nan
    top_3_high: float = math.nan
    top_4_low: float = math.nan
    top_4_high: float = math.nan
    macro_f1_low: float = math.nan
    macro_f1_high: float = math.nan
    log_loss_low: float = math.nan
    log_loss_high: float = math.nan
    top_1_any_low: float = math.nan
    top_1_any_high: float = math.nan
    top_3_any_low: float = math.nan
    top_3_any_high: float = math.nan
    coverage_low: float = math.nan
    coverage_high: float = math.nan


def score(
    genres: np.ndarray,
    probabilities: np.ndarray,
    classes: np.ndarray,
    *,
    also_listed: pd.DataFrame | None = None,
    sets: Measured | None = None,
    artists: np.ndarray | None = None,
    seed: int = 538,
) -> Scores:
    """Scores with 95 % intervals where `artists` (the number of each track's first artist) are given.

    `also_listed` are the further genres of the tracks: the columns row (0-based, into `genres`) and genre. `sets` is
    what `sets.measure` found of the tracks.
    """
    true, guess = np.searchsorted(classes, genres), np.argmax(probabilities, axis=1)
    place, curve = _places(true, probabilities), calibration(genres, probabilities, classes)
    best = place if also_listed is None else _best_places(place, also_listed, probabilities, classes)
    values = {f"top_{k}": place < k for k in (1, 2, 3, 4)} | {f"top_{k}_any": best < k for k in (1, 3)}
    values["log_loss"] = _losses(true, probabilities)
    if sets is not None:
        values["coverage"] = sets.covered
    bounds: dict[str, float] = {}
    if artists is not None and len(np.unique(artists)) > 1:
        bounds = _intervals(values, true, guess, len(classes), artists, seed)
    return Scores(
        n=len(genres),
        macro_f1=float(f1_score(true, guess, labels=np.arange(len(classes)), average="macro", zero_division=0)),
        ece=float(((curve["mean_confidence"] - curve["accuracy"]).abs() * curve["tracks"]).sum() / len(genres)),
        set_size=math.nan if sets is None else float(sets.sizes.mean()),
        **{name: float(np.mean(value)) for name, value in values.items()},
        **bounds,
    )


def _places(true: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The 0-based rank of each track's true genre, given as its column."""
    # Counting the genres ahead of the true one is ten times as fast as sorting 132 probabilities per track.
    own = np.take_along_axis(probabilities, true[:, None], axis=1)
    before = (probabilities > own) | ((probabilities == own) & (np.arange(probabilities.shape[1]) < true[:, None]))
    return np.count_nonzero(before, axis=1)


def _best_places(
    places: np.ndarray, also_listed: pd.DataFrame, probabilities: np.ndarray, classes: np.ndarray
) -> np.ndarray:
    """The 0-based rank of the first guess that is any of a track's genres; a genre that is no class cannot be one."""
    known = also_listed[also_listed["genre"].isin(classes)]
    rows, columns = known["row"].to_numpy(), np.searchsorted(classes, known["genre"].to_numpy(dtype=object))
    best = places.copy()
    for start in range(0, len(rows), _TRACKS):
        part = slice(start, start + _TRACKS)
        np.minimum.at(best, rows[part], _places(columns[part], probabilities[rows[part]]))
    return best


def _losses(true: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Each track's part in the log loss, in nats; probabilities are kept off zero as scikit-learn's log_loss does."""
    # Not scikit-learn's: the intervals need each track's part, and theirs takes a second matrix of the tracks' size.
    own = np.take_along_axis(probabilities, true[:, None], axis=1).ravel()
    smallest = np.finfo(probabilities.dtype).eps
    return -np.log(np.clip(own, smallest, 1 - smallest))


def _intervals(
    values: dict[str, np.ndarray],
    true: np.ndarray,
    guess: np.ndarray,
    n_genres: int,
    artists: np.ndarray,
    seed: int,
) -> dict[str, float]:
    """The bounds of Scores: percentiles 2.5 and 97.5 over RESAMPLES resamples of the held-out artists.

    `values` gives for each figure that is a mean what the tracks contribute to it. Tracks of an artist resemble each
    other, so artists are drawn and not tracks (a cluster bootstrap; Davison and Hinkley 1997, section 3.8). Every
    figure is a ratio of sums over artists: a resample is a vector of how often each artist was drawn, and all resamples
    are a matrix product. Macro F1 is over the genres that a resample has.
    """
    _, artist = np.unique(artists, return_inverse=True)
    n_artists, n_tracks = int(artist.max()) + 1, len(true)
    totals = np.column_stack(
        [np.bincount(artist, value, n_artists) for value in values.values()] + [np.bincount(artist)]
    )

    def by_artist(genre: np.ndarray, counted: np.ndarray | None = None) -> csr_array:
        counts = np.ones(n_tracks) if counted is None else counted.astype(float)
        return csr_array((counts, (genre, artist)), shape=(n_genres, n_artists))

    hits, support, guessed = by_artist(true, values["top_1"]), by_artist(true), by_artist(guess)
    rng = np.random.default_rng(seed)
    figures, drawn = [], np.empty((_BATCH, n_artists))
    for _ in range(0, RESAMPLES, _BATCH):
        for resample in drawn:
            resample[:] = np.bincount(rng.integers(n_artists, size=n_artists), minlength=n_artists)
        sums, columns = drawn @ totals, np.ascontiguousarray(drawn.T)
        there, right = support @ columns, hits @ columns
        f1 = 2 * right / np.maximum(there + guessed @ columns, 1)
        macro_f1 = f1.sum(axis=0, where=there > 0) / np.count_nonzero(there, axis=0)
        figures.append(np.column_stack([sums[:, :-1] / sums[:, -1:], macro_f1]))
    low, high = np.percentile(np.concatenate(figures), [2.5, 97.5], axis=0)
    names = (*values, "macro_f1")
    return {f"{name}_low": float(low[i]) for i, name in enumerate(names)} | {
        f"{name}_high": float(high[i]) for i, name in enumerate(names)
    }


def calibration(genres: np.ndarray, probabilities: np.ndarray, classes: np.ndarray) -> pd.DataFrame:
    """How often the first guess is right, by its probability: one row per bin that has tracks.

    Columns: bin (1 to BINS), lower_bound (exclusive) and upper_bound of the confidence, tracks, mean_confidence,
    accuracy.
    """
    confidence = probabilities.max(axis=1)
    right = classes[np.argmax(probabilities, axis=1)] == genres
    number = np.clip(np.ceil(confidence * BINS).astype(int), 1, BINS)
    bins = pd.DataFrame({"bin": number, "confidence": confidence, "right": right}).groupby("bin")
    curve = bins.agg(tracks=("right", "size"), mean_confidence=("confidence", "mean"), accuracy=("right", "mean"))
    curve = curve.reset_index()
    curve.insert(1, "lower_bound", (curve["bin"] - 1) / BINS)
    curve.insert(2, "upper_bound", curve["bin"] / BINS)
    return curve


def score_genres(
    genres: np.ndarray, probabilities: np.ndarray, classes: np.ndarray, sets: Measured | None = None
) -> pd.DataFrame:
    """Precision, recall, F1 and support, one row per class; precision is zero where the class was never predicted.

    With `sets` (what `sets.measure` found) also coverage and set_size: the share of the genre's tracks whose set holds
    it, and the mean number of genres in their sets; NaN where there are no sets, or none of its tracks.
    """
    guesses = classes[np.argmax(probabilities, axis=1)]
    precision, recall, f1, support = precision_recall_fscore_support(genres, guesses, labels=classes, zero_division=0)
    scores = pd.DataFrame({"genre": classes, "support": support, "precision": precision, "recall": recall, "f1": f1})
    if sets is None:
        return scores.assign(coverage=math.nan, set_size=math.nan)
    means = pd.DataFrame({"coverage": sets.covered, "set_size": sets.sizes}).groupby(genres).mean()
    return scores.join(means, on="genre")


def confusions(
    genres: np.ndarray, probabilities: np.ndarray, classes: np.ndarray, also_listed: pd.DataFrame | None = None
) -> pd.DataFrame:
    """The confusion matrix in long form: genre, predicted_genre, tracks, also_listed; no pairs without tracks.

    The last counts those of the tracks that are listed under the predicted genre: all on the diagonal, and elsewhere
    those of which `also_listed` (the columns row and genre, as in `score`) says so.
    """
    guesses = classes[np.argmax(probabilities, axis=1)]
    pairs = pd.DataFrame({"genre": genres, "predicted_genre": guesses, "also_listed": genres == guesses})
    if also_listed is not None:
        rows, others = also_listed["row"].to_numpy(), also_listed["genre"].to_numpy(dtype=object)
        pairs.loc[rows[guesses[rows] == others], "also_listed"] = True
    counts = pairs.groupby(["genre", "predicted_genre"])["also_listed"].agg(tracks="size", also_listed="sum")
    return counts.reset_index()


def runner_ups(genres: np.ndarray, probabilities: np.ndarray, classes: np.ndarray) -> pd.DataFrame:
    """The mean probability that the tracks of each genre are given for every genre.

    Columns: genre, predicted_genre, probability (the mean over the genre's tracks), summed_probability, n_tracks. The
    study's Sankey charts drew the sums, on rows that the model had been trained on.
    """
    true = np.searchsorted(classes, genres)
    membership = csr_array((np.ones(len(true)), (true, np.arange(len(true)))), shape=(len(classes), len(true)))
    sums = membership @ probabilities
    counts = np.bincount(true, minlength=len(classes))
    there, all_genres = np.flatnonzero(counts), len(classes)
    return pd.DataFrame(
        {
            "genre": np.repeat(classes[there], all_genres),
            "predicted_genre": np.tile(classes, len(there)),
            "probability": (sums[there] / counts[there, None]).ravel(),
            "summed_probability": sums[there].ravel(),
            "n_tracks": np.repeat(counts[there], all_genres),
        }
    )


def surprises(genres: np.ndarray, probabilities: np.ndarray, classes: np.ndarray, *, count: int = 100) -> pd.DataFrame:
    """The most confident predictions, right and wrong: at most `count` of each, the most confident first.

    Columns: row (0-based, into `genres`), kind ('sure_and_right' or 'sure_and_wrong'), rank (from 1), genre,
    predicted_genre, probability (of the guess).
    """
    confidence, guesses = probabilities.max(axis=1), classes[np.argmax(probabilities, axis=1)]
    surest = np.argsort(-confidence, kind="stable")
    parts = []
    for kind, chosen in (("sure_and_right", guesses == genres), ("sure_and_wrong", guesses != genres)):
        rows = surest[chosen[surest]][:count]
        parts.append(
            pd.DataFrame(
                {
                    "row": rows,
                    "kind": kind,
                    "rank": np.arange(1, len(rows) + 1),
                    "genre": genres[rows],
                    "predicted_genre": guesses[rows],
                    "probability": confidence[rows],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def importances(
    estimator: BaseEstimator,
    guess: Callable[[pd.DataFrame], np.ndarray],
    inputs: pd.DataFrame,
    genres: np.ndarray,
    *,
    repeats: int,
    seed: int,
) -> np.ndarray:
    """By how much top-1 falls when a column of `inputs` is shuffled (scikit-learn's): an array columns x repeats.

    `guess` gives the first guess of the fitted `estimator` for each row. The pipelines compute their features from
    these columns, so that whatever is made of the tempo is shuffled with it.
    """

    def top_1(_: BaseEstimator, shuffled: pd.DataFrame, true: np.ndarray) -> float:
        return float(np.mean(guess(shuffled) == true))

    found = permutation_importance(estimator, inputs, genres, scoring=top_1, n_repeats=repeats, random_state=seed)
    return np.asarray(found["importances"])
