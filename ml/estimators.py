"""The registry of estimators: a name and a function that makes the unfitted pipeline. Adding one is one function.

Belongs here: everything that is fitted, features included, so that nothing is ever learnt from held-out rows. Not here:
the split (dataset.py) and the fitting (training.py).
"""

from collections.abc import Callable

from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import RobustScaler

from ml.dataset import ModelError

Estimator = Callable[[int], Pipeline]
ESTIMATORS: dict[str, Estimator] = {}
BASELINE = "prior"


def register(make: Estimator) -> Estimator:
    """Add an estimator to the registry under the function's name."""
    ESTIMATORS[make.__name__] = make
    return make


def make_estimator(name: str, seed: int) -> Pipeline:
    """The unfitted pipeline `name`. Raises `ModelError`, which lists those that there are."""
    if name not in ESTIMATORS:
        raise ModelError(f"There is no model {name!r}. There are: {', '.join(ESTIMATORS)}.")
    return ESTIMATORS[name](seed)


def _fill() -> SimpleImputer:
    # A whole dataset may lack a feature (TidyTuesday has no time signature): the column stays, as zeros.
    return SimpleImputer(strategy="median", keep_empty_features=True)


@register
def prior(seed: int) -> Pipeline:
    """Always the genres in the order of their share of the training part: what knowing nothing gives."""
    return make_pipeline(_fill(), DummyClassifier(strategy="prior", random_state=seed))


@register
def study_forest(seed: int) -> Pipeline:
    """The study's random forest: 150 trees, depth at most 100, 4 features a split, after robust scaling.

    The study let a leaf shrink to one track. Here it holds five, which keeps memory and file small: a tree stores a
    share for every genre in every node.
    """
    return make_pipeline(
        _fill(),
        RobustScaler(),
        RandomForestClassifier(
            n_estimators=150, max_depth=100, max_features=4, min_samples_leaf=5, n_jobs=-1, random_state=seed
        ),
    )
