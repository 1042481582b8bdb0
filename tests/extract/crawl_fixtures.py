"""A small catalogue with everything in it that real downloads have, and what a crawl of it must land."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import duckdb

from extract.crawl import CrawlReport
from extract.crawl import crawl as crawl_settings
from extract.sandbox.catalogue import Catalogue
from extract.sandbox.server import SandboxServer
from extract.settings import CrawlOptions, Settings
from warehouse.progress import Progress, ignore

GENRES = ["Acid House", "Dub", "K-pop", "Québécois", "Rai", "Shibuya-kei"]

# Emoji, combining marks, right-to-left, a quotation mark, a backslash, a line break, and a NUL.
NAMES = [
    "Ann",
    "Beyoncé",
    "방탄소년단",
    "شاب خالد",
    'The "Q"',
    "back\\slash",
    "👩‍🎤🎹",
    "Z̷a̸l̶g̵o̷",
    "two\nlines",
    "nul\0nul",
]


def catalogue() -> Catalogue:
    """Six genres of eight hits: 36 artists are hit, of seven a genre.

    A genre's second artist has three tracks, the third none, and the fifth plays one of the first's. The fourth stands
    twice, as when a page shifts. The last hit is the next genre's first artist; in the last genre, it is the one who
    stood twice in the first.
    """
    artists: dict[str, dict[str, Any]] = {}
    tracks: dict[str, dict[str, Any]] = {}
    features: dict[str, dict[str, Any] | None] = {}
    top_tracks: dict[str, list[str]] = {}
    own: dict[str, list[str]] = {}
    for genre_number, genre in enumerate(GENRES):
        own[genre] = []
        for number in range(7):
            artist_id = f"artist{genre_number}x{number}".ljust(22, "A")
            own[genre].append(artist_id)
            artists[artist_id] = {
                "followers": {"href": None, "total": 100 * number},
                "genres": [["x"], [], None][number % 3],
                "id": artist_id,
                "name": f"{NAMES[(genre_number + number) % len(NAMES)]} {genre_number}-{number}",
                "popularity": 10 * number,
                "type": "artist",
            }
            if number == 4:
                del artists[artist_id]["genres"]
            top_tracks[artist_id] = []
            for song in range({1: 3, 2: 0}.get(number, 10)):
                track_id = f"track{genre_number}x{number}x{song}".ljust(22, "T")
                top_tracks[artist_id].append(track_id)
                tracks[track_id] = {
                    "artists": [{"id": artist_id, "name": artists[artist_id]["name"]}],
                    "duration_ms": 200_000 + song,
                    "id": track_id,
                    "name": f"Song {song} ♫ {NAMES[song]}",
                    "popularity": 5 * song,
                    "type": "track",
                }
                features[track_id] = {
                    "danceability": 0.5, "energy": 1e-05, "key": -1, "loudness": -7.25, "mode": 0, "tempo": 120.0,
                    "id": track_id, "duration_ms": 200_000 + song, "time_signature": 4,
                }  # fmt: skip
                if song == 7:
                    tracks[track_id]["popularity"] = None
                elif song == 8:
                    del tracks[track_id]["popularity"]
                elif song == 9:
                    features[track_id] = None
        top_tracks[own[genre][4]][2] = top_tracks[own[genre][0]][0]
    hits = {}
    for genre, following in zip(GENRES, [*GENRES[1:], None], strict=True):
        guest = own[following][0] if following else own[GENRES[0]][3]
        mine = own[genre]
        hits[genre] = [mine[0], mine[1], mine[2], mine[3], mine[3], mine[4], mine[5], guest]
    return Catalogue(1, hits, artists, top_tracks, tracks, features)


def listings(source: Catalogue, genres: list[str] = GENRES) -> list[tuple[str, str, str, str]]:
    """What the study's way fetches, in its order: genre, artist id, artist name, track id."""
    return [
        (genre, artist_id, source.artists[artist_id]["name"], track_id)
        for genre in genres
        for artist_id in source.hits[genre]
        for track_id in source.top_tracks[artist_id]
    ]


def quick(**changes: Any) -> CrawlOptions:
    """Options of a crawl that does not wait long for anything, in small batches."""
    return CrawlOptions(**{"backoff_seconds": 0.001, "timeout": 5.0, "requests_per_batch": 15, **changes})


def crawl(sandbox: SandboxServer, file: Path, *, progress: Progress = ignore, **changes: Any) -> CrawlReport:
    """Crawl the sandbox with quick options; `changes` are fields of `CrawlOptions` or of `Settings`."""
    own = {item.name for item in fields(Settings)} - {"requests_per_window"}
    settings = sandbox.settings(**{name: value for name, value in changes.items() if name in own})
    options = quick(**{name: value for name, value in changes.items() if name not in own})
    return crawl_settings(settings, file, options, progress=progress)


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    """The answer to a query."""
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(query).fetchall()


def documents(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All documents of the raw tables, without batch and moment, in an order that does not depend on batches."""
    return {
        "listings": rows(
            path,
            "select listing_id, dataset, source, genre, artist_id, artist_name, track_id, payload from raw.tracks "
            "order by listing_id",
        ),
        "artists": rows(path, "select dataset, source, genre, artist_id, payload from raw.artists order by rowid"),
        "audio_features": rows(
            path, "select dataset, source, track_id, listing_id, payload from raw.audio_features order by all"
        ),
        "popularity": rows(path, "select dataset, source, track_id, payload from raw.popularity order by all"),
        "unusable_responses": rows(
            path, "select endpoint, request, reason, payload from raw.unusable_responses order by all"
        ),
    }


def assert_complete(path: Path, source: Catalogue, genres: list[str] = GENRES) -> None:
    """Every document of the catalogue is landed: in the study's order, verbatim, once."""
    wanted = listings(source, genres)
    landed = rows(
        path, "select listing_id, genre, artist_id, artist_name, track_id, payload from raw.tracks order by 1"
    )
    assert [row[1:5] for row in landed] == wanted
    assert [row[0] for row in landed] == list(range(1, len(wanted) + 1))
    for *_, track_id, payload in landed:
        assert json.loads(payload) == source.tracks[track_id]
    features = rows(path, "select track_id, payload from raw.audio_features")
    assert sorted(track_id for track_id, _ in features) == sorted({listing[3] for listing in wanted})
    for track_id, payload in features:
        assert (payload and json.loads(payload)) == source.audio_features[track_id]
