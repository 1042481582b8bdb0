"""The registry: what every estimator must stand, and how several become one."""

import numpy as np
import pandas as pd
import pytest
import skops.io as sio
from lightgbm import LGBMClassifier
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.preprocessing import FunctionTransformer

from ml.dataset import ModelError
from ml.estimators import DEFAULT, ESTIMATORS, FEATURE_SETS, TRUSTED_TYPES, Budgeted, Copula, Nets, Pool, make_estimator
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


def test_a_song_gets_the_same_bits_whatever_it_is_scored_with() -> None:
    """Guards against matrix products that add up otherwise in a small batch, or at a batch's end."""
    model = make_estimator(DEFAULT).fit(*made_up(artists=60))
    new, _ = made_up(artists=250, seed=2)
    at_once = model.predict_proba(new)
    for batch in (1, 7, 65, 999):
        parts = [new.iloc[start : start + batch] for start in range(0, len(new), batch)][:30]
        found = np.concatenate([model.predict_proba(part) for part in parts])
        assert np.array_equal(found, at_once[: len(found)])


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
    with pytest.raises(ModelError, match="no model 'ensembel'. There are: prior, knn, .*, ensemble"):
        make_estimator("ensembel")
    with pytest.raises(ModelError, match="no features 'lyrics'. There are: audio, audio.title"):
        make_estimator("mlp", features="lyrics")


class Says(ClassifierMixin, BaseEstimator):
    """The probability of "a" that stands in one column, whatever it is fitted on; notes the last, the artists."""

    seen: list[set[float]] = []

    def __init__(self, column: int) -> None:
        self.column = column

    def fit(self, columns: np.ndarray, genres: np.ndarray) -> "Says":
        self.seen.append(set(columns[:, -1]))
        self.classes_ = np.unique(genres)
        return self

    def predict_proba(self, columns: np.ndarray) -> np.ndarray:
        return np.column_stack([columns[:, self.column], 1 - columns[:, self.column]])


def pooled(genres: np.ndarray, songs: int = 1, **shares: np.ndarray) -> Pool:
    """A pool of members that each say one of `shares` (a probability of "a" for each row); artists have `songs`."""
    inputs = pd.DataFrame(shares).assign(artist=np.arange(len(genres)) // songs)
    return Pool(FunctionTransformer(np.asarray), [Says(column) for column in range(len(shares))]).fit(inputs, genres)


def test_a_pool_weighs_members_on_artists_they_were_not_fitted_on() -> None:
    """Guards against weights that reward a member for what it remembers."""
    Says.seen.clear()
    pooled(np.array(["a", "b"] * 100, dtype=object), songs=2, half=np.full(200, 0.5))
    first, last = Says.seen
    assert len(first) == 80 and last == set(range(100))


def test_a_pool_drops_a_member_that_only_guesses_and_tempers_one_that_is_too_sure() -> None:
    """Guards against weights that do not answer to log loss: a model is sure of 99 %, and right four times in five."""
    rng = np.random.default_rng(1)
    genres = rng.choice(np.array(["a", "b"], dtype=object), 4_000)
    said = np.where(rng.random(4_000) < 0.8, genres, np.where(genres == "a", "b", "a"))
    sure = np.where(said == "a", 0.99, 0.01)
    pool = pooled(genres, sure=sure, guesses=rng.uniform(0.01, 0.99, 4_000))
    inputs = pd.DataFrame({"sure": [0.99], "guesses": [0.5], "artist": [0]})
    assert pool.predict_proba(inputs)[0] == pytest.approx([0.8, 0.2], abs=0.03)
    assert len(pool.weights_) == 1


def test_a_pool_of_good_members_is_surer_than_each() -> None:
    """Guards against a pool that only averages: two independent witnesses of 80 % each make 94 %."""
    rng = np.random.default_rng(1)
    genres = rng.choice(np.array(["a", "b"], dtype=object), 20_000)
    one, two = (np.where((rng.random(20_000) < 0.8) == (genres == "a"), 0.8, 0.2) for _ in range(2))
    pool = pooled(genres, one=one, two=two)
    sure = pool.predict_proba(pd.DataFrame({"one": [0.8], "two": [0.8], "artist": [0]}))
    assert sure[0, 0] == pytest.approx(16 / 17, abs=0.02)


def test_a_member_of_little_weight_is_left_out() -> None:
    """Guards against a member that is scored for every song and changes nothing, and weights that reckon with it."""
    rng = np.random.default_rng(1)
    genres = rng.choice(np.array(["a", "b"], dtype=object), 20_000)
    one = np.where((rng.random(20_000) < 0.8) == (genres == "a"), 0.8, 0.2)
    alone, both = pooled(genres, one=one), pooled(genres, one=one, guesses=rng.uniform(0.01, 0.99, 20_000))
    assert len(both.members_) == 1
    assert both.weights_ == pytest.approx(alone.weights_)


def test_many_genres_get_fewer_trees() -> None:
    """Guards against memory and time that grow with tracks times genres."""
    rng = np.random.default_rng(1)
    trees = [
        len(
            Budgeted(ExtraTreesClassifier(max_leaf_nodes=4), budget=2_600, most=30)
            .fit(rng.normal(size=(400, 2)), y)
            .estimator_
        )
        for y in (np.arange(400) % 2, np.arange(400) % 200)
    ]
    assert trees == [30, 13]


@pytest.mark.parametrize("labels", [["a", "b"], ["a", "b", "c"]])
def test_boosting_round_by_round_is_what_lightgbm_gives(labels: list[str]) -> None:
    """Guards against rounds left out or counted twice, and digits that depend on how many songs are scored at once."""
    rng = np.random.default_rng(1)
    genres = np.array(labels, dtype=object)[rng.integers(len(labels), size=2_000)]
    values = rng.normal(size=(2_000, 3)) + (genres == "a")[:, None]
    boosting = Budgeted(LGBMClassifier(num_leaves=7, verbose=-1), budget=30, most=100).fit(values, genres)
    many = boosting.predict_proba(values)
    assert len(values) >= boosting.FEW_TO_SCORE
    assert many == pytest.approx(boosting.estimator_.predict_proba(values), abs=1e-12)
    assert np.array_equal(boosting.predict_proba(values[7:9]), many[7:9])


def test_a_copula_hears_what_goes_together() -> None:
    """Guards against a density that is only its marginals: these genres have the same, and opposite correlations."""
    rng = np.random.default_rng(1)
    first, noise = rng.normal(size=(2, 22_000))
    genres = np.array(["a", "b"], dtype=object)[rng.integers(2, size=22_000)]
    second = np.where(genres == "a", 1, -1) * 0.8 * first + 0.6 * noise
    values = np.column_stack([np.exp(first), second])  # whatever the marginal's shape
    model = Copula().fit(values[:20_000], genres[:20_000])
    sure = model.predict_proba(values[20_000:])[:, 0]
    # Bayes' rule with the true density: two normals of correlation .8 and -.8.
    true = 1 / (1 + np.exp(-2 * 0.8 * first * second / 0.36))[20_000:]
    assert np.abs(sure - true).mean() < 0.03
    assert np.abs(sure - 0.5).mean() > 0.2


def test_a_copula_takes_values_as_they_come() -> None:
    """Guards against ranges that are empty, of one value or of a genre with one song, and digits that vary by batch."""
    rng = np.random.default_rng(1)
    genres = np.array(["a"] * 700 + ["b"] * 299 + ["rare"], dtype=object)
    spike = np.where(rng.random(1_000) < np.where(genres == "a", 0.7, 0.2), 0.0, rng.random(1_000))
    values = np.column_stack([spike, rng.integers(3, size=1_000), np.ones(1_000), spike])  # a twin has no inverse
    model = Copula().fit(values, genres)
    new = np.array([[0.0, 1, 1, 0.0], [1e-300, 1, 1, 1e-300], [5.0, -7, 3, 0.5]])
    found = model.predict_proba(new)
    assert np.isfinite(found).all() and found.sum(axis=1) == pytest.approx(np.ones(3))
    assert found[0, 0] > 0.8, "0 is a range of its own"
    assert found[1, 0] < 0.6
    many = model.predict_proba(values)
    assert np.array_equal(model.predict_proba(values[513:514]), many[513:514])
    in_pieces = Copula()
    in_pieces.CHUNK = 100
    assert in_pieces.fit(values, genres).predict_proba(values) == pytest.approx(many, abs=1e-9)


@pytest.mark.parametrize("labels", [["a", "b"], ["a", "b", "c"]])
def test_nets_give_the_mean_of_what_each_gives(labels: list[str]) -> None:
    """Guards against products that are others than scikit-learn's; two classes are computed otherwise."""
    values = np.random.default_rng(1).normal(size=(200, 4))
    genres = np.array(labels, dtype=object)[np.arange(200) % len(labels)]
    nets = Nets(nets=2, hidden=8).fit(values, genres)
    each = [net.predict_proba(nets.encoder_.transform(values)) for net in nets.nets_]
    assert nets.predict_proba(values) == pytest.approx(np.mean(each, axis=0), abs=1e-5)


def test_nets_add_up_to_the_same_bits_in_any_order() -> None:
    """Guards against sums that are rounded on the way: each processor's BLAS adds in another order."""
    values = np.random.default_rng(1).normal(size=(300, 4))
    nets = Nets(nets=1).fit(values, np.array(["a", "b", "c"], dtype=object)[np.arange(300) % 3])
    before = nets.predict_proba(values)
    (net,) = nets.nets_
    for layer in (0, 1):  # the units of a layer change places, which changes nothing but the order of the sums
        order = np.random.default_rng(layer).permutation(nets.hidden)
        net.coefs_[layer] = net.coefs_[layer][:, order]
        net.intercepts_[layer] = net.intercepts_[layer][order]
        net.coefs_[layer + 1] = net.coefs_[layer + 1][order]
    assert np.array_equal(nets.predict_proba(values), before)


def test_nets_see_every_row_once_an_epoch() -> None:
    """Guards against pieces that lose the rows at their seams, and a schedule that ends before them or after them."""
    values = np.random.default_rng(1).normal(size=(250, 3))
    nets = Nets(nets=2, hidden=8, epochs=3)
    nets.CHUNK = 100
    nets.fit(values, np.array(["a", "b"], dtype=object)[(values[:, 0] > 0).astype(int)])
    assert [net.t_ for net in nets.nets_] == [3 * 250] * 2
    least = nets.LEARNING_RATE * nets.LAST_SHARE
    assert [net._optimizer.learning_rate_init for net in nets.nets_] == pytest.approx([least] * 2), "it was to fall"
