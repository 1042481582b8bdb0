"""The split: no artist and no recording on both sides, whatever the credits look like."""

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml.dataset import ModelError, Split, Tracks, folds_by_artist, leaks, load_tracks, split_by_artist
from tests.ml.made_up_tracks import make_tracks
from warehouse.features import AUDIO_FEATURES

credit_structures = given(
    songs=st.lists(
        st.tuples(st.sampled_from("ABC"), st.lists(st.sampled_from("abcdefghij"), max_size=3, unique=True)),
        min_size=8,
        max_size=60,
    ),
    twins=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=3),
    seed=st.integers(0, 2**16),
)


def made_up(songs: list[tuple[str, list[str]]], twins: list[tuple[int, int]]) -> Tracks:
    tracks = make_tracks([genre for genre, _ in songs], [names for _, names in songs])
    for first, second in twins:
        tracks.frame.loc[second, AUDIO_FEATURES] = tracks.frame.loc[first, AUDIO_FEATURES]
    return tracks


def assert_no_leak(songs: list[tuple[str, list[str]]], tracks: Tracks, split: Split) -> None:
    """From the songs as they were written down, not from what the code made of them; then `leaks` must agree."""
    train, test = ({name for row in part for name in songs[row][1]} for part in (split.train, split.test))
    assert not train & test
    vectors = [tuple(row) for row in tracks.frame[AUDIO_FEATURES].itertuples(index=False)]
    assert not {vectors[row] for row in split.train} & {vectors[row] for row in split.test}
    assert leaks(tracks, split) == []
    parts = np.concatenate([split.train, split.test, split.set_aside])
    assert len(parts) == len(set(parts)), "a row stands in two parts"
    genres = tracks.frame["genre"].to_numpy()
    assert set(genres[split.test]) <= set(genres[split.train])
    rest = np.setdiff1d(np.arange(len(songs)), parts)
    assert set(genres[rest]) <= set(split.left_out), "a row is in no part, and its genre has no reason"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@credit_structures
def test_no_artist_and_no_recording_is_on_both_sides(songs, twins, seed) -> None:  # type: ignore[no-untyped-def]
    """Guards against figures that flatter: a model tested on artists or recordings it has learnt."""
    tracks = made_up(songs, twins)
    try:
        split = split_by_artist(tracks, seed=seed)
    except ModelError:
        return
    assert_no_leak(songs, tracks, split)
    genres = tracks.frame["genre"].to_numpy()
    assert set(genres[split.train]) == set(genres[split.test])


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@credit_structures
def test_no_fold_leaks_and_each_track_is_held_out_once(songs, twins, seed) -> None:  # type: ignore[no-untyped-def]
    """Guards against folds that test on what they learnt, and against tracks tested twice or never."""
    tracks = made_up(songs, twins)
    try:
        splits = folds_by_artist(tracks, folds=3, seed=seed)
    except ModelError:
        return
    for split in splits:
        assert_no_leak(songs, tracks, split)
    tested = np.sort(np.concatenate([split.test for split in splits]))
    learnable = ~tracks.frame["genre"].isin(splits[0].left_out)
    assert tested.tolist() == np.flatnonzero(learnable).tolist()


def test_leaks_are_named() -> None:
    """Guards against a check that passes whatever it is given."""
    tracks = make_tracks(["A", "B", "A", "B"], [["a", "x"], ["b"], ["c", "x"], ["d"]])
    tracks.frame.loc[3, AUDIO_FEATURES] = tracks.frame.loc[1, AUDIO_FEATURES]
    tracks.frame.loc[[1, 3], "time_signature"] = np.nan
    none = np.array([], dtype=int)
    assert leaks(tracks, Split(np.array([0]), np.array([2]), none, {})) == ["1 credited artists are on both sides"]
    assert leaks(tracks, Split(np.array([1]), np.array([3]), none, {})) == ["1 audio vectors are on both sides"]
    assert leaks(tracks, Split(np.array([0]), np.array([0, 3]), none, {}))[0] == "1 rows are in both parts"
    assert leaks(tracks, Split(np.array([0, 2]), np.array([1, 3]), none, {})) == []


def test_folds_hold_a_fifth_of_each_genre_out(tracks: Tracks) -> None:
    """Guards against folds without some genre, and against another seed that changes nothing."""
    splits = folds_by_artist(tracks, folds=5)
    for split in splits:
        assert tracks.frame["genre"].iloc[split.test].value_counts().to_dict() == {
            "Ambient": 12,
            "Jazz": 12,
            "Punk": 12,
        }
        assert len(split.train) == 144
    assert set(folds_by_artist(tracks, seed=1)[0].test) != set(splits[0].test)


def test_too_many_folds_are_told(tracks: Tracks) -> None:
    """Guards against scikit-learn's message about splits and members."""
    with pytest.raises(ModelError, match="61 folds by artist.*at most one per artist \\(60\\)"):
        folds_by_artist(tracks, folds=61)
    with pytest.raises(ModelError, match="1 folds by artist: there must be 2 or more"):
        folds_by_artist(tracks, folds=1)
    with pytest.raises(ModelError, match="too many"):
        folds_by_artist(make_tracks(["A", "A", "B", "B"], [["a"], ["b"], ["c"], ["d"]]), folds=4)


def test_inputs_are_the_features_the_name_and_the_first_artist() -> None:
    """Guards against labels or popularity among what a model is given."""
    tracks = make_tracks(["A", "B"], [["a", "b"], ["b", "a"]])
    tracks.frame.loc[0, "tempo"] = np.nan
    tracks.frame["popularity"] = 50
    assert list(tracks.inputs) == [*AUDIO_FEATURES, "song_name", "release_year", "album_name", "artist"]
    assert tracks.inputs["artist"].tolist() == tracks.first_artists.tolist()
    assert np.isnan(tracks.inputs["tempo"][0])
    assert set(tracks.inputs[AUDIO_FEATURES].dtypes) == {np.dtype("float64")}


def test_an_infinite_value_is_named() -> None:
    """Guards against a scaler's message that names neither the track nor the feature."""
    tracks = make_tracks(["A", "B"], [["a"], ["b"]])
    tracks.frame.loc[1, "loudness"] = -np.inf
    with pytest.raises(ModelError, match="loudness of track 'track1' is infinite \\(1 such"):
        _ = tracks.inputs


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
        create table marts.track_details as
        select 'id1' as spotify_track_id, 1994 as release_year, 'Blue' as album_name, 'made_up' as dataset,
            true as is_synthetic;
        create table marts.track_genres as
        from (values ('id0', 'g', true), ('id0', 'h', false), ('id2', 'g', true), ('id2', 'f', false))
            as listed(spotify_track_id, genre, is_kept);
        """
    )
    tracks = load_tracks(connection)
    assert tracks.frame["spotify_track_id"].tolist() == ["id2", "id1", "id0"]
    assert tracks.is_synthetic
    assert tracks.inputs["release_year"].fillna(0).tolist() == [0, 1994, 0], "and what has no details is unknown"
    assert tracks.inputs["album_name"].where(tracks.inputs["album_name"].notna(), "").tolist() == ["", "Blue", ""]
    assert tracks.also_listed.to_numpy().tolist() == [[2, "h"], [0, "f"]]
    assert tracks.also_listed_of(np.array([1, 2])).to_numpy().tolist() == [[1, "h"]]
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
