"""A song file read: its rows as a table, what its columns mean, and which rows cannot be used.

Belongs here: the way from a file to the table, for whatever purpose. Not here: how a column is read (number_columns.py,
name_columns.py), and what is made of the table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import duckdb

from extract.song_files import texts
from extract.song_files.containers import Container
from extract.song_files.errors import SeveralTables, SongFileError
from extract.song_files.layouts import PREDICT, Layout, Purpose, is_private, recognise
from extract.song_files.name_columns import make_ids, merge_spellings, read_names, take_albums_apart
from extract.song_files.number_columns import read_numbers
from extract.song_files.options import ReadingOptions
from extract.song_files.readings import Decisions, Reading
from extract.song_files.refusals import command, require_enough
from extract.song_files.rows import TABLE, count
from extract.song_files.staging import stage
from warehouse.features import AUDIO_FEATURES, feature_ranges
from warehouse.files import for_shell, identifier, quoted
from warehouse.values import problem

PROBLEMS_SHOWN = 5

READ = "song_rows_read"
"""The view of `TABLE` with a further column for each field that is not read as it stands."""


@dataclass(frozen=True)
class ColumnUse:
    """What became of a column of a file: the field that it is, and what was done to its values ("" for nothing)."""

    column: str
    field: str
    done: str


@dataclass(frozen=True)
class SongFile:
    """A song file whose rows are in the table or view `source` of a connection.

    `types` are the columns of the file and the types (DuckDB's) that their text may be given back as; `readings` is our
    field -> how it is read, for the fields that the file has. `listing` is SQL for a listing's number and `listings`
    how many there are: more than rows where each genre of a row makes one. `genre_tags` is the column of genres of a
    list of songs, which are kept and not used. `empty` are fields whose column holds
    nothing, and `clean` those of which no row needs to be looked at. `warnings` and `notes` are sentences for the
    person whose file it is.
    """

    container: Container
    purpose: Purpose
    types: Mapping[str, str]
    layout: Layout
    options: ReadingOptions
    readings: Mapping[str, Reading]
    rows: int
    listings: int
    source: str
    listing: str
    genre_tags: str | None
    empty: frozenset[str]
    clean: frozenset[str]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def name(self) -> str:
        """What errors call the file."""
        return self.container.name

    @property
    def layout_name(self) -> str:
        """The layout's name, and whether --map was given beside it."""
        return f"{self.layout.name}, mapped" if self.options.mapping else self.layout.name

    @property
    def columns(self) -> Mapping[str, str]:
        """Our field -> its column, for the fields that are a column of the file."""
        return {name: reading.column for name, reading in self.readings.items() if reading.column}

    @property
    def uses(self) -> list[ColumnUse]:
        """What became of each column that is used, and of each field that is made from others."""
        return [
            ColumnUse(reading.column or "", name, "nothing in it" if name in self.empty else "; ".join(reading.done))
            for name, reading in self.readings.items()
        ]

    @property
    def other_columns(self) -> list[str]:
        """The columns that are no field of ours, nor private.

        As they stand, an import keeps them in the track's document, and scoring gives them back.
        """
        return [name for name in self.types if name not in self.columns.values() and not is_private(name)]

    @property
    def has_private(self) -> bool:
        """Whether a column says who listened, when or where."""
        return any(map(is_private, self.types))

    @property
    def unknown(self) -> list[str]:
        """The audio features that the file does not have."""
        return [name for name in AUDIO_FEATURES if name not in self.readings or name in self.empty]

    @property
    def changed(self) -> list[str]:
        """The columns of which another text than the file's own is read."""
        changed = (reading.column for reading in self.readings.values() if reading.column and reading.is_changed)
        return list(dict.fromkeys(changed))

    def value(self, name: str) -> str:
        """The field's text as SQL over `source`."""
        reading = self.readings[name]
        return _made(name) if reading.sql else reading.text

    def artists(self) -> str | None:
        """The list of a song's artists as SQL over `source`; None where a cell holds one."""
        artists = self.readings.get("artist_name")
        return _made("artists") if artists and artists.items else None


def _made(name: str) -> str:
    """The column of `READ` for a field that is not read as it stands."""
    return identifier(f"read: {name}")


def read(
    connection: duckdb.DuckDBPyConnection, file: Container, purpose: Purpose, options: ReadingOptions | None = None
) -> SongFile:
    """Put the rows of the file into `TABLE` of `connection`, recognise its columns, and decide how each is read.

    Raises `SongFileError`: the file cannot be read in its format, lacks what the purpose needs, has no rows, or has a
    column whose unit cannot be told.
    """
    options = options or ReadingOptions()
    try:
        types, warnings = stage(connection, file)
    except SeveralTables as error:
        one = purpose.command.replace("FILE", for_shell(error.one)) + options.as_arguments()
        raise SongFileError(f"{error}\nName one of them: {one}") from error
    columns, genre_tags = recognise(file.name, list(types), options.mapping), None
    if options.all_genres and columns.layout.all_genres and "genre" not in options.mapping:
        columns = replace(columns, fields={**columns.fields, "genre": columns.layout.all_genres})
    if not purpose.has_genres and purpose.makes_listings:
        genre_tags = columns.fields.get("genre")
        columns = replace(columns, fields={name: column for name, column in columns.fields.items() if name != "genre"})
    require_enough(file, list(types), columns, purpose, options)
    rows = count(connection, f"select count(*) from {TABLE}")
    if rows == 0:
        raise SongFileError(f"{file.name} has a header but no rows. Nothing was written.")
    readable = count(connection, f"select count(*) from {TABLE} where __text is null")
    again = f"{command(purpose, file)}{options.as_arguments()}"
    decisions = Decisions(connection, file.name, again, readable, columns, options)
    read_numbers(decisions)
    read_names(decisions)
    if readable:
        full = {name: column for name, column in columns.fields.items() if name not in decisions.empty}
        nothing_in = [columns.fields[name] for name in decisions.empty]
        require_enough(file, list(types), replace(columns, fields=full), purpose, options, empty=nothing_in)
    if purpose.makes_listings:
        make_ids(decisions, is_list=not purpose.has_genres)
    else:
        take_albums_apart(decisions)
    if purpose.has_genres:
        merge_spellings(decisions)
    if purpose.makes_listings and (private := [column for column in types if is_private(column)]):
        decisions.notes.append(f"Who listened, when and where is left in the file: {', '.join(private)}.")
    source, listing = _make_source(decisions, purpose)
    return SongFile(
        container=file,
        purpose=purpose,
        types=types,
        layout=columns.layout,
        options=options,
        readings=decisions.readings,
        rows=rows,
        listings=rows if listing == "__row" else count(connection, f"select count(*) from {source}"),
        source=source,
        listing=listing,
        genre_tags=genre_tags,
        empty=frozenset(decisions.empty),
        clean=frozenset(decisions.clean),
        notes=tuple(decisions.notes),
        warnings=warnings,
    )


def _make_source(decisions: Decisions, purpose: Purpose) -> tuple[str, str]:
    """The table or view with what is read, and SQL for a listing's number in it."""
    readings = decisions.readings
    made = [f"{reading.sql} as {_made(name)}" for name, reading in readings.items() if reading.sql]
    if "artist_name" in readings and readings["artist_name"].items:
        made.append(f"{readings['artist_name'].items} as {_made('artists')}")
    if not made:
        return TABLE, "__row"
    query, listing = f"select *, {', '.join(made)} from {TABLE}", "__row"
    genres = readings["genre"].items if "genre" in readings else None
    if genres and purpose.makes_listings and decisions.options.all_genres:
        listing, genre, several, place = map(_made, ("listing", "genre", "genres", "place"))
        query = f"""
            select * exclude ({several}, {place}), row_number() over (order by __row, {place}) as {listing}
            from (
                select * exclude ({genre}), unnest({several}) as {genre}, generate_subscripts({several}, 1) as {place}
                from (
                    select *, case when len({genres}) > 0 then {texts.distinct(genres)} else [null] end as {several}
                    from ({query})
                )
            )
            """
    decisions.connection.execute(f"create or replace temp view {READ} as {query}")
    return READ, listing


LOCAL = "a local file, which has no id of Spotify's"


def require_usable(connection: duckdb.DuckDBPyConnection, file: SongFile) -> tuple[int, list[str]]:
    """How many listings hold a value that cannot be used, and the first few, named by row and column.

    Raises `SongFileError`, which names them, if they are more than half.
    """
    problem_rows, problems = _problems(connection, file)
    # A list may be of local files for the most part: what the others sound like can be shown.
    spared = count(connection, f"select count(*) from song_problems where ends_with(problem, {quoted(LOCAL)})")
    is_list = not (file.purpose.has_genres or file.purpose.has_sound)
    if (problem_rows - spared * is_list) * 2 > file.listings or (is_list and spared == file.listings):
        shown = "".join(f"\n  {words}" for words in problems[:2])
        raise SongFileError(
            f"{file.name}: {problem_rows:,} of {file.listings:,} rows cannot be used, more than half; nothing was "
            f"written. The first:{shown}\n{_advice(connection, file)}"
        )
    return problem_rows, problems


def _advice(connection: duckdb.DuckDBPyConnection, file: SongFile) -> str:
    """What may help where most rows cannot be used."""
    without_genre = "false"
    if file.purpose.has_genres:
        without_genre = f"__text is null and coalesce({file.value('genre')}, '') = ''"
    broken, unlabelled = connection.execute(
        f"select count(*) filter (__text is not null), count(*) filter ({without_genre}) from {file.source}"
    ).fetchall()[0]
    if broken * 2 > file.listings:
        return "Is it whole, and are its fields separated as its header is? Write the table anew, as CSV or .xlsx."
    if unlabelled * 2 > file.listings:
        return f"Without genres, a model can name them: {command(PREDICT, file.container)}"
    if not file.purpose.has_sound and not file.purpose.has_genres:
        return "Give songs with Spotify's ids or links, or with titles and artists."
    return "Is a column mapped to the wrong field (--map field=column), or its unit another (--unit field=unit)?"


def _problems(connection: duckdb.DuckDBPyConnection, file: SongFile) -> tuple[int, list[str]]:
    """The rows that cannot be used; of a column where none needs to be looked at, none is."""
    checks = ["__reason"]
    if "spotify_track_id" not in file.clean:
        column, text = file.columns.get("spotify_track_id"), file.value("spotify_track_id")
        said = f"column {column}: is missing" if column else "it has no title to derive an id from"
        local = f"column {column}: {LOCAL}"
        checks.append(
            f"case when coalesce(trim({text}), '') = '' then {quoted(said)} "
            f"when starts_with({text}, 'spotify:local:') then {quoted(local)} end"
        )
    if file.purpose.has_genres and "genre" not in file.clean and not file.layout.all_genres:
        words = quoted(f"column {file.columns['genre']}: is missing")
        checks.append(f"case when coalesce({file.value('genre')}, '') = '' then {words} end")
    for name, (minimum, maximum) in feature_ranges().items():
        if name in file.readings and name not in file.clean:
            may_be_missing = not file.purpose.has_sound or name in ("time_signature", "popularity", *file.empty)
            column = file.columns[name]
            checks.append(problem(name, column, file.value(name), minimum, maximum, may_be_missing=may_be_missing))
    connection.execute(
        f"""
        create or replace temp table song_problems as
        select * from (select __row, coalesce({", ".join(checks)}) as problem from {file.source})
        where problem is not null
        """
    )
    found = connection.execute(
        "select __row, problem from song_problems order by __row limit ?", [PROBLEMS_SHOWN]
    ).fetchall()
    return count(connection, "select count(*) from song_problems"), [f"row {row:,}, {words}" for row, words in found]
