"""Dumps: files of songs that somebody published or exported, landed as the documents Spotify would have given.

Belongs here: file formats, the layouts we know, and one row -> one track document and one audio-features document.
Not here: any judgement of a row. What cannot be used is landed as it stands, and the dbt project rejects it by name.
"""

import csv
import gzip
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from extract import landing, warehouse
from extract.progress import Progress, ignore

RANGES_FILE = Path(__file__).parent.parent / "dbt_project" / "seeds" / "audio_feature_ranges.csv"

FEATURES = (
    "danceability", "energy", "key", "loudness", "mode", "speechiness", "acousticness", "instrumentalness",
    "liveness", "valence", "tempo", "duration_ms", "time_signature",
)  # fmt: skip
TRACK_NUMBERS = ("duration_ms", "popularity")
OPTIONAL = ("time_signature", "popularity", "explicit", "album_id", "album_name", "album_release_date")
FIELDS = ("spotify_track_id", "song_name", "artist_name", "genre", *FEATURES, *OPTIONAL[1:])

MISSING_NUMBER = "('', 'nan', 'na', 'n/a', 'null', 'none', '\\n')"
JSON_NUMBER = r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?"
PROBLEMS_SHOWN = 5


class DumpError(ValueError):
    """A dump that cannot be imported; the message says what is wrong, where, and what to do."""


@dataclass(frozen=True)
class Layout:
    """How a kind of dump names its columns: our field -> its column, where the two differ."""

    name: str
    columns: Mapping[str, str] = field(default_factory=dict)
    artist_separator: str | None = None
    missing_text: str | None = None  # what stands for a name that is not known; else "NA" may well be a song's name

    def column(self, name: str) -> str:
        """The dump's column for our field `name`."""
        return self.columns.get(name, name)


# The first layout whose required columns are all there is taken.
LAYOUTS = (
    Layout("study"),
    Layout(
        "tidytuesday",
        {
            "spotify_track_id": "track_id",
            "song_name": "track_name",
            "artist_name": "track_artist",
            "genre": "playlist_genre",
            "popularity": "track_popularity",
            "album_id": "track_album_id",
            "album_name": "track_album_name",
            "album_release_date": "track_album_release_date",
        },
        missing_text="NA",  # as R writes it
    ),
    Layout(
        "kaggle",
        {
            "spotify_track_id": "track_id",
            "song_name": "track_name",
            "artist_name": "artists",
            "genre": "track_genre",
        },
        artist_separator=";",
    ),
)


@dataclass(frozen=True)
class ImportReport:
    """What an import did. `problem_rows` are landed but cannot be used; `problems` names the first."""

    dataset: str
    source: str
    layout: str
    listings: int
    already_landed: bool
    problem_rows: int
    problems: tuple[str, ...]


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
    for layouts that are not recognised. `listing_id` is the row's number in the file, counted from 1.

    Raises `DumpError`: no such file, an unknown layout or format, other content under a name that is taken, or more
    than half of the rows unusable. Then nothing is landed.
    """
    _check_file(path)
    ending, name = _format(path), name or path.name.split(".")[0]
    progress("reading the dump", 0, None)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    with warehouse.connect(warehouse_file) as connection:
        landing.create_raw_tables(connection)
        known = connection.execute(
            "select content_sha256, source from raw.datasets where dataset = ?", [name]
        ).fetchone()
        if known and known[0] != digest:
            raise DumpError(
                f"{path}: a dataset {name!r} was landed before from {known[1]}, with other content. "
                f"Give this one a name of its own: song-genres import {path} --name {name}-2"
            )
        columns = _stage_rows(connection, path, ending)
        layout = _recognise(path, columns, mapping or {})
        listings = _count(connection, "select count(*) from dump_rows")
        if listings == 0:
            raise DumpError(f"{path} has a header but no rows. Nothing was landed.")
        if known:
            landing.use(connection, name)
            return ImportReport(name, known[1], layout.name, listings, True, 0, ())
        problem_rows, problems = _problems(connection, layout, columns)
        if problem_rows * 2 > listings:
            shown = "\n  ".join(problems)
            raise DumpError(
                f"{path}: {problem_rows:,} of {listings:,} rows cannot be used, more than half; nothing was landed. "
                f"Is a column mapped to the wrong field (--map field=column)? The first:\n  {shown}"
            )
        dataset = landing.Dataset(name, f"dump:{path.name}", content_sha256=digest)
        progress("landing the dump", 0, None)
        landing.land(connection, dataset, _documents(connection, layout, columns))
    return ImportReport(name, dataset.source, layout.name, listings, False, problem_rows, tuple(problems))


def _check_file(path: Path) -> None:
    if not path.exists():
        raise DumpError(f"{path} does not exist. Give the path of a CSV (also .gz), Parquet or JSON-lines file.")
    if path.is_dir():
        raise DumpError(f"{path} is a folder. Give the path of one file in it.")
    if path.stat().st_size == 0:
        raise DumpError(f"{path} is empty.")


def _format(path: Path) -> str:
    ending = path.name.lower().removesuffix(".gz").rpartition(".")[2]
    formats = {"csv": "csv", "tsv": "csv", "txt": "csv", "parquet": "parquet", "jsonl": "json", "ndjson": "json"}
    if ending not in formats:
        raise DumpError(f"{path}: unknown ending. Known: .csv, .parquet, .jsonl and .ndjson; text also as .gz.")
    return formats[ending]


def _count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    (count,) = connection.execute(query).fetchone() or (0,)
    return int(count)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _name(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'


def _stage_rows(connection: duckdb.DuckDBPyConnection, path: Path, ending: str) -> list[str]:
    """Make the temporary table dump_rows: row_number, unreadable_line (text, else NULL), then each column as text.

    Returns the columns. Rows of a CSV with too few or too many fields come last, whole, as unreadable lines.
    """
    try:
        if ending == "parquet":
            return _stage_parquet(connection, path)
        if ending == "json":
            return _stage_json_lines(connection, path)
        return _stage_csv(connection, path)
    except duckdb.Error as error:
        raise DumpError(f"{path} cannot be read as {ending}: {str(error).splitlines()[0]}") from error


def _stage_parquet(connection: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    source = f"read_parquet({_text(str(path))})"
    columns = [row[0] for row in connection.execute(f"describe select * from {source}").fetchall()]
    connection.execute(
        "create or replace temp table dump_rows as select row_number() over () as row_number, "
        f"cast(null as varchar) as unreadable_line, columns(*)::varchar from {source}"
    )
    return columns


def _stage_json_lines(connection: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    # As lines of text, so that one broken line spoils itself alone. No CSV has the unit separator in it.
    source = (
        f"read_csv({_text(str(path))}, auto_detect=false, header=false, delim='\x1f', quote='', escape='', "
        "columns={'line': 'VARCHAR'}, max_line_size=16000000)"
    )
    connection.execute(
        f"create or replace temp table dump_lines as select row_number() over () as row_number, line from {source}"
    )
    columns = [
        row[0]
        for row in connection.execute(
            "select distinct unnest(json_keys(line)) from dump_lines where try(json_type(line)) = 'OBJECT' order by all"
        ).fetchall()
    ]
    values = "".join(f", line ->> {_text('$.' + _name(column))} as {_name(column)}" for column in columns)
    nulls = "".join(f", cast(null as varchar) as {_name(column)}" for column in columns)
    connection.execute(
        f"""
        create or replace temp table dump_rows as
        select row_number, cast(null as varchar) as unreadable_line{values} from dump_lines
        where try(json_type(line)) = 'OBJECT'
        union all
        select row_number, line as unreadable_line{nulls} from dump_lines
        where coalesce(try(json_type(line)), '') <> 'OBJECT'
        """
    )
    return columns


def _stage_csv(connection: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    columns, delimiter = _csv_header(path)
    types = ", ".join(f"{_text(column)}: 'VARCHAR'" for column in columns)
    connection.execute(
        f"""
        create or replace temp table dump_rows as
        select row_number() over () as row_number, cast(null as varchar) as unreadable_line, *
        from read_csv(
            {_text(str(path))}, auto_detect=false, header=true, delim={_text(delimiter)}, quote='"', escape='"',
            columns={{{types}}}, store_rejects=true, max_line_size=16000000
        )
        """
    )
    encoding = connection.execute(
        "select line from reject_errors where error_type = 'INVALID ENCODING' order by line"
    ).fetchone()
    if encoding:
        raise DumpError(f"{path}, line {encoding[0]}: not UTF-8 text. Convert it first, such as with iconv -t utf-8.")
    nulls = "".join(", null" for _ in columns)
    connection.execute(
        f"""
        insert into dump_rows
        select (select count(*) from dump_rows) + row_number() over (order by line), csv_line{nulls}
        from (select line, any_value(csv_line) as csv_line from reject_errors group by line)
        """
    )
    connection.execute("drop table reject_errors; drop table reject_scans")
    return columns


def _csv_header(path: Path) -> tuple[list[str], str]:
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text:  # type: ignore[arg-type]
            first = text.readline(1_000_000)
            delimiter = max(",;\t|", key=first.count)
            text.seek(0)
            columns = next(csv.reader(text, delimiter=delimiter, strict=True))
    except (UnicodeDecodeError, csv.Error, StopIteration, gzip.BadGzipFile, EOFError) as error:
        raise DumpError(
            f"{path} is not a CSV in UTF-8: {error}. Give CSV (also .gz), Parquet or JSON lines."
        ) from error
    if "\x00" in first:
        raise DumpError(f"{path} is not text. Give CSV (also .gz), Parquet or JSON lines.")
    # A data frame's index is written without a name.
    columns = [column or "Unnamed: 0" if number == 0 else column for number, column in enumerate(columns)]
    lowered = [column.lower() for column in columns]
    if twice := sorted({column for column in columns if lowered.count(column.lower()) > 1}):
        raise DumpError(f"{path}: the header names a column twice: {', '.join(twice)}. Rename one of them.")
    return columns, delimiter


def _recognise(path: Path, columns: list[str], mapping: Mapping[str, str]) -> Layout:
    if unknown := sorted(set(mapping) - set(FIELDS)):
        raise DumpError(f"--map: there is no field {unknown[0]!r}. Fields: {', '.join(FIELDS)}.")
    if absent := sorted(set(mapping.values()) - set(columns)):
        raise DumpError(f"{path} has no column {absent[0]!r}. It has: {', '.join(columns)}.")
    required = [name for name in FIELDS if name not in OPTIONAL]
    closest: tuple[Layout, list[str]] | None = None
    for layout in LAYOUTS:
        candidate = replace(layout, columns={**layout.columns, **mapping})
        missing = [name for name in required if candidate.column(name) not in columns]
        if not missing:
            return candidate
        if closest is None or len(missing) < len(closest[1]):
            closest = candidate, missing
    assert closest is not None
    example = " ".join(f"--map {name}=COLUMN" for name in closest[1])
    raise DumpError(
        f"{path}: the layout is not one we know. It has the columns: {', '.join(columns)}. "
        f"It lacks: {', '.join(closest[1])}. Say which columns these are: song-genres import {path} {example}"
    )


def feature_ranges() -> dict[str, tuple[float, float]]:
    """The range of each audio feature and of popularity, from the dbt project's seed, where the rule stands."""
    with RANGES_FILE.open(encoding="utf-8", newline="") as file:
        return {row["feature"]: (float(row["minimum"]), float(row["maximum"])) for row in csv.DictReader(file)}


def _missing(column: str) -> str:
    return f"({column} is null or lower(trim({column})) in {MISSING_NUMBER})"


def _problems(connection: duckdb.DuckDBPyConnection, layout: Layout, columns: list[str]) -> tuple[int, list[str]]:
    """How many rows hold a value that cannot be used, and the first few, named by row and column."""
    checks = ["case when unreadable_line is not null then 'the row has too few or too many fields' end"]
    for name, (minimum, maximum) in feature_ranges().items():
        if layout.column(name) not in columns:
            continue
        column = _name(layout.column(name))
        label = _text(f"column {layout.column(name)}: ")
        absent = "null" if name in OPTIONAL else f"case when unreadable_line is null then {label} || 'is missing' end"
        checks.append(
            f"""
            case
                when {_missing(column)} then {absent}
                when try_cast({column} as double) is null then {label} || to_json({column}) || ' is not a number'
                when not isfinite(try_cast({column} as double)) then {label} || {column} || ' is not a finite number'
                when try_cast({column} as double) not between {minimum} and {maximum}
                    then {label} || {column} || ' is not from {minimum:g} to {maximum:g}'
            end
            """
        )
    problem = "coalesce(" + ", ".join(checks) + ")"
    connection.execute(
        f"create or replace temp table dump_problems as select row_number, {problem} as problem from dump_rows "
        f"where {problem} is not null"
    )
    found = connection.execute(
        "select row_number, problem from dump_problems order by row_number limit ?", [PROBLEMS_SHOWN]
    ).fetchall()
    return _count(connection, "select count(*) from dump_problems"), [
        f"row {row_number:,}, {problem}" for row_number, problem in found
    ]


def _documents(
    connection: duckdb.DuckDBPyConnection, layout: Layout, columns: list[str]
) -> dict[str, duckdb.DuckDBPyRelation]:
    """The raw rows of the dump: a track document and an audio-features document for each row."""
    mapped = {name: _name(layout.column(name)) for name in FIELDS if layout.column(name) in columns}
    rest = [column for column in columns if _name(column) not in mapped.values()]

    def known(name: str) -> str:
        return f"nullif({mapped[name]}, {_text(layout.missing_text)})" if layout.missing_text else mapped[name]

    def text(column: str) -> str:
        return f"coalesce(to_json({column})::varchar, 'null')"

    def number(column: str) -> str:
        return f"""case when {_missing(column)} then 'null'
            when regexp_full_match(trim({column}), {_text(JSON_NUMBER)}) then trim({column}) else {text(column)} end"""

    def json_object(members: Mapping[str, str]) -> str:
        return (
            "'{' || " + " || ',' || ".join(f"""'"{key}":' || {value}""" for key, value in members.items()) + " || '}'"
        )

    artist = known("artist_name")
    if layout.artist_separator:
        names = f"string_split({artist}, {_text(layout.artist_separator)})"
        artists = f"to_json(list_transform({names}, lambda name: {{'name': trim(name)}}))::varchar"
    else:
        artists = f"to_json([{{'name': {artist}}}])::varchar"
    track = {
        "id": text(mapped["spotify_track_id"]),
        "name": text(known("song_name")),
        "artists": f"case when {artist} is null then '[]' else {artists} end",
        **{name: number(mapped[name]) for name in TRACK_NUMBERS if name in mapped},
    }
    if "explicit" in mapped:
        flag = f"lower({mapped['explicit']})"
        track["explicit"] = f"case when {flag} in ('true', 'false') then {flag} else {text(mapped['explicit'])} end"
    album = {
        name.removeprefix("album_"): text(mapped[name])
        for name in FIELDS
        if name.startswith("album_") and name in mapped
    }
    if album:
        track["album"] = json_object(album)
    if rest:
        # What Spotify has no place for is kept as it stands: nothing of the file is lost.
        pairs = ", ".join(f"{_name(column)} := {_name(column)}" for column in rest)
        track["dump"] = f"to_json(struct_pack({pairs}))::varchar"
    features = {"id": track["id"], **{name: number(mapped[name]) for name in FEATURES if name in mapped}}
    tracks = connection.sql(
        f"""
        select {mapped["genre"]} as genre, {artist} as artist_name, {mapped["spotify_track_id"]} as track_id,
            row_number as listing_id, coalesce(unreadable_line, {json_object(track)}) as payload
        from dump_rows order by row_number
        """
    )
    audio_features = connection.sql(
        f"""
        select {mapped["spotify_track_id"]} as track_id, row_number as listing_id, {json_object(features)} as payload
        from dump_rows where unreadable_line is null order by row_number
        """
    )
    return {"tracks": tracks, "audio_features": audio_features}
