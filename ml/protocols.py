"""The registry of protocols: which tracks are learnt and which are held out, and what is compared on them.

Belongs here: the default protocol, the study's two, and what only the study's need (their sample, SMOTE, words of
titles). Not here: how artists are kept on one side (dataset.py), the estimators (estimators.py), and the figures
(evaluation.py). Adding a protocol is one entry of PROTOCOLS.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import Pipeline as SamplingPipeline
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import MultinomialNB
from sklearn.preprocessing import RobustScaler
from sklearn.utils.validation import check_is_fitted

from ml.dataset import ModelError, Split, TooLittleToLearn, Tracks, check_features, folds_by_artist, split_by_artist
from ml.estimators import make_estimator
from ml.features import Numbers
from ml.inputs import inputs_of, normalised
from ml.settings import BASELINE, DEFAULT, STUDY_FOREST
from warehouse.features import AUDIO_FEATURES, study_genres

SAMPLE = 25_000
NEIGHBOURS = 5
"""SMOTE's neighbours: imbalanced-learn's default, which the study left as it was."""

STUDY_GENRES = (
    "Country", "Cumbia", "Death Metal", "Disco", "Emo", "Progressive House", "Quebecois", "Shoegaze", "Soundtrack",
    "Techno",
)  # fmt: skip
"""The ten largest genres of the study's data."""

_NO_ROWS = np.array([], dtype=np.int64)


@dataclass(frozen=True)
class Protocol:
    """How models are compared: the splits, the models and features, and what is done to the training part.

    `split` gives one or more splits from tracks, the number of folds and the seed. `features` is None where the caller
    chooses. `is_studys` protocols repeat the study: they split by row, balance the genres of the training part by
    SMOTE, allow no other models than `models`, and no model of theirs is kept or published.
    """

    name: str
    description: str
    split: Callable[[Tracks, int, int], list[Split]]
    models: tuple[str, ...]
    features: str | None = None
    is_studys: bool = False

    def splits(self, tracks: Tracks, *, folds: int = 1, seed: int = 538) -> list[Split]:
        """The splits of `tracks`, one per fold. Raises `ModelError`: the protocol has no folds, or too few tracks."""
        if self.is_studys and folds != 1:
            raise ModelError(
                f"{self.name} is one split, not {folds} folds. Leave the folds out, or take artist_grouped."
            )
        return self.split(tracks, folds, seed)

    def inputs(self, features: str | None) -> str:
        """The inputs of a run: `features`, or by default the protocol's own, or audio where it leaves the choice.

        Raises `ModelError` for inputs that there are not, or others than the protocol's own.
        """
        wanted = self.features or "audio" if features is None else normalised(features)
        if self.features not in (None, wanted):
            raise ModelError(
                f"{self.name} has the study's own features, {self.features}, and not {wanted}. Leave the features out, "
                f"or take artist_grouped: song-genres train --features {wanted}"
            )
        return wanted

    def make(
        self, model: str, *, features: str = "audio", seed: int = 538, training_genres: np.ndarray
    ) -> BaseEstimator:
        """The unfitted estimator of the registry, behind SMOTE where the protocol has it (the baseline is not).

        `training_genres` are the genres of the training part, which say how many neighbours SMOTE can have. Raises
        `ModelError` for a model that the protocol does not compare.
        """
        if not self.is_studys:
            return make_estimator(model, features=features, seed=seed)
        if model not in self.models:
            raise ModelError(f"{self.name} does not compare {model!r}. It compares: {', '.join(self.models)}.")
        if model == BASELINE:
            return make_estimator(model, seed=seed)
        return _study_pipeline(model, titles="title" in inputs_of(features), genres=training_genres, seed=seed)

    def study_genres(self) -> Sequence[str]:
        """The genres of the study's published figures: only a run of exactly these genres is comparable."""
        return STUDY_GENRES if self.name == "study_2023_05" else study_genres()

    def notes(self, tracks: Tracks) -> list[str]:
        """What to know about the protocol on these tracks, a sentence each."""
        if not self.is_studys:
            return []
        notes = [
            "Split by row, as the study did: artists and recordings are on both sides, which flatters the figures.",
            "The training part was balanced by SMOTE; n_train counts the real tracks.",
        ]
        if self.name == "study_2023_04":
            notes.append(
                f"A sample of {SAMPLE:,} of {len(tracks.frame):,} tracks."
                if len(tracks.frame) > SAMPLE
                else f"All {len(tracks.frame):,} tracks: there are no more than the study's sample of {SAMPLE:,}."
            )
        elif not set(STUDY_GENRES) <= set(tracks.frame["genre"]):
            largest = min(10, tracks.frame["genre"].nunique())
            notes.append(f"Not the study's ten genres, which this dataset lacks, but its own {largest} largest.")
        return notes


def find_protocol(name: str) -> Protocol:
    """The protocol of that name. Raises `ModelError`, which lists the known names."""
    if name not in PROTOCOLS:
        raise ModelError(f"There is no protocol {name!r}. There are: {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]


def _artist_grouped(tracks: Tracks, folds: int, seed: int) -> list[Split]:
    return [split_by_artist(tracks, seed=seed)] if folds == 1 else folds_by_artist(tracks, folds=folds, seed=seed)


def _study_2023_04(tracks: Tracks, _: int, seed: int) -> list[Split]:
    rows = pd.Series(np.arange(len(tracks.frame)))
    if len(rows) > SAMPLE:
        rows = rows.sample(SAMPLE, random_state=seed)
    return [_split_by_row(tracks, rows.to_numpy(), 0.3, seed, "it has no track in the sample")]


def _study_2023_05(tracks: Tracks, _: int, seed: int) -> list[Split]:
    genres = tracks.frame["genre"]
    chosen: list[str] = list(STUDY_GENRES)
    if not set(chosen) <= set(genres):
        counts = genres.value_counts().rename_axis("genre").reset_index()
        chosen = counts.sort_values(["count", "genre"], ascending=[False, True])["genre"].head(10).tolist()
    return [_split_by_row(tracks, np.flatnonzero(genres.isin(chosen)), 0.2, seed, "it is not among the ten genres")]


def _split_by_row(tracks: Tracks, rows: np.ndarray, test_share: float, seed: int, why_not: str) -> Split:
    """A random split of `rows`, blind to artists. Genres that SMOTE or the figures could not have are left out."""
    check_features(tracks)
    genres = tracks.frame["genre"].to_numpy(dtype=object)
    if len(rows) < 2:
        raise TooLittleToLearn(f"{tracks.dataset!r} has too few tracks to split. Import a dump with more.")
    train, test = train_test_split(rows, test_size=test_share, random_state=seed)
    trained, tested = pd.Series(genres[train]).value_counts(), set(genres[test])
    left_out = {}
    for genre in sorted(set(genres)):
        if genre not in trained.index and genre not in tested:
            left_out[genre] = why_not
        elif trained.get(genre, 0) < 2:
            left_out[genre] = "fewer than two of its tracks fell into the training part, and SMOTE needs two"
        elif genre not in tested:
            left_out[genre] = "none of its few tracks fell into the held-out part"
    kept = ~np.isin(genres, list(left_out))
    if len(np.unique(genres[kept])) < 2:
        raise TooLittleToLearn(
            f"Nothing to tell apart: fewer than two genres of {tracks.dataset!r} have enough tracks. Import a dump "
            "with more genres or more tracks."
        )
    return Split(train[kept[train]], test[kept[test]], _NO_ROWS, left_out)


def _study_pipeline(model: str, *, titles: bool, genres: np.ndarray, seed: int) -> SamplingPipeline:
    """The study's steps: features, SMOTE, RobustScaler, and the classifier in which the registry's `model` ends."""
    columns: list[tuple[str, TransformerMixin, str | list[str]]] = [("audio", Numbers(), AUDIO_FEATURES)]
    if titles:
        columns.append(("title", TitleWords(), "song_name"))
    smallest = int(pd.Series(genres).value_counts().min())
    return SamplingPipeline(
        [
            ("features", ColumnTransformer(columns, sparse_threshold=0)),
            ("smote", SMOTE(k_neighbors=min(NEIGHBOURS, smallest - 1), random_state=seed)),
            ("scale", RobustScaler()),
            ("model", make_estimator(model, seed=seed)[-1]),
        ]
    )


class TitleWords(TransformerMixin, BaseEstimator):
    """The study's title words: one column (0 or 1) for each word that is typical of a genre.

    For each genre the `per_genre` words of highest multinomial-naive-Bayes log-probability over the TF-IDF of the
    titles; a word of several genres is one column. Titles are put in lower case and cut into words of two letters or
    more, without English stop words. `fit` takes a column of titles (None where unknown) and the genres.
    """

    def __init__(self, per_genre: int = 10) -> None:
        self.per_genre = per_genre

    def fit(self, titles: pd.Series, genres: np.ndarray) -> Self:
        """Choose the words; none where no title has any."""
        vectorizer = self._vectorizer()
        try:
            weights = vectorizer.fit_transform(_texts(titles))
        except ValueError:  # an empty vocabulary
            self.words_ = np.array([], dtype=object)
            return self
        bayes = MultinomialNB().fit(weights, genres)
        first = np.argsort(-bayes.feature_log_prob_, axis=1, kind="stable")[:, : self.per_genre]
        self.words_ = np.unique(vectorizer.get_feature_names_out()[first])
        return self

    def transform(self, titles: pd.Series) -> np.ndarray:
        """Tracks x words, 1 where the title has the word."""
        check_is_fitted(self)
        if len(self.words_) == 0:
            return np.zeros((len(titles), 0))
        return self._vectorizer(vocabulary=self.words_, use_idf=False, norm=None, binary=True).fit_transform(
            _texts(titles)
        ).toarray()  # fmt: skip

    def _vectorizer(self, **settings: object) -> TfidfVectorizer:
        return TfidfVectorizer(stop_words="english", token_pattern=r"[^\W\d_]{2,}", **settings)


def _texts(titles: pd.Series) -> pd.Series:
    return pd.Series(titles).astype(object).where(pd.notna(titles), "")


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "artist_grouped",
            "Held out by artist: no credited artist and no identical audio vector is on both sides. One split (about "
            "30 % of each genre's tracks held out) or k folds.",
            _artist_grouped,
            (BASELINE, STUDY_FOREST, DEFAULT),
        ),
        Protocol(
            "study_2023_04",
            "The study's first: a random sample of 25,000 tracks, split 70/30 by row; SMOTE, RobustScaler.",
            _study_2023_04,
            (BASELINE, "knn", "logistic", STUDY_FOREST),
            features="audio",
            is_studys=True,
        ),
        Protocol(
            "study_2023_05",
            "The study's second: the ten largest genres, split 80/20 by row; SMOTE, RobustScaler; 100 words of titles. "
            "The study's LightGBM settings are not known: this project's stand for them.",
            _study_2023_05,
            (BASELINE, "knn", "logistic", STUDY_FOREST, "lightgbm"),
            features="audio+title",
            is_studys=True,
        ),
    )
}
