"""A model for the commands that need one."""

from pathlib import Path

import pytest

from ml.training import fit, save_model
from tests.ml.made_up_tracks import make_tracks


@pytest.fixture(scope="session")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the quickest model, of two genres."""
    tracks = make_tracks(["Jazz", "Punk"] * 30, [[f"{number}"] for number in range(60)])
    return save_model(fit(tracks, model="prior"), tmp_path_factory.mktemp("models"))
