"""The crawl's cost in requests, counted by the server, beside the study's way, and its time.

`CRAWL_LISTINGS=916668` crawls a catalogue of the study's own size (minutes); the default is that of `make run` and one
of a tenth of the study's size.
"""

import math
import os
import tempfile
import time
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from extract.crawl import crawl
from extract.sandbox.catalogue import Catalogue, build_catalogue
from extract.sandbox.server import serve


def study_requests(catalogue: Catalogue) -> int:
    """What the study's way would ask for: pages of 50 artists, each hit's top tracks, each listing's features."""
    pages = sum(math.ceil(len(hits) / 50) for hits in catalogue.hits.values())
    hits = sum(len(hits) for hits in catalogue.hits.values())
    listings = sum(len(catalogue.top_tracks[artist]) for hits in catalogue.hits.values() for artist in hits)
    return pages + hits + listings


def same_documents(catalogue: Catalogue, database: Path) -> bool:
    """Whether the listings, in order, and the tracks with features asked for are those of the study's way."""
    expected = [
        (genre, artist, track)
        for genre, hits in catalogue.hits.items()
        for artist in hits
        for track in catalogue.top_tracks[artist]
    ]
    with duckdb.connect(str(database), read_only=True) as connection:
        landed = connection.execute("select genre, artist_id, track_id from raw.tracks order by listing_id").fetchall()
        asked = connection.execute("select track_id from raw.audio_features").fetchall()
    return landed == expected and sorted(track for (track,) in asked) == sorted({track for _, _, track in expected})


def main() -> None:
    """Crawl each catalogue and print requests for each unique track."""
    sizes = [int(os.environ["CRAWL_LISTINGS"])] if "CRAWL_LISTINGS" in os.environ else [25_000, 91_667]
    table = Table(
        "listings", "unique tracks", "requests (ours)", "a track", "requests (the study's way)", "a track", "seconds",
        "same documents", title="The crawl of a synthetic catalogue, extended tier",
    )  # fmt: skip
    for listings in sizes:
        catalogue = build_catalogue(listings=listings)
        with tempfile.TemporaryDirectory() as folder, serve(catalogue) as sandbox:
            database = Path(folder) / "crawl.duckdb"
            started = time.perf_counter()
            report = crawl(sandbox.settings(), database)
            seconds = time.perf_counter() - started
            tracks, theirs, ours = len(catalogue.tracks), study_requests(catalogue), sandbox.count()
            table.add_row(
                f"{report.documents['tracks']:,}", f"{tracks:,}", f"{ours:,}", f"{ours / tracks:.4f}", f"{theirs:,}",
                f"{theirs / tracks:.2f}", f"{seconds:.1f}", str(same_documents(catalogue, database)),
            )  # fmt: skip
    Console(width=160).print(table)
