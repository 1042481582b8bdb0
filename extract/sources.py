"""What a source's name means: the sandbox, Spotify, a file of songs, a published dump, or a landed dataset.

Belongs here: the choice, and what it landed. Not here: how each is read (crawl/, dumps.py, fetch.py).
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from extract.crawl import CrawlReport, CrawlSuspended, crawl
from extract.crawl.songs import find_sound, outlook
from extract.dumps import ImportReport, import_dump, import_songs
from extract.fetch import PUBLISHED_DUMPS, fetch
from extract.http import LOOPBACK
from extract.own_music import is_own_music
from extract.sandbox import SANDBOX
from extract.settings import CrawlOptions, CredentialsError, Settings, reccobeats_address
from extract.song_files import OnlySongs, ReadingOptions, SongFileError, contained, file_around
from extract.song_files.kinds import KNOWN
from warehouse import files, raw
from warehouse.progress import Progress, ignore
from warehouse.raw import Dataset

CRAWLED = ("sandbox", "spotify")
LOCAL_SANDBOX = Dataset("local-sandbox", "sandbox", is_synthetic=True)


@dataclass(frozen=True)
class Extraction:
    """What the warehouse now holds of the active dataset: the `rows` in each raw table, and how it came (`note`).

    `report` is the crawl's, `imported` that of a dump's import; the one that did not take place is None. `suspended`
    says why a list's audio features are not all there yet.
    """

    dataset: Dataset
    rows: dict[str, int]
    note: str
    report: CrawlReport | None = None
    imported: ImportReport | None = None
    suspended: CrawlSuspended | None = None


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
    `spotify`; the path of a file of songs that exists, or of a table in one; a published dump's name; the name of a
    landed dataset, which is then made the active one. A file without genres, or without audio features, is a list of
    songs (`extract_songs`). `options` are for crawls, `reading` for files. Raises what `crawl`, `import_dump` and
    `fetch` raise.
    """
    options = options or CrawlOptions()
    is_dump = _is_path(source) or source in PUBLISHED_DUMPS
    if reading and not is_dump and (source in ("auto", *CRAWLED) or source in _landed(warehouse_file)):
        raise SongFileError(
            f"{reading.as_arguments().strip()}: these options are for a file. Give its path: make run INPUT=songs.csv"
        )
    if source == "auto":
        with files.connect(warehouse_file) as connection:
            active = raw.active_dataset(connection) or SANDBOX
        if not active.is_labelled:
            return _with_sound(active, warehouse_file, options, progress)
        if active.source not in CRAWLED or active.name == LOCAL_SANDBOX.name:
            return _extraction(warehouse_file, f"{active.source} was landed before; nothing to do")
        source = active.source
    if source in CRAWLED:
        report = _crawl(source, warehouse_file, options, progress)
        cost = f"crawled with {report.requests:,} requests"
        return _extraction(warehouse_file, " ".join(report.notes) or cost, report)
    if not is_dump and source in _landed(warehouse_file):
        with files.connect(warehouse_file) as connection:
            raw.use(connection, source)
            dataset = raw.dataset(connection, source)
        if dataset and not dataset.is_labelled:
            return _with_sound(dataset, warehouse_file, options, progress)
        return _extraction(warehouse_file, f"the dataset {source} was landed before; it is the active one now")
    if is_own_music(Path(source)):
        return extract_songs(Path(source), warehouse_file, options=options, reading=reading, progress=progress)
    try:
        imported = import_or_fetch(source, warehouse_file, options=reading, progress=progress)
    except OnlySongs:
        return extract_songs(Path(source), warehouse_file, options=options, reading=reading, progress=progress)
    note = "landed before; nothing changed" if imported.already_landed else f"imported, {imported.layout} layout"
    return replace(_extraction(warehouse_file, ". ".join((note, *imported.file.warnings))), imported=imported)


def extract_songs(
    path: Path,
    warehouse_file: Path,
    *,
    name: str | None = None,
    options: CrawlOptions | None = None,
    reading: ReadingOptions | None = None,
    progress: Progress = ignore,
) -> Extraction:
    """Land the songs that a file lists, without genres, and the audio features that it lacks.

    Where the search for them is suspended, that is in the result, since what is there can be shown; the same call goes
    on. Raises what `import_songs` and else `find_sound` raise.
    """
    # The sandbox makes up how a song sounds.
    is_synthetic = urlsplit(reccobeats_address()).hostname in LOOPBACK
    imported = import_songs(
        path, warehouse_file, name=name, options=reading, is_synthetic=is_synthetic, progress=progress
    )
    with files.connect(warehouse_file, read_only=True) as connection:
        dataset = raw.dataset(connection, imported.dataset)
    assert dataset is not None
    return replace(_with_sound(dataset, warehouse_file, options or CrawlOptions(), progress), imported=imported)


def _with_sound(dataset: Dataset, warehouse_file: Path, options: CrawlOptions, progress: Progress) -> Extraction:
    """Ask for the audio features that songs of the dataset lack; what is there can be shown if that is suspended."""
    try:
        settings = Settings.from_environment()
    except CredentialsError:
        settings = None
    ahead = outlook(dataset, warehouse_file, may_search=settings is not None)
    if ahead.songs:
        by_name = f" ({ahead.searches:,} of them searches, one per song)" if ahead.searches else ""
        progress(
            f"{ahead.songs:,} songs lack audio features: {ahead.requests:,} requests or more{by_name}, some "
            f"{math.ceil(ahead.seconds / 60)} min",
            0,
            None,
        )
    suspended = None
    try:
        report = find_sound(dataset, warehouse_file, settings, options, progress=progress)
    except CrawlSuspended as reason:
        suspended, report = reason, reason.report
        with files.connect(warehouse_file) as connection:
            raw.use(connection, dataset.name)
    told = [f"{report.requests:,} requests for audio features", *report.notes, *([str(suspended)] if suspended else [])]
    return replace(_extraction(warehouse_file, ". ".join(told), report), suspended=suspended)


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
    """Import the published dump of that name, downloaded where it must be. Raises `FetchError` as `fetch` does.

    By all genres it is a dataset of its own, beside the one by the first of each song.
    """
    path = fetch(name, progress=progress)
    name = f"{name}-all-genres" if options and options.all_genres else name
    return import_dump(path, warehouse_file, name=name, options=options, progress=progress)


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
