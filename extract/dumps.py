"""Dumps: files of songs that somebody published or exported, landed as the documents Spotify would have given.

Belongs here: file formats, the layouts we know, and one row -> one track document and one audio-features document.
Not here: any judgement of a row. What cannot be used is landed as it stands, and the dbt project rejects it by name.
"""

import csv
import gzip
import hashlib
import json
import re
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import IO, cast

import duckdb

from warehouse import files, raw
from warehouse.features import AUDIO_FEATURES, feature_ranges
from warehouse.files import quoted
from warehouse.progress import Progress, ignore

REQUIRED_FEATURES = tuple(name for name in AUDIO_FEATURES if name != "time_signature")
REQUIRED = ("spotify_track_id", "song_name", "artist_name", "genre", *REQUIRED_FEATURES)
OPTIONAL = ("time_signature", "popularity", "explicit", "album_id", "album_name", "album_release_date")
FIELDS = (*REQUIRED, *OPTIONAL)
WHOLE_NUMBERS = ("key", "mode", "duration_ms", "time_signature", "popularity")

FORMATS = {"csv": "csv", "tsv": "csv", "parquet": "parquet", "jsonl": "json", "ndjson": "json"}
RESERVED_NAMES = ("auto", "sandbox", "spotify")  # what `make run INPUT=` takes for something else
MISSING_NUMBER = r" *(nan|na|n/a|null|none|\\n)? *"  # in any case; \N is what MySQL writes
JSON_NUMBER = r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?"
PROBLEMS_SHOWN = 5
ROWS_A_BATCH = 50_000
MEMORY_LIMIT = "512MB"  # DuckDB's; rows beyond it wait on disk, so that memory does not grow with the file

ROW_COLUMNS = "__row bigint, __text varchar, __reason varchar"
"""Our columns of dump_rows, before the file's: the row's number, and of a row that cannot be read its text and why."""

Record = tuple[int | str | None, ...]
"""A row of dump_rows: the values of `ROW_COLUMNS`, then the fields."""


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


# The layout of which the fewest required columns are missing is taken, the first of several.
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
    """What an import did. `problem_rows` are landed but hold something that cannot be used; `problems` names some."""

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
    for layouts that are not recognised. `listing_id` is the row's number in the file, counted from 1; blank lines and
    the header are no rows.

    Raises `DumpError`: no such file, an unknown layout or format, other content under a name that is taken, or more
    than half of the rows unusable. Then nothing is landed.
    """
    mapping = mapping or {}
    stage = f"importing {path.name}"
    progress(stage, 0, 3)
    _, name = _check_file(path, name)
    digest = _digest(path, mapping)
    with files.connect(warehouse_file) as connection:
        raw.create_raw_tables(connection)
        connection.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
        known = connection.execute(
            "select content_sha256, source from raw.datasets where dataset = ?", [name]
        ).fetchone()
        if known and known[0] != digest:
            raise DumpError(
                f"{path}: a dataset {name!r} was landed before from {known[1]}, with other content or another --map. "
                f"Give this one a name of its own: song-genres import {path} --name {name}-2"
            )
        dump = stage_dump(connection, path, mapping)
        progress(stage, 1, 3)
        problem_rows, problems = require_usable(connection, dump)
        progress(stage, 2, 3)
        dataset = raw.Dataset(name, known[1] if known else f"dump:{path.name}", content_sha256=digest)
        if known:
            raw.use(connection, name)
        else:
            raw.land(connection, dataset, _documents(connection, dump))
    progress(stage, 3, 3)
    return ImportReport(
        name, dataset.source, dump.layout.name, dump.listings, bool(known), problem_rows, tuple(problems)
    )  # fmt: skip


@dataclass(frozen=True)
class StagedDump:
    """A dump whose rows are in the temporary table dump_rows, its columns, and what they mean."""

    path: Path
    columns: Sequence[str]
    layout: Layout
    listings: int

    @property
    def mapped(self) -> dict[str, str]:
        """Our field -> its column of dump_rows, quoted, for the fields that the dump has."""
        return {name: _name(self.layout.column(name)) for name in FIELDS if self.layout.column(name) in self.columns}

    def known(self, name: str) -> str:
        """A name as SQL: NULL where the layout writes something else for a name that is not known."""
        column = self.mapped[name]
        return f"nullif({column}, {quoted(self.layout.missing_text)})" if self.layout.missing_text else column


def stage_dump(connection: duckdb.DuckDBPyConnection, path: Path, mapping: Mapping[str, str]) -> StagedDump:
    """Read the dump at `path` into the temporary table dump_rows of `connection`, each value as text.

    Raises `DumpError`: no such file, an unknown layout or format, or no rows.
    """
    file_format, _ = _check_file(path, "any")
    columns = _stage_rows(connection, path, file_format)
    layout = _recognise(path, columns, mapping)
    listings = _count(connection, "select count(*) from dump_rows")
    if listings == 0:
        raise DumpError(f"{path} has a header but no rows. Nothing was written.")
    return StagedDump(path, columns, layout, listings)


def require_usable(connection: duckdb.DuckDBPyConnection, dump: StagedDump) -> tuple[int, list[str]]:
    """How many rows hold a value that cannot be used, and the first few, named by row and column.

    Raises `DumpError`, which names them, if they are more than half.
    """
    problem_rows, problems = _problems(connection, dump)
    if problem_rows * 2 > dump.listings:
        shown = "\n  ".join(problems)
        raise DumpError(
            f"{dump.path}: {problem_rows:,} of {dump.listings:,} rows cannot be used, more than half; nothing was "
            f"written. Is a column mapped to the wrong field (--map field=column)? The first:\n  {shown}"
        )
    return problem_rows, problems


def _check_file(path: Path, name: str | None) -> tuple[str, str]:
    """The file's format and its dataset's name."""
    if not path.exists():
        raise DumpError(f"{path} does not exist. Give the path of a CSV (also .gz), Parquet or JSON-lines file.")
    if path.is_dir():
        raise DumpError(f"{path} is a folder. Give the path of one file in it.")
    if path.stat().st_size == 0:
        raise DumpError(f"{path} is empty.")
    match = re.fullmatch(rf"(.+)\.({'|'.join(FORMATS)})(\.gz)?", path.name, re.IGNORECASE)
    if not match:
        raise DumpError(f"{path}: unknown ending. Known: .csv, .tsv, .jsonl and .ndjson (each also .gz), and .parquet.")
    name = name or match[1]
    if name in RESERVED_NAMES:
        raise DumpError(f"{path}: {name!r} is no name for a dump's dataset. Give another: --name my-{name}")
    return FORMATS[match[2].lower()], name


def _digest(path: Path, mapping: Mapping[str, str]) -> str:
    """SHA-256 of the file's content and, where there is one, of the mapping: another mapping gives other documents."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    if mapping:
        digest.update(json.dumps(mapping, sort_keys=True).encode())
    return digest.hexdigest()


def _count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    (count,) = connection.execute(query).fetchone() or (0,)
    return int(count)


def _name(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'


def _stage_rows(connection: duckdb.DuckDBPyConnection, path: Path, file_format: str) -> list[str]:
    """Make the temporary table dump_rows, in the file's order: `ROW_COLUMNS`, then each column as text.

    Returns the columns. An empty cell is NULL.
    """
    stage = {"csv": _stage_csv, "parquet": _stage_parquet, "json": _stage_json_lines}[file_format]
    try:
        return stage(connection, path)
    except (duckdb.Error, EOFError, gzip.BadGzipFile, zlib.error) as error:
        reason = str(error).splitlines()[0]
        raise DumpError(f"{path} cannot be read as {file_format}; it may be damaged or cut short: {reason}") from error


def _stage_parquet(connection: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    source = f"read_parquet({quoted(str(path))}, file_row_number = true, binary_as_string = true)"
    described = connection.execute(f"describe select * exclude (file_row_number) from {source}").fetchall()
    connection.execute(
        "create or replace temp table dump_rows as select file_row_number + 1 as __row, null::varchar as __text, "
        f"null::varchar as __reason, columns(* exclude (file_row_number))::varchar from {source}"
    )
    return [column for column, *_ in described]


def _stage_json_lines(connection: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    lines = ((number, line.strip()) for number, line in enumerate(_lines(path), start=1) if not line.isspace())
    _insert(
        connection, "dump_lines", [],
        ((row, line, f"line {number} is not a JSON object that names each key once")
         for row, (number, line) in enumerate(lines, start=1)),
    )  # fmt: skip
    connection.execute(
        """
        create or replace temp view dump_objects as
        select *,
            try(json_type(__text)) = 'OBJECT'
            and len(try(json_keys(__text))) = len(list_distinct(try(json_keys(__text)))) as is_object
        from dump_lines
        """
    )
    columns = [
        column
        for (column,) in connection.execute(
            "select distinct unnest(json_keys(__text)) from dump_objects where is_object order by all"
        ).fetchall()
    ]
    _check_columns(path, columns)
    if not columns:
        raise DumpError(f'{path}: no line is a JSON object. Give one object a line, such as {{"track_id": "…"}}.')
    shape = quoted(json.dumps(dict.fromkeys(columns, "VARCHAR"), ensure_ascii=False))
    connection.execute(
        f"""
        create or replace temp table dump_rows as
        select __row, case when document is null then __text end as __text,
            case when document is null then __reason end as __reason, unnest(document)
        from (select *, case when is_object then try(from_json(__text, {shape})) end as document from dump_objects)
        """
    )
    return columns


def _stage_csv(connection: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    columns, delimiter = _csv_header(path)
    types = ", ".join(f"{quoted(column)}: 'VARCHAR'" for column in columns)
    # One thread: so the row numbers are the file's order. It is no slower; making the documents takes the time.
    query = f"""
        create or replace temp table dump_rows as
        select row_number() over () as __row, null::varchar as __text, null::varchar as __reason, *
        from read_csv(
            {quoted(str(path))}, auto_detect=false, header=true, delim={quoted(delimiter)}, quote='"', escape='"',
            columns={{{types}}}, parallel=false, buffer_size=4000000
        )
        """
    try:
        connection.execute(query)
        # DuckDB 2.0, on one thread, drops all that follows a quotation mark that is never closed, and raises nothing.
        # So the lines are counted; where there are blank ones too, Python's reader counts the rows, which is slow.
        rows, lines = _count(connection, "select count(*) from dump_rows"), _count_lines(path) - 1
        is_whole = (
            rows == lines
            or rows + _count_lines_in_values(connection, columns) == lines
            or rows == sum(1 for _ in _csv_records(path, columns, delimiter))
        )
    except duckdb.Error:
        is_whole = False
    if not is_whole:
        # Some row is broken. DuckDB can skip it, but then does not say how many rows stand before it where there
        # are blank lines. Python's reader does; it takes ten times as long to fill a table.
        _insert(connection, "dump_rows", columns, _csv_records(path, columns, delimiter))
    return columns


def _count_lines(path: Path) -> int:
    count, last = 0, b"\n"
    with _open(path) as file:
        while block := file.read(1 << 20):
            count, last = count + block.count(b"\n"), block[-1:]
    return count + (last != b"\n")


def _count_lines_in_values(connection: duckdb.DuckDBPyConnection, columns: list[str]) -> int:
    """How many line ends stand within the values of dump_rows."""
    ends = (
        f"coalesce(sum(len({name}) - len(replace({name}, chr(10), ''))) filter (contains({name}, chr(10))), 0)"
        for name in map(_name, columns)
    )
    return _count(connection, f"select {' + '.join(ends)} from dump_rows")


def _csv_header(path: Path) -> tuple[list[str], str]:
    """The columns of a CSV and what delimits them."""
    with _open(path) as file:
        beginning = file.read(1 << 16)
    if b"\0" in beginning:
        raise DumpError(
            f"{path} is not text in UTF-8 but binary (or UTF-16). Give CSV (also .gz), Parquet or JSON lines."
        )
    lines = _lines(path)
    first = next(lines, "")
    delimiter = max(",;\t|", key=first.count)
    try:
        columns = next(csv.reader([first, *islice(lines, 10)], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise DumpError(f"{path} is not a CSV: its header cannot be read ({error}).") from error
    if not columns:
        raise DumpError(f"{path} is not a CSV: its first line is empty, and should name the columns.")
    # A data frame's index is written without a name.
    columns = [column or f"column {number}" for number, column in enumerate(columns, start=1)]
    _check_columns(path, columns)
    return columns, delimiter


def _check_columns(path: Path, columns: list[str]) -> None:
    lowered = [column.lower() for column in columns]
    if twice := [column for column in columns if lowered.count(column.lower()) > 1]:
        raise DumpError(f"{path} names a column twice (upper or lower case): {', '.join(twice)}. Rename one of them.")


def _open(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if path.suffix.lower() == ".gz" else path.open("rb")


def _lines(path: Path) -> Iterator[str]:
    """The lines of a text file, each with its end, decoded one by one so that the error can name the line."""
    with _open(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise DumpError(
                    f"{path}, line {number}: not text in UTF-8 ({error.reason}). Convert the file first; "
                    f"if it is in Latin-1: iconv -f latin1 -t utf-8 {path.name} > utf8-{path.name}"
                ) from error


def _csv_records(path: Path, columns: list[str], delimiter: str) -> Iterator[Record]:
    """The rows of a CSV, with those that are broken as text.

    After a wrong quotation mark the row's first line alone is broken, and what follows is read anew: so an unclosed one
    swallows no good row.
    """
    lines, again = _lines(path), deque[str]()
    taken: list[str] = []  # the lines of the row that is being read

    def next_lines() -> Iterator[str]:
        while (line := again.popleft() if again else next(lines, None)) is not None:
            taken.append(line)
            yield line

    reader = csv.reader(next_lines(), delimiter=delimiter, strict=True)
    next(reader)
    row, line = 0, 1 + len(taken)
    while True:
        taken.clear()
        broken = None
        try:
            fields = next(reader)
            # DuckDB lets one comma more than the header has pass as well.
            if len(fields) != len(columns) and fields[len(columns) :] != [""]:
                broken = f"line {line}: {len(fields)} fields, where the header has {len(columns)}"
        except StopIteration:
            return
        except csv.Error:
            broken = f"line {line}: a quotation mark that is not closed, or closed in the wrong place"
            again.extendleft(reversed(taken[1:]))
            del taken[1:]
            reader = csv.reader(next_lines(), delimiter=delimiter, strict=True)
        text = "".join(taken)
        line += len(taken)
        if text.isspace():
            continue
        row += 1
        if broken:
            yield row, text.rstrip("\r\n"), broken, *(None for _ in columns)
        else:
            yield row, None, None, *(value or None for value in fields[: len(columns)])


def _insert(connection: duckdb.DuckDBPyConnection, table: str, columns: list[str], records: Iterable[Record]) -> None:
    """Make the temporary table anew and fill it a batch at a time."""
    types = "".join(f", {_name(column)} varchar" for column in columns)
    connection.execute(f"create or replace temp table {table} ({ROW_COLUMNS}{types})")
    import pyarrow as pa  # 35 MB that a file which DuckDB can read does without

    schema = pa.schema(
        [
            ("__row", pa.int64()),
            ("__text", pa.string()),
            ("__reason", pa.string()),
            *((c, pa.string()) for c in columns),
        ]
    )
    records = iter(records)
    while batch := list(islice(records, ROWS_A_BATCH)):
        arrays = [pa.array(values, kind.type) for values, kind in zip(zip(*batch, strict=True), schema, strict=True)]
        rows = pa.Table.from_arrays(arrays, schema=schema)  # noqa: F841 - DuckDB finds it by its name
        connection.execute(f"insert into {table} select * from rows")


def _recognise(path: Path, columns: list[str], mapping: Mapping[str, str]) -> Layout:
    if unknown := sorted(set(mapping) - set(FIELDS)):
        raise DumpError(f"--map: there is no field {unknown[0]!r}. Fields: {', '.join(FIELDS)}.")
    if absent := sorted(set(mapping.values()) - set(columns)):
        raise DumpError(f"{path} has no column {absent[0]!r}. It has: {', '.join(columns)}.")
    candidates = [replace(layout, columns={**layout.columns, **mapping}) for layout in LAYOUTS]
    missing = [[name for name in REQUIRED if layout.column(name) not in columns] for layout in candidates]
    closest = min(range(len(LAYOUTS)), key=lambda number: len(missing[number]))
    layout = candidates[closest]
    if not missing[closest]:
        return replace(layout, name=f"{layout.name}, mapped") if mapping else layout
    lacking = (
        name if layout.column(name) == name else f"{name} (there: {layout.column(name)})" for name in missing[closest]
    )
    without_id = (
        " A dump without Spotify's track ids cannot be cleaned: they tell which rows are the same song."
        if "spotify_track_id" in missing[closest]
        else ""
    )
    raise DumpError(
        f"{path}: the layout is not one we know. It has the columns: {', '.join(columns)}. "
        f"For the closest layout, {layout.name}, it lacks: {', '.join(lacking)}.{without_id} "
        f"If it has these under other names: song-genres import {path} "
        + " ".join(f"--map {name}=COLUMN" for name in missing[closest])
    )


def _missing(column: str) -> str:
    # No IN: of a list that long DuckDB makes a join, one a column. What begins like a number is none of the markers.
    is_marked = f"regexp_full_match({column}, {quoted(MISSING_NUMBER)}, 'i')"
    return f"({column} is null or not ({column} >= '-' and {column} < ':') and {is_marked})"


def _problems(connection: duckdb.DuckDBPyConnection, dump: StagedDump) -> tuple[int, list[str]]:
    layout, columns = dump.layout, dump.columns
    checks = ["__reason"]
    for name in ("spotify_track_id", "genre"):
        column = layout.column(name)
        checks.append(f"case when coalesce({_name(column)}, '') = '' then {quoted(f'column {column}: is missing')} end")
    for name, (minimum, maximum) in feature_ranges().items():
        if layout.column(name) not in columns:
            continue
        column = _name(layout.column(name))
        said = f"{quoted(f'column {layout.column(name)}: ')} || $$'$$ || left({column}, 40) || $$'$$ ||"
        absent = "null" if name in OPTIONAL else quoted(f"column {layout.column(name)}: is missing")
        # DuckDB reads 1_000 as a number; CSV and JSON do not.
        number = f"try_cast(case when not contains({column}, '_') then {column} end as double)"
        whole = f"when {number} <> floor({number}) then {said} ' is not a whole number'"
        checks.append(
            f"""
            case
                when {_missing(column)} then {absent}
                when {number} is null then {said} ' is not a number'
                when not isfinite({number}) then {said} ' is not a finite number'
                {whole if name in WHOLE_NUMBERS else ""}
                when {number} not between {minimum} and {maximum}
                    then {said} ' is not within {minimum:.12g} to {maximum:.12g}'
            end
            """
        )
    connection.execute(
        f"""
        create or replace temp table dump_problems as
        select * from (select __row, coalesce({", ".join(checks)}) as problem from dump_rows) where problem is not null
        """
    )
    found = connection.execute(
        "select __row, problem from dump_problems order by __row limit ?", [PROBLEMS_SHOWN]
    ).fetchall()
    return _count(connection, "select count(*) from dump_problems"), [
        f"row {row:,}, {problem}" for row, problem in found
    ]


def view_as_parsed_documents(connection: duckdb.DuckDBPyConnection, dump: StagedDump, dataset: str) -> None:
    """Make views raw.tracks and raw.audio_features of the dump's rows, with the documents as staging parses them.

    What `_documents` writes as JSON stands in payload_parsed as a struct; a row that could not be read is there as
    payload, its text. The credits are left out: no rule looks at them.
    """
    mapped, known = dump.mapped, dump.known

    def number(name: str) -> str:
        return f"case when not {_missing(mapped[name])} then {mapped[name]} end" if name in mapped else "null::varchar"

    def view(table: str, columns: Mapping[str, str], condition: str = "true") -> None:
        values = ", ".join(f"{value} as {name}" for name, value in {**constants, **columns}.items())
        connection.execute(f"create view raw.{table} as select {values} from dump_rows where {condition}")

    constants = {
        "dataset": quoted(dataset), "source": "''", "batch_id": "''", "extracted_at": "timestamp '1970-01-01'",
        "track_id": mapped["spotify_track_id"], "listing_id": "__row",
    }  # fmt: skip
    track = {
        "id": mapped["spotify_track_id"],
        "name": known("song_name"),
        "duration_ms": number("duration_ms"),
        "popularity": number("popularity"),
        "artists": "null::struct(id varchar, name varchar)[]",
    }
    view(
        "tracks",
        {
            "genre": mapped["genre"],
            "artist_id": "null::varchar",
            "artist_name": known("artist_name"),
            "payload": "coalesce(__text, '{}')",
            "payload_parsed": f"case when __text is null then {_struct(track)} end",
        },
    )
    features = {name: number(name) for name in AUDIO_FEATURES}
    view("audio_features", {"payload": "'{}'", "payload_parsed": _struct(features)}, "__text is null")


def _struct(members: Mapping[str, str]) -> str:
    return "struct_pack(" + ", ".join(f'"{name}" := {value}' for name, value in members.items()) + ")"


def _documents(connection: duckdb.DuckDBPyConnection, dump: StagedDump) -> dict[str, duckdb.DuckDBPyRelation]:
    """The raw rows of the dump: a track document and an audio-features document for each row."""
    mapped, known, layout = dump.mapped, dump.known, dump.layout
    rest = [column for column in dump.columns if _name(column) not in mapped.values()]

    def text(column: str) -> str:
        return f"coalesce(to_json({column})::varchar, 'null')"

    def number(column: str) -> str:
        # The file's own digits; what is no number stays text, for staging to reject by name.
        return f"""case when {_missing(column)} then 'null'
            when regexp_full_match(trim({column}), {quoted(JSON_NUMBER)}) then trim({column}) else {text(column)} end"""

    def json_object(members: Mapping[str, str]) -> str:
        return (
            "'{' || " + " || ',' || ".join(f"""'"{key}":' || {value}""" for key, value in members.items()) + " || '}'"
        )

    artist = known("artist_name")
    if layout.artist_separator:
        names = f"string_split({artist}, {quoted(layout.artist_separator)})"
        artists = f"to_json(list_transform({names}, lambda name: {{'name': trim(name)}}))::varchar"
    else:
        artists = f"to_json([{{'name': {artist}}}])::varchar"
    track = {
        "id": text(mapped["spotify_track_id"]),
        "name": text(known("song_name")),
        "artists": f"case when {artist} is null then '[]' else {artists} end",
        **{name: number(mapped[name]) for name in ("duration_ms", "popularity") if name in mapped},
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
    features = {"id": track["id"], **{name: number(mapped[name]) for name in AUDIO_FEATURES if name in mapped}}
    tracks = connection.sql(
        f"""
        select {mapped["genre"]} as genre, {artist} as artist_name, {mapped["spotify_track_id"]} as track_id,
            __row as listing_id, coalesce(__text, {json_object(track)}) as payload
        from dump_rows
        """
    )
    audio_features = connection.sql(
        f"""
        select {mapped["spotify_track_id"]} as track_id, __row as listing_id, {json_object(features)} as payload
        from dump_rows where __text is null
        """
    )
    return {"tracks": tracks, "audio_features": audio_features}
