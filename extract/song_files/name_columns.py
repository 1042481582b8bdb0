"""How ids, titles, artists, genres and albums are read: what is missing, what is an address, and what is a list.

Belongs here: what is counted of such columns, what is decided, the ids of files that have none, and which spellings are
one genre. Not here: the SQL of a conversion (texts.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb

from extract.song_files import texts
from extract.song_files.layouts import SEVERAL, contents, plain
from extract.song_files.readings import Decisions, Reading
from extract.song_files.rows import TABLE, count
from extract.song_files.texts import ADDRESS
from warehouse.files import quoted
from warehouse.values import is_missing

NAMES = ("spotify_track_id", "song_name", "artist_name", "genre", "album_id", "album_name", "isrc")
NEVER_A_NAME = ("spotify_track_id", "genre", "album_id", "isrc")
"""What is none of these is missing: no genre is called NA, while a song, an artist or an album may be."""
IDS = {"spotify_track_id": "track", "album_id": "album"}
"""The fields that hold ids, which may stand in URIs or addresses, and of what."""
SPELLINGS_SHOWN = 5


@dataclass(frozen=True)
class Cells:
    """Of a column's cells: how many hold a text, a mark of a missing value, a list, a separator, an address."""

    texts: int
    missing: int
    lists: int
    separated: int
    addresses: int


def read_names(decisions: Decisions) -> None:
    """Decide how ids, titles, artists, genres and albums are read."""
    _leave_out_numbers_of_rows(decisions)
    for name, cells in _count(decisions).items():
        there = cells.texts - cells.missing
        if there == 0:
            decisions.empty.add(name)
        elif there == decisions.rows:
            decisions.clean.add(name)
        reading = decisions.readings[name]
        if cells.missing:
            reading = replace(reading, sql=f"case when not {_is_missing(decisions, name)} then {reading.text} end")
        if cells.addresses:
            reading = reading.doing(texts.bare_id(IDS[name], reading.text), "ids taken from URIs or addresses")
        if name in SEVERAL:
            reading = _as_list(decisions, name, reading, cells)
        decisions.readings[name] = reading
        if 0 < there < decisions.rows:
            decisions.say(name, f"{decisions.rows - there:,} missing")
        if name == "spotify_track_id" and cells.addresses:
            decisions.clean.discard(name)  # some may be local files


def _leave_out_numbers_of_rows(decisions: Decisions) -> None:
    """Take a column `id` that holds whole numbers for no ids of songs: it numbers the rows, and no song is a repeat."""
    readings = decisions.readings
    column = readings["spotify_track_id"].column if "spotify_track_id" in readings else None
    if column is None or plain(column) != "id" or "spotify_track_id" in decisions.options.mapping:
        return
    text = decisions.text("spotify_track_id")
    is_number = f"regexp_full_match({text}, {quoted('[0-9]{1,12}')})"
    others = count(decisions.connection, f"select count(*) from (from {TABLE} where not {is_number} limit 1)")
    if "song_name" in readings and not others:
        del readings["spotify_track_id"]


def _is_missing(decisions: Decisions, name: str) -> str:
    """Whether the cell is marked as missing, as SQL."""
    column = decisions.text(name)
    if name in NEVER_A_NAME:
        return is_missing(column)
    marks = [*contents()["missing_names"], *decisions.columns.layout.missing]
    return f"trim({column}) in ({', '.join(map(quoted, marks))})"


def _count(decisions: Decisions) -> dict[str, Cells]:
    names = [name for name in NAMES if name in decisions.readings]
    if not names:
        return {}
    counted = []
    for name in names:
        column, separator = decisions.text(name), _separator(decisions, name)
        is_address = f"(contains({column}, ':') or contains({column}, '/')) and regexp_matches({column}, {ADDRESS})"
        counted.append(
            f"count({column}), count(*) filter ({column} is not null and {_is_missing(decisions, name)}), "
            f"count(*) filter (starts_with({column}, '[')), "
            f"count(*) filter ({f'contains({column}, {quoted(separator)})' if separator else 'false'}), "
            f"count(*) filter ({is_address if name in IDS else 'false'})"
        )
    (row,) = decisions.connection.execute(f"select {', '.join(counted)} from {TABLE}").fetchall()
    return {name: Cells(*row[5 * place : 5 * place + 5]) for place, name in enumerate(names)}


def _separator(decisions: Decisions, name: str) -> str | None:
    separator, layout = decisions.units.get(name) or decisions.columns.layout.separator(name), decisions.columns.layout
    is_said = name in decisions.units or name in layout.separators
    if name == "genre" and not is_said and plain(decisions.readings[name].column or "").endswith("genres"):
        having = (
            f"select count(*) from (from {TABLE} where contains({decisions.text(name)}, {quoted(separator)}) limit 1)"
        )
        return separator if count(decisions.connection, having) else ","
    return separator


def _as_list(decisions: Decisions, name: str, reading: Reading, cells: Cells) -> Reading:
    """The reading of artists or genres of which a cell may hold several."""
    text, separator = reading.text, _separator(decisions, name)
    chosen = ""
    if name == "genre":
        chosen = "; each is a listing" if decisions.options.all_genres else "; the first is the listing's"
    if cells.lists and cells.lists == cells.texts - cells.missing and name not in decisions.units:
        items = _items(decisions, text)
        first = f"({items})[1]" if name == "genre" else texts.joined(items)
        return reading.doing(first, f"read as lists{chosen}", items)
    if not (separator and cells.separated):
        _ask_for_a_separator(decisions, name)
        return reading
    items, what = texts.split(text, separator), f"split at {separator} in {cells.separated:,} rows{chosen}"
    if name == "genre":
        return reading.doing(f"({items})[1]", what, items)
    return replace(reading, items=items, done=(*reading.done, what))  # the cell stays as its source wrote it


def _ask_for_a_separator(decisions: Decisions, name: str) -> None:
    """Say where many cells of a layout that is not known have commas, which may separate or belong to the names."""
    if name in decisions.columns.layout.separators or name in decisions.units:
        return
    text = decisions.text(name)
    having = count(decisions.connection, f"select count(*) from {TABLE} where contains({text}, ',')")
    if having * 10 > decisions.rows:
        what = "artists" if name == "artist_name" else "genres"
        decisions.notes.append(
            f"Commas in {decisions.readings[name].column} ({having:,} rows) are read as part of the names. If they "
            f"separate {what}: --unit {name}=,"
        )


def _items(decisions: Decisions, text: str) -> str:
    """The items of lists, which are JSON, or else as Python writes them."""
    there = f"select count(*) from {TABLE} where {text} is not null"
    if count(decisions.connection, f"{there} and not json_valid({text})"):
        return texts.python_list(text)
    objects = count(decisions.connection, f"{there} and {texts.is_list_of_objects(text)}")
    return texts.json_list(text, of_objects=bool(objects))


def make_ids(decisions: Decisions, *, is_list: bool = False) -> None:
    """Derive the ids of a file that has none; of a list of songs, also those of single songs that have none."""
    readings = decisions.readings
    artists = readings.get("artist_name")
    if "artist_name" not in readings or "artist_name" in decisions.empty:
        so = "" if is_list else ": each track counts as an artist of its own, so no artist can be held out"
        decisions.notes.append(f"It names no artists{so}.")
    known = readings.get("spotify_track_id")
    if known and (not is_list or "spotify_track_id" in decisions.clean or "song_name" not in readings):
        return
    names = "null::varchar"
    if artists:
        names = texts.joined(artists.items) if artists.items else artists.text
    duration = readings["duration_ms"].text if "duration_ms" in readings else None
    derived = texts.derived_id(readings["song_name"].text, names, duration)
    if known:
        title = readings["song_name"].text
        either = f"coalesce({known.text}, case when {title} is not null then {derived} end)"
        readings["spotify_track_id"] = known.doing(either, "derived from title and artists where missing")
        return
    readings["spotify_track_id"] = Reading(None, derived, done=("derived from title and artists",))
    decisions.notes.append("It has no ids of Spotify's: they are derived from title and artists, so repeats are found.")


def take_albums_apart(decisions: Decisions) -> None:
    """Read name and release date of albums that are objects, as in Spotify's documents; an import keeps the objects."""
    album = decisions.readings.get("album_name")
    if album is None:
        return
    is_object = f"starts_with({album.text}, '{{') and json_valid({album.text})"
    if not count(decisions.connection, f"select count(*) from (from {TABLE} where {is_object} limit 1)"):
        return
    for name, member in (("album_name", "name"), ("album_release_date", "release_date")):
        known = decisions.readings.get(name, Reading(album.column, "null::varchar"))
        taken = f"case when {is_object} then {album.text} ->> '$.{member}' else {known.text} end"
        decisions.readings[name] = known.doing(taken, "taken from objects")


def merge_spellings(decisions: Decisions) -> None:
    """Say which genres are nearly equal, and make one of each where that was asked for."""
    genre = decisions.readings["genre"]
    one = f"unnest({genre.items})" if decisions.options.all_genres and genre.items else genre.text
    groups = _near_equal(decisions.connection, f"select {one} from {TABLE} where __text is null")
    if not groups:
        return
    if decisions.options.merge_genres:
        items = genre.items
        if items:
            items = f"list_transform({items}, lambda genre: {_merging('genre', groups)})"
        decisions.readings["genre"] = genre.doing(_merging(genre.text, groups), "spellings merged", items)
    decisions.notes.append(_told(groups, are_merged=decisions.options.merge_genres))


def _near_equal(connection: duckdb.DuckDBPyConnection, genres: str) -> list[list[tuple[str, int]]]:
    """The genres that differ in case, spaces and marks alone, with their rows: the most frequent spelling first.

    `genres` is a query that gives a genre a row.
    """
    groups: dict[str, list[tuple[str, int]]] = {}
    for genre, rows in connection.execute(
        f"select genre, count(*) from ({genres}) as found(genre) where genre is not null group by genre "
        "order by 2 desc, 1"
    ).fetchall():
        groups.setdefault(plain(genre) or genre, []).append((genre, rows))
    return [spellings for spellings in groups.values() if len(spellings) > 1]


def _merging(genre: str, groups: Sequence[Sequence[tuple[str, int]]]) -> str:
    """The genre, as SQL, in the most frequent of its spellings."""
    others: Mapping[str, str] = {spelling: group[0][0] for group in groups for spelling, _ in group[1:]}
    return texts.word_or_itself(genre, others)


def _told(groups: Sequence[Sequence[tuple[str, int]]], *, are_merged: bool) -> str:
    """The groups in a sentence."""
    named = [", ".join(f"{spelling!r} {rows:,}" for spelling, rows in group) for group in groups[:SPELLINGS_SHOWN]]
    more = f"; and {len(groups) - SPELLINGS_SHOWN} more" if len(groups) > SPELLINGS_SHOWN else ""
    if are_merged:
        return f"Spellings of one genre, merged into the first: {'; '.join(named)}{more}."
    return f"Genres that differ in spelling alone: {'; '.join(named)}{more}. --merge-genres makes one of each."
