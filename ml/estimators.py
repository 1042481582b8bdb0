"""The registry of estimators: a name and a function that makes the unfitted pipeline. Adding one is one function.

Belongs here: which models there are and their settings; everything that is fitted is inside them, features included, so
that nothing is ever learnt from held-out rows. Not here: the features' own code (features.py), the split (dataset.py)
and the fitting (training.py).
"""

from collections.abc import Callable

from lightgbm import LGBMClassifier
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegressionCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import RobustScaler, StandardScaler

from ml.dataset import ModelError
from ml.features import Audio

FEATURE_SETS = ("audio", "audio+title")
Make = Callable[[int], BaseEstimator]
ESTIMATORS: dict[str, tuple[Make, bool]] = {}
BASELINE = "prior"
DEFAULT = "ensemble"

TRUSTED_TYPES = frozenset(
    {
        "collections.OrderedDict",
        "lightgbm.basic.Booster",
        "lightgbm.sklearn.LGBMClassifier",
        "ml.features.Audio",
        "numpy.dtype",
        "sklearn.metrics._dist_metrics.EuclideanDistance64",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.tree._tree.Tree",
        "sklearn.utils._bunch.Bunch",
    }
)
"""What our pipelines are made of and skops does not trust by itself."""


def register(*, tempo_features: bool) -> Callable[[Make], Make]:
    """Add an estimator to the registry under the function's name; `tempo_features` as `features.Audio` has them."""

    def add(make: Make) -> Make:
        ESTIMATORS[make.__name__] = make, tempo_features
        return make

    return add


def make_estimator(name: str, *, features: str = "audio", seed: int = 538) -> Pipeline:
    """The unfitted scikit-learn classifier `name`, for inputs as `Tracks.inputs` has them.

    `features` is one of `FEATURE_SETS`. Raises `ModelError` for an unknown one or an unknown name, and lists what there
    is.
    """
    if name not in ESTIMATORS:
        raise ModelError(f"There is no model {name!r}. There are: {', '.join(ESTIMATORS)}.")
    if features not in FEATURE_SETS:
        raise ModelError(f"There are no features {features!r}. There are: {', '.join(FEATURE_SETS)}.")
    make, tempo_features = ESTIMATORS[name]
    return make_pipeline(Audio(tempo_features), make(seed))


@register(tempo_features=False)
def prior(seed: int) -> DummyClassifier:
    """Always the genres in the order of their share of the training part: what knowing nothing gives."""
    return DummyClassifier(strategy="prior", random_state=seed)


@register(tempo_features=False)
def knn(_seed: int) -> Pipeline:
    """The study's k nearest neighbours, k = 5."""
    return make_pipeline(RobustScaler(), KNeighborsClassifier(n_neighbors=5))


@register(tempo_features=False)
def logistic(seed: int) -> Pipeline:
    """The study's logistic regression, its penalty chosen by cross-validation."""
    return make_pipeline(RobustScaler(), LogisticRegressionCV(random_state=seed))


@register(tempo_features=False)
def study_forest(seed: int) -> Pipeline:
    """The study's random forest: 150 trees, depth at most 100, 4 features a split, leaves of one track."""
    forest = RandomForestClassifier(n_estimators=150, max_depth=100, max_features=4, n_jobs=2, random_state=seed)
    return make_pipeline(RobustScaler(), forest)


@register(tempo_features=True)
def forest(seed: int) -> ExtraTreesClassifier:
    """Extra trees with larger leaves."""
    trees = ExtraTreesClassifier(n_estimators=100, min_samples_leaf=10, n_jobs=2, random_state=seed)
    return trees


@register(tempo_features=True)
def lightgbm(seed: int) -> LGBMClassifier:
    """Gradient boosting."""
    boosting = LGBMClassifier(
        n_estimators=60,
        reg_lambda=10,
        n_jobs=2,
        random_state=seed,
        deterministic=True,
        force_row_wise=True,
        verbose=-1,
    )
    return boosting


@register(tempo_features=True)
def mlp(seed: int) -> Pipeline:
    """A small net."""
    net = MLPClassifier(hidden_layer_sizes=(128,), alpha=1e-3, early_stopping=True, random_state=seed)
    return make_pipeline(StandardScaler(), net)


@register(tempo_features=True)
def ensemble(seed: int) -> VotingClassifier:
    """The mean of the probabilities of `lightgbm`, `forest` and `mlp`."""
    members = [(make.__name__, make(seed)) for make in (lightgbm, forest, mlp)]
    return VotingClassifier(members, voting="soft")
