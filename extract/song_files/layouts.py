"""Which column of a file is which field of ours: what layouts.yml says, and --map for the rest.

Belongs here: names of columns, and what a layout says of its values. Not here: the names themselves (layouts.yml), the
words of a refusal (refusals.py), values (readings.py), formats and rows.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from extract.song_files.errors import SongFileError

LAYOUTS_FILE = Path(__file__).with_name("layouts.yml")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

COLUMNS_SHOWN = 20
SEVERAL = ("artist_name", "genre")
"""The fields of which a cell may hold several."""


@dataclass(frozen=True)
class Purpose:
    """What a file is read for, what it must have for that, and the command, with FILE for the file's path.

    The rows of a file that `makes_listings` must be songs that can be told from others; where `has_genres`, each is
    listed under one, and any genre of the file is left aside where not; `has_sound` says that the audio features are
    in the file, and are not asked for elsewhere.
    """

    command: str
    makes_listings: bool = True
    has_genres: bool = True
    has_sound: bool = True


IMPORT = Purpose("song-genres import FILE")
CLEAN = Purpose("song-genres clean FILE OUT")
PREDICT = Purpose("song-genres predict FILE", makes_listings=False, has_genres=False)
SONGS = Purpose("song-genres extract --tracks FILE", has_genres=False, has_sound=False)


@dataclass(frozen=True)
class Layout:
    """A kind of file: its name, and what it says of its values.

    `separators` is our field -> what stands between several in one cell (None: nothing does); `missing` are the words
    for a name that is not known; `names` our field -> a column's name that only this layout has; `all_genres` the
    column of all genres of a song, where another has the one that it is listed under.
    """

    name: str
    about: str = ""
    columns: Sequence[str] = ()
    separators: Mapping[str, str | None] = field(default_factory=dict)
    missing: Sequence[str] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    all_genres: str | None = None

    def separator(self, name: str) -> str | None:
        """What separates several artists or genres in one cell."""
        found: str | None = (dict(contents()["separators"]) | dict(self.separators)).get(name)
        return found


UNNAMED = Layout("by its columns' names")
"""The layout of a file that is none of those in layouts.yml."""


@dataclass(frozen=True)
class Columns:
    """What a file's columns are: its layout, our field -> its column, our field -> the unit in the column's name."""

    layout: Layout
    fields: Mapping[str, str]
    units: Mapping[str, str]


def shown(columns: Sequence[str]) -> str:
    """The names of columns, the first of them where they are many."""
    more = f" and {len(columns) - COLUMNS_SHOWN:,} more" if len(columns) > COLUMNS_SHOWN else ""
    return ", ".join(column[:60] for column in columns[:COLUMNS_SHOWN]) + more


@cache
def contents() -> dict[str, Any]:
    """What layouts.yml says."""
    found: dict[str, Any] = yaml.load(LAYOUTS_FILE.read_text(encoding="utf-8"), LOADER)
    return found


@cache
def layouts() -> list[Layout]:
    """The layouts that are known, in the file's order."""
    return [Layout(**entry) for entry in contents()["layouts"]]


def fields() -> list[str]:
    """Our fields."""
    return list(contents()["fields"])


def most_known(tables: Mapping[str, Sequence[str]]) -> str:
    """The name of the table whose columns are the most fields of ours; the first one of several."""
    return max(tables, key=lambda name: len(recognise(name, tables[name], {}).fields))


def plain(name: str) -> str:
    """A column's name without case, spaces and marks, but with a percent sign."""
    return re.sub(r"[^\w%]|_", "", name).casefold()


@cache
def spellings(name: str) -> dict[str, str | None]:
    """The plain names of a column for our field, the best first, and the unit that each says."""
    entry = contents()["fields"][name]
    bare = [plain(name), *map(plain, entry["names"])]
    endings = [("", None), *((plain(word), unit) for unit, words in entry.get("units", {}).items() for word in words)]
    endings += [(suffix, None) for suffix in contents()["suffixes"]]
    prefixes = ["", *map(plain, contents()["prefixes"])]
    found: dict[str, str | None] = {}
    for word in bare:
        for prefix in prefixes:
            for ending, unit in endings:
                found.setdefault(f"{prefix}{word}{ending}", unit)
    if name.endswith("_ms"):
        found[plain(name)] = "ms"
    return found


def is_private(column: str) -> bool:
    """Whether a column of this name says who a listener is, or when and where they listened."""
    return plain(column) in set(map(plain, contents()["private"]))


def _found(columns: Sequence[str], name: str, layout: Layout) -> Iterator[tuple[str, str | None]]:
    """The columns that may be our field, the best first, each with the unit in its name."""
    by_name: dict[str, str] = {}
    for column in columns:
        by_name.setdefault(plain(column), column)
    if (own := plain(layout.names.get(name, ""))) in by_name and own:
        yield by_name[own], None
    for spelling, unit in spellings(name).items():
        if spelling in by_name:
            yield by_name[spelling], unit


def recognise(file: str, columns: Sequence[str], mapping: Mapping[str, str]) -> Columns:
    """What the columns of a file are, which errors call `file`; `mapping` (our field -> column) comes first.

    Raises `SongFileError`: a field or column of `mapping` that there is not.
    """
    if unknown := sorted(set(mapping) - set(fields())):
        raise SongFileError(f"--map: there is no field {unknown[0]!r}. Fields: {', '.join(fields())}.")
    by_name = {column.lower(): column for column in columns}
    if absent := sorted(column for column in mapping.values() if column.lower() not in by_name):
        raise SongFileError(f"{file} has no column {absent[0]!r}. It has: {shown(columns)}.")
    mapping = {name: by_name[column.lower()] for name, column in mapping.items()}
    there = set(map(plain, columns))
    known = [layout for layout in layouts() if {plain(column) for column in layout.columns} <= there]
    layout = max(known, key=lambda candidate: len(candidate.columns), default=UNNAMED)
    taken: dict[str, str] = dict(mapping)
    units: dict[str, str] = {}
    for name in fields():
        if name in mapping:
            unit = spellings(name).get(plain(mapping[name]))
        else:
            free = ((column, unit) for column, unit in _found(columns, name, layout) if column not in taken.values())
            column, unit = next(free, (None, None))
            if column is None:
                continue
            taken[name] = column
        if unit:
            units[name] = unit
    return Columns(layout, {name: taken[name] for name in fields() if name in taken}, units)
