"""The registry of estimators: a name and a function that makes the unfitted pipeline. Adding one is one function.

Belongs here: which models there are, their settings, and how several become one; everything that is fitted is inside
them, features included, so that nothing is ever learnt from held-out rows. Not here: the features' own code
(features.py), the split (dataset.py) and the fitting (training.py).

Settings were fixed beforehand, on artist-grouped folds (another seed) inside the training part of the first of the
five folds; none was chosen by a figure of a held-out part.
"""

# ruff: noqa: N803 - scikit-learn names a matrix X
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Self, TypeVar

import joblib
import numpy as np
import pandas as pd
from lightgbm import Booster, LGBMClassifier
from scipy.optimize import minimize
from scipy.special import logsumexp, ndtri, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import GroupShuffleSplit
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.preprocessing import RobustScaler
from threadpoolctl import ThreadpoolController

from ml.dataset import ModelError
from ml.features import Audio, PiecewiseLinear, Titles
from warehouse.features import AUDIO_FEATURES

FEATURE_SETS = ("audio", "audio+title")
BASELINE = "prior"
DEFAULT = "ensemble"
THREADS = 2  # a number of its own, not the machine's: more would change LightGBM's sums

IN_ORDER = partial(joblib.parallel_config, backend="sequential")
"""For a forest's prediction: threads would add its trees in the order they finish, which changes digits."""

T = TypeVar("T")
R = TypeVar("R")
Make = Callable[[str, int], BaseEstimator]
ESTIMATORS: dict[str, Make] = {}

TRUSTED_TYPES = frozenset(
    {
        "collections.OrderedDict",
        "lightgbm.basic.Booster",
        "lightgbm.sklearn.LGBMClassifier",
        "ml.estimators.Budgeted",
        "ml.estimators.Copula",
        "ml.estimators.Nets",
        "ml.estimators.OrderedForest",
        "ml.estimators.Pool",
        "ml.features.Audio",
        "ml.features.PiecewiseLinear",
        "ml.features.Titles",
        "numpy.dtype",
        "sklearn.metrics._dist_metrics.EuclideanDistance64",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.tree._tree.Tree",
    }
)
"""What our pipelines are made of and skops does not trust by itself."""


def register(make: Make) -> Make:
    """Add an estimator to the registry under the function's name."""
    ESTIMATORS[make.__name__] = make
    return make


def make_estimator(name: str, *, features: str = "audio", seed: int = 538) -> BaseEstimator:
    """The unfitted scikit-learn classifier `name`, for inputs as `Tracks.inputs` has them.

    `features` is one of `FEATURE_SETS`. Raises `ModelError` for an unknown one or an unknown name, and lists what there
    is.
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
    )  # the defaults of the study's time, said because they will change
    return make_pipeline(_inputs(features, tempo_features=False), RobustScaler(), regression)


@register
def study_forest(features: str, seed: int) -> Pipeline:
    """The study's random forest: 150 unpruned trees of depth at most 100, 4 features a split, after robust scaling.

    Beware of many genres: each node stores a share of every genre (550,295 tracks of 132 genres would need 77 GB).
    """
    trees = OrderedForest(n_estimators=150, max_depth=100, max_features=4, n_jobs=THREADS, random_state=seed)
    return make_pipeline(_inputs(features, tempo_features=False), RobustScaler(), trees)


@register
def forest(features: str, seed: int) -> Pipeline:
    """Extremely randomised trees (Geurts et al. 2006) of at most 1,000 leaves."""
    trees = ExtraTreesClassifier(max_leaf_nodes=1_000, max_features=12, random_state=seed)
    return make_pipeline(_inputs(features, tempo_features=True), Budgeted(trees, budget=2_600, most=100))


@register
def lightgbm(features: str, seed: int) -> Pipeline:
    """Gradient boosting; a strong L2 penalty, for genres of few tracks; few and small trees, since each is scored."""
    boosting = LGBMClassifier(
        learning_rate=0.25, num_leaves=15, reg_lambda=10, colsample_bytree=0.5,
        random_state=seed, deterministic=True, force_row_wise=True, verbose=-1,
    )  # fmt: skip
    return make_pipeline(_inputs(features, tempo_features=True), Budgeted(boosting, budget=1_300, most=45))


@register
def mlp(features: str, seed: int) -> Pipeline:
    """Six of scikit-learn's nets of two hidden layers, on piecewise linear features; their mean."""
    return make_pipeline(_inputs(features, tempo_features=True), Nets(seed=seed))


@register
def ensemble(features: str, seed: int) -> "Pool":
    """`mlp`, `lightgbm`, `forest` and a copula (not in the registry: it hears no titles), pooled and calibrated."""
    members = [make(features, seed)[-1] for make in (mlp, lightgbm, forest)]
    return Pool(_inputs(features, tempo_features=True), [*members, Copula()], seed)


class _Classifier(ClassifierMixin, BaseEstimator):
    """What a classifier of ours with `classes_` and `predict_proba` need not say again."""

    def predict(self, X: np.ndarray | pd.DataFrame) -> np.ndarray:
        """The most probable class of each row."""
        return np.asarray(self.classes_[np.argmax(self.predict_proba(X), axis=1)])


@cache
def _threads() -> ThreadPoolExecutor:
    """The same threads for every batch: the C library keeps memory for each new one, so that it would grow for long."""
    return ThreadPoolExecutor(THREADS)


os.register_at_fork(after_in_child=_threads.cache_clear)  # a forked process has none of its parent's threads


@cache
def _libraries() -> ThreadpoolController:
    """The libraries with threads of their own, all loaded by the imports above; looking for them takes long."""
    return ThreadpoolController()


def _in_threads(work: Callable[[T], R], parts: Iterable[T]) -> list[R]:
    """`work` on each of `parts`, in order, in THREADS threads, each of which leaves BLAS one."""
    with _libraries().limit(limits=1):
        return list(_threads().map(work, parts))


def _in_blocks(score: Callable[[slice], np.ndarray], length: int, rows: int) -> np.ndarray:
    """`score` of so many rows at a time of `length`, joined; of none, of one empty block."""
    return np.concatenate(_in_threads(score, [slice(start, start + rows) for start in range(0, max(1, length), rows)]))


class OrderedForest(RandomForestClassifier):
    """A random forest that predicts `IN_ORDER`."""

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Rows x classes."""
        with IN_ORDER():
            return np.asarray(super().predict_proba(X))


class Budgeted(_Classifier):
    """`estimator` with `n_estimators` = `budget` / genres, but at most `most`.

    A round of boosting is a tree for every genre, and a leaf of a forest a share of every genre: so time, memory and
    the model's size grow with tracks or with genres, not with both. Few tracks are one thread's work: threads that wait
    for each other cost more than they help.
    """

    FEW_TO_FIT, FEW_TO_SCORE = 50_000, 1_000

    def __init__(self, estimator: BaseEstimator, budget: int, most: int) -> None:
        self.estimator = estimator
        self.budget = budget
        self.most = most

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Fit as many trees or rounds as the genres of `y` leave room for."""
        self.classes_ = np.unique(y)
        count = max(1, min(self.most, self.budget // len(self.classes_)))
        threads = THREADS if len(X) >= self.FEW_TO_FIT else 1
        self.estimator_ = clone(self.estimator).set_params(n_estimators=count, n_jobs=threads).fit(X, y)
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Rows x classes."""
        if isinstance(self.estimator_, LGBMClassifier):
            return self._boosted(self.estimator_.booster_, X)
        with IN_ORDER():
            return np.asarray(self.estimator_.predict_proba(X))

    def _boosted(self, booster: Booster, X: np.ndarray) -> np.ndarray:
        """LightGBM's scores as probabilities; of many rows a round at a time, whose trees fit the processor's cache.

        That takes two thirds of the time of all rounds at once, and adds the same numbers in the same order.
        """
        rounds, is_many = booster.current_iteration(), len(X) >= self.FEW_TO_SCORE
        threads, step = (THREADS, 1) if is_many else (1, rounds)
        # Of two classes there is a score for the second alone.
        scores = np.zeros(len(X) if len(self.classes_) == 2 else (len(X), len(self.classes_)))
        for first in range(0, rounds, step):
            scores += booster.predict(X, raw_score=True, start_iteration=first, num_iteration=step, num_threads=threads)
        if scores.ndim == 1:
            scores = np.column_stack([np.zeros(len(X)), scores])
        return np.asarray(softmax(scores, axis=1))


class Nets(_Classifier):
    """The mean of `nets` nets (scikit-learn's MLP, two layers of `hidden` units) that start differently.

    Each sees all rows `epochs` times, in steps of `batch` rows; of fewer where there are under fifty such steps. Past
    ENOUGH rows in all, it sees them less often, but twice. Rows are shown in pieces of CHUNK, so that the memory for
    them does not grow with their number; from piece to piece the learning rate falls along a cosine (Loshchilov and
    Hutter 2017, SGDR).

    A row's probabilities do not depend, to the last bit, on the rows that it is given with, though BLAS adds up
    products in an order that does. For weights and activations are whole GRID-ths, whose products and sums (of up to
    2,048 columns, within the limits below) a float64 holds exactly: in any order they come to the same.
    """

    CHUNK = 10_000
    ENOUGH = 3_000_000
    NOTHING = 1e-20
    LEARNING_RATE, LAST_SHARE = 0.004, 0.05  # at the beginning, and what is left of it at the end
    BLOCK = 1_024  # rows that go through all layers at a time, within the processor's cache
    GRID = 2.0**15
    MOST_WEIGHT, MOST_ACTIVATION = 2.0**4, 2.0**8  # far beyond what a net has

    def __init__(self, nets: int = 6, hidden: int = 128, epochs: int = 12, batch: int = 256, seed: int = 538) -> None:
        self.nets = nets
        self.hidden = hidden
        self.epochs = epochs
        self.batch = batch
        self.seed = seed

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Fit each net on all rows, in an order of its own."""
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.encoder_ = PiecewiseLinear().fit(X)
        # One thread a net: small matrices gain nothing from more, and sums keep their order on any machine.
        self.nets_ = _in_threads(lambda number: self._fit_net(X, codes, self.seed + number), range(self.nets))
        return self

    def _fit_net(self, X: np.ndarray, codes: np.ndarray, seed: int) -> MLPClassifier:
        rng = np.random.default_rng(seed)
        pieces = -(-len(X) // self.CHUNK)
        batch = min(self.batch, len(X) // pieces, max(8, len(X) // 50))
        net = MLPClassifier(
            hidden_layer_sizes=(self.hidden,) * 2, alpha=0.01, batch_size=batch, random_state=seed,
            learning_rate_init=self.LEARNING_RATE,
        )  # fmt: skip
        epochs = min(self.epochs, max(2, self.ENOUGH // len(X)))
        shares = np.maximum(self.LAST_SHARE, (1 + np.cos(np.linspace(0, np.pi, epochs * pieces, endpoint=False))) / 2)
        for epoch_shares in np.split(shares, epochs):
            parts = np.array_split(rng.permutation(len(X)), pieces)
            for rows, share in zip(parts, epoch_shares, strict=True):
                if hasattr(net, "_optimizer"):  # from the second piece on; scikit-learn has no schedule for Adam
                    net._optimizer.learning_rate_init = self.LEARNING_RATE * float(share)
                net.partial_fit(self.encoder_.transform(X[rows]), codes[rows], classes=np.arange(len(self.classes_)))
                self._forget_what_is_nothing(net)
        net.coefs_ = [(self._whole(weights, self.MOST_WEIGHT) / self.GRID).astype(np.float32) for weights in net.coefs_]
        return net

    def _forget_what_is_nothing(self, net: MLPClassifier) -> None:
        """Round to 0 what is too small to change any probability.

        A unit that no row reaches any more has weights that shrink for ever, and with the least numbers there are
        processors compute many times slower: at 550,000 tracks training took more than twice as long.
        """
        optimizer = net._optimizer
        for values in (*net.coefs_, *net.intercepts_, *optimizer.ms, *optimizer.vs):
            values[np.abs(values) < self.NOTHING] = 0

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Rows x classes."""
        return _in_blocks(lambda rows: self._mean(X[rows]), len(X), self.BLOCK)

    def _mean(self, X: np.ndarray) -> np.ndarray:
        columns = self._whole(self.encoder_.transform(X), self.MOST_ACTIVATION)
        return np.asarray(np.mean([self._shares(net, columns) for net in self.nets_], axis=0))

    def _whole(self, values: np.ndarray, most: float) -> np.ndarray:
        """The values in whole GRID-ths (float64), kept within `most`."""
        whole = np.multiply(values, self.GRID, dtype=np.float64)
        np.clip(whole, -most * self.GRID, most * self.GRID, out=whole)
        return np.rint(whole, out=whole)

    def _shares(self, net: MLPClassifier, columns: np.ndarray) -> np.ndarray:
        """What the net's own `predict_proba` gives, rows x classes, for columns in whole GRID-ths."""
        for weights, bias in zip(net.coefs_[:-1], net.intercepts_[:-1], strict=True):
            columns = columns @ weights
            columns += bias * self.GRID
            np.clip(columns, 0, self.MOST_ACTIVATION * self.GRID, out=columns)
            np.rint(columns, out=columns)
        scores = columns @ net.coefs_[-1]
        scores /= self.GRID
        scores += net.intercepts_[-1]
        if scores.shape[1] == 1:  # of two classes, the net has a score for the second alone
            scores = np.pad(scores, ((0, 0), (1, 0)))
        return np.asarray(softmax(scores, axis=1))


class Copula(_Classifier):
    """Bayes' rule with a density for each class: marginals of any shape, tied together by a Gaussian copula.

    Copula discriminant analysis (Han, Zhao and Liu 2013, "CODA: High Dimensional Copula Discriminant Analysis"). A
    class's marginals are its shares of `bins` quantile ranges of all rows; a value that fills a whole range has one of
    its own. What ties the columns together are the correlations of the class's normal scores. `smoothing` rows that are
    as all rows, and as many of the mean correlations, are added to each class, for those of few rows. Only the first
    columns, AUDIO_FEATURES, are looked at.

    The sandbox draws its songs from such densities (extract/sandbox/profiles.py), so on synthetic songs this is the
    right model, with much data nearly the best possible one. On real songs it is one opinion among others.
    """

    CHUNK = 50_000  # rows to fit on at a time, so that memory does not grow with their number
    BLOCK = 512  # rows to score at a time, within the processor's cache
    RAREST = 1e-4  # the least share below or above a value: a normal score is -3.7 to 3.7
    LOOSENED = 1e-3  # added to each variance, so that columns which tell the same leave a matrix with an inverse

    def __init__(self, bins: int = 64, smoothing: float = 20.0) -> None:
        self.bins = bins
        self.smoothing = smoothing

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Count the classes' shares of each range, then measure how their normal scores go together."""
        columns = X[:, : len(AUDIO_FEATURES)]
        self.classes_, codes = np.unique(y, return_inverse=True)
        sizes = np.bincount(codes)
        self.edges_ = [self._edges(column) for column in columns.T]
        chunks = [slice(start, start + self.CHUNK) for start in range(0, len(columns), self.CHUNK)]
        self.logs_, self.normals_ = [], []
        for table in self._count(columns, codes, chunks):
            overall = table.sum(axis=1, keepdims=True) / len(columns)
            shares = (table + self.smoothing * overall) / (sizes + self.smoothing)
            middles = np.cumsum(shares, axis=0) - shares / 2
            # A range without rows, between two neighbouring values, says nothing of any class.
            ratios = np.divide(shares, overall, out=np.ones_like(shares), where=overall > 0)
            self.logs_.append(np.log(ratios))
            self.normals_.append(ndtri(np.clip(middles, self.RAREST, 1 - self.RAREST)))
        with _libraries().limit(limits=1):
            products = self._products(columns, codes, chunks)
            pooled = products.sum(axis=0) / len(columns)
            products = (products + self.smoothing * pooled) / (sizes + self.smoothing)[:, None, None]
            products += self.LOOSENED * np.eye(columns.shape[1])
            deviations = np.sqrt(np.diagonal(products, axis1=1, axis2=2))
            correlations = products / (deviations[:, :, None] * deviations[:, None, :])
            self.whitening_ = np.linalg.inv(np.linalg.cholesky(correlations))
        determinants = np.log(np.diagonal(self.whitening_, axis1=1, axis2=2)).sum(axis=1)
        self.constants_ = determinants + np.log(sizes / len(columns))
        return self

    def _count(self, columns: np.ndarray, codes: np.ndarray, chunks: list[slice]) -> list[np.ndarray]:
        """Of each column the rows in each range of each class: ranges x classes."""
        classes = len(self.classes_)
        counts = [np.zeros((len(edges) + 1, classes)) for edges in self.edges_]
        for rows in chunks:
            for table, places in zip(counts, self._places(columns[rows]), strict=True):
                found = np.bincount(places * classes + codes[rows], minlength=table.size)
                table += found.reshape(table.shape)
        return counts

    def _products(self, columns: np.ndarray, codes: np.ndarray, chunks: list[slice]) -> np.ndarray:
        """The sums of the products of the rows' normal scores: classes x columns x columns."""
        classes = len(self.classes_)
        products = np.zeros((classes, columns.shape[1], columns.shape[1]))
        for rows in chunks:
            looked_up = zip(self.normals_, self._places(columns[rows]), strict=True)
            normals = np.column_stack([table[places, codes[rows]] for table, places in looked_up])
            order = np.argsort(codes[rows], kind="stable")
            ends = np.cumsum(np.bincount(codes[rows], minlength=classes))[:-1]
            products += np.array([part.T @ part for part in np.split(normals[order], ends)])
        return products

    def _edges(self, column: np.ndarray) -> np.ndarray:
        quantiles, times = np.unique(
            np.quantile(column, np.linspace(0, 1, self.bins + 1)[1:-1], method="inverted_cdf"), return_counts=True
        )
        return np.unique(np.concatenate([quantiles, np.nextafter(quantiles[times > 1], np.inf)]))

    def _places(self, X: np.ndarray) -> list[np.ndarray]:
        """Of each column, the number of each row's range."""
        return [np.searchsorted(edges, column, side="right") for edges, column in zip(self.edges_, X.T, strict=True)]

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Rows x classes; a row's do not depend on the rows that it is given with, since no sum is left to BLAS."""
        columns = X[:, : len(AUDIO_FEATURES)]
        return _in_blocks(lambda rows: self._shares(columns[rows]), len(X), self.BLOCK)

    def _shares(self, X: np.ndarray) -> np.ndarray:
        logs = np.tile(self.constants_, (len(X), 1))
        normals: list[np.ndarray] = []
        for column, places in enumerate(self._places(X)):
            logs += self.logs_[column][places]
            normals.append(self.normals_[column][places])
            white = self.whitening_[:, column, 0] * normals[0]
            for before in range(1, column + 1):
                white += self.whitening_[:, column, before] * normals[before]
            logs -= (white**2 - normals[column] ** 2) / 2
        return np.asarray(softmax(logs, axis=1))


class Pool(_Classifier):
    """The members' probabilities multiplied, each to the power of its weight: a logarithmic opinion pool.

    The weights (0 or more) are those of least log loss on artists whom the members were not fitted on; their sum
    calibrates the probabilities, as a temperature does. A member of less than LITTLE weight is left out, the least
    first, and the others are weighed anew: it would be scored for every song and change next to nothing. `features` is
    the transformer whose columns all members take; `fit` needs the column artist beside what it takes, which is no
    feature.
    """

    SHARE, MOST = 0.2, 20_000  # tracks to learn the weights on: a handful of weights needs no more
    ENOUGH = 0.95  # of the tracks: fitting the members again on all would change nothing and cost the time again
    SMALLEST = 1e-4  # a probability: no member alone may rule a genre out
    LITTLE = 0.05  # a weight
    PENALTY = 10.0  # in tracks: where they are few, the weights stay near each other
    BLOCK = 512  # rows to pool at a time, within the processor's cache

    def __init__(self, features: BaseEstimator, members: list[BaseEstimator], seed: int = 538) -> None:
        self.features = features
        self.members = members
        self.seed = seed

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> Self:
        """Learn the weights on a part of the artists, then fit the members on all rows.

        Fewer than ten artists are not parted: then all weights are equal. Raises `ModelError`: fewer than two genres,
        or no column artist.
        """
        self.classes_, codes = np.unique(np.asarray(y, dtype=object), return_inverse=True)
        if len(self.classes_) < 2:
            raise ModelError(f"Nothing to tell apart: all {len(codes)} tracks are of one genre. Give two or more.")
        if "artist" not in X:
            raise ModelError("The column artist is missing: the weights are learnt on artists that are held back.")
        self.features_ = clone(self.features)
        columns = self.features_.fit_transform(X, codes)
        self.weights_ = np.full(len(self.members), 1 / len(self.members))
        fitted, held_back = self._hold_back(X["artist"].to_numpy(), codes)
        if len(held_back):
            self.members_ = self._fit_members(columns[fitted], codes[fitted])
            self.weights_ = self._weigh(self._logarithms(self._shares(columns[held_back])), codes[held_back])
        if len(fitted) < self.ENOUGH * len(codes):
            self.members_ = self._fit_members(columns, codes)
        self.members_ = [member for member, used in zip(self.members_, self.weights_ > 0, strict=True) if used]
        self.weights_ = self.weights_[self.weights_ > 0]
        return self

    def _hold_back(self, artists: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows to fit on and rows, of other artists, to learn the weights on; none where there are too few artists."""
        if len(np.unique(artists)) >= 2 / self.SHARE:
            share = min(self.SHARE, self.MOST / len(codes))
            splitter = GroupShuffleSplit(1, test_size=share, random_state=self.seed)
            fitted, held_back = next(splitter.split(codes, groups=artists))
            if len(np.unique(codes[fitted])) >= 2:
                return fitted, held_back
        return np.array([], dtype=int), np.array([], dtype=int)

    def _fit_members(self, X: np.ndarray, codes: np.ndarray) -> list[BaseEstimator]:
        return [
            clone(member).fit(X, codes) if weight > 0 else None
            for member, weight in zip(self.members, self.weights_, strict=True)
        ]

    def _shares(self, X: np.ndarray) -> list[np.ndarray]:
        """Each member's probabilities, rows x the classes that it saw."""
        return [member.predict_proba(X) for member in self.members_]

    def _logarithms(self, shares: list[np.ndarray]) -> np.ndarray:
        """Members x rows x classes; a class that a member never saw is as improbable as may be."""
        logs = np.full((len(shares), len(shares[0]), len(self.classes_)), np.log(self.SMALLEST))
        for log, member, share in zip(logs, self.members_, shares, strict=True):
            log[:, member.classes_] = np.log(np.maximum(share, self.SMALLEST))
        return logs

    def _weigh(self, logs: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """A weight for each member, 0 for those that are left out."""
        used = np.arange(len(logs))
        weights = self._best_weights(logs, codes)
        while len(used) > 1 and weights.min() < self.LITTLE:
            used = np.delete(used, weights.argmin())
            weights = self._best_weights(logs[used], codes)
        every = np.zeros(len(logs))
        every[used] = weights
        return every

    def _best_weights(self, logs: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """The minimum of a convex function: log loss, and the penalty."""
        even = np.full(len(logs), 1 / len(logs))
        right = logs[:, np.arange(len(codes)), codes].sum(axis=1)

        def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
            pooled = np.tensordot(weights, logs, 1)
            sums = logsumexp(pooled, axis=1, keepdims=True)
            shares = np.exp(pooled - sums)
            away = weights - even
            value = sums.sum() - weights @ right + self.PENALTY * away @ away
            slope = np.array([np.vdot(shares, log) for log in logs]) - right + 2 * self.PENALTY * away
            return value / len(codes), slope / len(codes)

        best = minimize(loss, even, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(even)).x
        return np.asarray(best if best.any() else even)

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Rows x classes, float64; each row sums to 1, and does not depend on the rows that it is given with."""
        shares = self._shares(self.features_.transform(X))

        def pool(rows: slice) -> np.ndarray:
            logs = self._logarithms([share[rows] for share in shares])
            # Member by member: BLAS, which `tensordot` calls, adds up otherwise at a matrix's edges.
            pooled = sum(weight * log for weight, log in zip(self.weights_, logs, strict=True))
            return np.asarray(softmax(pooled, axis=1))

        return _in_blocks(pool, len(X), self.BLOCK)
