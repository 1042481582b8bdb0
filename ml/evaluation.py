"""Figures from probabilities: how often the right genre is among the first guesses, and per genre.

Belongs here: metrics, each of scikit-learn's own. Not here: which rows they are computed on (the caller says, and the
caller passes held-out rows).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import f1_score, log_loss, precision_recall_fscore_support


@dataclass(frozen=True)
class Scores:
    """Shares of `n` tracks whose genre is among the first 1 to 4 guesses; macro F1 of the genres; log loss in nats."""

    n: int
    top_1: float
    top_2: float
    top_3: float
    top_4: float
    macro_f1: float
    log_loss: float


def score(genres: np.ndarray, probabilities: np.ndarray, classes: np.ndarray) -> Scores:
    """Scores of `probabilities` (tracks x classes, rows sum to 1) against the true `genres`, each one of `classes`.

    Equal probabilities are ranked in the classes' order, as the predictions are.
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")
    true = np.searchsorted(classes, genres)
    place = np.argmax(order == true[:, None], axis=1)
    return Scores(
        n=len(genres),
        top_1=float(np.mean(place < 1)),
        top_2=float(np.mean(place < 2)),
        top_3=float(np.mean(place < 3)),
        top_4=float(np.mean(place < 4)),
        macro_f1=float(f1_score(genres, classes[order[:, 0]], labels=classes, average="macro", zero_division=0)),
        log_loss=float(log_loss(genres, probabilities, labels=classes)),
    )


def score_genres(genres: np.ndarray, probabilities: np.ndarray, classes: np.ndarray) -> pd.DataFrame:
    """Precision, recall, F1 and support of each genre, a row a class; zero where nothing was predicted."""
    guesses = classes[np.argmax(probabilities, axis=1)]
    precision, recall, f1, support = precision_recall_fscore_support(genres, guesses, labels=classes, zero_division=0)
    return pd.DataFrame({"genre": classes, "support": support, "precision": precision, "recall": recall, "f1": f1})


def runner_ups(genres: np.ndarray, probabilities: np.ndarray, classes: np.ndarray) -> pd.DataFrame:
    """The mean probability of every genre over the tracks of each genre: genre, predicted_genre, probability, n_tracks.

    The study's Sankey charts drew this (as sums), on rows that the model had been trained on.
    """
    true = pd.Series(genres, name="genre")
    means = pd.DataFrame(probabilities, columns=classes).groupby(true).mean()
    counts = true.value_counts()
    long = means.reset_index().melt(id_vars="genre", var_name="predicted_genre", value_name="probability")
    return long.assign(n_tracks=long["genre"].map(counts))
