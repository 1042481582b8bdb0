"""The model file: a fitted pipeline with what is needed to use it, written with skops, which is no pickle.

Belongs here: writing, loading and checking the file, and the one way to probabilities. Not here: fitting (training.py)
and what is done with probabilities (predictions.py, scoring.py).
"""

import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import skops.io as sio
from sklearn.base import BaseEstimator
from skops.io.exceptions import UntrustedTypesFoundException

from ml.dataset import ModelError
from ml.estimators import TRUSTED_TYPES
from ml.inputs import TEXTS, columns_of
from warehouse.files import whole_or_not_there

FORMAT = "song-genres model 4"


@dataclass(frozen=True)
class Model:
    """A fitted pipeline, with what is needed to use it and to say where it comes from.

    `features` is what it was trained on (inputs.py); `protocol` the name of that under which it was trained
    (protocols.py). `threshold` is the probability from which on a genre is in a song's set (sets.py); None, and then
    there are no sets, for the study's protocols and for files of earlier versions.
    """

    run_id: str
    name: str
    pipeline: BaseEstimator
    dataset: str
    is_synthetic: bool
    features: str = "audio"
    protocol: str = "artist_grouped"
    threshold: float | None = None

    @property
    def columns(self) -> list[str]:
        """The columns it reads."""
        return columns_of(self.features)

    @property
    def genres(self) -> np.ndarray:
        """The genres it knows, sorted: the columns of its probabilities."""
        return np.asarray(self.pipeline.classes_)


def save(model: Model, path: Path) -> None:
    """Write the model to `path` as a compressed skops file; the file is whole or not there.

    Raises `ModelError` where `load` would refuse it: a new estimator of which `TRUSTED_TYPES` has not every type.
    """
    content = {
        "format": FORMAT,
        **{item.name: getattr(model, item.name) for item in fields(Model)},
        "columns": model.columns,
        "genres": [str(genre) for genre in model.genres],
    }
    with whole_or_not_there(path) as unfinished:
        with unfinished.open("wb") as file:
            sio.dump(content, file, compression=zipfile.ZIP_DEFLATED, compresslevel=1)
        if untrusted := sorted(set(sio.get_untrusted_types(file=unfinished)) - TRUSTED_TYPES):
            raise ModelError(
                f"The model {model.name} cannot be kept: its file would not be read again, for it holds types that are "
                f"not trusted. Read what they do when loaded, and add them to TRUSTED_TYPES in ml/estimators.py: "
                f"{', '.join(untrusted)}"
            )


def load(path: Path) -> Model:
    """The model at `path`. Nothing in the file is run, and a type that our models do not have is refused.

    The file's types are checked, not every number in them: a file made to do harm may still crash the process.
    Raises `ModelError`: no such file, a foreign, tampered or damaged file, or a model of another version, or with other
    columns or genres than it says.
    """
    if not path.is_file():
        raise ModelError(
            f"There is no model at {path.absolute()}. Work in the folder where it was trained, name its file with "
            "--model, or train one: make run."
        )
    try:
        content = sio.load(path, trusted=sorted(TRUSTED_TYPES))
    except UntrustedTypesFoundException as error:
        raise ModelError(
            f"{path} is refused: it holds types that no song-genres model has. {str(error).splitlines()[0]} "
            "Use only model files that you or `make run` made."
        ) from error
    except Exception as error:  # skops raises whatever a damaged archive makes it stumble over
        raise ModelError(
            f"{path} is not a song-genres model, or it is damaged ({error}). Train anew: make run."
        ) from error
    kind = content.get("format") if isinstance(content, dict) else None
    if kind != FORMAT:
        if str(kind).startswith("song-genres model"):
            raise ModelError(
                f"{path} was made by another version ({kind}; this one reads {FORMAT}). Train anew: make run."
            )
        raise ModelError(f"{path} is a skops file, but not a song-genres model. Train one: make run.")
    return _checked(Model(*(content.get(item.name) for item in fields(Model))), content, path)


def _checked(model: Model, content: dict[str, Any], path: Path) -> Model:
    """The model, if it reads the columns and knows the genres that its file names, and its threshold can be one."""
    try:
        expected = model.columns
    except ModelError:  # of another version
        expected = None
    if expected is None or content.get("columns") != expected:
        raise ModelError(
            f"{path} does not fit: it was trained on other columns than this version gives it. It has, as "
            f"{model.features!r}: {', '.join(content.get('columns') or ['none'])}. Train anew: make run."
        )
    try:
        unknown = pd.DataFrame({name: [None if name in TEXTS else np.nan] for name in model.columns})
        genres, shape = model.genres.tolist(), predict_probabilities(model, unknown).shape
    except Exception as error:  # whatever an object that is no classifier of these columns stumbles over
        raise ModelError(
            f"{path} does not fit: its pipeline cannot score a song of the columns {', '.join(model.columns)} "
            f"({error}). Train anew: make run."
        ) from error
    if content.get("genres") != genres or shape != (1, len(genres)):
        raise ModelError(
            f"{path} does not fit: the genres it names are not those that its pipeline tells apart. Train anew: make "
            "run."
        )
    if model.threshold is not None and not (isinstance(model.threshold, float) and 0 <= model.threshold <= 1):
        raise ModelError(f"{path} does not fit: its threshold is no probability. Train anew: make run.")
    return model


def predict_probabilities(model: Model, inputs: pd.DataFrame) -> np.ndarray:
    """Probabilities (tracks x genres, rows sum to 1) from the model's columns, NaN or None where unknown."""
    # Threads would add a forest's trees in the order in which they finish; of genres that are equally probable,
    # rounding would then decide from run to run which is named first.
    with joblib.parallel_config(backend="sequential"):
        return np.asarray(model.pipeline.predict_proba(inputs[model.columns]))
