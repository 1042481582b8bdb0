"""What is made of a track's features and title, by hand."""

import numpy as np
import pandas as pd
import pytest

from ml.dataset import AUDIO_FEATURES
from ml.features import HASHES, Audio, PiecewiseLinear, Titles


def inputs(**columns: list[float]) -> pd.DataFrame:
    rows = len(next(iter(columns.values())))
    return pd.DataFrame({name: columns.get(name, [0.5] * rows) for name in AUDIO_FEATURES}, dtype=float)


def test_what_is_unknown_is_the_training_median() -> None:
    """Guards against an unknown loudness taken as 0 dB, and against a median of the rows that are scored."""
    audio = Audio().fit(inputs(loudness=[-30.0, -8.0, -7.0, np.nan], time_signature=[np.nan] * 4))
    scored = audio.transform(inputs(loudness=[np.nan, -1.0], time_signature=[np.nan, 4.0]))
    assert scored[:, AUDIO_FEATURES.index("loudness")].tolist() == [-8.0, -1.0]
    assert scored[:, AUDIO_FEATURES.index("time_signature")].tolist() == [0.0, 4.0]


def test_half_and_double_tempo_are_the_same_place_in_the_octave() -> None:
    """Guards against trees that take 70 and 140 beats a minute for different speeds."""
    audio = Audio(tempo_features=True)
    frame = inputs(tempo=[70.0, 140.0, 90.25, 0.0], duration_ms=[60_000.0, 30_000.0, 120_000.0, 1.0])
    made = audio.fit(frame).transform(frame)[:, len(AUDIO_FEATURES) :]
    assert made[0, 0] == pytest.approx(made[1, 0])
    assert made[:3, 1].tolist() == [70.0, 70.0, 180.5]
    assert made[:3, 2].tolist() == [0.0, 0.0, 0.25]
    assert np.isfinite(made).all()


def test_a_value_is_how_far_it_has_come_in_each_range() -> None:
    """Guards against encodings that jump at an edge or run on outside what was seen."""
    encoder = PiecewiseLinear(bins=2).fit(np.array([[0.0, 7.0], [1.0, 7.0], [5.0, 7.0]]))
    encoded = encoder.transform(np.array([[0.5, 7.0], [1.0, 8.0], [3.0, 7.0], [-9.0, 7.0], [99.0, 7.0]]))
    assert encoded.tolist() == [[0, 0.5, 0], [0, 1, 0], [0, 1, 0.5], [0, 0, 0], [0, 1, 1]]


def test_titles_are_words_and_letters_in_any_script() -> None:
    """Guards against titles that are lost: other scripts, capitals, none at all."""
    frame = pd.DataFrame({"song_name": ["Blue Moon", "blue moon", "青い月", None, ""]})
    rows = Titles().fit(frame).transform(frame)
    assert rows.shape == (5, 2 * HASHES)
    lengths = np.sqrt(rows.multiply(rows).sum(axis=1))
    assert np.asarray(lengths).ravel() == pytest.approx([1, 1, 1, 0, 0])
    assert (rows[0] != rows[1]).nnz == 0
    assert (rows[0].multiply(rows[2])).nnz < rows[2].nnz
