"""What the estimators see of a track: its prepared audio features, and what its title says about the genres.

Belongs here: transformers, which take the tracks' inputs (dataset.py, `Tracks.inputs`) or the numbers made of them, and
are fitted inside the estimators, on training rows only. Not here: the estimators themselves (estimators.py).
"""

# ruff: noqa: N803 - scikit-learn names a matrix X
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.model_selection import GroupKFold
from sklearn.naive_bayes import MultinomialNB
from sklearn.preprocessing import normalize
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from ml.dataset import ModelError
from warehouse.features import AUDIO_FEATURES

HASHES = 2**14
"""Columns for the words, and as many for the letters, of titles: no word list that grows with the number of tracks."""
AUDIO_COLUMNS = len(AUDIO_FEATURES) + 3
"""Columns of `Audio` with its tempo features: those before what titles say."""


class Audio(TransformerMixin, BaseEstimator):
    """The audio features as numbers without gaps (float64, tracks x columns); popularity is none of them.

    An unknown value becomes the training rows' median, and a feature that no training row has becomes 0 in every row:
    so an unknown value means the same to every estimator, and what was never learnt says nothing. With `tempo_features`
    three more follow, which trees and nets do not easily work out: the tempo's place in its octave (0 to 1; trackers
    often hear the double or the half), the number of beats, and the tempo's distance to a whole number (machines keep
    whole ones). Raises `ModelError` for a missing column and for an infinite value.
    """

    def __init__(self, tempo_features: bool = False) -> None:
        self.tempo_features = tempo_features

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:  # noqa: ARG002
        """Learn the medians of the columns AUDIO_FEATURES."""
        values = _numbers(X)
        known = ~np.isnan(values).all(axis=0)
        self.medians_ = np.full(values.shape[1], np.nan)
        self.medians_[known] = np.nanmedian(values[:, known], axis=0)
        return self

    def transform(self, X: pd.DataFrame) -> np.ndarray:
        """The columns AUDIO_FEATURES, filled, then the tempo features if wanted."""
        check_is_fitted(self)
        values = _numbers(X)
        values = np.where(np.isnan(values), self.medians_, values)
        values[:, np.isnan(self.medians_)] = 0
        if not self.tempo_features:
            return values
        tempo = values[:, AUDIO_FEATURES.index("tempo")]
        minutes = values[:, AUDIO_FEATURES.index("duration_ms")] / 60_000
        octave = np.log2(np.maximum(tempo, 1)) % 1
        return np.column_stack([values, octave, tempo * minutes, np.abs(tempo - np.rint(tempo))])


def _numbers(inputs: pd.DataFrame) -> np.ndarray:
    if missing := [name for name in AUDIO_FEATURES if name not in inputs]:
        raise ModelError(f"The columns {', '.join(missing)} are missing. Give them, with empty cells where unknown.")
    values = inputs[AUDIO_FEATURES].to_numpy(dtype=np.float64)
    infinite = np.isinf(values)
    if infinite.any():
        row, column = np.argwhere(infinite)[0]
        raise ModelError(f"{AUDIO_FEATURES[column]} of row {row + 1} is infinite. Correct it, or leave it empty.")
    return values


class PiecewiseLinear(TransformerMixin, BaseEstimator):
    """Each column as up to `bins` columns from 0 to 1 (float32): how far it has come in each of its quantile ranges.

    So a net can bend its answer at each quantile (Gorishniy et al. 2022, On Embeddings for Numerical Features in
    Tabular Deep Learning). scikit-learn's `SplineTransformer(degree=1)` bends at the same places, but its columns are
    bumps, each of which a net must learn by itself: top-1 .528 instead of .565 on inner folds of TidyTuesday. A column
    of few values has fewer ranges, and a constant one none; the first column made is 0, so that there is one in any
    case.
    """

    def __init__(self, bins: int = 16) -> None:
        self.bins = bins

    def fit(self, X: np.ndarray, y: Any = None) -> Self:  # noqa: ARG002
        """Learn the quantiles."""
        values = validate_data(self, X, dtype=np.float64)
        quantiles = np.quantile(values, np.linspace(0, 1, self.bins + 1), axis=0)
        self.edges_ = [np.unique(column) for column in quantiles.T]
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Rows x ranges of all columns."""
        check_is_fitted(self)
        values = validate_data(self, X, dtype=np.float64, reset=False)
        parts = [np.zeros((len(values), 1), dtype=np.float32)]
        for column, edges in zip(values.T, self.edges_, strict=True):
            far = (column[:, None] - edges[:-1]) / np.diff(edges)
            parts.append(np.clip(far, 0, 1).astype(np.float32))
        return np.hstack(parts)

    def __sklearn_tags__(self) -> Tags:
        """For scikit-learn: the result is float32, whatever comes in."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags


class Titles(TransformerMixin, BaseEstimator):
    """What titles say about the genres: logarithms of naive Bayes' probabilities (tracks x genres).

    It counts words, pairs of words, and 2 to 4 letters of a word, each title scaled to the same length; all genres are
    taken as equally frequent, since their shares are the estimator's part. A title that is unknown says nothing: all
    genres are the same. `fit_transform` gives each training row the opinion of a naive Bayes that saw no track of its
    artist, so that estimators learn how far to trust it. Raises `ModelError` where the column song_name or, in
    `fit_transform`, artist is missing.
    """

    FOLDS = 5
    SMALLEST = 1e-4

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> Self:
        """Fit naive Bayes on all rows."""
        return self._fit(_counts(X), np.unique(y, return_inverse=True)[1])

    def fit_transform(self, X: pd.DataFrame, y: np.ndarray) -> np.ndarray:
        """Fit, and give the training rows their opinions by folds."""
        if "artist" not in X:
            raise ModelError("The column artist is missing: titles are judged by those of other artists.")
        counts, artists = _counts(X), X["artist"].to_numpy()
        genres, codes = np.unique(y, return_inverse=True)
        logarithms = np.full((len(X), len(genres)), -np.log(len(genres)))
        if (folds := min(self.FOLDS, len(np.unique(artists)))) > 1:
            for others, fold in GroupKFold(folds, shuffle=True, random_state=0).split(counts, groups=artists):
                bayes = Titles()._fit(counts[others], codes[others])
                logarithms[fold] = bayes._logarithms(counts[fold], len(genres))
        self._fit(counts, codes)
        return logarithms

    def transform(self, X: pd.DataFrame) -> np.ndarray:
        """Rows x genres."""
        check_is_fitted(self)
        return self._logarithms(_counts(X), len(self.bayes_.classes_))

    def _fit(self, counts: sparse.csr_matrix, codes: np.ndarray) -> Self:
        self.bayes_ = MultinomialNB(alpha=0.1, fit_prior=False).fit(counts, codes)
        return self

    def _logarithms(self, counts: sparse.csr_matrix, genres: int) -> np.ndarray:
        logarithms = np.full((counts.shape[0], genres), np.log(self.SMALLEST))
        logarithms[:, self.bayes_.classes_] = np.log(np.maximum(self.bayes_.predict_proba(counts), self.SMALLEST))
        return logarithms


def _counts(inputs: pd.DataFrame) -> sparse.csr_matrix:
    if "song_name" not in inputs:
        raise ModelError("The column song_name is missing: this model reads titles. Give it, empty where unknown.")
    texts = inputs["song_name"].astype(object).where(inputs["song_name"].notna(), "").astype(str)
    kinds: list[dict[str, Any]] = [{"ngram_range": (1, 2)}, {"analyzer": "char_wb", "ngram_range": (2, 4)}]
    counts = sparse.hstack(
        [
            HashingVectorizer(n_features=HASHES, alternate_sign=False, norm=None, dtype=np.float32, **kind).transform(
                texts
            )
            for kind in kinds
        ],
        format="csr",
    )
    counts.data = 1 + np.log(counts.data)
    return normalize(counts, copy=False)
