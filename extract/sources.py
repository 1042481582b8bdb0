"""What a source's name means: the sandbox, the path of a dump, or a published dump's name.

Belongs here: the choice, and what it landed. Not here: how each is read (dumps.py, fetch.py).
"""

import json
from dataclasses import dataclass
from pathlib import Path

from extract import landing, warehouse
from extract.dumps import ImportReport, import_dump
from extract.fetch import PUBLISHED_DUMPS, fetch
from extract.landing import Dataset
from extract.progress import Progress, ignore
from extract.sandbox.catalogue import build_catalogue

SANDBOX = Dataset("sandbox", "sandbox", is_synthetic=True)


@dataclass(frozen=True)
class Extraction:
    """What the warehouse now holds of the active dataset: `rows` a raw table, and a sentence on how it came."""

    dataset: Dataset
    rows: dict[str, int]
    note: str


def extract(source: str, warehouse_file: Path, *, progress: Progress = ignore) -> Extraction:
    """Land what `source` has and the warehouse has not, make it the active dataset, and say what is there.

    `source` is `sandbox`, the path of a dump, a published dump's name, or `auto`: the active dataset, or
    the sandbox where nothing was landed yet.
    """
    if source == "auto":
        with warehouse.connect(warehouse_file) as connection:
            active = landing.active_dataset(connection) or SANDBOX
        if active.source != SANDBOX.source:
            return _extraction(warehouse_file, f"{active.source} was landed before; nothing to do")
        source = active.source
    if source == "sandbox":
        note = _land_sandbox(warehouse_file, progress)
    else:
        report = import_or_fetch(source, warehouse_file, progress=progress)
        note = "landed before; nothing changed" if report.already_landed else f"imported, {report.layout} layout"
    return _extraction(warehouse_file, note)


def _land_sandbox(warehouse_file: Path, progress: Progress) -> str:
    """The synthetic catalogue, as a crawl of it would land it: genre by genre, artist by artist, track by track."""
    with warehouse.connect(warehouse_file) as connection:
        if landing.is_landed(connection, SANDBOX.name):
            landing.use(connection, SANDBOX.name)
            return "landed before; nothing changed"
    progress("building the synthetic catalogue", 0, None)
    catalogue = build_catalogue()
    artists, tracks = [], []
    for done, (genre, hits) in enumerate(catalogue.hits.items()):
        progress("extract", done, len(catalogue.hits))
        for artist_id in hits:
            artist = catalogue.artists[artist_id]
            artists.append({"genre": genre, "artist_id": artist_id, "payload": json.dumps(artist)})
            tracks += [
                {
                    "genre": genre,
                    "artist_id": artist_id,
                    "artist_name": artist["name"],
                    "track_id": track_id,
                    "payload": json.dumps(catalogue.tracks[track_id]),
                }
                for track_id in catalogue.top_tracks[artist_id]
            ]
    features = [
        {
            "track_id": track_id,
            "payload": json.dumps(document) if (document := catalogue.audio_features[track_id]) else None,
        }
        for track_id in dict.fromkeys(row["track_id"] for row in tracks)
    ]
    documents = {
        "artists": landing.rows("artists", artists),
        "tracks": landing.rows("tracks", [row | {"listing_id": place} for place, row in enumerate(tracks, start=1)]),
        "audio_features": landing.rows("audio_features", features),
    }
    with warehouse.connect(warehouse_file) as connection:
        landing.land(connection, SANDBOX, documents)
    return "the synthetic catalogue, landed without a server"


def import_or_fetch(source: str, warehouse_file: Path, *, progress: Progress = ignore) -> ImportReport:
    """Import the dump at the path `source`, or the published dump of that name, downloaded where it must be."""
    if source in PUBLISHED_DUMPS and not Path(source).exists():
        return import_dump(fetch(source, progress=progress), warehouse_file, name=source, progress=progress)
    return import_dump(Path(source), warehouse_file, progress=progress)


def _extraction(warehouse_file: Path, note: str) -> Extraction:
    with warehouse.connect(warehouse_file) as connection:
        dataset = landing.active_dataset(connection)
        assert dataset is not None, "a source that landed nothing must have raised"
        return Extraction(dataset, landing.count_rows(connection, dataset.name), note)
