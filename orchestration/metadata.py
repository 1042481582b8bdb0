"""What Dagster's interface shows of the table that an asset made.

Belongs here: row counts and previews as metadata. Not here: the figures of a step, which its asset gives.
"""

from typing import Any

import dagster as dg
import duckdb

PREVIEW_ROWS = 5
LONGEST = 200
"""Letters shown of a value: a raw document has thousands."""


def table_metadata(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> dict[str, Any]:
    """The number of rows of a table, its first ones, and whether they are synthetic where the table says so.

    In a table of several datasets, all rows are counted. Raises `duckdb.CatalogException` where there is no such table.
    """
    relation = f'"{schema}"."{table}"'
    (rows,) = connection.execute(f"select count(*) from {relation}").fetchone() or (0,)
    metadata = {"dagster/row_count": rows} | preview(connection, schema, table)
    if "is_synthetic" in connection.sql(f"from {relation}").columns:
        (synthetic,) = connection.execute(
            f"select coalesce(bool_or(is_synthetic), false) from {relation}"
        ).fetchone() or (False,)
        metadata["synthetic"] = bool(synthetic)
    return metadata


def preview(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> dict[str, Any]:
    """The first rows of a table; nothing for an empty one, for which Dagster wants the columns' types."""
    first = connection.execute(f'from "{schema}"."{table}" limit {PREVIEW_ROWS}')
    columns = [column[0] for column in first.description]
    records = [dg.TableRecord(dict(zip(columns, map(_shown, row), strict=True))) for row in first.fetchall()]
    return {"preview": dg.MetadataValue.table(records)} if records else {}


def _shown(value: object) -> str | int | float | bool:
    if isinstance(value, bool | int | float):
        return value
    text = "" if value is None else str(value)
    return text if len(text) <= LONGEST else text[:LONGEST] + " …"
