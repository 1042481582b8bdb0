"""The split: no artist and no recording on both sides, whatever the credits look like."""

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml.dataset import AUDIO_FEATURES, ModelError, Tracks, load_tracks, split_by_artist
from tests.ml.made_up_tracks import make_tracks


def artists_of(tracks: Tracks, rows: np.ndarray) -> set[int]:
    return set(tracks.credits.loc[tracks.credits["row"].isin(rows), "artist"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    songs=st.lists(
        st.tuples(st.sampled_from("ABC"), st.lists(st.sampled_from("abcdefghij"), max_size=3, unique=True)),
        min_size=8,
        max_size=60,
    ),
    twins=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=3),
    seed=st.integers(0, 2**16),
)
def test_no_artist_and_no_recording_is_on_both_sides(songs, twins, seed) -> None:  # type: ignore[no-untyped-def]
    """Guards against figures that flatter: a model tested on artists or recordings it has learnt."""
    tracks = make_tracks([genre for genre, _ in songs], [names for _, names in songs])
    for first, second in twins:
        tracks.frame.loc[second, AUDIO_FEATURES] = tracks.frame.loc[first, AUDIO_FEATURES]
    try:
        split = split_by_artist(tracks, seed=seed)
    except ModelError:
        return
    assert not artists_of(tracks, split.train) & artists_of(tracks, split.test)
    vectors = tracks.frame[AUDIO_FEATURES].apply(tuple, axis=1)
    assert not set(vectors[split.train]) & set(vectors[split.test])
    parts = np.concatenate([split.train, split.test, split.set_aside])
    assert len(parts) == len(set(parts)), "a row stands in two parts"
    genres = tracks.frame["genre"].to_numpy()
    assert set(genres[split.train]) == set(genres[split.test])
    rest = np.setdiff1d(np.arange(len(songs)), parts)
    assert set(genres[rest]) <= set(split.left_out), "a row is in no part, and its genre has no reason"


def test_about_three_tenths_are_held_out_of_each_genre(tracks: Tracks) -> None:
    """Guards against a test part that is tiny or leaves genres out."""
    split = split_by_artist(tracks)
    held_out = tracks.frame["genre"].iloc[split.test].value_counts().to_dict()
    assert held_out == {"Ambient": 18, "Jazz": 18, "Punk": 18}
    assert len(split.train) == 126
    assert split.left_out == {}


def test_another_seed_holds_out_other_artists(tracks: Tracks) -> None:
    """Guards against a seed without effect."""
    assert set(split_by_artist(tracks, seed=1).test) != set(split_by_artist(tracks, seed=2).test)
    assert set(split_by_artist(tracks, seed=1).test) == set(split_by_artist(tracks, seed=1).test)


def test_a_genre_with_one_track_or_one_artist_is_left_out_with_the_reason() -> None:
    """Guards against genres that vanish from the figures without a word."""
    genres = ["Big"] * 6 + ["Other"] * 6 + ["Lonely"] + ["Solo"] * 3
    artists = [[f"a{n}"] for n in range(12)] + [["x"]] + [["y"]] * 3
    split = split_by_artist(make_tracks(genres, artists))
    assert split.left_out == {"Lonely": "it has one track", "Solo": "all its tracks are by one artist"}


def test_one_genre_is_an_error_that_says_what_to_do() -> None:
    """Guards against a perfect score for a question that was none."""
    with pytest.raises(ModelError, match="Nothing to tell apart.*Import a dump with more genres"):
        split_by_artist(make_tracks(["Only"] * 9, [[f"a{n}"] for n in range(9)]))


def test_tracks_without_credits_have_an_artist_of_their_own() -> None:
    """Guards against unknown artists taken for one and the same."""
    tracks = make_tracks(["A", "B"], [[], []])
    assert len(set(tracks.first_artists)) == 2


def test_tracks_are_loaded_with_their_credits_in_order(connection: duckdb.DuckDBPyConnection) -> None:
    """Guards against a first artist that is not the first, and against rows out of download order."""
    features = ", ".join(f"0.5 as {name}" for name in AUDIO_FEATURES)
    connection.execute(
        f"""
        create schema marts;
        create table marts.clean_tracks as
        select {features}, 'id' || n as spotify_track_id, 'Song' as song_name, 'x' as artist_name, 'g' as genre,
            10 - n as listing_id, 'made_up' as dataset, true as is_synthetic
        from range(3) as numbers(n);
        create table marts.track_artists as
        from (values ('id0', 2, null, 'second'), ('id0', 1, null, 'first'), ('id1', 1, 'the-id', 'first'))
            as credits(spotify_track_id, position, artist_id, artist_name);
        """
    )
    tracks = load_tracks(connection)
    assert tracks.frame["spotify_track_id"].tolist() == ["id2", "id1", "id0"]
    assert tracks.is_synthetic
    by_row = tracks.credits.groupby("row")["artist"].apply(list)
    assert len(by_row[2]) == 2
    assert tracks.first_artists[2] == by_row[2][0]
    assert not set(by_row[2]) & set(by_row[1]), "an id and a name are different artists"


def test_a_missing_table_is_told_with_what_to_do(connection: duckdb.DuckDBPyConnection) -> None:
    """Guards against DuckDB's catalogue error where nothing has been built."""
    with pytest.raises(ModelError, match="make run"):
        load_tracks(connection)


def test_unknown_values_are_equal_in_audio_vectors() -> None:
    """Guards against a recording under two ids taken for two because its time signature is unknown."""
    tracks = make_tracks(["A", "B"], [["a"], ["b"]])
    tracks.frame.loc[1, AUDIO_FEATURES] = tracks.frame.loc[0, AUDIO_FEATURES]
    tracks.frame["time_signature"] = pd.NA
    assert tracks.audio_vectors[0] == tracks.audio_vectors[1]
