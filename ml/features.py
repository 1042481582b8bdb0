"""What the estimators see of a track: its audio features made ready, and what its title says of the genre.

Belongs here: transformers that take the tracks' inputs (dataset.py, `Tracks.inputs`) and are fitted on training rows
only, inside the estimators. Not here: the estimators themselves (estimators.py).
"""

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

from ml.dataset import AUDIO_FEATURES, ModelError


class Audio(TransformerMixin, BaseEstimator):
    """The audio features as numbers without gaps (float64, tracks x columns); popularity is none of them.

    An unknown value becomes the training rows' median, and a feature that no training row has becomes 0: so an unknown
    value means the same to every estimator. With `tempo_features` three more follow, which trees and nets cannot
    easily work out: the tempo folded into one octave (trackers often hear the double or the half), the number of
    beats, and the tempo's distance to a whole number (machines keep whole ones).
    """

    def __init__(self, tempo_features: bool = False) -> None:
        self.tempo_features = tempo_features

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:  # noqa: N803, ARG002 - scikit-learn's names
        """Learn the medians of the columns AUDIO_FEATURES."""
        values = _numbers(X)
        known = ~np.isnan(values).all(axis=0)
        self.medians_ = np.zeros(values.shape[1])
        self.medians_[known] = np.nanmedian(values[:, known], axis=0)
        return self

    def transform(self, X: pd.DataFrame) -> np.ndarray:  # noqa: N803
        """The columns AUDIO_FEATURES, filled, then the tempo features if wanted."""
        values = _numbers(X)
        values = np.where(np.isnan(values), self.medians_, values)
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
    if np.isinf(values).any():
        row, column = np.argwhere(np.isinf(values))[0]
        raise ModelError(f"{AUDIO_FEATURES[column]} of row {row + 1} is infinite. Correct it, or leave it empty.")
    return values
