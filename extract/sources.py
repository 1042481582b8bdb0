"""What a source's name means: the sandbox, Spotify, the path of a dump, a published dump, or a landed dataset.

Belongs here: the choice, and what it landed. Not here: how each is read (crawl/, dumps.py, fetch.py).
"""

from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from extract.crawl import CrawlReport, crawl
from extract.dumps import ImportReport, import_dump
from extract.fetch import PUBLISHED_DUMPS, fetch
from extract.http import LOOPBACK
from extract.sandbox import SANDBOX
from extract.settings import CrawlOptions, Settings
from extract.song_files import ReadingOptions, SongFileError, contained, file_around
from extract.song_files.kinds import KNOWN
from warehouse import files, raw
from warehouse.progress import Progress, ignore
from warehouse.raw import Dataset

CRAWLED = ("sandbox", "spotify")
LOCAL_SANDBOX = Dataset("local-sandbox", "sandbox", is_synthetic=True)


@dataclass(frozen=True)
class Extraction:
    """What the warehouse now holds of the active dataset: the `rows` in each raw table, and how it came (`note`).

    `report` is the crawl's, `imported` that of a dump's import; the one that did not take place is None.
    """

    dataset: Dataset
    rows: dict[str, int]
    note: str
    report: CrawlReport | None = None
    imported: ImportReport | None = None


def extract(
    source: str,
    warehouse_file: Path,
    *,
    options: CrawlOptions | None = None,
    reading: ReadingOptions | None = None,
    progress: Progress = ignore,
) -> Extraction:
    """Land what `source` has and the warehouse lacks, make it the active dataset, and say what is there.

    `source` is, in this order: `auto` (the active dataset, or the sandbox where nothing was landed yet), `sandbox` or
    `spotify`; the path of a dump that exists, or of a table in one; a published dump's name; the name of a landed
    dataset, which is then made the active one. `options` are for crawls, `reading` for files. Raises what `crawl`,
    `import_dump` and `fetch` raise.
    """
    is_dump = _is_path(source) or source in PUBLISHED_DUMPS
    if reading and not is_dump and (source in ("auto", *CRAWLED) or source in _landed(warehouse_file)):
        raise SongFileError(
            f"{reading.as_arguments().strip()}: these options are for a file. Give its path: make run INPUT=songs.csv"
        )
    if source == "auto":
        with files.connect(warehouse_file) as connection:
            active = raw.active_dataset(connection) or SANDBOX
        if active.source not in CRAWLED or active.name == LOCAL_SANDBOX.name:
            return _extraction(warehouse_file, f"{active.source} was landed before; nothing to do")
        source = active.source
    if source in CRAWLED:
        report = _crawl(source, warehouse_file, options or CrawlOptions(), progress)
        cost = f"crawled with {report.requests:,} requests"
        return _extraction(warehouse_file, " ".join(report.notes) or cost, report)
    if not is_dump and source in _landed(warehouse_file):
        with files.connect(warehouse_file) as connection:
            raw.use(connection, source)
        return _extraction(warehouse_file, f"the dataset {source} was landed before; it is the active one now")
    imported = import_or_fetch(source, warehouse_file, options=reading, progress=progress)
    note = "landed before; nothing changed" if imported.already_landed else f"imported, {imported.layout} layout"
    return replace(_extraction(warehouse_file, ". ".join((note, *imported.file.warnings))), imported=imported)


def _crawl(source: str, warehouse_file: Path, options: CrawlOptions, progress: Progress) -> CrawlReport:
    """Crawl Spotify, or the sandbox: the same crawl of a server on this machine, started for it."""
    if source == "spotify":
        settings = Settings.from_environment()
        if urlsplit(settings.api_address).hostname in LOOPBACK:
            # `song-genres sandbox` stands in for Spotify there: what it gives is made up, and labelled so.
            settings = replace(settings, dataset=LOCAL_SANDBOX)
        return crawl(settings, warehouse_file, options, progress=progress)
    # Importing SciPy, which draws the catalogue, takes half a second, which only the sandbox should cost.
    from extract.sandbox.catalogue import build_catalogue
    from extract.sandbox.server import serve

    with serve(build_catalogue()) as sandbox:
        return crawl(sandbox.settings(), warehouse_file, options, progress=progress)


def require_source(source: str, warehouse_file: Path) -> None:
    """Raise `SongFileError` where `source` means nothing, or is a file that is not there. Nothing is read or landed."""
    if source in ("auto", *CRAWLED, *PUBLISHED_DUMPS) or _is_path(source) or source in _landed(warehouse_file):
        return
    if Path(source).suffix:
        contained(Path(source))
    raise unknown_source(source, warehouse_file)


def import_or_fetch(
    source: str, warehouse_file: Path, *, options: ReadingOptions | None = None, progress: Progress = ignore
) -> ImportReport:
    """Import the dump at the path `source`, or the published dump of that name, downloaded where it must be.

    Raises `SongFileError`, which lists the known names, where `source` is neither.
    """
    if _is_path(source) or (Path(source).suffix and source not in PUBLISHED_DUMPS):
        return import_dump(Path(source), warehouse_file, options=options, progress=progress)
    if source in PUBLISHED_DUMPS:
        return import_published(source, warehouse_file, options=options, progress=progress)
    raise unknown_source(source, warehouse_file)


def unknown_source(source: str, warehouse_file: Path) -> SongFileError:
    """The error for a name that means nothing, with those that are known."""
    landed = ", ".join(_landed(warehouse_file)) or "none yet"
    return SongFileError(
        f"{source!r} is neither a file nor a name that is known here.\n"
        f"Names: auto, {', '.join((*CRAWLED, *PUBLISHED_DUMPS))}. Landed datasets: {landed}.\n"
        f"Otherwise give the path of {KNOWN}."
    )


def import_published(
    name: str, warehouse_file: Path, *, options: ReadingOptions | None = None, progress: Progress = ignore
) -> ImportReport:
    """Import the published dump of that name, downloaded where it must be. Raises `FetchError` as `fetch` does."""
    return import_dump(fetch(name, progress=progress), warehouse_file, name=name, options=options, progress=progress)


def _is_path(source: str) -> bool:
    """Whether there is such a file or folder, or a file of which it names a table: `archive.zip/songs.csv`."""
    return Path(source).exists() or file_around(Path(source)) is not None


def _landed(warehouse_file: Path) -> list[str]:
    """The names of the datasets in the warehouse; none where there is no warehouse yet."""
    if not warehouse_file.exists():
        return []
    with files.connect(warehouse_file, read_only=True) as connection:
        return [dataset.name for dataset, _, _ in raw.landed_datasets(connection)]


def _extraction(warehouse_file: Path, note: str, report: CrawlReport | None = None) -> Extraction:
    with files.connect(warehouse_file) as connection:
        dataset = raw.active_dataset(connection)
        assert dataset is not None, "a source that landed nothing must have raised"
        return Extraction(dataset, raw.count_rows(connection, dataset.name), note, report)
