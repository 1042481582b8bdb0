"""The tracks that models learn from, and the splits that keep each artist on one side.

Belongs here: reading the marts, who is credited, splitting, and which genres can be learnt at all. Not here:
features computed from the columns (estimators.py, inside the pipelines), and figures (evaluation.py).
"""

import warnings
from dataclasses import dataclass, field
from functools import cached_property

import duckdb
import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from warehouse.features import AUDIO_FEATURES
from warehouse.publication import built

MIN_ARTISTS = 2
"""A genre needs tracks by this many artists, or it cannot stand on both sides of a split."""


class ModelError(ValueError):
    """Data or a model file that cannot be worked with; the message says what is wrong and what to do."""


class TooLittleToLearn(ModelError):
    """There are too few tracks, or they are too much alike, for a model: an answer that stops nothing else."""


@dataclass(frozen=True)
class Tracks:
    """The clean tracks of the active dataset.

    `frame` has one row per track, by listing_id: the audio features, spotify_track_id, song_name, artist_name, genre,
    release_year (NaN where unknown) and album_name (None where unknown). `credits` has one row per track and credited
    artist, in the order of the credits: `row` (0-based, into frame) and `artist` (a number); a track that credits
    nobody gets an artist of its own. `digest` names exactly these tracks, as `warehouse.publication.tracks_digest`
    does. `also_listed` has one row per track and genre under which it is listed beside its own: `row` and `genre`.
    """

    frame: pd.DataFrame
    credits: pd.DataFrame
    dataset: str
    is_synthetic: bool
    digest: str = ""
    also_listed: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame({"row": [], "genre": []}).astype({"row": int})
    )

    @property
    def is_labelled(self) -> bool:
        """Whether the tracks have genres; those of a list of songs have none."""
        return bool(self.frame["genre"].notna().any())

    @cached_property
    def inputs(self) -> pd.DataFrame:
        """What estimators are given, one row per track in the frame's order.

        The columns AUDIO_FEATURES and release_year (float64, NaN where unknown), song_name and album_name (may be None)
        and artist (int64, the number of the first credited artist: for inner folds, never a feature). Raises
        `ModelError` for an infinite value.
        """
        features = self.frame[AUDIO_FEATURES].astype(np.float64)
        infinite = np.isinf(features.to_numpy())
        if infinite.any():
            row, column = np.argwhere(infinite)[0]
            raise ModelError(
                f"{AUDIO_FEATURES[column]} of track {self.frame['spotify_track_id'].iloc[row]!r} is infinite "
                f"({int(infinite.sum())} such values in {self.dataset!r}). Correct it, or empty the cell: an unknown "
                "value is allowed."
            )
        return features.assign(
            song_name=self.frame["song_name"],
            release_year=self.frame["release_year"].astype(np.float64),
            album_name=self.frame["album_name"],
            artist=self.first_artists.astype(np.int64),
        )

    @cached_property
    def first_artists(self) -> np.ndarray:
        """The number of the first credited artist of each track."""
        return self.credits.groupby("row")["artist"].first().to_numpy()

    def also_listed_of(self, rows: np.ndarray) -> pd.DataFrame:
        """`also_listed` of the tracks `rows`, each of them given by its place in `rows`."""
        places = pd.Series(np.arange(len(rows)), index=rows)
        kept = self.also_listed[self.also_listed["row"].isin(rows)]
        return kept.assign(row=places.loc[kept["row"]].to_numpy())

    @cached_property
    def audio_vectors(self) -> np.ndarray:
        """A number for each track: equal where all audio features are equal (a recording under two ids, mostly)."""
        return self.frame.groupby(AUDIO_FEATURES, dropna=False, sort=False).ngroup().to_numpy()


@dataclass(frozen=True)
class Split:
    """Row numbers of the training and of the held-out part; genres in neither, with the reason.

    `set_aside` are rows in neither part because they credit an artist of the held-out part beside one of the training
    part, or are the very recording of a held-out track.
    """

    train: np.ndarray
    test: np.ndarray
    set_aside: np.ndarray
    left_out: dict[str, str]

    @property
    def parts(self) -> dict[str, np.ndarray]:
        """The row numbers by what was done with the tracks, as `ml.splits` names it."""
        return {"train": self.train, "held_out": self.test, "set_aside": self.set_aside}


def load_tracks(connection: duckdb.DuckDBPyConnection) -> Tracks:
    """Read `marts.clean_tracks` and who is credited. Raises `ModelError` where dbt has built no marts."""
    build = built(connection)
    if build is None:
        raise ModelError("There is no table of clean tracks yet. Build it: make run, or dbt build.")
    frame = connection.execute(
        f"""
        select {", ".join(f"cast({name} as double) as {name}" for name in AUDIO_FEATURES)},
            spotify_track_id, song_name, artist_name, genre,
            cast(details.release_year as double) as release_year, details.album_name
        from marts.clean_tracks left join marts.track_details as details using (spotify_track_id)
        order by listing_id
        """
    ).df()
    credits = connection.execute(
        """
        select spotify_track_id, coalesce(artist_id, artist_name) as artist from marts.track_artists
        where coalesce(artist_id, artist_name) is not null order by spotify_track_id, position
        """
    ).df()
    credits = number_credits(frame["spotify_track_id"], credits)
    listed = connection.execute(
        "select spotify_track_id, genre from marts.track_genres where not is_kept order by spotify_track_id, genre"
    ).df()
    rows = pd.Series(np.arange(len(frame)), index=frame["spotify_track_id"]).loc[listed["spotify_track_id"]]
    also_listed = pd.DataFrame({"row": rows.to_numpy(), "genre": listed["genre"]})
    return Tracks(frame, credits, build.dataset, build.is_synthetic, build.tracks_digest, also_listed)


def number_credits(track_ids: pd.Series, credits: pd.DataFrame) -> pd.DataFrame:
    """`Tracks.credits` from the columns spotify_track_id and artist (an id or a name), in the order of the credits."""
    rows = pd.Series(np.arange(len(track_ids)), index=track_ids)
    numbered = pd.DataFrame(
        {
            "row": rows.loc[credits["spotify_track_id"]].to_numpy(),
            "artist": credits["artist"].astype("category").cat.codes.to_numpy(dtype=np.int64),
        }
    )
    nobody = np.setdiff1d(np.arange(len(track_ids)), numbered["row"])
    first_free = len(numbered)
    own = pd.DataFrame({"row": nobody, "artist": first_free + np.arange(len(nobody))})
    return pd.concat([numbered, own], ignore_index=True)


def check_features(tracks: Tracks) -> None:
    """Raise `ModelError` where every track has the same audio features: there is nothing to tell genres by."""
    if tracks.frame.empty:
        raise TooLittleToLearn(f"{tracks.dataset!r} has no clean tracks: see marts.rejected_listings for the reasons.")
    if not tracks.is_labelled:
        raise TooLittleToLearn(
            f"The songs of {tracks.dataset!r} have no genres, so nothing is learnt from them. Which genres they sound "
            "like to the model of another dataset stands in library.html, beside the report."
        )
    if tracks.audio_vectors.max() == 0 and len(tracks.frame) > 1:
        raise TooLittleToLearn(
            f"No audio feature of {tracks.dataset!r} varies: each is unknown, or has one value, throughout. See "
            "marts.feature_distribution, and import a dump that has features."
        )


def split_by_artist(tracks: Tracks, *, test_share: float = 0.3, seed: int = 538) -> Split:
    """Hold out about `test_share` of each genre's tracks (0 to 1), all those of a first credited artist together.

    No artist, not even one credited second, and no identical audio vector is on both sides: what would link them is
    set aside. Raises `ModelError` where fewer than two genres can be learnt, or no feature varies.
    """
    check_features(tracks)
    genres = tracks.frame["genre"]
    left_out = _not_learnable(tracks)
    rows = np.flatnonzero(~genres.isin(left_out))
    labels = genres.to_numpy(dtype=object)
    held_out = _held_out_artists(tracks.first_artists[rows], labels[rows], test_share, seed)
    test = rows[np.isin(tracks.first_artists[rows], held_out)]
    others = np.setdiff1d(rows, test)
    linked = _linked(tracks, test)
    train, set_aside = others[~linked[others]], others[linked[others]]
    both = set(labels[train]) & set(labels[test])
    for genre in sorted(set(labels[rows]) - both):
        left_out[str(genre)] = "its few artists all fell on one side of the split"
    if len(both) < 2:
        raise _nothing_to_tell_apart(tracks)
    kept = genres.isin(both).to_numpy()
    return Split(train[kept[train]], test[kept[test]], set_aside, left_out)


def folds_by_artist(tracks: Tracks, *, folds: int = 5, seed: int = 538) -> list[Split]:
    """`folds` splits; each track of a learnable genre is held out in exactly one, with all of its first artist's.

    scikit-learn's StratifiedGroupKFold by first credited artist; as in `split_by_artist`, what shares any credited
    artist or the audio vector with a fold's held-out part is set aside from its training part. A genre that some
    fold could not learn is left out of all. Raises `ModelError`: fewer than two folds, too few artists or genres
    for them, or no feature that varies.
    """
    check_features(tracks)
    genres = tracks.frame["genre"]
    left_out = _not_learnable(tracks)
    rows = np.flatnonzero(~genres.isin(left_out))
    labels = genres.to_numpy(dtype=object)
    learnable = sorted(set(labels[rows]))
    if len(learnable) < 2:
        raise _nothing_to_tell_apart(tracks)
    artists = len(np.unique(tracks.first_artists[rows]))
    if not 2 <= folds <= artists:
        raise ModelError(
            f"{folds} folds by artist: there must be 2 or more, and at most one per artist ({artists}). One split is "
            "made without --folds."
        )
    parts = []
    for test in _group_folds(labels[rows], tracks.first_artists[rows], folds, seed):
        others = np.setdiff1d(rows, rows[test])
        linked = _linked(tracks, rows[test])
        parts.append((others[~linked[others]], rows[test], others[linked[others]]))
    learnt = set.intersection(*(set(labels[train]) for train, _, _ in parts))
    for genre in learnable:
        if genre not in learnt:
            left_out[str(genre)] = "its few artists leave some fold no track to learn it from"
    kept = genres.isin(learnt).to_numpy()
    splits = [Split(train[kept[train]], test[kept[test]], aside[kept[aside]], left_out) for train, test, aside in parts]
    if len(learnt) < 2 or any(len(split.test) == 0 for split in splits):
        raise ModelError(
            f"{folds} folds by artist are too many for {tracks.dataset!r}: too few artists in a genre or a fold. "
            "Take fewer folds, or one split."
        )
    return splits


def leaks(tracks: Tracks, split: Split) -> list[str]:
    """What is on both sides of `split` and must not be, one sentence each; empty for a clean split.

    Looks at the rows themselves and trusts nothing that the splitters computed: a row, any credited artist, an
    identical audio vector (-0 is 0, and unknown equals unknown).
    """
    found = []
    if rows := len(np.intersect1d(split.train, split.test)):
        found.append(f"{rows} rows are in both parts")
    credited = tracks.credits.set_index("row")["artist"]
    sides = [set(credited[credited.index.isin(part)]) for part in (split.train, split.test)]
    if artists := len(sides[0] & sides[1]):
        found.append(f"{artists} credited artists are on both sides")
    values = tracks.frame[AUDIO_FEATURES].to_numpy(dtype=np.float64, na_value=np.nan) + 0.0
    values[np.isnan(values)] = np.nan  # one bit pattern for all
    vectors = np.ascontiguousarray(values).view(np.dtype((np.void, values.itemsize * values.shape[1]))).ravel()
    if recordings := len(set(vectors[split.train].tolist()) & set(vectors[split.test].tolist())):
        found.append(f"{recordings} audio vectors are on both sides")
    return found


def _not_learnable(tracks: Tracks) -> dict[str, str]:
    """Genres that cannot stand on both sides of any split by artist, with the reason."""
    by_genre = pd.Series(tracks.first_artists).groupby(tracks.frame["genre"].to_numpy(dtype=object))
    artists, counts = by_genre.nunique(), by_genre.size()
    return {
        str(genre): "it has one track" if counts[genre] == 1 else "all its tracks are by one artist"
        for genre in artists.index[artists < MIN_ARTISTS]
    }


def _nothing_to_tell_apart(tracks: Tracks) -> TooLittleToLearn:
    return TooLittleToLearn(
        f"Nothing to tell apart: of {tracks.frame['genre'].nunique()} genres in {tracks.dataset!r}, fewer than two "
        f"have tracks by {MIN_ARTISTS} or more artists. Import a dump with more genres or more artists."
    )


def _group_folds(genres: np.ndarray, artists: np.ndarray, folds: int, seed: int) -> list[np.ndarray]:
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # A genre smaller than the number of folds is in some of the test parts only, which is no harm.
        warnings.filterwarnings("ignore", message="The least populated class")
        try:
            return [test for _, test in splitter.split(genres, genres, artists)]
        except ValueError as error:  # every genre is smaller than the number of folds
            raise ModelError(f"{folds} folds by artist are too many: {error} Take fewer folds.") from error


def _held_out_artists(first_artists: np.ndarray, genres: np.ndarray, test_share: float, seed: int) -> np.ndarray:
    """The artists to hold out: of each genre, in random order, as many as make up `test_share` of its tracks.

    An artist counts for the genre that most of their tracks have. A genre of two artists or more has one on each side.
    """
    counts = pd.DataFrame({"artist": first_artists, "genre": genres}).value_counts().reset_index()
    home = counts.sort_values(["count", "genre"], ascending=[False, True]).drop_duplicates("artist")
    shuffled = home.sort_values("artist").sample(frac=1, random_state=seed)
    by_genre = shuffled.groupby("genre")
    middle = by_genre["count"].cumsum() - shuffled["count"] / 2
    share = middle / by_genre["count"].transform("sum")
    place, artists = by_genre.cumcount(), by_genre["artist"].transform("size")
    held_out = (share < test_share) | (place == 0)
    return shuffled["artist"][held_out & ((place < artists - 1) | (artists == 1) & (share < test_share))].to_numpy()


def _linked(tracks: Tracks, test: np.ndarray) -> np.ndarray:
    """A flag for each track: shares a credited artist or its audio vector with one of the rows `test`."""
    credits = tracks.credits
    held_out_artists = credits["artist"][credits["row"].isin(test)]
    linked = np.isin(tracks.audio_vectors, tracks.audio_vectors[test])
    linked[credits["row"][credits["artist"].isin(held_out_artists)]] = True
    return linked
