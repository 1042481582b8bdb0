"""Dumps: files of songs that somebody published or exported, landed as the documents Spotify would have given.

Belongs here: the import, and one row -> one track document and one audio-features document. Not here: the reading of
the file (song_files), and any judgement of a row. What cannot be used is landed as it stands, and the dbt project
rejects it by name.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from extract.song_files import (
    FIELDS,
    IMPORT,
    TABLE,
    Container,
    SongFile,
    SongFileError,
    contained,
    read,
    require_usable,
)
from warehouse import files, raw
from warehouse.features import AUDIO_FEATURES
from warehouse.files import for_shell, identifier, quoted
from warehouse.progress import Progress, ignore
from warehouse.values import is_missing

RESERVED_NAMES = ("auto", "sandbox", "spotify")  # what `make run INPUT=` takes for something else
JSON_NUMBER = r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?"
MEMORY_LIMIT = "512MB"  # DuckDB's; rows beyond it wait on disk, so that memory does not grow with the file


@dataclass(frozen=True)
class ImportReport:
    """What an import did.

    `problem_rows` are landed but hold something that cannot be used, `problems` names some of them, and `warnings` are
    sentences on the file as a whole.
    """

    dataset: str
    source: str
    layout: str
    listings: int
    already_landed: bool
    problem_rows: int
    problems: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def import_dump(
    path: Path,
    warehouse_file: Path,
    *,
    name: str | None = None,
    mapping: Mapping[str, str] | None = None,
    progress: Progress = ignore,
) -> ImportReport:
    """Land the dump at `path` in one transaction and make it the active dataset; the same file again changes nothing.

    `name` is the dataset's (default: the file's, without its ending); `mapping` gives our field -> the file's column,
    for layouts that are not recognised. `listing_id` is the row's number in the file, counted from 1; blank lines and
    the header are no rows.

    Raises `SongFileError`: no such file, an unknown layout or format, other content under a name that is taken, or
    more than half of the rows unusable. Then nothing is landed.
    """
    mapping = mapping or {}
    stage = f"importing {path.name}"
    progress(stage, 0, 3)
    container = contained(path)
    name = name or container.dataset
    if name in RESERVED_NAMES:
        raise SongFileError(f"{path}: {name!r} is no name for a dump's dataset. Give another: --name my-{name}")
    digest = _digest(container, mapping)
    with files.connect(warehouse_file) as connection:
        raw.create_raw_tables(connection)
        connection.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
        known = connection.execute(
            "select content_sha256, source from raw.datasets where dataset = ?", [name]
        ).fetchone()
        if known and known[0] != digest:
            raise SongFileError(
                f"{path}: a dataset {name!r} was landed before from {known[1]}, with other content or another --map. "
                f"Give this one a name of its own: song-genres import {for_shell(path)} --name {for_shell(f'{name}-2')}"
            )
        file = read(connection, container, IMPORT, mapping)
        progress(stage, 1, 3)
        problem_rows, problems = require_usable(connection, file)
        progress(stage, 2, 3)
        dataset = raw.Dataset(name, known[1] if known else f"dump:{path.name}", content_sha256=digest)
        if known:
            raw.use(connection, name)
        else:
            raw.land(connection, dataset, documents(connection, file))
    progress(stage, 3, 3)
    return ImportReport(
        name, dataset.source, file.layout.name, file.rows, bool(known), problem_rows, tuple(problems), file.warnings
    )  # fmt: skip


def _digest(file: Container, mapping: Mapping[str, str]) -> str:
    """SHA-256 of the content and, where there is one, of the mapping: another mapping gives other documents."""
    digest = file.digest()
    if mapping:
        digest.update(json.dumps(mapping, sort_keys=True).encode())
    return digest.hexdigest()


def documents(connection: duckdb.DuckDBPyConnection, file: SongFile) -> dict[str, duckdb.DuckDBPyRelation]:
    """The raw rows of the file: a track document for each row, and an audio-features document for each readable one."""
    value, known, layout = file.value, file.known, file.layout
    rest = [column for column in file.types if column not in file.fields.values()]

    def text(column: str) -> str:
        return f"coalesce(to_json({column})::varchar, 'null')"

    def digits(column: str) -> str:
        # The file's own digits; what is no number stays text, for staging to reject by name.
        return f"""case when {is_missing(column)} then 'null'
            when regexp_full_match(trim({column}), {quoted(JSON_NUMBER)}) then trim({column}) else {text(column)} end"""

    def json_object(members: Mapping[str, str]) -> str:
        return (
            "'{' || " + " || ',' || ".join(f"""'"{key}":' || {member}""" for key, member in members.items()) + " || '}'"
        )

    artist = known("artist_name")
    if layout.artist_separator:
        names = f"string_split({artist}, {quoted(layout.artist_separator)})"
        artists = f"to_json(list_transform({names}, lambda name: {{'name': trim(name)}}))::varchar"
    else:
        artists = f"to_json([{{'name': {artist}}}])::varchar"
    track = {
        "id": text(value("spotify_track_id")),
        "name": text(known("song_name")),
        "artists": f"case when {artist} is null then '[]' else {artists} end",
        **{name: digits(value(name)) for name in ("duration_ms", "popularity") if name in file.fields},
    }
    if "explicit" in file.fields:
        explicit = value("explicit")
        flag = f"lower({explicit})"
        track["explicit"] = f"case when {flag} in ('true', 'false') then {flag} else {text(explicit)} end"
    album = {
        name.removeprefix("album_"): text(value(name))
        for name in FIELDS
        if name.startswith("album_") and name in file.fields
    }
    if album:
        track["album"] = json_object(album)
    if rest:
        # What Spotify has no place for is kept as it stands: nothing of the file is lost.
        pairs = ", ".join(f"{identifier(column)} := {identifier(column)}" for column in rest)
        track["dump"] = f"to_json(struct_pack({pairs}))::varchar"
    features = {"id": track["id"], **{name: digits(value(name)) for name in AUDIO_FEATURES if name in file.fields}}
    track_id, genre = value("spotify_track_id"), value("genre")
    tracks = connection.sql(
        f"""
        select {genre} as genre, {artist} as artist_name, {track_id} as track_id,
            __row as listing_id, coalesce(__text, {json_object(track)}) as payload
        from {TABLE}
        """
    )
    audio_features = connection.sql(
        f"""
        select {track_id} as track_id, __row as listing_id, {json_object(features)} as payload
        from {TABLE} where __text is null
        """
    )
    return {"tracks": tracks, "audio_features": audio_features}
