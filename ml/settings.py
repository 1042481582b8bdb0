"""Names and numbers of the models that tables, pages and commands share with the code.

Belongs here: what must be known without loading scikit-learn, which takes seconds. Not here: an estimator's own
settings (estimators.py).
"""

BASELINE = "prior"
"""The majority class: every track has the genres' shares as its probabilities."""

STUDY_FOREST = "study_forest"
DEFAULT = "ensemble"

BINS = 15
"""Bins of the calibration curve and of the calibration error, equally wide, as in Guo et al. (2017)."""

RESAMPLES = 1000
"""Bootstrap resamples of the held-out artists, from which the 95 % intervals come."""


def with_inputs(model: str, features: str) -> str:
    """What a model is called beside others, which may be told more or less; the baseline heeds none of its inputs."""
    return model if model == BASELINE else f"{model} ({features})"
