"""What differs between two databases, mart by mart.

Belongs here: the key of each mart, and which rows were added, removed or changed. Not here: what may be published, and
the copy itself (publication.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from warehouse.files import identifier, quoted

MART_KEYS: dict[str, tuple[str, ...]] = {
    "albums": ("album_id",),
    "artists": ("artist_key",),
    "clean_tracks": ("spotify_track_id",),
    "cleaning_audit": ("step",),
    "crawl_cost": ("source", "endpoint", "status"),
    "feature_correlation": ("feature", "other_feature"),
    "feature_distribution": ("genre", "feature", "bin"),
    "feature_outliers": ("genre", "feature"),
    "genre_overlap": ("genre", "other_genre"),
    "genre_summary": ("genre", "feature"),
    "genre_tree": ("genre_id",),
    "plays": ("spotify_track_id", "month"),
    "rejected_listings": ("listing_id",),
    "track_artists": ("spotify_track_id", "position"),
    "track_details": ("spotify_track_id",),
    "track_genres": ("spotify_track_id", "genre"),
    "track_outliers": ("spotify_track_id",),
}
"""The columns that name a row of each mart: a row of the same key in both copies is the same row, changed or not."""

EXAMPLES = 3
DATASET = "select any_value(dataset) from {}.cleaning_audit"
"""The dataset that the marts of a schema hold."""


@dataclass(frozen=True)
class MartChange:
    """How many rows of a mart were added, removed and changed against the copy before.

    `examples` has for each of the three the smallest keys of such rows, at most `EXAMPLES`, as text in the order of
    `MART_KEYS`.
    """

    mart: str
    added: int
    removed: int
    changed: int
    examples: Mapping[str, Sequence[str]] = field(default_factory=dict, compare=False)


def changes_of(
    connection: duckdb.DuckDBPyConnection, database: str, published: Path
) -> tuple[str | None, list[MartChange]]:
    """The dataset of the earlier copy and, if the attached `database` holds the same, how each mart differs.

    No dataset, and no change, where there is no copy at `published` that can be read.
    """
    if not published.exists():
        return None, []
    earlier = f"{database} before"
    try:
        connection.execute(f"attach {quoted(published.absolute())} as {identifier(earlier)} (read_only)")
    except duckdb.Error:  # it is to be replaced, whatever it is
        return None, []
    try:
        (dataset,) = connection.execute(DATASET.format(f"{identifier(earlier)}.marts")).fetchone() or (None,)
        (new,) = connection.execute(DATASET.format(f"{identifier(database)}.marts")).fetchone() or (None,)
        if new != dataset:  # their keys, such as the number of a listing, are equal by chance
            return dataset, []
        return dataset, [_change(connection, mart, database, earlier) for mart in sorted(MART_KEYS)]
    except duckdb.CatalogException:
        return None, []
    finally:
        connection.execute(f"detach {identifier(earlier)}")


def _change(connection: duckdb.DuckDBPyConnection, mart: str, database: str, earlier: str) -> MartChange:
    """Compare rows by the columns that both copies have; where one lacks the mart or its key, all are new or gone."""
    keys = MART_KEYS[mart]
    new, old = _columns(connection, database, mart), _columns(connection, earlier, mart)
    is_comparable = set(keys) <= set(new) & set(old)
    same = " and ".join(f"new.{key} is not distinct from old.{key}" for key in keys) if is_comparable else "false"
    compared = [name for name in new if name in old and name not in keys] if is_comparable else []
    differs = " or ".join(f"new.{name} is distinct from old.{name}" for name in compared) or "false"
    key = ", ".join(f"coalesce(new.{key}, old.{key})" for key in keys)
    rows = connection.execute(
        f"""
        with compared as (
            select
                case when old.is_there is null then 'added' when new.is_there is null then 'removed' else 'changed' end
                    as kind,
                row({key}) as key
            from ({_rows(database, mart, new, compared)}) as new
            full join ({_rows(earlier, mart, old, compared)}) as old on {same}
            where old.is_there is null or new.is_there is null or {differs}
        )
        select kind, count(*), min(key, {EXAMPLES}) from compared group by kind order by kind
        """
    ).fetchall()
    counts = {kind: count for kind, count, _ in rows}
    examples = {
        kind: [", ".join("NULL" if part is None else str(part) for part in key) for key in few] for kind, _, few in rows
    }
    added, removed, changed = (counts.get(kind, 0) for kind in ("added", "removed", "changed"))
    return MartChange(mart, added, removed, changed, examples)


def _columns(connection: duckdb.DuckDBPyConnection, database: str, mart: str) -> list[str]:
    """The columns of a mart in their order; none where the database lacks it."""
    return [
        name
        for (name,) in connection.execute(
            "select column_name from duckdb_columns() where (database_name, schema_name, table_name) = (?, 'marts', ?) "
            "order by column_index",
            [database, mart],
        ).fetchall()
    ]


def _rows(database: str, mart: str, columns: Sequence[str], compared: Sequence[str]) -> str:
    """A query of a mart's key, which is NULL where it has none, and of the columns to compare; no rows without it."""
    keys = [key if key in columns else f"null as {key}" for key in MART_KEYS[mart]]
    table = f"from {identifier(database)}.marts.{mart}" if columns else "where false"
    return f"select {', '.join([*keys, *compared, 'true as is_there'])} {table}"
