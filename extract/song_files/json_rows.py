"""The rows of JSON: its objects, their nested values as JSON text; a line that is no object is kept as its text.

Belongs here: what is made of the objects. Not here: where each of them begins and ends (json_values.py), and what the
keys mean (layouts.py).
"""

import json

import duckdb

from extract.song_files.errors import SongFileError
from extract.song_files.json_values import json_records
from extract.song_files.parts import Part
from extract.song_files.rows import ROWS_PER_BATCH, TABLE, check_columns, count, fill
from warehouse.files import identifier, quoted

TYPES = {"UBIGINT": "BIGINT", "BIGINT": "BIGINT", "DOUBLE": "DOUBLE", "BOOLEAN": "BOOLEAN"}
"""What a column of DuckDB's kind of JSON is given back as; anything else is text, dates among it."""

NUMBERS = {"UBIGINT", "BIGINT", "DOUBLE"}


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
    # Batch by batch: of all rows at once, DuckDB keeps so much that a million of them need a gigabyte.
    for first in range(1, rows + 1, ROWS_PER_BATCH):
        ((structure,),) = connection.execute(
            "select json_group_structure(__text::json) from json_objects where is_object and __row between ? and ?",
            [first, first + ROWS_PER_BATCH - 1],
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
