"""How far popularity follows from what: figures that are known beforehand, on made-up tracks."""

import numpy as np
import pytest

from ml.dataset import Tracks, split_by_artist
from ml.popularity import COLUMNS, FEWEST_ARTISTS, INPUTS, explain_popularity
from tests.ml.made_up_tracks import make_tracks


def two_genres(artists: int = 60, songs: int = 5) -> Tracks:
    """Two genres, and a release year for each track that nothing else follows from."""
    genres = [genre for genre in ("Dub", "Emo") for _ in range(artists * songs)]
    credits = [[f"{genre} {number // songs}"] for number, genre in enumerate(genres)]
    tracks = make_tracks(genres, credits)
    tracks.frame["release_year"] = np.random.default_rng(3).integers(1960, 2020, len(genres)).astype(float)
    return tracks


def by_genre(tracks: Tracks) -> np.ndarray:
    """20 for the one genre, 70 for the other."""
    return np.where(tracks.frame["genre"] == "Dub", 20.0, 70.0)


def test_popularity_that_is_its_genre_s_follows_from_the_genre_and_not_from_the_sound() -> None:
    """Guards against figures under the wrong inputs, and a genre that the regression is not given."""
    tracks = two_genres()
    found = explain_popularity(tracks, by_genre(tracks)).set_index("inputs")
    assert list(found.index) == list(INPUTS)
    assert found.loc[["genre", "sound and genre", "sound, genre and year"], "r2"].min() > 0.99
    assert found.loc[["sound", "sound and year"], "r2"].max() < 0.1
    assert (found["r2_low"] <= found["r2"]).all() and (found["r2"] <= found["r2_high"]).all()


def test_popularity_that_follows_from_the_year_alone_is_told_from_it_alone() -> None:
    """Guards against a year that is not given, and years in another order than the tracks."""
    tracks = two_genres()
    popularity = (tracks.frame["release_year"].to_numpy() - 1960) * 1.5
    found = explain_popularity(tracks, popularity).set_index("inputs")["r2"]
    assert found[["sound and year", "sound, genre and year"]].min() > 0.95
    assert found[["sound", "genre", "sound and genre"]].max() < 0.1


def test_what_only_the_artist_tells_is_learnt_by_heart_and_does_not_help_with_others() -> None:
    """Guards against the study's kind of figure, on rows that were learnt, in place of held-out artists."""
    tracks = two_genres()
    rng = np.random.default_rng(5)
    artist = tracks.first_artists
    popularity = rng.uniform(0, 100, artist.max() + 1)[artist]
    tracks.frame["tempo"] = rng.uniform(60, 190, artist.max() + 1)[artist] + rng.normal(0, 0.01, len(artist))
    sound = explain_popularity(tracks, popularity).set_index("inputs").loc["sound"]
    assert sound["r2_training"] > 0.8
    assert sound["r2"] < 0.2
    split = split_by_artist(tracks)
    assert (sound["n_train"], sound["n_test"]) == (len(split.train), len(split.test))
    assert sound["n_artists_test"] == len(np.unique(artist[split.test]))


def test_an_unknown_popularity_is_no_popularity() -> None:
    """Guards against unknown as 0: the tracks are left out, in training and in the figures."""
    tracks = two_genres()
    popularity = by_genre(tracks)
    popularity[::2] = np.nan
    found = explain_popularity(tracks, popularity)
    split = split_by_artist(tracks)
    assert found["n_test"].unique().tolist() == [int(np.count_nonzero(split.test % 2))]
    assert found["n_train"].unique().tolist() == [int(np.count_nonzero(split.train % 2))]


def test_without_years_the_inputs_with_a_year_are_left_out() -> None:
    """Guards against a figure "with the year" in which no year was known."""
    tracks = two_genres()
    tracks.frame["release_year"] = np.nan
    found = explain_popularity(tracks, by_genre(tracks))
    assert list(found["inputs"]) == ["sound", "genre", "sound and genre"]


@pytest.mark.parametrize("popularity", [np.nan, 0.0], ids=["unknown", "the same for all"])
def test_where_there_is_nothing_to_explain_there_are_no_figures(popularity: float) -> None:
    """Guards against an R² of no differences, which is none or minus infinity."""
    tracks = two_genres()
    found = explain_popularity(tracks, np.full(len(tracks.frame), popularity))
    assert found.empty and list(found.columns) == COLUMNS


@pytest.mark.parametrize("others", [1, FEWEST_ARTISTS])
def test_popularity_that_few_artists_have_gives_no_interval_to_minus_infinity(others: int) -> None:
    """Guards against a bound of -1e15 where most tracks have popularity 0, since artists drawn anew have no other."""
    tracks = two_genres()
    popularity = by_genre(tracks)  # what was learnt varies
    split = split_by_artist(tracks)
    popularity[split.test] = 0.0
    artists = np.unique(tracks.first_artists[split.test])[:others]
    popularity[split.test[np.isin(tracks.first_artists[split.test], artists)]] = 50.0
    found = explain_popularity(tracks, popularity)
    assert len(found) == (len(INPUTS) if others == FEWEST_ARTISTS else 0)
    assert found["r2_low"].isna().sum() == 0 and (found["r2_low"] > -1_000).all()


def test_few_artists_and_songs_without_genres_give_no_figures() -> None:
    """Guards against an interval over a handful of artists, and a traceback for a list of songs."""
    tracks = two_genres(artists=8)
    popularity = np.arange(len(tracks.frame)) % 100.0
    assert explain_popularity(tracks, popularity).empty
    tracks.frame["genre"] = None
    assert explain_popularity(tracks, popularity).empty
