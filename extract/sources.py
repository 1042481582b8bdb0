"""What a source's name means: the sandbox, Spotify, the path of a dump, or a published dump's name.

Belongs here: the choice, and what it landed. Not here: how each is read (crawl.py, dumps.py, fetch.py).
"""

from dataclasses import dataclass
from pathlib import Path

from extract import landing, warehouse
from extract.dumps import ImportReport, import_dump
from extract.fetch import PUBLISHED_DUMPS, fetch
from extract.landing import Dataset
from extract.progress import Progress, ignore

SANDBOX = Dataset("sandbox", "sandbox", is_synthetic=True)
SPOTIFY = Dataset("spotify", "spotify")


@dataclass(frozen=True)
class Extraction:
    """What the warehouse now holds of the active dataset: `rows` a raw table, and a sentence on how it came."""

    dataset: Dataset
    rows: dict[str, int]
    note: str


def extract(source: str, warehouse_file: Path, *, progress: Progress = ignore) -> Extraction:
    """Land what `source` has and the warehouse has not, make it the active dataset, and say what is there.

    `source` is `sandbox`, `spotify`, the path of a dump, a published dump's name, or `auto`: the active dataset, or
    the sandbox where nothing was landed yet.
    """
    if source == "auto":
        with warehouse.connect(warehouse_file) as connection:
            active = landing.active_dataset(connection) or SANDBOX
        if active.source not in ("sandbox", "spotify"):
            return _extraction(warehouse_file, f"{active.source} was landed before; nothing to do")
        source = active.source
    if source == "sandbox":
        note = _crawl_sandbox(warehouse_file, progress)
    elif source == "spotify":
        note = _crawl_spotify(warehouse_file, progress)
    else:
        report = import_or_fetch(source, warehouse_file, progress=progress)
        note = "landed before; nothing changed" if report.already_landed else f"imported, {report.layout} layout"
    return _extraction(warehouse_file, note)


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
