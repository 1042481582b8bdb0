"""What is made of a track's features and title, by hand."""

import numpy as np
import pandas as pd
import pytest

from ml.dataset import ModelError
from ml.features import Numbers, PiecewiseLinear, Titles
from warehouse.features import AUDIO_FEATURES


def inputs(**columns: list[float]) -> pd.DataFrame:
    rows = len(next(iter(columns.values())))
    return pd.DataFrame({name: columns.get(name, [0.5] * rows) for name in AUDIO_FEATURES}, dtype=float)


def test_what_is_unknown_is_the_training_median() -> None:
    """Guards against an unknown loudness taken as 0 dB, a median of scored rows, and words of what was never learnt.

    No training row has a time signature: the 4 of a row that is scored must say nothing.
    """
    audio = Numbers(AUDIO_FEATURES).fit(inputs(loudness=[-30.0, -8.0, -7.0, np.nan], time_signature=[np.nan] * 4))
    scored = audio.transform(inputs(loudness=[np.nan, -1.0], time_signature=[np.nan, 4.0]))
    assert scored[:, AUDIO_FEATURES.index("loudness")].tolist() == [-8.0, -1.0]
    assert scored[:, AUDIO_FEATURES.index("time_signature")].tolist() == [0.0, 0.0]


def test_half_and_double_tempo_are_the_same_place_in_the_octave() -> None:
    """Guards against trees that take 70 and 140 beats a minute for different speeds."""
    audio = Numbers(AUDIO_FEATURES, tempo_features=True)
    frame = inputs(tempo=[70.0, 140.0, 90.25, 0.0], duration_ms=[60_000.0, 30_000.0, 120_000.0, 1.0])
    made = audio.fit(frame).transform(frame)[:, len(AUDIO_FEATURES) :]
    assert made[0, 0] == pytest.approx(made[1, 0])
    assert made[:3, 1].tolist() == [70.0, 70.0, 180.5]
    assert made[:3, 2].tolist() == [0.0, 0.0, 0.25]
    assert np.isfinite(made).all()
    assert audio.get_feature_names_out()[-3:].tolist() == ["tempo_octave", "beats", "tempo_off_whole"]


def test_a_year_that_is_unknown_is_the_median_and_says_so() -> None:
    """Guards against songs without a date that pass for songs of the middle year."""
    years = Numbers(["release_year"], unknown_flags=True)
    frame = pd.DataFrame({"release_year": [1990.0, 2000.0, 2019.0, np.nan], "other": ["a", "b", "c", "d"]})
    assert years.fit(frame).transform(frame).tolist() == [[1990, 0], [2000, 0], [2019, 0], [2000, 1]]
    assert years.get_feature_names_out().tolist() == ["release_year", "release_year_is_unknown"]
    nowhere = frame.assign(release_year=np.nan)
    assert Numbers(["release_year"], unknown_flags=True).fit_transform(nowhere).tolist() == [[0, 1]] * 4


def test_a_value_is_how_far_it_has_come_in_each_range() -> None:
    """Guards against encodings that jump at an edge or run on outside what was seen."""
    encoder = PiecewiseLinear(bins=2).fit(np.array([[0.0, 7.0], [1.0, 7.0], [5.0, 7.0]]))
    encoded = encoder.transform(np.array([[0.5, 7.0], [1.0, 8.0], [3.0, 7.0], [-9.0, 7.0], [99.0, 7.0]]))
    assert encoded.tolist() == [[0, 0.5, 0], [0, 1, 0], [0, 1, 0.5], [0, 0, 0], [0, 1, 1]]


def test_a_column_of_few_values_has_few_ranges() -> None:
    """Guards against a division by zero where quantiles are equal, and a table without any column."""
    spike = np.array([[0.0], [0.0], [0.0], [4.0]])
    encoded = PiecewiseLinear(bins=2).fit(spike).transform(np.array([[-1.0], [0.0], [1.0], [4.0]]))
    assert encoded.tolist() == [[0, 0], [0, 0], [0, 0.25], [0, 1]]
    assert PiecewiseLinear().fit_transform(np.ones((3, 2))).tolist() == [[0], [0], [0]]


def test_titles_are_words_and_letters_in_any_script() -> None:
    """Guards against titles that are lost: other scripts, capitals; and against an opinion where there is no title."""
    frame = pd.DataFrame({"song_name": ["Blue Moon", "青い月", "Rain", "Blue Sky"], "artist": [0, 1, 2, 3]})
    titles = Titles().fit(frame, np.array([0, 1, 2, 0]))
    said = np.exp(titles.transform(pd.DataFrame({"song_name": ["BLUE", "月", None, ""]})))
    assert said.sum(axis=1) == pytest.approx([1, 1, 1, 1])
    assert said[0].argmax() == 0 and said[1].argmax() == 1
    assert said[2:] == pytest.approx(np.full((2, 3), 1 / 3))


def test_training_titles_are_judged_by_other_artists() -> None:
    """Guards against opinions that know the answer: an artist has the same word in all titles."""
    frame = pd.DataFrame({"song_name": ["sun", "sun", "sun", "sun"], "artist": [0, 0, 1, 1]})
    genres = np.array([0, 0, 1, 1])
    by_fold = Titles().fit_transform(frame, genres)
    assert by_fold.argmax(axis=1).tolist() == [1, 1, 0, 0]
    assert Titles().fit(frame, genres).transform(frame) == pytest.approx(np.full((4, 2), np.log(0.5)))


def test_album_names_are_read_as_titles_are() -> None:
    """Guards against an album's name that is taken and the song's read."""
    frame = pd.DataFrame(
        {"song_name": ["sun"] * 4, "album_name": ["Jazz", "Punk", "Jazz", "Punk"], "artist": [0, 1, 2, 3]}
    )
    genres = np.array(["jazz", "punk", "jazz", "punk"])
    albums = Titles("album_name").fit(frame, genres)
    assert albums.transform(frame[["album_name"]]).argmax(axis=1).tolist() == [0, 1, 0, 1]
    assert albums.fit_transform(frame, genres).argmax(axis=1).tolist() == [0, 1, 0, 1]
    assert albums.get_feature_names_out().tolist() == ["genre_0", "genre_1"]
    with pytest.raises(ModelError, match="album_name is missing"):
        albums.transform(frame[["song_name"]])


def test_the_settings_of_titles_are_parameters() -> None:
    """Guards against settings that a search cannot reach, or that are taken and not used."""
    frame = pd.DataFrame({"song_name": ["blue", "red", "blue", "red"], "artist": [0, 1, 2, 3]})
    genres = np.array([0, 1, 0, 1])
    assert set(Titles().get_params()) == {"column", "hashes", "folds", "alpha", "smallest"}
    assert Titles(hashes=8).fit(frame, genres).bayes_.n_features_in_ == 16
    assert np.exp(Titles(smallest=0.2).fit(frame, genres).transform(frame)).min() == pytest.approx(0.2)
    assert Titles(folds=1).fit_transform(frame, genres) == pytest.approx(np.full((4, 2), np.log(0.5)))
    surer = Titles(alpha=1e-6).fit(frame, genres).transform(frame) - Titles(alpha=9).fit(frame, genres).transform(frame)
    assert (surer[[0, 1], [0, 1]] > 0).all()


def test_titles_need_their_columns() -> None:
    """Guards against a KeyError, and against opinions that were made with the same artist's titles."""
    with pytest.raises(ModelError, match="song_name is missing"):
        Titles().fit(pd.DataFrame({"artist": [0]}), np.array([0]))
    with pytest.raises(ModelError, match="artist is missing"):
        Titles().fit_transform(pd.DataFrame({"song_name": ["Sun"]}), np.array([0]))
