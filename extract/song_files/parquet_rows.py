"""The rows of a Parquet file, each value as text.

Belongs here: Parquet alone. Not here: what the columns mean (layouts.py).
"""

import duckdb

from extract.song_files.containers import Part
from extract.song_files.rows import TABLE, check_columns
from warehouse.files import file_to_read, identifier

EXACT_AS_TEXT = (
    "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
    "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL", "DATE", "TIME", "TIMESTAMP", "UUID", "VARCHAR",
)  # fmt: skip
"""The types (by how DuckDB's names of them begin) whose values come back from text as they were."""


def stage_parquet(connection: duckdb.DuckDBPyConnection, part: Part) -> dict[str, str]:
    """Make `TABLE` of the rows, nested values as JSON; returns the columns and the types to give them back as."""
    source = (
        f"read_parquet({file_to_read(part.path)}, file_row_number=true, binary_as_string=true, hive_partitioning=false)"
    )
    described = connection.execute(f"describe select * exclude (file_row_number) from {source}").fetchall()
    types = {column: kind for column, kind, *_ in described}
    check_columns(part.name, list(types))
    texts = "".join(
        f", to_json({name})::varchar as {name}"
        if kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION"))
        else f", {name}::varchar as {name}"
        for name, kind in ((identifier(column), kind) for column, kind in types.items())
    )
    connection.execute(
        f"create or replace temp table {TABLE} as "
        f"select file_row_number + 1 as __row, null::varchar as __text, null::varchar as __reason{texts} from {source}"
    )
    return {
        column: kind if kind.startswith(EXACT_AS_TEXT) and not kind.endswith("]") else "VARCHAR"
        for column, kind in types.items()
    }
