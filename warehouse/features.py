"""The audio features and the study's genres: the one list of each that Python reads.

Belongs here: names, ranges and genres. Not here: what is computed from them (ml/features.py), and how a song file
spells them (extract/).
"""

import csv
from importlib import resources
from pathlib import Path

RANGES_FILE = Path(__file__).parent.parent / "dbt_project" / "seeds" / "audio_feature_ranges.csv"

AUDIO_FEATURES = [
    "danceability", "energy", "key", "loudness", "mode", "speechiness", "acousticness", "instrumentalness",
    "liveness", "valence", "tempo", "duration_ms", "time_signature",
]  # fmt: skip
"""The study's features, in its order. Popularity is none: it is not known of a song that is new."""


def feature_ranges() -> dict[str, tuple[float, float]]:
    """The lowest and highest value of each audio feature and of popularity, from the dbt project's seed."""
    with RANGES_FILE.open(encoding="utf-8", newline="") as file:
        return {row["feature"]: (float(row["minimum"]), float(row["maximum"])) for row in csv.DictReader(file)}


def study_genres() -> list[str]:
    """The study's 132 genres, in its order."""
    table = resources.files("warehouse").joinpath("study_genres.csv").read_text(encoding="utf-8")
    return [row["genre"] for row in csv.DictReader(table.splitlines())]
