"""What a source's name means: the sandbox, Spotify, the path of a dump, or a published dump's name.

Belongs here: the choice, and what it landed. Not here: how each is read (crawl.py, dumps.py, fetch.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from extract.crawl import CrawlReport, Refresh, crawl
from extract.dumps import ImportReport, import_dump
from extract.fetch import PUBLISHED_DUMPS, fetch
from extract.sandbox.catalogue import build_catalogue
from extract.sandbox.server import SANDBOX, serve
from extract.settings import CrawlError, Settings
from extract.song_files import SongFileError
from warehouse import files, raw
from warehouse.progress import Progress, ignore
from warehouse.raw import Dataset

CRAWLED = ("sandbox", "spotify")
LOCAL_SANDBOX = Dataset("local-sandbox", "sandbox", is_synthetic=True)


@dataclass(frozen=True)
class CrawlOptions:
    """What of a crawl is asked for: genres (None: the study's 132), a refresh, and changes to `Settings`' defaults."""

    genres: Sequence[str] | Mapping[str, int | None] | None = None
    refresh: Refresh | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


def crawl_options(
    *, genres: Sequence[str] | Mapping[str, int | None] = (), refresh: str = "", **settings: Any
) -> CrawlOptions:
    """Options as people give them: no genres are all, an empty refresh is none, a setting of None is its default.

    Raises `CrawlError` for a refresh that is neither `popularity` nor `all`.
    """
    if refresh not in ("", "popularity", "all"):
        raise CrawlError(f"refresh is {refresh!r}; give popularity or all, or leave it out.")
    given = {name: value for name, value in settings.items() if value is not None}
    return CrawlOptions(genres or None, refresh or None, given)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Extraction:
    """What the warehouse now holds of the active dataset: `rows` a raw table, and a sentence on how it came.

    `report` is the crawl's, None where a dump was imported.
    """

    dataset: Dataset
    rows: dict[str, int]
    note: str
    report: CrawlReport | None = None


def extract(
    source: str, warehouse_file: Path, *, options: CrawlOptions | None = None, progress: Progress = ignore
) -> Extraction:
    """Land what `source` has and the warehouse has not, make it the active dataset, and say what is there.

    `source` is `sandbox`, `spotify`, the path of a dump, a published dump's name, or `auto`: the active dataset, or
    the sandbox where nothing was landed yet. `options` are for crawls. Raises what `crawl`, `import_dump` and `fetch`
    raise.
    """
    if source == "auto":
        with files.connect(warehouse_file) as connection:
            active = raw.active_dataset(connection) or SANDBOX
        if active.source not in CRAWLED or active.name == LOCAL_SANDBOX.name:
            return _extraction(warehouse_file, f"{active.source} was landed before; nothing to do")
        source = active.source
    if source in CRAWLED:
        report = _crawl(source, warehouse_file, options or CrawlOptions(), progress)
        return _extraction(
            warehouse_file, " ".join(report.notes) or f"crawled with {report.requests:,} requests", report
        )
    imported = import_or_fetch(source, warehouse_file, progress=progress)
    note = "landed before; nothing changed" if imported.already_landed else f"imported, {imported.layout} layout"
    return _extraction(warehouse_file, ". ".join((note, *imported.warnings)))


def _crawl(source: str, warehouse_file: Path, options: CrawlOptions, progress: Progress) -> CrawlReport:
    """Crawl Spotify, or the sandbox: the same crawl of a server on this machine, started for it."""
    if source == "spotify":
        settings = Settings.from_environment(**options.settings)
        if urlsplit(settings.api_address).hostname in ("127.0.0.1", "localhost", "::1"):
            # `song-genres sandbox` stands in for Spotify there: what it gives is made up, and labelled so.
            settings = replace(settings, dataset=LOCAL_SANDBOX)
        return crawl(settings, warehouse_file, genres=options.genres, refresh=options.refresh, progress=progress)
    with serve(build_catalogue()) as sandbox:
        settings = sandbox.settings(**options.settings)
        return crawl(settings, warehouse_file, genres=options.genres, refresh=options.refresh, progress=progress)


def import_or_fetch(source: str, warehouse_file: Path, *, progress: Progress = ignore) -> ImportReport:
    """Import the dump at the path `source`, or the published dump of that name, downloaded where it must be."""
    if source in PUBLISHED_DUMPS and not Path(source).exists():
        return import_dump(fetch(source, progress=progress), warehouse_file, name=source, progress=progress)
    if not Path(source).exists() and not Path(source).suffix:
        raise SongFileError(
            f"{source!r} is neither a file nor a name we know. Names: {', '.join((*CRAWLED, *PUBLISHED_DUMPS))}. "
            "Else give the path of a CSV (also .gz), Parquet or JSON-lines file."
        )
    return import_dump(Path(source), warehouse_file, progress=progress)


def _extraction(warehouse_file: Path, note: str, report: CrawlReport | None = None) -> Extraction:
    with files.connect(warehouse_file) as connection:
        dataset = raw.active_dataset(connection)
        assert dataset is not None, "a source that landed nothing must have raised"
        return Extraction(dataset, raw.count_rows(connection, dataset.name), note, report)
