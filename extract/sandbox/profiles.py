"""What the songs of a genre sound like, as aggregated figures: marginals and rank correlations of the features.

Belongs here: computing the figures from a dump (`python -m extract.sandbox.profiles DUMP_CSV…` writes profiles.json),
reading them, blending them, and drawing songs from them. Not here: genres, artists and documents (catalogue.py). No
row, name or title of the dump is kept.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from numpy.typing import NDArray
from scipy.special import ndtr

from warehouse.features import AUDIO_FEATURES

Floats = NDArray[np.float64]

COUNTED = {"key": range(12), "mode": range(2), "time_signature": range(1, 6)}
"""The features with few values, and those values."""
MEASURED = (*(name for name in AUDIO_FEATURES if name not in COUNTED), "popularity")
FEATURES = (*MEASURED, *COUNTED)

# Closer at the ends, where the long tails are (drones, speeches, twenty-minute sets).
LEVELS = np.array(
    [0, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.975, 0.99, 1]
)
_FILE = "profiles.json"
_GENRE = "track_genre"


class ProfileError(ValueError):
    """The dump cannot be profiled; the message says what is wrong with it."""


@dataclass(frozen=True)
class Profile:
    """One genre's figures.

    `quantiles`: (len(MEASURED), len(LEVELS)), each feature in its own unit. `frequencies`: a share for each value of
    the features in `COUNTED`. `correlations`: (len(FEATURES), len(FEATURES)), of the normal scores.
    """

    quantiles: Floats
    frequencies: Mapping[str, Floats]
    correlations: Floats

    def draw(self, normals: Floats) -> dict[str, NDArray[Any]]:
        """Features of songs from independent standard `normals` of shape (songs, len(FEATURES)).

        A Gaussian copula: the normals are correlated, and their ranks looked up in the marginals. Whatever makes the
        normals of two songs alike makes the songs alike, and leaves the genre's marginals as they are.
        """
        ranks = ndtr(normals @ _square_root(self.correlations))
        songs: dict[str, NDArray[Any]] = {
            name: np.interp(ranks[:, column], LEVELS, self.quantiles[column]) for column, name in enumerate(MEASURED)
        }
        for column, (name, values) in enumerate(COUNTED.items(), start=len(MEASURED)):
            steps = np.cumsum(self.frequencies[name])[:-1]
            songs[name] = np.asarray(values)[np.searchsorted(steps, ranks[:, column], side="right")]
        return songs


def _square_root(correlations: Floats) -> Floats:
    """The symmetric root (unlike eigenvectors it has no arbitrary signs), with columns of length one.

    Rank correlations, rounded and averaged, need not be positive semi-definite: what is negative counts as zero.
    """
    values, vectors = np.linalg.eigh(correlations)
    root: Floats = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    return root / np.linalg.norm(root, axis=0)


def blend(profiles: Mapping[str, Profile], weights: Mapping[str, float]) -> Profile:
    """A genre between others: the weighted mean of their quantiles, frequencies and correlations."""
    shares = {name: weight / sum(weights.values()) for name, weight in weights.items()}
    return Profile(
        sum((share * profiles[name].quantiles for name, share in shares.items()), np.zeros(())),
        {
            feature: sum((share * profiles[name].frequencies[feature] for name, share in shares.items()), np.zeros(()))
            for feature in COUNTED
        },
        sum((share * profiles[name].correlations for name, share in shares.items()), np.zeros(())),
    )


def read(dump: Path) -> pd.DataFrame:
    """The columns of a dump that are profiled. Raises `ProfileError` where it is no CSV file or lacks one."""
    try:
        songs = pd.read_csv(dump)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ProfileError(f"{dump} is not a CSV file: {error}") from error
    if missing := sorted({_GENRE, *FEATURES} - set(songs.columns)):
        raise ProfileError(f"{dump} lacks {', '.join(missing)}; it has {', '.join(map(str, songs.columns))}")
    return songs[[_GENRE, *FEATURES]]


def compute(songs: pd.DataFrame) -> dict[str, Any]:
    """The figures of every `track_genre` in `songs`, rounded, as profiles.json keeps them.

    Repeated rows count once, and songs whose tempo or time signature Spotify did not find (zero) not at all.
    """
    songs = songs[[_GENRE, *FEATURES]].dropna().drop_duplicates()
    songs = songs[(songs["tempo"] > 0) & (songs["time_signature"] > 0)]
    upper = np.triu_indices(len(FEATURES), k=1)
    genres = {}
    for genre, group in songs.groupby(_GENRE, sort=True):
        # A feature that never varies has no ranks to correlate.
        ranks = group[list(FEATURES)].corr("spearman").fillna(0.0).to_numpy()
        genres[str(genre)] = {
            "songs": len(group),
            "quantiles": {name: _rounded(group[name].quantile(LEVELS.tolist())) for name in MEASURED},
            "frequencies": {
                name: [round(float((group[name] == value).mean()), 3) for value in values]
                for name, values in COUNTED.items()
            },
            # The normal scores' correlation that gives this rank correlation (Pearson 1907).
            "correlations": [round(float(value), 2) for value in 2 * np.sin(np.pi / 6 * ranks[upper])],
        }
    return genres


def _rounded(values: pd.Series) -> list[float]:
    """Three significant digits: a rank in a sample of some hundred songs says no more."""
    return [float(f"{value:.3g}") for value in values]


def load() -> dict[str, Profile]:
    """The committed figures, by genre of the source."""
    figures = json.loads(resources.files(__package__).joinpath(_FILE).read_text("utf-8"))
    upper = np.triu_indices(len(FEATURES), k=1)
    profiles = {}
    for genre, figure in figures["genres"].items():
        correlations = np.eye(len(FEATURES))
        correlations[upper] = figure["correlations"]
        correlations.T[upper] = figure["correlations"]
        frequencies = {name: np.array(figure["frequencies"][name]) for name in COUNTED}
        profiles[genre] = Profile(
            np.array([figure["quantiles"][name] for name in MEASURED]),
            {name: shares / shares.sum() for name, shares in frequencies.items()},
            correlations,
        )
    return profiles


def main(
    dumps: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="in the Kaggle 114-genre layout")],
) -> None:
    """Compute the figures from dumps, and write them to profiles.json beside this file."""
    try:
        genres = compute(pd.concat([read(dump) for dump in dumps]))
    except ProfileError as error:
        raise typer.BadParameter(str(error)) from error
    Path(__file__).with_name(_FILE).write_text(to_json(genres), "utf-8")
    typer.echo(f"{_FILE}: {len(genres)} genres, {sum(figure['songs'] for figure in genres.values())} songs")


def to_json(genres: Mapping[str, Any]) -> str:
    """The text of profiles.json: one line per genre."""
    about = "Aggregated figures of the Kaggle 114-genre track set, computed by extract/sandbox/profiles.py"
    lines = (
        f"{json.dumps(genre)}:{json.dumps(figure, separators=(',', ':'))}" for genre, figure in sorted(genres.items())
    )
    return f'{{"about":{json.dumps(about)},"genres":{{\n' + ",\n".join(lines) + "\n}}\n"


if __name__ == "__main__":
    typer.run(main)
