"""The registry of estimators: a name, and a function that makes the unfitted classifier. One more is one function.

Belongs here: which models there are, their settings, and how the default combines some of them. Everything that is
fitted is inside them, features included, so that nothing is ever learnt from held-out rows. Not here: the features' own
code (features.py), the split (dataset.py) and the fitting (training.py).

Settings were chosen on artist-grouped folds (of another seed) inside the training part of the first of the five folds;
none was chosen by a figure on held-out tracks.
"""

# ruff: noqa: N803 - scikit-learn names a matrix X
import warnings
from collections.abc import Callable, Sequence
from typing import Self

import numpy as np
from lightgbm import LGBMClassifier
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier, VotingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegressionCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import RobustScaler, StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from ml.dataset import ModelError
from ml.features import NamedUnion, Numbers, PiecewiseLinear, Titles
from ml.inputs import INPUTS, inputs_of, normalised

THREADS = 2  # fixed, and not the number of cores: LightGBM's sums depend on it

Make = Callable[[str, int], BaseEstimator]
ESTIMATORS: dict[str, Make] = {}

TRUSTED_TYPES = frozenset(
    {
        "collections.OrderedDict",
        "lightgbm.basic.Booster",
        "lightgbm.sklearn.LGBMClassifier",
        "ml.estimators.Net",
        "ml.features.NamedUnion",
        "ml.features.Numbers",
        "ml.features.PiecewiseLinear",
        "ml.features.Titles",
        "sklearn.compose._column_transformer.make_column_selector",
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

    `features` is what it learns from (inputs.py), such as audio+title. Raises `ModelError` for an unknown name or
    unknown features; the message lists what there is.
    """
    if name not in ESTIMATORS:
        raise ModelError(f"There is no model {name!r}. There are: {', '.join(ESTIMATORS)}.")
    return ESTIMATORS[name](normalised(features), seed)


def _inputs(features: str, *, tempo_features: bool = False) -> NamedUnion:
    """A data frame of numbers, whose columns begin with the input's name, as `audio__tempo` and `title__genre_0` do."""
    makers = {
        "audio": Numbers(INPUTS["audio"], tempo_features=tempo_features),
        "title": Titles("song_name"),
        "year": Numbers(INPUTS["year"], unknown_flags=True),
        "album": Titles("album_name"),
    }
    return NamedUnion([(name, makers[name]) for name in inputs_of(features)])


@register
def prior(_features: str, seed: int) -> Pipeline:
    """The genres' shares of the training part for every track: what knowing nothing gives."""
    return make_pipeline(DummyClassifier(strategy="prior", random_state=seed))


@register
def knn(features: str, _seed: int) -> Pipeline:
    """The study's five nearest neighbours, after robust scaling."""
    return make_pipeline(_inputs(features), RobustScaler(), KNeighborsClassifier(n_neighbors=5))


@register
def logistic(features: str, seed: int) -> Pipeline:
    """The study's logistic regression, after robust scaling; its penalty is chosen by cross-validation."""
    regression = LogisticRegressionCV(
        l1_ratios=(0,), scoring="accuracy", use_legacy_attributes=False, random_state=seed
    )  # the defaults at the study's time, written out because scikit-learn will change them
    return make_pipeline(_inputs(features), RobustScaler(), regression)


@register
def study_forest(features: str, seed: int) -> Pipeline:
    """The study's random forest: 150 unpruned trees of depth at most 100, 4 features per split, after robust scaling.

    Beware of many genres: each node stores a share for every genre (550,295 tracks of 132 genres would need 77 GB).
    """
    trees = RandomForestClassifier(
        n_estimators=150, max_depth=100, max_features=4, n_jobs=THREADS, random_state=seed
    )  # fmt: skip
    return make_pipeline(_inputs(features), RobustScaler(), trees)


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
def mlp(features: str, seed: int) -> Pipeline:
    """Eight neural networks on piecewise linear features, and their mean."""
    return make_pipeline(_inputs(features, tempo_features=True), *_nets(seed))


@register
def ensemble(features: str, seed: int) -> Pipeline:
    """The nets of `mlp` and, with a quarter of the weight, a smaller `lightgbm`: the mean of their probabilities.

    On inner folds, boosting beside the nets changed little with six genres, and helped with 113 genres and titles. It
    also tempers the nets, which are too confident: no calibration step follows. A round of boosting is one tree per
    genre, scored for every song, so there are only 20.
    """
    boosting = lightgbm(features, seed)[-1].set_params(n_estimators=20)
    members = [("nets", make_pipeline(*_nets(seed))), ("lightgbm", boosting)]
    pool = VotingClassifier(members, voting="soft", weights=(0.75, 0.25))
    return make_pipeline(_inputs(features, tempo_features=True), pool)


def _nets(seed: int, count: int = 8) -> tuple[TransformerMixin, VotingClassifier]:
    """What makes a net's columns of the inputs, and the nets, which differ in their random start."""
    numbers = make_column_selector("^(?:audio|year)__")
    columns = make_column_transformer((PiecewiseLinear(), numbers), remainder=StandardScaler())
    nets = [(f"net_{number}", Net(seed=seed + number)) for number in range(count)]
    # In processes of their own, each with one thread: matrices as small as these gain nothing from more.
    return columns, VotingClassifier(nets, voting="soft", n_jobs=THREADS)


class Net(ClassifierMixin, BaseEstimator):
    """scikit-learn's MLP with two layers of `hidden` units, trained at one learning rate after another.

    scikit-learn's Adam has no falling rate, which adds .005 top-1 on inner folds of TidyTuesday. At each of
    `learning_rates` the net sees all rows up to `epochs` times, in batches of `batch` rows. Small data get smaller
    batches, so that there are about fifty in an epoch; large data get fewer epochs, so that at each rate the net sees
    about `most` rows, or every row once. X becomes float32, which halves the time.
    """

    def __init__(
        self,
        hidden: int = 96,
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
        columns, y = validate_data(self, X, y, dtype=np.float32)
        self.net_ = MLPClassifier(
            hidden_layer_sizes=(self.hidden, self.hidden), alpha=self.alpha, random_state=self.seed, warm_start=True,
            batch_size=min(self.batch, len(columns), max(8, len(columns) // 50)),
            max_iter=max(1, min(self.epochs, self.most // len(columns))),
        )  # fmt: skip
        with warnings.catch_warnings():
            # It is meant to stop before it has converged: that keeps it from learning the tracks by heart.
            warnings.simplefilter("ignore", ConvergenceWarning)
            for rate in self.learning_rates:
                self.net_.set_params(learning_rate_init=rate).fit(columns, y)
        self.classes_ = self.net_.classes_
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The most probable class of each row."""
        check_is_fitted(self)
        return np.asarray(self.net_.predict(validate_data(self, X, dtype=np.float32, reset=False)))

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities, rows x classes."""
        check_is_fitted(self)
        return np.asarray(self.net_.predict_proba(validate_data(self, X, dtype=np.float32, reset=False)))
