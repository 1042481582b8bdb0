"""The rows of JSON: lines, an array, or objects over several lines; nested values as JSON text.

Belongs here: where each object begins and ends, and what is made of it; a line that is no object is kept as its text.
Not here: what the keys mean (layouts.py). The file is never in memory as a whole: neither an array on one line nor an
object that has no end fills it.
"""

import io
import json
import re
from collections.abc import Iterator
from json import JSONDecodeError
from typing import IO, Any

import duckdb

from extract.song_files.containers import Part
from extract.song_files.encodings import LONGEST_LINE, lines
from extract.song_files.errors import SongFileError
from extract.song_files.kinds import BEGINNING
from extract.song_files.layouts import recognise
from extract.song_files.rows import TABLE, Record, check_columns, count, fill
from warehouse.files import identifier, quoted

TYPES = {"UBIGINT": "BIGINT", "BIGINT": "BIGINT", "DOUBLE": "DOUBLE", "BOOLEAN": "BOOLEAN"}
"""What a column of DuckDB's kind of JSON is given back as; anything else is text, dates among it."""

NUMBERS = {"UBIGINT", "BIGINT", "DOUBLE"}

WRAPPERS = ("items", "tracks", "songs", "audio_features", "data", "results", "rows")
"""The keys under which an answer of a service, or an export, has its list of songs."""

_DECODER = json.JSONDecoder(strict=False)  # a line break within a text spoils its own object alone
_BETWEEN = re.compile(r"[\s,]*")
_COLON = re.compile(r"\s*:?\s*")
_BLOCK = 1 << 16
ROWS_PER_STRUCTURE = 1_000
"""Objects whose keys are told at once: DuckDB keeps some fifteen times their text meanwhile, whatever its limit is."""
FIELDS_OF_A_TABLE = 2
"""A table within an object has more columns than these that are known; a song's own objects (its album) have fewer."""

_LONGEST_WORD = len("-Infinity") + 1


def stage_json(connection: duckdb.DuckDBPyConnection, part: Part) -> dict[str, str]:
    """Make `TABLE` of the objects, each value as text; returns the keys and their types."""
    fill(connection, "json_lines", [], json_records(part))
    connection.execute(
        """
        create or replace temp view json_objects as
        select *,
            try(json_type(__text)) = 'OBJECT'
            and len(try(json_keys(__text))) = len(list_distinct(try(json_keys(__text)))) as is_object
        from json_lines
        """
    )
    kinds = _kinds(connection)
    columns = sorted(kinds)
    check_columns(part.name, columns)
    if not columns:
        raise SongFileError(
            f'{part.name}: no line is a JSON object. Give one object per song, such as {{"track_id": "…"}}.'
        )
    shape = quoted(json.dumps(dict.fromkeys(columns, "VARCHAR"), ensure_ascii=False))
    connection.execute(
        f"""
        create or replace temp table {TABLE} as
        select __row, case when document is null then __text end as __text,
            case when document is null then __reason end as __reason, unnest(document)
        from (select *, case when is_object then try(from_json(__text, {shape})) end as document from json_objects)
        """
    )
    connection.execute("drop view json_objects")
    connection.execute("drop table json_lines")
    return {name: _type(connection, name, kinds[name]) for name in columns}


def _kinds(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Each key of the objects, and DuckDB's kind of its values; of several kinds that differ, VARCHAR."""
    kinds: dict[str, str] = {}
    rows = count(connection, "select count(*) from json_lines")
    for first in range(1, rows + 1, ROWS_PER_STRUCTURE):
        ((structure,),) = connection.execute(
            "select json_group_structure(__text::json) from json_objects where is_object and __row between ? and ?",
            [first, first + ROWS_PER_STRUCTURE - 1],
        ).fetchall()
        found = json.loads(structure) if structure else {}
        if isinstance(found, dict):  # objects without any key have no structure
            for key, kind in found.items():
                kinds[key] = _kind_of_both(kinds.get(key, "NULL"), kind if isinstance(kind, str) else "VARCHAR")
    return kinds


def _kind_of_both(one: str, other: str) -> str:
    """The kind that values of both kinds have."""
    both = {one, other} - {"NULL"}
    if len(both) < 2:
        return both.pop() if both else "NULL"
    return "BIGINT" if both == {"UBIGINT", "BIGINT"} else "DOUBLE" if both <= NUMBERS else "VARCHAR"


def _type(connection: duckdb.DuckDBPyConnection, column: str, kind: str) -> str:
    """The type to give a column back as: text where a value would be lost, such as a number of forty digits."""
    found = TYPES.get(kind, "VARCHAR")
    name = identifier(column)
    lost = f"{name} is not null and (try_cast({name} as {found}) is null or try_cast({name} as double) = 'inf'::double)"
    if found != "VARCHAR" and count(connection, f"select count(*) from (from {TABLE} where {lost} limit 1)"):
        return "VARCHAR"
    return found


def json_records(part: Part) -> Iterator[Record]:
    """Each value of the file as its text, with the reason that holds if it turns out to be no object."""
    if _has_one_a_line(part):
        numbered = ((number, line.strip()) for number, line in enumerate(lines(part.path), start=1) if line.strip())
        for row, (number, line) in enumerate(numbered, start=1):
            yield row, line, f"line {number} is not a JSON object that names each key once"
    else:
        for row, text in enumerate(_values(part), start=1):
            yield row, text, f"value {row} is not a JSON object that names each key once"


def _has_one_a_line(part: Part) -> bool:
    """Whether some line, not indented, is a whole object: JSON lines have that, even where the first one is broken."""
    if part.text.lines == 1 or part.text.longest_line > LONGEST_LINE:
        return False
    with part.path.open(encoding="utf-8-sig", newline="\n") as file:
        beginning = file.read(BEGINNING).lstrip()
    if beginning.startswith("["):
        return False
    whole = beginning.split("\n")[: None if len(beginning) < BEGINNING else -1]
    return any(line.startswith("{") and _is_value(line) for line in whole) or not beginning.startswith("{")


def _is_value(line: str) -> bool:
    try:
        json.loads(line)
    except (JSONDecodeError, RecursionError):
        return False
    return True


def _values(part: Part) -> Iterator[str]:
    """The values of an array, or of objects one after the other; the last one as it stands where it is cut off."""
    with part.path.open(encoding="utf-8-sig", newline="") as file:
        values = _cut(part.name, file)
        first, second = next(values, ""), next(values, None)
    if second is None and (list_of_songs := _within_a_wrapper(first)):
        key, first = list_of_songs
        part.notes.append(f"the songs are what stands under {key}")
        yield from _cut(part.name, io.StringIO(first))
        return
    if second is None and (songs := _rows_of_a_table(first)):
        part.notes.append("one object holds the whole table, as pandas writes it: read row by row")
        yield from (json.dumps(song, ensure_ascii=False) for song in songs)
        return
    with part.path.open(encoding="utf-8-sig", newline="") as file:
        yield from _cut(part.name, file)


def _cut(name: str, file: IO[str]) -> Iterator[str]:
    """The text of each value, of an array or one after the other."""
    text, at, row = file.read(_BLOCK), 0, 0
    is_array = text.lstrip().startswith("[")
    is_within = False  # an array that has begun
    while True:
        at = _after(_BETWEEN, text, at)
        if at < len(text) and is_array and text[at] == ("]" if is_within else "["):
            at, is_within = at + 1, not is_within
            continue
        end = _end_of_value(name, text, at, row + 1) if at < len(text) else None
        if end is not None:
            row += 1
            yield text[at:end]
            at = end
            continue
        if len(text) - at > LONGEST_LINE:
            raise SongFileError(
                f"{name}: value {row + 1:,} has more than {LONGEST_LINE >> 20} MiB, which no song has. Is it the right "
                "file? From pandas: frame.to_json('songs.jsonl', orient='records', lines=True)"
            )
        more = file.read(max(_BLOCK, len(text) - at))
        if not more:
            if text[at:].strip():
                yield text[at:]
            return
        text, at = text[at:] + more, 0


def _end_of_value(name: str, text: str, at: int, row: int) -> int | None:
    """Where the value that begins at `at` ends; None where the text ends before it does.

    Raises `SongFileError` where it is no JSON: where the next value begins can then not be told.
    """
    try:
        _, end = _DECODER.raw_decode(text, at)
    except JSONDecodeError as error:
        if error.msg.startswith("Unterminated") or error.pos + _LONGEST_WORD > len(text):
            return None
        shown = text[max(at, error.pos - 30) : error.pos + 10]
        raise SongFileError(
            f"{name}: value {row:,} is not JSON: {error.msg.lower()}, near {shown!r}. Mend it there, or write one "
            "object per line: then only the broken line is left out."
        ) from error
    except RecursionError as error:
        raise SongFileError(f"{name}: value {row:,} is JSON nested too deep for a song.") from error
    # Of a number that stands at the end of what was read, there may be more.
    return None if end == len(text) and text[end - 1] not in '}]"' else end


def _within_a_wrapper(text: str) -> tuple[str, str] | None:
    """The key and the text of the list of objects in an answer that has one; None where the text is a song itself."""
    if not text.startswith("{"):
        return None
    at = _after(_BETWEEN, text, 1)
    try:
        while text[at] != "}":
            key, at = _DECODER.raw_decode(text, at)
            at = _after(_COLON, text, at)
            value, end = _DECODER.raw_decode(text, at)
            if key in WRAPPERS and isinstance(value, list) and any(isinstance(item, dict) for item in value):
                return key, text[at:end]
            at = _after(_BETWEEN, text, end)
    except (JSONDecodeError, IndexError, RecursionError):
        return None
    return None


def _rows_of_a_table(text: str) -> list[dict[str, Any]] | None:
    """The rows of an object that is a table by columns, by rows or split in two; None where it is a song itself."""
    try:
        table = json.loads(text, strict=False)
    except (JSONDecodeError, RecursionError):
        return None
    if not isinstance(table, dict) or not table:
        return None
    if isinstance(names := table.get("columns"), list) and isinstance(rows := table.get("data"), list):
        return [dict(zip(map(str, names), row, strict=False)) for row in rows if isinstance(row, list)]
    first, *others = table.values()
    if isinstance(first, list) and len(recognise("", list(table), {}).fields) > FIELDS_OF_A_TABLE:
        if any(not isinstance(column, list) or len(column) != len(first) for column in others):
            return None
        return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    if not isinstance(first, dict) or any(not isinstance(other, dict) for other in others):
        return None
    if len(recognise("", list(table), {}).fields) > FIELDS_OF_A_TABLE:
        return [{name: column.get(row) for name, column in table.items()} for row in first]
    if len(recognise("", list(first), {}).fields) > FIELDS_OF_A_TABLE:
        return [{"index": key, **row} if key.isdecimal() else {"spotify_track_id": key, **row}
                for key, row in table.items()]  # fmt: skip
    return None


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    """Where the signs of the pattern, of which there may be none, end."""
    found = pattern.match(text, at)
    return found.end() if found else at
