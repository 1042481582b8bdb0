"""The registry: what every estimator must withstand, and how the nets of the default learn."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import skops.io as sio
from sklearn.base import BaseEstimator
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from ml.dataset import ModelError, Tracks
from ml.estimators import ESTIMATORS, TRUSTED_TYPES, Net, make_estimator, register
from ml.features import Numbers, PiecewiseLinear
from ml.inputs import columns_of
from ml.settings import DEFAULT
from ml.training import fit
from warehouse.features import AUDIO_FEATURES

GENRES = ["Jazz", "Chill 🎷", "x" * 500]
FEATURE_SETS = ("audio", "year", "audio+title+year+album")


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
    inputs["release_year"] = np.where(rng.random(len(artist)) < 0.1, np.nan, rng.integers(1960, 2020, len(artist)))
    inputs["album_name"] = [f"{('Moon', 'Star', 'Snow')[number]} {rng.integers(9)}" for number in genre]
    inputs["artist"] = artist
    return inputs, np.array(GENRES, dtype=object)[genre]


def expected_failures(estimator: BaseEstimator) -> dict[str, str]:
    """The checks of scikit-learn that an estimator of ours does not pass, and why."""
    if isinstance(estimator, Net):
        return {"check_methods_sample_order_invariance": "it asks for 9 digits; the net has float32's 7"}
    return {}


@parametrize_with_checks(
    [Net(), PiecewiseLinear(), Numbers()], expected_failed_checks=expected_failures, xfail_strict=False
)
def test_our_own_classes_are_as_scikit_learn_has_them(estimator: BaseEstimator, check: Callable[..., None]) -> None:
    """Guards against classes that break inside a pipeline, a clone or a search.

    `Titles` is left out: the checks hand over arrays of numbers, and it reads two named columns of a data frame, one of
    them text. test_features.py has what it promises.
    """
    check(estimator)


@pytest.mark.parametrize("features", FEATURE_SETS)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator_withstands_what_tracks_are(name: str, features: str) -> None:
    """Guards against models that choke on long labels, on what is unknown, or that give something else when loaded."""
    inputs, genres = made_up()
    inputs["time_signature"] = np.nan  # unknown throughout, as of TidyTuesday
    inputs["mode"] = 1.0
    inputs.loc[0, ["song_name", "album_name"]] = None
    model = make_estimator(name, features=features).fit(inputs, genres)
    assert list(model.classes_) == sorted(GENRES)

    new, _ = made_up(artists=5, seed=2)
    new["tempo"] = np.nan  # never unknown in training
    new["release_year"], new["album_name"] = np.nan, None
    new = new.drop(columns="artist")
    probabilities = model.predict_proba(new)
    assert np.isfinite(probabilities).all() and (probabilities >= 0).all()
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(len(new)), abs=1e-5)

    file = sio.dumps(model)
    assert set(sio.get_untrusted_types(data=file)) <= TRUSTED_TYPES
    loaded = sio.loads(file, trusted=sorted(TRUSTED_TYPES))
    assert loaded.predict_proba(new) == pytest.approx(probabilities, abs=1e-6)


@pytest.mark.parametrize("name", sorted(set(ESTIMATORS) - {"prior"}))
def test_every_estimator_learns(name: str) -> None:
    """Guards against features that do not reach the model, or genres that come out in another order."""
    model = make_estimator(name).fit(*made_up(artists=60))
    new, genres = made_up(artists=40, seed=2)
    assert np.mean(model.predict(new) == genres) > (0.5 if name == "knn" else 0.8)  # a third would be chance


def test_the_same_data_and_seed_give_the_same_probabilities() -> None:
    """Guards against unseeded draws, which make figures that nobody can reproduce."""
    inputs, genres = made_up(artists=60)
    first, again = (
        make_estimator(DEFAULT, features="audio+title", seed=7).fit(inputs, genres).predict_proba(inputs)
        for _ in range(2)
    )
    assert first == pytest.approx(again, abs=1e-6)


def test_a_song_gets_the_same_probabilities_whatever_it_is_scored_with() -> None:
    """Guards against scoring that looks at the other rows of a batch."""
    model = make_estimator(DEFAULT).fit(*made_up(artists=60))
    new, _ = made_up(artists=50, seed=2)
    at_once = model.predict_proba(new)
    for batch in (1, 7, 65):
        parts = [new.iloc[start : start + batch] for start in range(0, len(new), batch)][:30]
        found = np.concatenate([model.predict_proba(part) for part in parts])
        assert found == pytest.approx(at_once[: len(found)], abs=1e-6)


def test_the_artist_is_no_feature() -> None:
    """Guards against a model that learns who plays, which held-out artists cannot have."""
    inputs, genres = made_up()
    model = make_estimator(DEFAULT).fit(inputs, genres)
    changed = model.predict_proba(inputs.assign(artist=0, popularity=99, release_year=2099, album_name="Moon"))
    assert model.predict_proba(inputs) == pytest.approx(changed, abs=1e-6)


@pytest.mark.parametrize("features", ["audio+title", "audio+album", "audio+year"])
@pytest.mark.parametrize("name", sorted(set(ESTIMATORS) - {"prior"}))
def test_the_other_inputs_tell_what_the_sound_does_not(name: str, features: str) -> None:
    """Guards against titles, albums or years that are taken and not read, or one in another's place."""
    inputs, genres = made_up(artists=90)
    inputs[AUDIO_FEATURES] = 1.0
    column = {"audio+title": "song_name", "audio+album": "album_name", "audio+year": "release_year"}[features]
    for other in {"song_name", "album_name"} - {column}:
        inputs[other] = "the same"
    inputs["release_year"] = 1990.0
    if column == "release_year":
        inputs[column] += 10 * (np.arange(len(inputs)) // 4 % 3)
    model = make_estimator(name, features=features).fit(inputs, genres)
    assert np.mean(model.predict(inputs) == genres) > 0.9
    with pytest.raises(ModelError, match=f"{column} is missing"):
        model.predict_proba(inputs.drop(columns=column))


def test_the_order_of_the_inputs_does_not_matter() -> None:
    """Guards against two models of the same inputs."""
    inputs, genres = made_up()
    one, other = (
        make_estimator("lightgbm", features=features).fit(inputs, genres) for features in ("audio+year", "year+audio")
    )
    assert one.predict_proba(inputs).tolist() == other.predict_proba(inputs).tolist()


def test_a_model_more_is_one_function(monkeypatch: pytest.MonkeyPatch, tracks: Tracks) -> None:
    """Guards against a second place that must know of it: the new one trains, and is told among those there are."""
    monkeypatch.setattr("ml.estimators.ESTIMATORS", dict(ESTIMATORS))

    @register
    def bayes(features: str, _seed: int) -> BaseEstimator:
        return make_pipeline(Numbers(columns_of(features)), GaussianNB())

    run = fit(tracks, model="bayes")
    assert (run.name, run.features) == ("bayes", "audio")
    assert run.scores.top_1 > 0.9
    with pytest.raises(ModelError, match="There are: prior, .*, ensemble, bayes"):
        make_estimator("another")


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
    """Guards against scikit-learn's own words for an infinite value, a missing column or a mistyped name."""
    inputs, genres = made_up()
    with pytest.raises(ModelError, match="tempo of row 4 is infinite"):
        make_estimator("lightgbm").fit(inputs.assign(tempo=np.where(np.arange(120) == 3, np.inf, 100)), genres)
    with pytest.raises(ModelError, match="The columns key, valence are missing"):
        make_estimator("knn").fit(inputs.drop(columns=["key", "valence"]), genres)
    with pytest.raises(ModelError, match="The column artist is missing"):
        make_estimator(DEFAULT, features="audio+title").fit(inputs.drop(columns="artist"), genres)
    with pytest.raises(ModelError, match="no model 'ensembel'. There are: prior, knn, .*, ensemble"):
        make_estimator("ensembel")
    for features, unknown in (("lyrics", "lyrics"), ("audio+popularity", "popularity"), ("", ""), ("audio+", "")):
        with pytest.raises(ModelError, match=f"no features '{unknown}'. There are: audio, title, year, album; one"):
            make_estimator("mlp", features=features)


@pytest.mark.parametrize(
    ("rows", "most", "epochs", "batch"), [(40, 600_000, 3, 8), (4_000, 600_000, 3, 80), (40, 100, 2, 8), (40, 1, 1, 8)]
)
def test_a_net_takes_small_steps_on_small_data_and_few_epochs_on_large(
    rows: int, most: int, epochs: int, batch: int
) -> None:
    """Guards against one step per epoch on small data, hours on large data, and rates that are left out."""
    values = np.random.default_rng(1).normal(size=(rows, 3))
    net = Net(hidden=4, most=most).fit(values, np.array(["a", "b"], dtype=object)[(values[:, 0] > 0).astype(int)])
    assert (net.net_.n_iter_, net.net_.batch_size) == (epochs, batch)
    assert net.net_.t_ == 4 * epochs * rows, "four learning rates"
    assert net.net_.learning_rate_init == 0.0005
