"""The audio features and the study's genres, as Python reads them; the list of features stands in dbt_project.yml.

Belongs here: names, ranges and genres. Not here: what is computed from them (ml/features.py), and how a song file
spells them (extract/).
"""

from pathlib import Path

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


def feature_ranges() -> dict[str, tuple[float, float]]:
    """The lowest and highest value of each audio feature and of popularity, in the feature's unit."""
    features = _VARIABLES["audio_features"] | {"popularity": _VARIABLES["popularity"]}
    return {name: (float(feature["minimum"]), float(feature["maximum"])) for name, feature in features.items()}


def study_genres() -> list[str]:
    """The study's 132 genres, in its order."""
    import csv
    from importlib import resources

    table = resources.files("warehouse").joinpath("study_genres.csv").read_text(encoding="utf-8")
    return [row["genre"] for row in csv.DictReader(table.splitlines())]
