"""The registry: what every estimator must stand, and how several become one."""

import numpy as np
import pandas as pd
import pytest
import skops.io as sio
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import FunctionTransformer

from ml.dataset import ModelError
from ml.estimators import (
    DEFAULT,
    ESTIMATORS,
    FEATURE_SETS,
    TRUSTED_TYPES,
    CalibratedByArtist,
    Net,
    make_estimator,
)
from warehouse.features import AUDIO_FEATURES

GENRES = ["Jazz", "Chill 🎷", "x" * 500]


def made_up(artists: int = 30, songs: int = 4, seed: int = 1) -> tuple[pd.DataFrame, np.ndarray]:
    """Inputs of artists x songs, and genres that loudness and titles tell apart; some values are not known."""
    rng = np.random.default_rng(seed)
    artist = np.repeat(np.arange(artists), songs)
    genre = artist % len(GENRES)
    inputs = pd.DataFrame(rng.uniform(0.1, 0.9, (len(artist), len(AUDIO_FEATURES))), columns=AUDIO_FEATURES)
    inputs["loudness"] = -5.0 - 8 * genre + rng.normal(0, 2, len(artist))
    inputs["tempo"], inputs["duration_ms"] = rng.uniform(60, 180, len(artist)), rng.uniform(1e5, 3e5, len(artist))
    inputs.loc[rng.random(len(artist)) < 0.1, "energy"] = np.nan
    inputs["song_name"] = [f"{('Blue', 'Sun', 'Rain')[number]} {rng.integers(9)}" for number in genre]
    inputs["artist"] = artist
    return inputs, np.array(GENRES, dtype=object)[genre]


@pytest.mark.parametrize("features", FEATURE_SETS)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator_stands_what_tracks_are(name: str, features: str) -> None:
    """Guards against models that choke on long labels, on what is unknown, or that give something else when loaded."""
    inputs, genres = made_up()
    inputs["time_signature"] = np.nan  # unknown throughout, as of TidyTuesday
    inputs["mode"] = 1.0
    inputs.loc[0, "song_name"] = None
    model = make_estimator(name, features=features).fit(inputs, genres)
    assert list(model.classes_) == sorted(GENRES)

    new, _ = made_up(artists=5, seed=2)
    new["tempo"] = np.nan  # never unknown in training
    new = new.drop(columns="artist")
    probabilities = model.predict_proba(new)
    assert np.isfinite(probabilities).all() and (probabilities >= 0).all()
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(len(new)), abs=1e-5)

    file = sio.dumps(model)
    assert set(sio.get_untrusted_types(data=file)) <= TRUSTED_TYPES
    assert np.array_equal(sio.loads(file, trusted=sorted(TRUSTED_TYPES)).predict_proba(new), probabilities)


@pytest.mark.parametrize("name", sorted(set(ESTIMATORS) - {"prior"}))
def test_every_estimator_learns(name: str) -> None:
    """Guards against features that do not reach the model, or genres that come out in another order."""
    model = make_estimator(name).fit(*made_up(artists=60))
    new, genres = made_up(artists=40, seed=2)
    assert np.mean(model.predict(new) == genres) > (0.5 if name == "knn" else 0.8)  # a third would be chance


def test_the_same_data_and_seed_give_the_same_probabilities() -> None:
    """Guards against threads and unseeded draws, which make figures that nobody can reproduce."""
    inputs, genres = made_up(artists=60)
    first, again = (
        make_estimator(DEFAULT, features="audio+title", seed=7).fit(inputs, genres).predict_proba(inputs)
        for _ in range(2)
    )
    assert np.array_equal(first, again)


def test_a_song_gets_the_same_probabilities_whatever_it_is_scored_with() -> None:
    """Guards against a batch that has a say in what a song is; sums may differ in their last digits."""
    model = make_estimator(DEFAULT).fit(*made_up(artists=60))
    new, _ = made_up(artists=250, seed=2)
    at_once = model.predict_proba(new)
    for batch in (1, 7, 65, 999):
        parts = [new.iloc[start : start + batch] for start in range(0, len(new), batch)][:30]
        found = np.concatenate([model.predict_proba(part) for part in parts])
        assert found == pytest.approx(at_once[: len(found)], abs=1e-6)


def test_the_artist_is_no_feature() -> None:
    """Guards against a model that learns who plays, which held-out artists cannot have."""
    inputs, genres = made_up()
    model = make_estimator(DEFAULT).fit(inputs, genres)
    assert np.array_equal(model.predict_proba(inputs), model.predict_proba(inputs.assign(artist=0, popularity=99)))


@pytest.mark.parametrize("name", sorted(set(ESTIMATORS) - {"prior"}))
def test_titles_tell_what_the_sound_does_not(name: str) -> None:
    """Guards against titles that are taken and not read."""
    inputs, genres = made_up(artists=90)
    inputs[AUDIO_FEATURES] = 1.0
    titles = make_estimator(name, features="audio+title").fit(inputs, genres)
    assert np.mean(titles.predict(inputs) == genres) > 0.9
    with pytest.raises(ModelError, match="song_name is missing"):
        titles.predict_proba(inputs.drop(columns="song_name"))


def test_the_baseline_knows_nothing_whatever_it_is_offered() -> None:
    """Guards against a baseline that reads titles and so makes every model look small."""
    inputs, genres = made_up()
    probabilities = make_estimator("prior", features="audio+title").fit(inputs, genres).predict_proba(inputs)
    assert probabilities == pytest.approx(np.full((len(inputs), 3), 1 / 3))


@pytest.mark.parametrize("artists", [2, 3, 10, 12])
@pytest.mark.parametrize("features", FEATURE_SETS)
def test_few_tracks_are_enough(artists: int, features: str) -> None:
    """Guards against inner folds that small data do not have: 2 artists with one song each, genres of one artist."""
    inputs, genres = made_up(artists=artists, songs=1)
    probabilities = make_estimator(DEFAULT, features=features).fit(inputs, genres).predict_proba(inputs)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(len(inputs)))


def test_what_cannot_be_learnt_is_said() -> None:
    """Guards against scikit-learn's own words for one genre, an infinite value, a lacking column, a mistyped name."""
    inputs, genres = made_up()
    with pytest.raises(ModelError, match="Nothing to tell apart: all 120 tracks are of one genre"):
        make_estimator(DEFAULT).fit(inputs, np.full(len(genres), "Jazz", dtype=object))
    with pytest.raises(ModelError, match="tempo of row 4 is infinite"):
        make_estimator("lightgbm").fit(inputs.assign(tempo=np.where(np.arange(120) == 3, np.inf, 100)), genres)
    with pytest.raises(ModelError, match="The columns key, valence are missing"):
        make_estimator("prior").fit(inputs.drop(columns=["key", "valence"]), genres)
    with pytest.raises(ModelError, match="The column artist is missing"):
        make_estimator(DEFAULT).fit(inputs.drop(columns="artist"), genres)
    with pytest.raises(ModelError, match="no model 'ensembel'. There are: prior, knn, .*, mlp"):
        make_estimator("ensembel")
    with pytest.raises(ModelError, match="no features 'lyrics'. There are: audio, audio.title"):
        make_estimator("mlp", features="lyrics")


class Remembers(ClassifierMixin, BaseEstimator):
    """Always sure of "a"; notes which artists it was fitted on, whose numbers stand in the last column."""

    seen: list[set[float]] = []

    def fit(self, columns: np.ndarray, genres: np.ndarray) -> "Remembers":
        self.seen.append(set(columns[:, -1]))
        self.classes_ = np.unique(genres)
        return self

    def predict_proba(self, columns: np.ndarray) -> np.ndarray:
        return np.tile([0.999, 0.001], (len(columns), 1))


def calibrated(genres: np.ndarray, songs: int, **settings: int) -> CalibratedByArtist:
    inputs = pd.DataFrame({"artist": (np.arange(len(genres)) // songs).astype(float)})
    return CalibratedByArtist(FunctionTransformer(np.asarray), Remembers(), **settings).fit(inputs, genres)


def test_a_model_is_calibrated_on_artists_that_it_was_not_fitted_on() -> None:
    """Guards against a temperature that rewards what a model remembers of an artist."""
    Remembers.seen.clear()
    genres = np.array(["a", "b"], dtype=object)[np.arange(400) % 2]
    model = calibrated(genres, songs=4, folds=4)
    everyone = set(map(float, range(100)))
    assert len(Remembers.seen) == 4
    assert all(len(everyone - seen) == 25 for seen in Remembers.seen)
    assert set.union(*(everyone - seen for seen in Remembers.seen)) == everyone
    # It is right half of the time, however sure it says to be.
    assert model.predict_proba(pd.DataFrame({"artist": [0.0]}))[0] == pytest.approx([0.5, 0.5], abs=0.02)


def test_few_artists_are_not_parted() -> None:
    """Guards against a temperature that a handful of artists decide by chance."""
    Remembers.seen.clear()
    genres = np.array(["a", "b"], dtype=object)[np.arange(40) % 2]
    model = calibrated(genres, songs=4)
    assert Remembers.seen == [set(map(float, range(10)))]
    assert model.predict_proba(pd.DataFrame({"artist": [0.0]}))[0] == pytest.approx([0.999, 0.001])


def test_every_copy_learns_every_genre() -> None:
    """Guards against a genre of one artist that a copy never saw, and so gives no column."""
    genres = np.array(["a", "b"] * 200 + ["c"] * 4, dtype=object)
    model = calibrated(genres, songs=4, folds=4)
    assert list(model.classes_) == ["a", "b", "c"]


def test_a_net_repeats_itself_and_another_seed_is_another_net() -> None:
    """Guards against draws that no seed governs."""
    rng = np.random.default_rng(1)
    values, genres = rng.normal(size=(300, 4)), np.array(["a", "b", "c"], dtype=object)[np.arange(300) % 3]
    first, again, other = (
        Net(hidden=8, epochs=1, seed=seed).fit(values, genres).predict_proba(values) for seed in (1, 1, 2)
    )
    assert first == pytest.approx(again, abs=1e-12)
    assert np.abs(first - other).max() > 1e-3
