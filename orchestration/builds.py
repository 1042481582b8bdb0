"""What dbt did to the warehouse: whether its marts may be published.

Belongs here: reading what dbt's hooks wrote down (dbt_project/macros/record_build.sql). Not here: running dbt
(assets/warehouse.py), copying the file (extract/warehouse.py).
"""

import duckdb

from extract.warehouse import WarehouseError

LANDED_AT = {
    **dict.fromkeys(("artists", "tracks", "audio_features", "popularity"), "extracted_at"), "requests": "requested_at",
}  # fmt: skip
"""The raw tables that the marts are made from, and the column that says when a row was landed."""

REBUILD = "The published copy stays as it is. Run `dbt build`, then `song-genres publish`."


def require_tested_build(connection: duckdb.DuckDBPyConnection) -> None:
    """Raise `WarehouseError` unless every mart was built and tested, from the active dataset as it is now.

    The last dbt command that built anything must have built all of it, all data tests must have passed after it, and
    no document may have been landed since it began.
    """
    try:
        build = connection.execute(
            "select command, began_at, is_complete, is_tested, problems from intermediate.last_build"
        ).fetchone()
        built = connection.execute("select any_value(dataset) from marts.cleaning_audit").fetchone()
    except duckdb.CatalogException:
        build = built = None
    if not build or not built:
        raise WarehouseError("dbt has built no marts here yet. Run `dbt build` first, or `make run` for everything.")
    command, began_at, is_complete, is_tested, problems = build
    said = f": {problems}" if problems else ""
    if not is_complete:
        raise WarehouseError(f"The last `dbt {command}` did not build every model{said}. {REBUILD}")
    if not is_tested:
        raise WarehouseError(f"Not every test has passed since the last `dbt {command}`{said}. {REBUILD}")
    active, landed_at = connection.execute(
        f"""
        select dataset, greatest({
            ", ".join(
                f"(select max({when}) from raw.{table} as documents where documents.dataset = active.dataset)"
                for table, when in LANDED_AT.items()
            )
        })
        from raw.datasets as active where is_active
        """
    ).fetchone() or (None, None)
    if active != built[0]:
        raise WarehouseError(f"The marts hold the dataset {built[0]}, but {active} is the active one. {REBUILD}")
    if landed_at and landed_at > began_at:
        raise WarehouseError(
            f"Documents were landed at {landed_at:%Y-%m-%d %H:%M:%S} (UTC), after the last `dbt {command}` had begun. "
            + REBUILD
        )
