"""The songs of FMA's `fma_metadata.zip` that have audio features, as one table, and its tree of genres.

Belongs here: that archive alone, whose tables stand in three CSVs with headers of several rows. Not here: what the
columns mean (layouts.yml), and where it is downloaded (fetch.py). github.com/mdeff/fma describes it.
"""

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import duckdb

from extract.song_files.archives import Allowance, damage_told
from extract.song_files.containers import Container, Part
from extract.song_files.errors import SongFileError
from extract.song_files.kinds import FMA_MEMBERS
from extract.song_files.rows import TABLE, Record, fill

TRACKS, GENRES, ECHONEST = FMA_MEMBERS

FEATURES = (
    "acousticness", "danceability", "energy", "instrumentalness", "liveness", "speechiness", "tempo", "valence",
)  # fmt: skip
COLUMNS: Mapping[str, tuple[str, str]] = {
    "title": ("track", "title"),
    "artist_name": ("artist", "name"),
    "artist_id": ("artist", "id"),
    "album_id": ("album", "id"),
    "album_title": ("album", "title"),
    "album_release_date": ("album", "date_released"),
    "track_number": ("track", "number"),
    "license": ("track", "license"),
    "duration_s": ("track", "duration"),
    "genre_top": ("track", "genre_top"),
    "genres_all": ("track", "genres_all"),
}
"""Our columns and those of tracks.csv, whose names have two parts; the others (biographies, listens) are left out."""

LONGEST_CELL = 16 << 20
"""Biographies and descriptions of albums are longer than the 128 KiB that Python's csv takes by default."""

_HEADER_ROWS = 6
_NUMBER = re.compile(r"[0-9]+")


@dataclass(frozen=True)
class Genre:
    """A genre of a tree: its parent (None for a top genre), the top genre above it, and its depth, from 1.

    `tracks` is how many the source counts, most of them without audio features.
    """

    genre_id: str
    genre: str
    parent_id: str | None
    top_level_id: str
    depth: int
    tracks: int | None


def genre_tree(file: Container) -> list[Genre]:
    """The tree of genres that comes with the songs; none for any file but FMA's. Raises `SongFileError` as reading."""
    if file.file_format != "fma":
        return []
    with _archive(file.name, file.path) as archive:
        return list(_genres(file.name, archive).values())


def stage_fma(connection: duckdb.DuckDBPyConnection, part: Part) -> dict[str, str]:
    """Make `TABLE` of the songs that have audio features, and return its columns, which are all text.

    Ids are FMA's own, which are numbers, with `fma:` before them. `genres_all` is a list, the deepest genre first.
    """
    columns = ["track_id", *COLUMNS, *FEATURES]
    with _archive(part.name, part.path) as archive:
        fill(connection, TABLE, columns, _songs(part, archive))
    without = f"select count(*) filter (genre_top is null), count(*) from {TABLE}"
    ((untold, songs),) = connection.execute(without).fetchall()
    if untold:
        part.notes.append(
            f"{untold:,} of {songs:,} songs have no top genre, being of several or of none. By top genre they are "
            "rejected; with --all-genres each song is listed under all of its genres."
        )
    return dict.fromkeys(columns, "VARCHAR")


@contextmanager
def _archive(name: str, path: Path) -> Iterator[zipfile.ZipFile]:
    """The open archive. Raises `SongFileError` where it is damaged, locked, incomplete or larger than it can be."""
    with damage_told(name), zipfile.ZipFile(path) as archive:
        members = {Path(entry.filename).name: entry for entry in archive.infolist()}
        if lacking := [member for member in FMA_MEMBERS if member not in members]:
            raise SongFileError(
                f"{name} holds a part of FMA's metadata, without {', '.join(lacking)}. "
                "Take the archive as it is published: song-genres fetch fma"
            )
        allowance = Allowance(name, path.stat().st_size)
        for member in FMA_MEMBERS:
            allowance.take(members[member].file_size)
        try:
            yield archive
        except (RuntimeError, UnicodeDecodeError, csv.Error) as error:  # a password, no UTF-8, no CSV
            raise SongFileError(
                f"{name} cannot be read: {error}. Take the archive as it is published: song-genres fetch fma"
            ) from error


def _rows(
    name: str, archive: zipfile.ZipFile, member: str, wanted: Sequence[tuple[str, ...]]
) -> Iterator[tuple[str, list[str | None]]]:
    """The id of each row of a CSV in the archive, and its cells in the columns `wanted`.

    The first rows name the columns; what begins with a number is a row.
    """
    inner = next(entry for entry in archive.infolist() if Path(entry.filename).name == member)
    before = csv.field_size_limit(LONGEST_CELL)
    try:
        with archive.open(inner) as packed, io.TextIOWrapper(packed, encoding="utf-8-sig", newline="") as text:
            rows = csv.reader(text)
            header: list[list[str]] = []
            for row in rows:
                if row and _NUMBER.fullmatch(row[0]):
                    break
                header.append(row)
                if len(header) > _HEADER_ROWS:
                    raise _other_header(name, member, "a number at the beginning of its rows")
            else:
                raise SongFileError(f"{name}: {member} has no rows. Nothing was landed.")
            names = list(zip(*header, strict=False))
            places = []
            for column in wanted:
                found = [at for at, levels in enumerate(names) if tuple(filter(None, levels)) == column]
                if not found:
                    raise _other_header(name, member, f"the column {' '.join(column)}")
                places.append(found[0])
            for number, cells in enumerate(chain([row], rows), start=1):
                if len(cells) != len(names):
                    raise SongFileError(
                        f"{name}: {member} has {len(cells)} cells in row {number:,}, and {len(names)} in its header. "
                        "Take the archive as it is published: song-genres fetch fma"
                    )
                yield cells[0], [cells[at] or None for at in places]
    finally:
        csv.field_size_limit(before)


def _other_header(name: str, member: str, what: str) -> SongFileError:
    return SongFileError(
        f"{name}: {member} has not the header that FMA's has; it lacks {what}. "
        "Take the archive as it is published: song-genres fetch fma"
    )


def _genres(name: str, archive: zipfile.ZipFile) -> dict[str, Genre]:
    """The genres by their ids, in the file's order."""
    rows = dict(_rows(name, archive, GENRES, [("title",), ("parent",), ("#tracks",)]))
    found = {}
    for genre_id, (title, parent, tracks) in rows.items():
        above = list(_above(name, genre_id, rows))
        found[genre_id] = Genre(
            genre_id=genre_id,
            genre=title or genre_id,
            parent_id=parent if above else None,
            top_level_id=above[-1] if above else genre_id,
            depth=len(above) + 1,
            tracks=int(tracks) if tracks and _NUMBER.fullmatch(tracks) else None,
        )
    return found


def _above(name: str, genre_id: str, rows: Mapping[str, Sequence[str | None]]) -> Iterator[str]:
    """The genres above one, the nearest first."""
    seen = {genre_id}
    while (parent := rows[genre_id][1]) and parent != "0":
        if parent not in rows or parent in seen:
            what = "which it has not" if parent not in rows else "which is below it"
            raise SongFileError(f"{name}: {GENRES} is no tree: genre {genre_id} has the parent {parent}, {what}.")
        seen.add(parent)
        yield parent
        genre_id = parent


def _songs(part: Part, archive: zipfile.ZipFile) -> Iterator[Record]:
    """The songs with audio features, in the order of tracks.csv; then those that it does not have."""
    genres = _genres(part.name, archive)
    wanted = [("echonest", "audio_features", feature) for feature in FEATURES]
    features = dict(_rows(part.name, archive, ECHONEST, wanted))
    number = 0
    for track_id, cells in _rows(part.name, archive, TRACKS, list(COLUMNS.values())):
        if track_id not in features:
            continue
        number += 1
        song = dict(zip(COLUMNS, cells, strict=True))
        song["genres_all"] = _deepest_first(song["genres_all"], genres)
        album = song["album_id"] or ""
        song["album_id"] = f"fma:{album}" if _NUMBER.fullmatch(album) else None  # -1 where there is none
        yield (number, None, None, f"fma:{track_id}", *song.values(), *features.pop(track_id))
    if features:
        part.notes.append(f"{len(features):,} songs of {ECHONEST} are not in {TRACKS}: nothing is known of them")
    for track_id, sound in features.items():
        number += 1
        yield (number, None, None, f"fma:{track_id}", *[None] * len(COLUMNS), *sound)


def _deepest_first(ids: str | None, genres: Mapping[str, Genre]) -> str | None:
    """The names of a song's genres as a JSON list, those farthest from the top first; None where it has none."""
    known: Iterable[str] = dict.fromkeys(_NUMBER.findall(ids or ""))
    ordered = sorted(known, key=lambda genre_id: -genres[genre_id].depth if genre_id in genres else 0)
    names = [genres[genre_id].genre if genre_id in genres else genre_id for genre_id in ordered]
    return json.dumps(names, ensure_ascii=False) if names else None
