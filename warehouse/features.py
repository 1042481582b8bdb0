"""The audio features and the study's genres, as Python reads them; the list of features stands in dbt_project.yml.

Belongs here: names, ranges and genres. Not here: what is computed from them (ml/features.py), and how a song file
spells them (extract/).
"""

from pathlib import Path
from typing import Any

import yaml

PROJECT_FILE = Path(__file__).parent.parent / "dbt_project.yml"

# The loader written in C where PyYAML was built with it: ten times as fast.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_VARIABLES = yaml.load(PROJECT_FILE.read_text(encoding="utf-8"), _LOADER)["vars"]

AUDIO_FEATURES: list[str] = list(_VARIABLES["audio_features"])
"""The study's features, in its order. Popularity is not among them: it is not known for a new song."""


DISCRETE_FEATURES: list[str] = [
    name for name, feature in _VARIABLES["audio_features"].items() if feature["type"] == "integer"
]
"""Those that take a few whole values: key, mode and time signature."""


def feature_units() -> dict[str, str]:
    """The unit of each audio feature and of popularity, as dbt_project.yml names it, such as share or bpm."""
    features = _VARIABLES["audio_features"] | {"popularity": _VARIABLES["popularity"]}
    return {name: feature["unit"] for name, feature in features.items()}


SOUND = [name for name in AUDIO_FEATURES if name != "duration_ms"]
"""The audio features that say how a song sounds."""

ENOUGH = 3
"""A table with fewer columns of `SOUND` is none of songs with audio features: `key` or `mode` may be anything."""


def _numbers() -> dict[str, dict[str, Any]]:
    """The audio features and popularity, with what dbt_project.yml says of each."""
    found: dict[str, dict[str, Any]] = _VARIABLES["audio_features"] | {"popularity": _VARIABLES["popularity"]}
    return found


def whole_numbers() -> list[str]:
    """The features, and popularity, that are whole numbers."""
    return [name for name, number in _numbers().items() if number["type"] != "double"]


def shares() -> list[str]:
    """The features that are shares from 0 to 1."""
    return [name for name, number in _numbers().items() if number["unit"] == "share"]


def feature_ranges() -> dict[str, tuple[float, float]]:
    """The lowest and highest value of each audio feature and of popularity, in the feature's unit."""
    return {name: (float(number["minimum"]), float(number["maximum"])) for name, number in _numbers().items()}


def feature_bins() -> dict[str, tuple[float, float]]:
    """From where to where the bins of `marts.feature_distribution` reach, in each audio feature's unit."""
    return {name: (float(number["bins_from"]), float(number["bins_to"])) for name, number in _numbers().items()}


def study_genres() -> list[str]:
    """The study's 132 genres, in its order."""
    import csv
    from importlib import resources

    table = resources.files("warehouse").joinpath("study_genres.csv").read_text(encoding="utf-8")
    return [row["genre"] for row in csv.DictReader(table.splitlines())]
