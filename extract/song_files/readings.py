"""How the columns of a file are read, as it is decided: what every part of the decision shares.

Belongs here: a field's reading, and what is known of all of them. Not here: what is decided of numbers
(number_columns.py) and of ids, titles, artists and genres (name_columns.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import duckdb

from extract.song_files.errors import SongFileError
from extract.song_files.layouts import Columns, plain, spellings
from extract.song_files.options import ReadingOptions
from extract.song_files.units import TIMES
from warehouse.features import shares
from warehouse.files import identifier


@dataclass(frozen=True)
class Reading:
    """How a field is read: its column in the file (None: made from others), the SQL that reads it, and what was done.

    `sql` is over `TABLE`, None where the column is read as it stands; `items` is the list of what stands in one cell,
    where that may be several; `is_changed` where known values have another text than the file's own.
    """

    column: str | None
    sql: str | None = None
    items: str | None = None
    done: tuple[str, ...] = ()
    is_changed: bool = False

    @property
    def text(self) -> str:
        """The field's text as SQL over `TABLE`."""
        return self.sql or (identifier(self.column) if self.column else "null::varchar")

    def doing(self, sql: str, what: str, items: str | None = None) -> "Reading":
        """The reading with one more step."""
        return replace(self, sql=sql, items=items or self.items, done=(*self.done, what), is_changed=True)


@dataclass
class Decisions:
    """How the fields of a file, whose rows are in `TABLE` of the connection, are read.

    `file` is what errors call it, `command` the one that reads it, for a shell, and `rows` the number of its readable
    rows. `empty` are fields whose column holds nothing but empty cells and marks of missing values, `clean` those of
    which no value is missing, odd or out of its range. `notes` are sentences for the person whose file it is.
    """

    connection: duckdb.DuckDBPyConnection
    file: str
    command: str
    rows: int
    columns: Columns
    options: ReadingOptions
    readings: dict[str, Reading] = field(init=False)
    units: Mapping[str, str] = field(init=False)
    notes: list[str] = field(default_factory=list)
    empty: set[str] = field(default_factory=set)
    clean: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.readings = {name: Reading(column) for name, column in self.columns.fields.items()}
        self.units = _units_by_hand(self.options)

    def text(self, name: str) -> str:
        """The field's text as SQL over `TABLE`."""
        return self.readings[name].text

    def say(self, name: str, what: str) -> None:
        """Add to what is said of a field without another reading of it."""
        reading = self.readings[name]
        self.readings[name] = replace(reading, done=(*reading.done, what))


def _units_by_hand(options: ReadingOptions) -> dict[str, str]:
    """Our field -> what --unit says of it. Raises `SongFileError` for a field or unit that there is not."""
    known: dict[str, tuple[str, ...]] = dict.fromkeys(shares(), ("share", "percent")) | {
        "duration_ms": (*TIMES, "clock"), "artist_name": (), "genre": (),
    }  # fmt: skip
    found = {}
    for name, unit in options.units.items():
        field = next((field for field in known if plain(name) in spellings(field)), None)
        if field is None:
            raise SongFileError(f"--unit: {name!r} has no units. Fields that have: {', '.join(known)}.")
        if known[field] and unit not in known[field]:
            raise SongFileError(f"--unit: {unit!r} is no unit of {field}. Its units: {', '.join(known[field])}.")
        found[field] = unit
    return found
