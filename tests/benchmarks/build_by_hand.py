"""The same work as build_by_hand.sql in polars, lazy and streaming: `python build_by_hand.py FOLDER`.

It reads tracks.parquet and audio_features.parquet of the folder, and writes each table there as by_polars/NAME.parquet.
It imports polars and nothing else of ours, since it runs in an environment of its own (bench_build.py makes one).
"""

import importlib
import sys
from pathlib import Path
from typing import Any

pl: Any = importlib.import_module("polars")

SHARES = ["danceability", "energy", "speechiness", "acousticness", "instrumentalness", "liveness", "valence"]
RANGES = dict.fromkeys(SHARES, (0, 1)) | {
    "key": (-1, 11), "mode": (0, 1), "loudness": (-60, 10), "tempo": (0, 300), "duration_ms": (0, 86_400_000),
}  # fmt: skip
STUDY = [*RANGES, "time_signature", "artist_name", "song_name", "genre", "spotify_track_id", "popularity"]
NUMBERS = [*RANGES, "time_signature", "popularity"]
TRACK = pl.Struct({
    "id": pl.String, "name": pl.String, "popularity": pl.Int32, "explicit": pl.Boolean, "disc_number": pl.Int32,
    "track_number": pl.Int32, "external_ids": pl.Struct({"isrc": pl.String}),
    "artists": pl.List(pl.Struct({"id": pl.String, "name": pl.String})),
    "album": pl.Struct({
        "id": pl.String, "name": pl.String, "album_type": pl.String, "total_tracks": pl.Int32,
        "release_date": pl.String, "release_date_precision": pl.String,
    }),
})  # fmt: skip
INTEGERS = {"key": pl.Int32, "mode": pl.Int32, "duration_ms": pl.Int64, "time_signature": pl.Int32}
FEATURES = pl.Struct({name: INTEGERS.get(name, pl.Float64) for name in (*RANGES, "time_signature")})


def read_listings(folder: Path) -> Any:
    """One row per listing, with its features."""
    document = pl.col("document").struct
    album = document.field("album").struct
    tracks = pl.scan_parquet(folder / "tracks.parquet").select(
        "listing_id", "genre", "artist_name", "track_id", document=pl.col("payload").str.json_decode(TRACK)
    )
    features = (
        pl.scan_parquet(folder / "audio_features.parquet")
        .sort("extracted_at")
        .unique("track_id", keep="last")
        .select("track_id", features=pl.col("payload").str.json_decode(FEATURES), has_audio_features=pl.lit(True))
        .unnest("features")
    )
    date = album.field("release_date") + pl.col("precision").replace_strict(
        {"year": "-01-01", "month": "-01"}, default="", return_dtype=pl.String
    )
    return (
        tracks.with_columns(precision=album.field("release_date_precision"))
        .select(
            "listing_id", "genre", "artist_name", "track_id",
            spotify_track_id=document.field("id"), song_name=document.field("name"),
            popularity=document.field("popularity"), artists=document.field("artists"),
            isrc=document.field("external_ids").struct.field("isrc"), is_explicit=document.field("explicit"),
            disc_number=document.field("disc_number"), track_number=document.field("track_number"),
            album_id=album.field("id"), album_name=album.field("name"), album_type=album.field("album_type"),
            total_tracks=album.field("total_tracks"), release_date=date.str.to_date(strict=False),
            release_date_precision="precision",
        )
        .join(features, on="track_id", how="left")
    )  # fmt: skip


def judge(listings: Any) -> Any:
    """The listings in their order, each with the rule that rejects it."""
    in_range = pl.all_horizontal(
        *(pl.col(name).is_between(low, high).fill_null(False) for name, (low, high) in RANGES.items()),
        pl.col("time_signature").is_between(0, 7).fill_null(True),
        pl.col("popularity").is_between(0, 100).fill_null(True),
    )
    identity = pl.col("spotify_track_id")
    first_look = (
        pl.when(identity.is_null() | identity.str.starts_with("spotify:local:") | (pl.col("genre").fill_null("") == ""))
        .then(pl.lit("unreadable_document"))
        .when(pl.col("has_audio_features").is_null())
        .then(pl.lit("missing_audio_features"))
        .when(~in_range)
        .then(pl.lit("invalid_audio_features"))
        .when((pl.col("tempo") < 10) | (pl.col("time_signature") < 1))
        .then(pl.lit("invalid_tempo_or_time_signature"))
    )
    judged = listings.with_columns(rule=first_look).sort("listing_id")
    valid = judged.filter(pl.col("rule").is_null()).with_columns(
        rule=pl.when(~pl.struct(STUDY).is_first_distinct())
        .then(pl.lit("exact_repeat"))
        .when(~pl.struct("spotify_track_id", "song_name").is_first_distinct())
        .then(pl.lit("track_repeat"))
        .when(~identity.is_first_distinct())
        .then(pl.lit("renamed_repeat"))
    )
    return pl.concat([valid, judged.filter(pl.col("rule").is_not_null())])


def tables(judged: Any) -> dict[str, Any]:
    """The tables that are made of the judged listings."""
    clean = judged.filter(pl.col("rule").is_null())
    artist = pl.col("artists").struct
    credits = pl.concat([
        clean.select("spotify_track_id", "genre", "artists").explode("artists").select(
            "spotify_track_id", "genre", artist_id=artist.field("id"),
            artist_name=pl.coalesce(artist.field("name"), artist.field("id")),
        ),
        clean.filter(pl.col("artists").list.len().fill_null(0) == 0).select(
            "spotify_track_id", "genre", artist_id=pl.lit(None, pl.String), artist_name="artist_name"
        ),
    ]).filter(pl.col("artist_name").is_not_null())  # fmt: skip
    keyed = credits.with_columns(artist_key=pl.coalesce("artist_id", "artist_name"))
    repeats = ["exact_repeat", "track_repeat", "renamed_repeat"]
    listed = (
        judged.filter(pl.col("rule").is_null() | pl.col("rule").is_in(repeats))
        .select("spotify_track_id", "genre")
        .unique()
    )
    genres = listed.group_by("genre").agg(tracks=pl.len())
    pairs = (
        listed.join(listed, on="spotify_track_id", suffix="_2")
        .filter(pl.col("genre") < pl.col("genre_2"))
        .group_by("genre", other_genre="genre_2")
        .agg(tracks_in_both=pl.len())
        .join(genres, on="genre")
        .join(genres, left_on="other_genre", right_on="genre", suffix="_2")
    )
    both = pl.col("tracks_in_both").cast(pl.Float64)
    return {
        "clean_tracks": clean.select(*STUDY, "listing_id"),
        "rejected_listings": judged.filter(pl.col("rule").is_not_null()).select(
            "listing_id", "spotify_track_id", "song_name", "artist_name", "genre", "rule",
            reason="it was refused by the rule " + pl.col("rule"),
        ),
        "track_details": clean.select(
            "spotify_track_id", "isrc", "is_explicit", "album_id", "album_name", "disc_number", "track_number",
            "release_date", "release_date_precision", release_year=pl.col("release_date").dt.year(),
        ),
        "albums": clean.filter(pl.col("album_id").is_not_null())
        .sort("listing_id")
        .group_by("album_id", maintain_order=True)
        .agg(
            pl.col("album_name", "album_type", "release_date", "total_tracks").first(),
            tracks=pl.len(), genres=pl.col("genre").n_unique(),
        ),
        "artists": keyed.group_by("artist_key").agg(
            pl.col("artist_name").min(), tracks=pl.col("spotify_track_id").n_unique(), genres=pl.col("genre").n_unique()
        ),
        "genre_overlap": pairs.select(
            "genre", "other_genre", "tracks_in_both",
            jaccard=both / (pl.col("tracks") + pl.col("tracks_2") - both),
        ),
        "genre_summary": clean.select("genre", pl.col(NUMBERS).cast(pl.Float64))
        .unpivot(index="genre", variable_name="feature")
        .drop_nulls("value")
        .group_by("genre", "feature")
        .agg(
            tracks=pl.len(), mean=pl.col("value").mean(), median=pl.col("value").median(),
            standard_deviation=pl.col("value").std(),
        )
        .join(keyed.group_by("genre").agg(artists=pl.col("artist_key").n_unique()), on="genre", how="left"),
    }  # fmt: skip


def main(folder: Path) -> None:
    """Parse and judge once, into a file; then make all tables from that file."""
    output = folder / "by_polars"
    output.mkdir(exist_ok=True)
    judge(read_listings(folder)).sink_parquet(output / "judged.parquet", engine="streaming")
    for name, table in tables(pl.scan_parquet(output / "judged.parquet")).items():
        table.sink_parquet(output / f"{name}.parquet", engine="streaming")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
