"""Clusters of genres: what belongs together by hand, by all four methods."""

import duckdb
import pandas as pd
import pytest
from sklearn.metrics import silhouette_score

from ml.clusters import COMPARED, METHODS, cluster_genres, standardised
from ml.dataset import Tracks
from ml.tables import record_finding
from tests.ml.made_up_tracks import make_tracks

CALM, LOUD = ("Ambient", "Drone", "Piano", "Lullaby"), ("Grind", "Metal", "Noise", "Punk")


def two_kinds(artists: int = 6) -> Tracks:
    """Four genres at 0.2 and four at 0.8 in energy and acousticness, each a little apart; one artist per track."""
    genres = [genre for genre in (*CALM, *LOUD) for _ in range(artists)]
    tracks = make_tracks(genres, [[f"{genre} {number}"] for number, genre in enumerate(genres)])
    place = {genre: 0.02 * number for number, genre in enumerate((*CALM, *LOUD))}
    tracks.frame[COMPARED] = 0.5
    tracks.frame["energy"] = [(0.2 if genre in CALM else 0.7) + place[genre] for genre in genres]
    tracks.frame["acousticness"] = 1 - tracks.frame["energy"]
    return tracks


def test_every_method_finds_two_kinds_that_stand_far_apart_the_calm_ones_first() -> None:
    """Guards against clusters by another column, in another order, or by chance."""
    found = cluster_genres(two_kinds())
    assert list(found["method"].unique()) == list(METHODS)
    for _, part in found.groupby("method"):
        assert dict(zip(part["genre"], part["cluster"], strict=True)) == dict.fromkeys(CALM, 1) | dict.fromkeys(LOUD, 2)
        assert part["clusters"].unique().tolist() == [2]
        assert part["stability"].unique().tolist() == [1.0]


def test_the_silhouette_is_that_of_the_standardised_means() -> None:
    """Guards against a silhouette over tracks, or over means in their own units."""
    tracks = two_kinds()
    means = standardised(tracks.frame.groupby("genre")[COMPARED].mean())
    expected = silhouette_score(means, [genre in LOUD for genre in means.index])
    assert cluster_genres(tracks)["silhouette"].unique().tolist() == pytest.approx([expected] * 1)


def test_clusters_that_hang_on_one_artist_are_not_stable() -> None:
    """Guards against a stability that is 1 whatever is drawn, and against drawing tracks instead of artists."""
    tracks = two_kinds(artists=4)
    rows = tracks.frame.index[tracks.frame["genre"] == "Lullaby"]
    tracks.frame.loc[rows[0], ["energy", "acousticness"]] = (60.0, -59.0)  # one artist makes the genre an outlier
    assert cluster_genres(tracks)["stability"].max() < 1


def test_too_few_genres_have_no_clusters_and_songs_without_genres_do_not_count() -> None:
    """Guards against one cluster of everything, and a cluster of the unlabelled."""
    few = make_tracks(["Dub", "Emo", "Ska"] * 4, [[f"artist {number}"] for number in range(12)])
    assert cluster_genres(few).empty
    tracks = two_kinds()
    tracks.frame.loc[tracks.frame["genre"] == "Punk", "genre"] = None
    assert set(cluster_genres(tracks)["genre"]) == {*CALM, *LOUD} - {"Punk"}
    tracks.frame["genre"] = None
    assert cluster_genres(tracks).empty


@pytest.mark.filterwarnings("error")
def test_genres_that_sound_the_same_have_no_clusters() -> None:
    """Guards against a silhouette of one point, and fifty warnings of two clusters that cannot be found."""
    tracks = two_kinds()
    tracks.frame[COMPARED] = 0.5
    assert cluster_genres(tracks).empty


def test_a_dataset_s_clusters_are_replaced_and_another_s_stay() -> None:
    """Guards against rows that are doubled by a second run, and lost by another dataset's."""
    tracks = two_kinds()
    other = Tracks(tracks.frame, tracks.credits, "other", False, "digest")
    with duckdb.connect() as connection:
        for each in (tracks, other, tracks):
            record_finding(connection, "genre_clusters", each, cluster_genres(each))
        counts = connection.execute(
            "select dataset, is_synthetic, count(*) from ml.genre_clusters group by all order by all"
        ).fetchall()
    assert counts == [("made_up", True, 32), ("other", False, 32)]


def test_what_is_unknown_in_a_genre_counts_as_average() -> None:
    """Guards against a gap that takes a genre out, or all genres."""
    tracks = two_kinds()
    tracks.frame.loc[tracks.frame["genre"] == "Punk", "tempo"] = float("nan")
    tracks.frame["liveness"] = float("nan")
    found = cluster_genres(tracks)
    assert not found.isna().to_numpy().any()
    assert isinstance(found, pd.DataFrame) and len(found) == 8 * len(METHODS)
