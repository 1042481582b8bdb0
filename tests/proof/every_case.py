"""A small warehouse in which everything occurs that the dbt project judges: for its mutants to be told from it.

Belongs here: the raw documents. Not here: what should become of them.
"""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from extract.sandbox.catalogue import build_catalogue
from tests.dbt_project.mangled_documents import FEATURES, mangled_listings
from warehouse import files
from warehouse.raw import Dataset, land, rows

EVERYTHING = Dataset("everything", "sandbox", is_synthetic=True)
ANOTHER = Dataset("another", "dump:another.csv")
"""It has the same ids and listings under other genres, and is not the active one."""

Row = dict[str, Any]


def land_every_case(path: Path) -> None:
    """Land the documents in a new warehouse at `path`."""
    batches = [crawled(), odd_ones(), mangled()]
    with files.connect(path) as connection:
        for batch in batches:
            tables = {table: rows(table, records) for table, records in batch.items()}
            land(connection, EVERYTHING, tables)
            land(connection, ANOTHER, {
                table: rows(table, [row | ({"genre": "Elsewhere"} if "genre" in row else {}) for row in records])
                for table, records in batch.items()
            }, activate=False)  # fmt: skip


def crawled() -> dict[str, list[Row]]:
    """Two genres as a crawl lands them, and what it cost."""
    catalogue = build_catalogue(listings=300, only=["Dub", "Jazz"])
    tracks: list[Row] = []
    artists: list[Row] = []
    for genre, hits in catalogue.hits.items():
        for artist in hits:
            document = catalogue.artists[artist]
            artists.append({"genre": genre, "artist_id": artist, "payload": json.dumps(document)})
            for track in catalogue.top_tracks[artist]:
                tracks.append(
                    {"genre": genre, "artist_id": artist, "artist_name": document["name"], "track_id": track,
                     "listing_id": len(tracks) + 1, "payload": json.dumps(catalogue.tracks[track])}
                )  # fmt: skip
    asked = sorted({row["track_id"] for row in tracks})
    return {
        "tracks": tracks,
        "artists": artists,
        "audio_features": [
            {"track_id": key, "payload": json.dumps(catalogue.audio_features[key])} for key in asked[:-3]
        ],
        "popularity": [{"track_id": key, "payload": '{"popularity": 55}'} for key in asked[::9]],
        "requests": [
            {"endpoint": endpoint, "request": f"{endpoint} {number}", "status": status, "attempts": attempt,
             "waited_seconds": 0.5 * attempt, "elapsed_seconds": 0.25}
            for endpoint in ("search artists", "top-tracks")
            for number in range(3)
            for attempt, status in enumerate([429, 503, 200][number:], 1)
        ],
        "genre_tree": [
            {"genre_id": "1", "genre": "Jazz", "top_level_id": "1", "depth": 1, "tracks": 5},
            {"genre_id": "2", "genre": "Dub", "parent_id": "1", "top_level_id": "1", "depth": 2},
            {"genre_id": "3", "genre": "Nobody's", "parent_id": "2", "top_level_id": "1", "depth": 3, "tracks": 0},
        ],
        "plays": [
            {"listing_id": listing, "month": date(2026, month, 1), "plays": listing % 4, "seconds": 200 * listing}
            for listing in (1, 2, 3, 40, 41, 42)
            for month in (1, 2, 3)
        ],
    }  # fmt: skip


def odd_ones() -> dict[str, list[Row]]:
    """What each cleaning rule takes and leaves, at its bounds; and later documents of the same tracks and artists."""
    tracks: list[Row] = []
    features: list[Row] = []
    for key, name, genre, track, sound in _odd_listings():
        tracks.append(
            {"listing_id": len(tracks) + 1, "genre": genre, "artist_name": "The Asked", "track_id": key,
             "payload": track if isinstance(track, str) else json.dumps({"id": key, "name": name} | track)}
        )  # fmt: skip
        if sound is not None and key not in {row["track_id"] for row in features}:
            features.append({"track_id": key, "payload": json.dumps(FEATURES | sound)})
    return {
        "tracks": tracks,
        "audio_features": [*features, {"track_id": "later", "payload": "null"}],
        "popularity": [
            {"track_id": "later", "payload": '{"popularity": 7}'},
            {"track_id": "b", "payload": '{"popularity": "much"}'},
            {"track_id": "c", "payload": '{"popularity": null}'},
        ],
        "artists": [
            {"genre": "Ska", "artist_id": "x", "payload": '{"id": "x", "name": "X", "followers": {"total": 5}}'},
            {"genre": "Dub", "artist_id": "x", "payload": '{"id": "x", "name": "X", "genres": ["b", "a"]}'},
            {"genre": "Ska", "artist_id": None, "payload": '{"name": "Nobody"}'},
            {"genre": "Ska", "artist_id": "z", "payload": '{"id": "z", "name": "Z", "popularity": 101}'},
        ],
    }


def _odd_listings() -> Iterator[tuple[str, str | None, str | None, Row | str, Row | None]]:
    """Of each: the id asked for, the name, the genre, what else the track says (or its text), and its features."""
    credited = {"artists": [{"id": "x", "name": "X"}, {"id": None, "name": "Y"}, {"id": "w", "name": None}]}
    dated = {"album": {"id": "al", "name": "Al", "album_type": "album", "total_tracks": 9, "release_date": "1994-05"}}
    yield "a", "A", "Ska", credited | dated, {}
    yield "a", "A", "Ska", credited, {}
    yield "a", "A", "Dub", credited, {}
    yield "a", "A (Remastered)", "Dub", credited, {}
    yield "b", "A", "Ska", {"popularity": 3}, {"time_signature": None}
    yield "c", "C", "Ska", {"popularity": "3.5"}, {}
    yield "local", "L", "Ska", '{"id": "spotify:local:1", "name": "L"}', {}
    yield "unnamed", None, "Ska", {"artists": []}, {}
    yield "unlabelled", "U", None, {}, {}
    yield "unread", "R", "Ska", "Bad Gateway", {}
    yield "nobody", "N", "Ska", '{"name": "N", "id": " "}', {}
    yield "later", "Later", "Ska", {"duration_ms": 5}, {}
    yield "unasked", "Q", "Ska", {}, None
    for number, tempo in enumerate((9.999, 10, 10.001, 300, 300.1, -0.1)):
        yield f"tempo{number}", "T", "Ska", {}, {"tempo": tempo}
    for number, beats in enumerate((0, 1, 7, 8)):
        yield f"beats{number}", "B", "Ska", {}, {"time_signature": beats}
    for number, loudness in enumerate((-60, -60.1, 10, 10.1)):
        yield f"loud{number}", "V", "Dub", {}, {"loudness": loudness}
    yield "short", "S", "Dub", {"duration_ms": 1234}, {"duration_ms": None}
    yield "shorter", "S", "Dub", {"duration_ms": "long"}, {"duration_ms": None}
    for number, (said, precision) in enumerate(
        [("1994", "year"), ("1994-02-30", "day"), ("1859", "year"), ("0000", "year"), ("2101-01", "month"),
         ("1994-05-31T10:00:00Z", "day"), ("1994-05-31", "month"), ("May 1994", "month")]
    ):  # fmt: skip
        album = {"id": f"al{number}", "name": " ", "release_date": said, "release_date_precision": precision}
        yield f"date{number}", "D", "Ska", {"album": album, "explicit": "True", "disc_number": 0}, {}


def mangled() -> dict[str, list[Row]]:
    """Some documents of which anything may be wrong."""
    listings = list(enumerate(mangled_listings(batches=60), 1))
    return {
        "tracks": [
            {"listing_id": n, "track_id": f"asked-{n}", "genre": one.genre, "payload": one.track} for n, one in listings
        ],
        "audio_features": [
            {"track_id": f"asked-{n}", "listing_id": n if one.by_listing else None, "payload": one.features}
            for n, one in listings
        ],
    }
