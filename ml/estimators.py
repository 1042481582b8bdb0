"""The registry of estimators: a name and a function that makes the unfitted classifier. Adding one is one function.

Belongs here: which models there are, their settings, and how the default is calibrated. Everything that is fitted is
inside them, features included, so that nothing is ever learnt from held-out rows. Not here: the features' own code
(features.py), the split (dataset.py) and the fitting (training.py).

Settings were chosen on artist-grouped folds (of another seed) inside the training part of the first of the five folds;
none was chosen by a figure on held-out tracks.
"""

# ruff: noqa: N803 - scikit-learn names a matrix X
import warnings
from collections.abc import Callable, Sequence
from typing import Self

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier, VotingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import GroupKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.preprocessing import RobustScaler, StandardScaler

from ml.dataset import ModelError
from ml.features import Audio, PiecewiseLinear, Titles

FEATURE_SETS = ("audio", "audio+title")
BASELINE = "prior"
DEFAULT = "mlp"
THREADS = 2  # fixed, and not the number of cores: LightGBM's sums depend on it

Make = Callable[[str, int], BaseEstimator]
ESTIMATORS: dict[str, Make] = {}

TRUSTED_TYPES = frozenset(
    {
        "collections.OrderedDict",
        "lightgbm.basic.Booster",
        "lightgbm.sklearn.LGBMClassifier",
        "ml.estimators.CalibratedByArtist",
        "ml.estimators.Net",
        "ml.features.Audio",
        "ml.features.PiecewiseLinear",
        "ml.features.Titles",
        "numpy.dtype",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._TemperatureScaling",
        "sklearn.metrics._dist_metrics.EuclideanDistance64",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.tree._tree.Tree",
        "sklearn.utils._bunch.Bunch",
    }
)
"""What our classifiers are made of and skops does not trust by itself."""


def register(make: Make) -> Make:
    """Add an estimator to the registry under the function's name."""
    ESTIMATORS[make.__name__] = make
    return make


def make_estimator(name: str, *, features: str = "audio", seed: int = 538) -> BaseEstimator:
    """The unfitted scikit-learn classifier `name`, for inputs as `Tracks.inputs` has them.

    `features` is one of `FEATURE_SETS`. Raises `ModelError` for an unknown name or unknown features; the message lists
    what there is.
    """
    if name not in ESTIMATORS:
        raise ModelError(f"There is no model {name!r}. There are: {', '.join(ESTIMATORS)}.")
    if features not in FEATURE_SETS:
        raise ModelError(f"There are no features {features!r}. There are: {', '.join(FEATURE_SETS)}.")
    return ESTIMATORS[name](features, seed)


def _inputs(features: str, *, tempo_features: bool) -> TransformerMixin:
    audio = Audio(tempo_features)
    return audio if features == "audio" else make_union(audio, Titles())


@register
def prior(_features: str, seed: int) -> Pipeline:
    """Always the genres in the order of their share of the training part: what knowing nothing gives."""
    return make_pipeline(Audio(), DummyClassifier(strategy="prior", random_state=seed))


@register
def knn(features: str, _seed: int) -> Pipeline:
    """The study's five nearest neighbours, after robust scaling."""
    return make_pipeline(_inputs(features, tempo_features=False), RobustScaler(), KNeighborsClassifier(n_neighbors=5))


@register
def logistic(features: str, seed: int) -> Pipeline:
    """The study's logistic regression, after robust scaling; its penalty is chosen by cross-validation."""
    regression = LogisticRegressionCV(
        l1_ratios=(0,), scoring="accuracy", use_legacy_attributes=False, random_state=seed
    )  # the defaults at the study's time, written out because scikit-learn will change them
    return make_pipeline(_inputs(features, tempo_features=False), RobustScaler(), regression)


@register
def study_forest(features: str, seed: int) -> Pipeline:
    """The study's random forest: 150 unpruned trees of depth at most 100, 4 features per split, after robust scaling.

    Beware of many genres: each node stores a share of every genre (550,295 tracks of 132 genres would need 77 GB).
    """
    trees = RandomForestClassifier(
        n_estimators=150, max_depth=100, max_features=4, n_jobs=THREADS, random_state=seed
    )  # fmt: skip
    return make_pipeline(_inputs(features, tempo_features=False), RobustScaler(), trees)


@register
def forest(features: str, seed: int) -> Pipeline:
    """Extremely randomised trees (Geurts et al. 2006) of at most 1,000 leaves."""
    trees = ExtraTreesClassifier(max_leaf_nodes=1_000, max_features=12, n_jobs=THREADS, random_state=seed)
    return make_pipeline(_inputs(features, tempo_features=True), trees)


@register
def lightgbm(features: str, seed: int) -> Pipeline:
    """Gradient boosting, with a strong L2 penalty for the sake of genres with few tracks."""
    boosting = LGBMClassifier(
        n_estimators=45, learning_rate=0.25, num_leaves=15, reg_lambda=10, colsample_bytree=0.5,
        n_jobs=THREADS, random_state=seed, deterministic=True, force_row_wise=True, verbose=-1,
    )  # fmt: skip
    return make_pipeline(_inputs(features, tempo_features=True), boosting)


@register
def mlp(features: str, seed: int) -> "CalibratedByArtist":
    """Neural networks on piecewise linear features: four calibrated groups of three, and their mean."""
    inputs: TransformerMixin = make_pipeline(Audio(tempo_features=True), PiecewiseLinear())
    if features == "audio+title":
        inputs = make_union(inputs, make_pipeline(Titles(), StandardScaler()))
    # In processes of their own, each with one thread: matrices as small as these gain nothing from more.
    three = [(f"net_{number}", Net(seed=seed + number)) for number in range(3)]
    nets = VotingClassifier(three, voting="soft", n_jobs=THREADS)
    return CalibratedByArtist(inputs, nets, seed=seed)


class _Classifier(ClassifierMixin, BaseEstimator):
    """What a classifier of ours with `classes_` and `predict_proba` need not say again."""

    def predict(self, X: np.ndarray | pd.DataFrame) -> np.ndarray:
        """The most probable class of each row."""
        return np.asarray(self.classes_[np.argmax(self.predict_proba(X), axis=1)])


class Net(_Classifier):
    """scikit-learn's MLP with two layers of `hidden` units, trained at one learning rate after another.

    At each of `learning_rates` it sees all rows `epochs` times, in steps of `batch` rows: the falling rate is what
    scikit-learn's Adam lacks, and it is worth .005 in top-1 accuracy on TidyTuesday. Small data get smaller steps, so
    that there are about fifty in an epoch. Of large data, it sees about `most` rows at each learning rate, or all rows
    once.
    """

    def __init__(
        self,
        hidden: int = 128,
        learning_rates: Sequence[float] = (0.004, 0.002, 0.001, 0.0005),
        epochs: int = 3,
        most: int = 600_000,
        batch: int = 256,
        alpha: float = 0.01,
        seed: int = 538,
    ) -> None:
        self.hidden = hidden
        self.learning_rates = learning_rates
        self.epochs = epochs
        self.most = most
        self.batch = batch
        self.alpha = alpha
        self.seed = seed

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Fit the net on all rows."""
        self.net_ = MLPClassifier(
            hidden_layer_sizes=(self.hidden, self.hidden), alpha=self.alpha, random_state=self.seed, warm_start=True,
            batch_size=min(self.batch, len(X), max(8, len(X) // 50)),
            max_iter=max(1, min(self.epochs, self.most // len(X))),
        )  # fmt: skip
        with warnings.catch_warnings():
            # It is meant to stop before it has converged: that keeps it from learning the tracks by heart.
            warnings.simplefilter("ignore", ConvergenceWarning)
            for rate in self.learning_rates:
                self.net_.set_params(learning_rate_init=rate).fit(X, y)
        self.classes_ = self.net_.classes_
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities, rows x classes."""
        return np.asarray(self.net_.predict_proba(X))


class CalibratedByArtist(_Classifier):
    """The mean of `folds` copies of `estimator`, each fitted without some artists and calibrated on their tracks.

    The calibration is scikit-learn's `CalibratedClassifierCV` with a temperature; what it cannot do is to keep artists
    apart, and to keep genres that have too few of them. `features` is the transformer whose columns the copies take.
    `fit` needs the column artist beside the inputs; it is no feature. With fewer than `fewest` artists a temperature
    would be chance: then `estimator` is fitted once, on all rows, and not calibrated.
    """

    def __init__(
        self, features: BaseEstimator, estimator: BaseEstimator, folds: int = 4, fewest: int = 100, seed: int = 538
    ) -> None:
        self.features = features
        self.estimator = estimator
        self.folds = folds
        self.fewest = fewest
        self.seed = seed

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> Self:
        """Fit features, copies and temperatures. Raises `ModelError`: fewer than two genres, or no column artist."""
        self.classes_, codes = np.unique(np.asarray(y, dtype=object), return_inverse=True)
        if len(self.classes_) < 2:
            raise ModelError(f"Nothing to tell apart: all {len(codes)} tracks are of one genre. Give two or more.")
        if "artist" not in X:
            raise ModelError("The column artist is missing: the model is calibrated on artists that are held back.")
        self.features_ = clone(self.features)
        columns = self.features_.fit_transform(X, codes)
        model = clone(self.estimator)
        if X["artist"].nunique() >= self.fewest:
            splits = self._splits(X["artist"].to_numpy(), codes)
            model = CalibratedClassifierCV(model, method="temperature", cv=splits, ensemble=True)
        self.model_ = model.fit(columns, codes)
        return self

    def _splits(self, artists: np.ndarray, codes: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Rows to fit on and rows of other artists to calibrate on; every copy must learn every genre.

        A genre whose artists would all be held back is learnt instead: its tracks are too few to sway a temperature.
        """
        splits = []
        for fitted, held_back in GroupKFold(self.folds, shuffle=True, random_state=self.seed).split(
            codes, groups=artists
        ):
            known = np.isin(codes[held_back], codes[fitted])
            splits.append((np.concatenate([fitted, held_back[~known]]), held_back[known]))
        return [split for split in splits if len(split[1])]

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Probabilities, rows x classes; each row sums to 1."""
        return np.asarray(self.model_.predict_proba(self.features_.transform(X)))
