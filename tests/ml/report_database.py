"""The tables that the report reads, made in seconds from made-up tracks: no dbt, but the marts' own columns."""

from dataclasses import replace

import duckdb
import numpy as np

from ml.clusters import cluster_genres
from ml.dataset import Tracks
from ml.popularity import explain_popularity, load_popularity
from ml.tables import record_finding
from tests.ml.made_up_tracks import make_tracks
from warehouse.features import AUDIO_FEATURES
from warehouse.publication import tracks_digest

CONTINUOUS = [name for name in AUDIO_FEATURES if name not in ("key", "mode", "time_signature")]
RANGES = {
    "loudness": (-40, 45),
    "tempo": (0, 250),
    "duration_ms": (0, 600_000),
    "key": (-1, 12),
    "time_signature": (0, 7),
}
"""Where a feature's bins begin and how far they reach; 0 and 1 for the rest."""


def some_tracks(genres: list[str], artists: int = 12, songs: int = 2) -> Tracks:
    """Tracks of `genres`, each louder than the one before, in realistic units."""
    names = [genre for genre in genres for _ in range(artists * songs)]
    credits = [[f"{genre} {artist}"] for genre in genres for artist in range(artists) for _ in range(songs)]
    loudness = {genre: -30.0 + 25 * place / len(genres) for place, genre in enumerate(genres)}
    tracks = make_tracks(names, credits, loudness=loudness)
    rng = np.random.default_rng(1)
    frame = tracks.frame.assign(
        tempo=rng.uniform(60, 190, len(names)), duration_ms=rng.uniform(9e4, 4e5, len(names)).round(),
        key=rng.integers(0, 12, len(names)).astype(float), mode=rng.integers(0, 2, len(names)).astype(float),
        energy=lambda frame: ((frame["loudness"] + 40) / 45).clip(0, 1),
    )  # fmt: skip
    return Tracks(frame, tracks.credits, tracks.dataset, tracks.is_synthetic)


def make_marts(connection: duckdb.DuckDBPyConnection, tracks: Tracks) -> Tracks:
    """Schema marts, as dbt would make it of `tracks`: the tables and columns that the report reads.

    Returns the tracks as `load_tracks` would read them.
    """
    frame = tracks.frame.assign(
        dataset=tracks.dataset, is_synthetic=tracks.is_synthetic, listing_id=np.arange(len(tracks.frame)),
        popularity=np.arange(len(tracks.frame)) % 101,
    )  # fmt: skip
    connection.register("frame", frame)
    bins = " union all ".join(
        f"select '{name}' as feature, {start} as bins_from, {span} as span"
        for name in AUDIO_FEATURES
        for start, span in [RANGES.get(name, (0, 1))]
    )
    pairs = ", ".join(f"corr({one}, {other})" for one in CONTINUOUS for other in CONTINUOUS)
    connection.execute(
        f"""
        create schema marts;
        create table marts.clean_tracks as select * exclude (release_year, album_name) from frame;
        create table marts.track_artists as
        select spotify_track_id, 1 as position, null::varchar as artist_id, artist_name from frame;
        create table marts.cleaning_audit as
        select *, '{tracks.dataset}' as dataset, {tracks.is_synthetic} as is_synthetic
        from (values (0, 'listings', 'All', {len(frame) + 10}, 0, {len(frame) + 10}),
                (1, 'exact_repeat', 'Equal', {len(frame) + 10}, 10, {len(frame)}))
            as audit(step, rule, description, rows_before, rows_removed, rows_after);
        create table marts.track_genres as
        select spotify_track_id, genre, 1 as listings, true as is_kept from frame;
        create table marts.track_details as
        select spotify_track_id, album_name,
            (1935 + 7 * row_number() over (order by spotify_track_id) % 90)::integer as release_year,
            dataset, is_synthetic
        from frame;
        create table marts.genre_overlap as
        select genre, other_genre, 1 as tracks_in_both, 24 as tracks_in_genre, 24 as tracks_in_other_genre,
            1 / 47.0 as jaccard
        from (select genre, lead(genre) over (order by genre) as other_genre from frame group by genre)
        where other_genre is not null;
        create temp table measured as
        select genre, feature, value from (
            unpivot (select genre, {", ".join(f"{name}::double as {name}" for name in AUDIO_FEATURES)} from frame)
            on {", ".join(AUDIO_FEATURES)} into name feature value value
        );
        create table marts.genre_summary as
        select genre, feature, count(*) as tracks, avg(value) as mean, median(value) as median,
            stddev_samp(value) as standard_deviation
        from measured group by genre, feature;
        create table marts.feature_distribution as
        select genre, feature, bin::integer as bin, bins_from + span * (bin - 1) / 100.0 as lower_bound,
            bins_from + span * bin / 100.0 as upper_bound, count(*) as tracks
        from (
            select genre, feature, bins_from, span,
                greatest(1, least(100, 1 + floor(round((value - bins_from) * 100 / span, 6)))) as bin
            from measured inner join ({bins}) using (feature)
        )
        group by feature, bin, bins_from, span, rollup(genre);
        create table marts.feature_correlation as
        select feature, other_feature, {len(frame)} as tracks, correlation from (
            select unnest({[one for one in CONTINUOUS for _ in CONTINUOUS]}) as feature,
                unnest({[other for _ in CONTINUOUS for other in CONTINUOUS]}) as other_feature,
                unnest([{pairs}]) as correlation
            from frame
        );
        """
    )
    return replace(tracks, digest=tracks_digest(connection))


def find(connection: duckdb.DuckDBPyConnection, tracks: Tracks) -> None:
    """What is found in the tracks beside the models: clusters of genres, and what popularity follows from."""
    record_finding(connection, "genre_clusters", tracks, cluster_genres(tracks))
    record_finding(
        connection, "popularity_fits", tracks, explain_popularity(tracks, load_popularity(connection, tracks))
    )
