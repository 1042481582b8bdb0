"""Dumps and lists of songs: files that somebody published, exported or wrote, landed as documents of Spotify's form.

Belongs here: the import, and one row -> one track document and, if it has them, one audio-features document. Not here:
the reading of the file (song_files, own_music.py), the features that a list lacks (crawl/songs.py), and any judgement
of a row. What cannot be used is landed as it stands, and the dbt project rejects it by name.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from extract.own_music import OwnMusic, opened
from extract.song_files import (
    IMPORT,
    SONGS,
    Container,
    Purpose,
    ReadingOptions,
    SongFile,
    SongFileError,
    contained,
    genre_tree,
    read,
    require_usable,
)
from warehouse import files, raw
from warehouse.features import AUDIO_FEATURES, ENOUGH, SOUND
from warehouse.files import for_shell, identifier, quoted
from warehouse.progress import Progress, ignore
from warehouse.values import is_missing

if TYPE_CHECKING:  # imported where it is used: it takes 35 MB, which `song-genres clean` does without
    import pyarrow as pa

RESERVED_NAMES = ("auto", "sandbox", "spotify", "local-sandbox")  # what `make run INPUT=` or a crawl takes for its own
JSON_NUMBER = r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?"
MEMORY_LIMIT = "512MB"  # DuckDB's; rows beyond it wait on disk, so that memory does not grow with the file
ALBUM = ("album_id", "album_name", "album_release_date")


@dataclass(frozen=True)
class ImportReport:
    """What an import did, or would do.

    `file` is the file as it was read; `problem_rows` are landed but hold something that cannot be used, and `problems`
    names some of them.
    """

    dataset: str
    source: str
    file: SongFile
    already_landed: bool
    problem_rows: int
    problems: tuple[str, ...]

    @property
    def layout(self) -> str:
        """The layout's name."""
        return self.file.layout_name

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences on the file as a whole."""
        return self.file.warnings

    @property
    def listings(self) -> int:
        """The number of listings."""
        return self.file.listings


def import_dump(
    path: Path,
    warehouse_file: Path,
    *,
    name: str | None = None,
    options: ReadingOptions | None = None,
    progress: Progress = ignore,
) -> ImportReport:
    """Land the dump at `path` in one transaction and make it the active dataset; the same file again changes nothing.

    `name` is the dataset's (default: the file's, without its ending); `options` say how the file is read where it does
    not say so itself. They are remembered with the dataset, and need not be given with the same file again.
    `listing_id` is the row's number in the file, counted from 1 (where each genre of a row makes a listing, they are
    counted on); blank lines and the header are no rows.

    Raises `SongFileError`: no such file, an unknown layout or format, other content under a name that is taken, or
    more than half of the rows unusable. Then nothing is landed.
    """
    container = contained(path)
    return _land(OwnMusic(container, (), ()), IMPORT, warehouse_file, name, options, progress)


def import_songs(
    path: Path,
    warehouse_file: Path,
    *,
    name: str | None = None,
    options: ReadingOptions | None = None,
    is_synthetic: bool = False,
    progress: Progress = ignore,
) -> ImportReport:
    """Land songs without genres, and how often they were played where the file says so, as `import_dump` lands a dump.

    Takes what song_files reads, texts of ids and links, and Spotify's account data. Genres that the file has stay with
    it, and are not used. Raises `SongFileError` as `import_dump` does, but for audio features that are missing.
    """
    with opened(path) as music:
        return _land(music, SONGS, warehouse_file, name, options, progress, is_synthetic=is_synthetic)


def _land(
    music: OwnMusic,
    purpose: Purpose,
    warehouse_file: Path,
    name: str | None,
    options: ReadingOptions | None,
    progress: Progress,
    *,
    is_synthetic: bool = False,
) -> ImportReport:
    container = music.container
    path = container.path
    stage = f"importing {path.name}"
    progress(stage, 0, 3)
    name = _dataset_name(container, name)
    with files.connect(warehouse_file) as connection:
        raw.create_raw_tables(connection)
        connection.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
        known, options = _landed_before(connection, container, name, options, purpose)
        file = read(connection, container, purpose, options)
        progress(stage, 1, 3)
        problem_rows, problems = require_usable(connection, file)
        progress(stage, 2, 3)
        source = known.source if known else f"{'dump' if purpose.has_genres else 'songs'}:{path.name}"
        if known:
            raw.use(connection, name)
        else:
            reading = options.as_json() if options else None
            digest = _digest(container, options, purpose)
            container.require_unchanged()
            dataset = raw.Dataset(name, source, is_synthetic, content_sha256=digest, reading=reading)
            tables = documents(connection, file)
            if music.plays:
                tables["plays"] = raw.rows("plays", [asdict(play) for play in music.plays])
            if purpose.has_genres and (tree := genre_tree(container)):
                tables["genre_tree"] = raw.rows("genre_tree", [asdict(genre) for genre in tree])
            raw.land(connection, dataset, tables)
    progress(stage, 3, 3)
    file = replace(file, notes=(*file.notes, *music.notes))
    return ImportReport(name, source, file, bool(known), problem_rows, tuple(problems))


def look_at_dump(
    path: Path, warehouse_file: Path, *, name: str | None = None, options: ReadingOptions | None = None
) -> ImportReport:
    """What `import_dump` would do, which lands nothing and makes no warehouse. Raises `SongFileError` as it does."""
    container = contained(path)
    name = _dataset_name(container, name)
    known, options = None, options or ReadingOptions()
    if warehouse_file.exists():
        with files.connect(warehouse_file, read_only=True) as connection:
            known, options = _landed_before(connection, container, name, options, IMPORT)
    with (
        tempfile.TemporaryDirectory(prefix="song-genres-") as folder,
        files.connect(Path(folder) / "look.duckdb") as connection,
    ):
        connection.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
        file = read(connection, container, IMPORT, options)
        problem_rows, problems = require_usable(connection, file)
    source = known.source if known else f"dump:{path.name}"
    return ImportReport(name, source, file, bool(known), problem_rows, tuple(problems))


def _dataset_name(file: Container, name: str | None) -> str:
    """What the file's dataset is called. Raises `SongFileError` for a name that means something else."""
    name = name or file.dataset
    if name in RESERVED_NAMES:
        raise SongFileError(f"{file.name}: {name!r} is no name for a dump's dataset. Give another: --name my-{name}")
    return name


def _landed_before(
    connection: duckdb.DuckDBPyConnection, file: Container, name: str, given: ReadingOptions | None, purpose: Purpose
) -> tuple[raw.Dataset | None, ReadingOptions]:
    """The dataset, if it was landed before, and the options, which it remembers where none are given.

    Raises `SongFileError` where it was landed with other content or other options.
    """
    known = raw.dataset(connection, name)
    options = given or (ReadingOptions.of_json(known.reading) if known and known.reading else ReadingOptions())
    # Only then, since it reads the whole file, which may be none that is worth it.
    if known and known.content_sha256 != _digest(file, options, purpose):
        again = purpose.command.replace("FILE", for_shell(file.name))
        raise SongFileError(
            f"{file.name}: a dataset {name!r} was landed before from {known.source}, with other content or other "
            f"options, such as another --map. Give this one a name of its own:\n"
            f"{again} --name {for_shell(f'{name}-2')}{(given or ReadingOptions()).as_arguments()}"
        )
    return known, options


def _digest(file: Container, options: ReadingOptions, purpose: Purpose) -> str:
    """SHA-256 of the content and of what else decides which documents it gives."""
    digest = file.digest()
    if not purpose.has_genres:
        digest.update(b"songs")
    if options:
        digest.update(options.as_json().encode())
    return digest.hexdigest()


def documents(connection: duckdb.DuckDBPyConnection, file: SongFile) -> "dict[str, duckdb.DuckDBPyRelation | pa.Table]":
    """The raw rows of the file: a track document for each listing, and an audio-features document if it can be read.

    Of a file that need not have audio features, a listing without any has no such document: they are asked for.
    """
    # What Spotify has no place for is kept as it stands, and so is each text that is read as another: nothing is lost.
    rest = [*file.other_columns, *file.changed]

    def value(name: str) -> str:
        return file.value(name) if name in file.readings else "null::varchar"

    def text(column: str) -> str:
        return f"coalesce(to_json({column})::varchar, 'null')"

    def digits(name: str) -> str:
        # The file's own digits; what is no number stays text, for staging to reject by name.
        column = value(name)
        missing = "" if name in file.clean else f"when {is_missing(column)} then 'null'"
        return f"""case {missing}
            when regexp_full_match(trim({column}), {quoted(JSON_NUMBER)}) then trim({column}) else {text(column)} end"""

    def json_object(members: Mapping[str, str]) -> str:
        return (
            "'{' || " + " || ',' || ".join(f"""'"{key}":' || {member}""" for key, member in members.items()) + " || '}'"
        )

    def as_it_stands_or(name: str, made: str) -> str:
        # Spotify's own documents, one a line, have an object where other files have a text.
        cell = value(name)
        return f"case when starts_with({cell}, '{{') and json_valid({cell}) then {cell} else {made} end"

    artist = value("artist_name")
    names = file.artists() or f"[{artist}]"
    artists = f"to_json(list_transform({names}, lambda name: {{'name': name}}))::varchar"
    track = {
        "id": text(value("spotify_track_id")),
        "name": text(value("song_name")),
        "artists": f"case when {artist} is null then '[]' else {artists} end",
        **{name: digits(name) for name in ("duration_ms", "popularity") if name in file.readings},
    }
    if "explicit" in file.readings:
        explicit = value("explicit")
        flag = f"lower({explicit})"
        track["explicit"] = f"case when {flag} in ('true', 'false') then {flag} else {text(explicit)} end"
    album = {name.removeprefix("album_"): text(value(name)) for name in ALBUM if name in file.readings}
    if album:
        track["album"] = as_it_stands_or("album_name", json_object(album))
    for name in ("disc_number", "track_number"):
        if name in file.readings:
            track[name] = digits(name)
    if "isrc" in file.readings:
        track["external_ids"] = as_it_stands_or("isrc", json_object({"isrc": text(value("isrc"))}))
    if file.genre_tags:
        track["genre_tags"] = text(identifier(file.genre_tags))
    if rest:
        pairs = ", ".join(f"{identifier(column)} := {identifier(column)}" for column in rest)
        track["dump"] = f"to_json(struct_pack({pairs}))::varchar"
    features = {"id": track["id"], **{name: digits(name) for name in AUDIO_FEATURES if name in file.readings}}
    track_id, listing = value("spotify_track_id"), file.listing
    there = [name for name in SOUND if name in file.readings and name not in file.empty]
    # A row that cannot be read cannot be told apart into columns, so all of it stays in the file with the private ones.
    broken = "'not kept: a row that cannot be read may say who listened'" if file.has_private else "__text"
    has_sound = "__text is null"
    if not file.purpose.has_sound:
        known = [f"not coalesce({is_missing(value(name))}, true)" for name in there]
        has_sound += f" and ({' or '.join(known)})" if len(there) >= ENOUGH else " and false"
    tracks = connection.sql(
        f"""
        select {value("genre")} as genre, {artist} as artist_name, {track_id} as track_id,
            {listing} as listing_id, case when __text is null then {json_object(track)} else {broken} end as payload
        from {file.source}
        """
    )
    audio_features = connection.sql(
        f"""
        select {track_id} as track_id, {listing} as listing_id, {json_object(features)} as payload
        from {file.source} where {has_sound}
        """
    )
    return {"tracks": tracks, "audio_features": audio_features}
