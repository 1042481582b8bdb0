"""What the estimators see of a track: prepared numbers, and what the titles of song and album say about the genres.

Belongs here: transformers, which take the tracks' inputs (dataset.py, `Tracks.inputs`) or the numbers made of them, and
are fitted inside the estimators, on training rows only. Not here: the estimators themselves (estimators.py).
"""

# ruff: noqa: N803 - scikit-learn names a matrix X
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.model_selection import GroupKFold
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import FeatureUnion
from sklearn.preprocessing import normalize
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from ml.dataset import ModelError

TEMPO_FEATURES = ("tempo_octave", "beats", "tempo_off_whole")


class Numbers(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Columns of numbers without gaps (float64, tracks x columns), such as the audio features or the release year.

    `columns` are those of a data frame that it reads, by name; without them all are read, and X may be an array. An
    unknown value becomes the training rows' median, and a column that no training row has becomes 0 in every row: so an
    unknown value means the same to every estimator, and what was never learnt says nothing. Raises `ModelError` for a
    missing column and for an infinite value.

    With `unknown_flags` a further column for each says whether it was unknown (1) or not (0). With `tempo_features`
    three more follow, which trees and nets do not easily work out of `tempo` and `duration_ms`: the tempo's place in
    its octave (0 to 1; trackers often hear the double or the half), the number of beats, and the tempo's distance to a
    whole number (machines keep whole ones).
    """

    def __init__(
        self, columns: Sequence[str] | None = None, *, tempo_features: bool = False, unknown_flags: bool = False
    ) -> None:
        self.columns = columns
        self.tempo_features = tempo_features
        self.unknown_flags = unknown_flags

    def fit(self, X: pd.DataFrame | np.ndarray, y: Any = None) -> Self:  # noqa: ARG002
        """Learn the medians."""
        values = self._values(X, reset=True)
        known = ~np.isnan(values).all(axis=0)
        self.medians_ = np.full(values.shape[1], np.nan)
        self.medians_[known] = np.nanmedian(values[:, known], axis=0)
        return self

    def transform(self, X: pd.DataFrame | np.ndarray) -> np.ndarray:
        """The columns, filled, then the tempo features and the flags if wanted."""
        check_is_fitted(self)
        given = self._values(X, reset=False)
        values = np.where(np.isnan(given), self.medians_, given)
        values[:, np.isnan(self.medians_)] = 0
        parts = [values]
        if self.tempo_features:
            names = list(self.feature_names_in_)
            tempo, minutes = values[:, names.index("tempo")], values[:, names.index("duration_ms")] / 60_000
            parts += [np.log2(np.maximum(tempo, 1)) % 1, tempo * minutes, np.abs(tempo - np.rint(tempo))]
        if self.unknown_flags:
            parts.append(np.isnan(given).astype(np.float64))
        return np.column_stack(parts)

    def get_feature_names_out(self, input_features: Sequence[str] | None = None) -> np.ndarray:
        """The names of the columns that `transform` gives."""
        names = super().get_feature_names_out(input_features)
        tempo = TEMPO_FEATURES if self.tempo_features else ()
        flags = [f"{name}_is_unknown" for name in names] if self.unknown_flags else ()
        return np.array([*names, *tempo, *flags], dtype=object)

    def _values(self, X: pd.DataFrame | np.ndarray, *, reset: bool) -> np.ndarray:
        table = X if self.columns is None else _named(X, self.columns)
        values = validate_data(self, table, reset=reset, dtype=np.float64, ensure_all_finite=False)
        infinite = np.isinf(values)
        if infinite.any():
            row, column = np.argwhere(infinite)[0]
            name = super().get_feature_names_out()[column]
            raise ModelError(f"{name} of row {row + 1} is infinite. Correct it, or leave it empty.")
        return np.asarray(values)

    def __sklearn_tags__(self) -> Tags:
        """For scikit-learn: NaN is a value that is not known."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class NamedUnion(FeatureUnion):
    """A union whose result is a data frame (float64): `audio__tempo` is the column tempo of its transformer audio.

    Not `set_output(transform="pandas")`: then a union remembers objects of pandas' that a model file cannot hold.
    """

    def fit_transform(self, X: pd.DataFrame, y: Any = None, **params: Any) -> pd.DataFrame:
        """Fit all, and what they give."""
        return self._named(X, super().fit_transform(X, y, **params))

    def transform(self, X: pd.DataFrame, **params: Any) -> pd.DataFrame:
        """What they give, side by side."""
        return self._named(X, super().transform(X, **params))

    def _named(self, X: pd.DataFrame, values: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame(values, index=X.index, columns=self.get_feature_names_out())


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
    """What a column of titles says about the genres: logarithms of naive Bayes' probabilities (tracks x genres).

    It counts words, pairs of words, and 2 to 4 letters of a word, each title scaled to the same length; all genres are
    taken as equally frequent, since their shares are the estimator's part. A title that is unknown says nothing: all
    genres are the same. `fit_transform` gives each training row the opinion of a naive Bayes that saw no track of its
    artist, so that estimators learn how far to trust it: X then needs a column `artist` (whatever tells artists apart)
    beside `column`, and is a data frame in any case. Raises `ModelError` for a missing column.

    `hashes` are the columns for the words, and as many for the letters: no list of words that grows with the tracks.
    `folds` is how many naive Bayes judge the training rows, `alpha` their smoothing, and `smallest` the least
    probability of which the logarithm is taken.
    """

    def __init__(
        self,
        column: str = "song_name",
        *,
        hashes: int = 2**14,
        folds: int = 5,
        alpha: float = 0.1,
        smallest: float = 1e-4,
    ) -> None:
        self.column = column
        self.hashes = hashes
        self.folds = folds
        self.alpha = alpha
        self.smallest = smallest

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> Self:
        """Fit naive Bayes on all rows."""
        counts = self._counts(X)
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.bayes_ = self._bayes(counts, codes)
        return self

    def fit_transform(self, X: pd.DataFrame, y: np.ndarray) -> np.ndarray:
        """Fit, and give the training rows their opinions by folds."""
        counts, artists = self._counts(X), _named(X, ["artist"])["artist"].to_numpy()
        self.classes_, codes = np.unique(y, return_inverse=True)
        logarithms = np.full((len(X), len(self.classes_)), -np.log(len(self.classes_)))
        if (folds := min(self.folds, len(np.unique(artists)))) > 1:
            for others, fold in GroupKFold(folds, shuffle=True, random_state=0).split(counts, groups=artists):
                logarithms[fold] = self._logarithms(self._bayes(counts[others], codes[others]), counts[fold])
        self.bayes_ = self._bayes(counts, codes)
        return logarithms

    def transform(self, X: pd.DataFrame) -> np.ndarray:
        """Rows x genres."""
        check_is_fitted(self)
        return self._logarithms(self.bayes_, self._counts(X))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:  # noqa: ARG002
        """A name for each genre, by its number: LightGBM takes none with commas or quotes, as genres have."""
        check_is_fitted(self)
        return np.array([f"genre_{number}" for number in range(len(self.classes_))], dtype=object)

    def _bayes(self, counts: sparse.csr_matrix, codes: np.ndarray) -> MultinomialNB:
        return MultinomialNB(alpha=self.alpha, fit_prior=False).fit(counts, codes)

    def _logarithms(self, bayes: MultinomialNB, counts: sparse.csr_matrix) -> np.ndarray:
        logarithms = np.full((counts.shape[0], len(self.classes_)), np.log(self.smallest))
        logarithms[:, bayes.classes_] = np.log(np.maximum(bayes.predict_proba(counts), self.smallest))
        return logarithms

    def _counts(self, X: pd.DataFrame) -> sparse.csr_matrix:
        titles = _named(X, [self.column])[self.column]
        texts = titles.astype(object).where(titles.notna(), "").astype(str)
        kinds: list[dict[str, Any]] = [{"ngram_range": (1, 2)}, {"analyzer": "char_wb", "ngram_range": (2, 4)}]
        counts = sparse.hstack(
            [
                HashingVectorizer(
                    n_features=self.hashes, alternate_sign=False, norm=None, dtype=np.float32, **kind
                ).transform(texts)
                for kind in kinds
            ],
            format="csr",
        )
        counts.data = 1 + np.log(counts.data)
        return normalize(counts, copy=False)


def _named(inputs: Any, columns: Sequence[str]) -> pd.DataFrame:
    if missing := [name for name in columns if name not in inputs]:
        are = "column {} is" if len(missing) == 1 else "columns {} are"
        raise ModelError(
            f"The {are.format(', '.join(missing))} missing, which this model reads. Give what is missing, with empty "
            "cells where it is unknown."
        )
    return pd.DataFrame(inputs, columns=list(columns))
