"""The raw tables and the only code that writes them.

Belongs here: the tables of schema `raw`, datasets (which one is active) and the one transaction that lands a batch.
Not here: where documents come from (extract/), and anything that looks inside a document.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import duckdb

from warehouse.files import SCHEMAS, WarehouseError, quoted, transaction

if TYPE_CHECKING:  # imported where it is used: it takes 35 MB, which `song-genres clean` does without
    import pyarrow as pa

# Column comments are part of the contract: `describe`-ing tools and dbt's docs show them.
_DOCUMENT_COLUMNS = """
    dataset varchar not null,
    source varchar not null,
    {keys},
    payload varchar,
    batch_id varchar not null,
    extracted_at timestamp not null"""

_DDL = {
    "datasets": """
    dataset varchar primary key,
    source varchar not null,
    is_synthetic boolean not null,
    is_active boolean not null,
    content_sha256 varchar,
    landed_at timestamp not null,
    reading varchar""",
    "artists": _DOCUMENT_COLUMNS.format(keys="genre varchar not null, artist_id varchar"),
    "tracks": _DOCUMENT_COLUMNS.format(
        keys="genre varchar, artist_id varchar, artist_name varchar, track_id varchar, listing_id bigint not null"
    ),
    "audio_features": _DOCUMENT_COLUMNS.format(keys="track_id varchar, listing_id bigint"),
    "popularity": _DOCUMENT_COLUMNS.format(keys="track_id varchar not null"),
    "plays": """
    dataset varchar not null,
    source varchar not null,
    listing_id bigint not null,
    month date not null,
    plays bigint not null,
    seconds bigint not null,
    batch_id varchar not null,
    extracted_at timestamp not null""",
    "genre_tree": """
    dataset varchar not null,
    source varchar not null,
    genre_id varchar not null,
    genre varchar not null,
    parent_id varchar,
    top_level_id varchar not null,
    depth integer not null,
    tracks bigint,
    batch_id varchar not null,
    extracted_at timestamp not null""",
    "unusable_responses": _DOCUMENT_COLUMNS.format(keys="endpoint varchar, request varchar, reason varchar not null"),
    "requests": """
    dataset varchar not null,
    source varchar not null,
    endpoint varchar not null,
    request varchar,
    status integer,
    attempts integer not null,
    waited_seconds double not null,
    elapsed_seconds double not null,
    requested_at timestamp not null,
    batch_id varchar not null""",
    "crawl": """
    dataset varchar not null,
    stage varchar not null,
    item varchar not null,
    detail varchar,
    batch_id varchar not null,
    done_at timestamp not null""",
}

TABLES = tuple(_DDL)

DOCUMENTS = ("artists", "tracks", "audio_features", "popularity")
"""The tables whose rows are documents that dbt reads."""

LANDED_AT = dict.fromkeys((*DOCUMENTS, "plays", "genre_tree"), "extracted_at") | {"requests": "requested_at"}
"""The tables that the marts are made from, and the column that says when a row was landed."""

READ_BY_DBT = ("datasets", *LANDED_AT)
"""The tables that the dbt project reads."""

ADDED = {"datasets": ("reading",)}
"""Columns that warehouses of earlier versions lack; they are added, empty, when the warehouse is next written to."""

_COMMENTS = {
    "datasets": "One row per catalogue. Exactly one is active: staging reads that one alone.",
    "artists": "One row per artist document and search hit: the artist as found under the genre that was asked for.",
    "tracks": "One row per listing (genre, artist, track): listing_id counts a dataset's from 1, as they came in.",
    "audio_features": "One row per audio-features document: a listing's where listing_id is set (a dump's row), else a "
    "track's. A null payload says that the source has none.",
    "plays": "One row per listing and month: how often the song was played, and how long. Nothing else of a history.",
    "genre_tree": "One row per genre of the tree that a dump brings: the genre above it, the top one, and its depth.",
    "popularity": "One row per document that gives a track's popularity, where the track document does not.",
    "unusable_responses": "One row per answer that could not be used, as it came (payload), with the reason.",
    "requests": "One row per HTTP exchange, which is one attempt at a request: what it cost in waiting and time.",
    "crawl": "One row per finished piece of a crawl, written with its documents, and never asked for again.",
}


@dataclass(frozen=True)
class Dataset:
    """A catalogue: its name, its source (`spotify`, `sandbox`, `dump:` or `songs:<file name>`), whether it is made up.

    `reading` says, as text, how a dump's file was told to be read; None where nothing was said.
    """

    name: str
    source: str
    is_synthetic: bool = False
    content_sha256: str | None = None
    reading: str | None = None

    @property
    def is_labelled(self) -> bool:
        """Whether its listings have genres; a person's own songs have none."""
        return not self.source.startswith("songs:")


class UnknownDataset(LookupError):
    """No dataset of that name has been landed."""


def now() -> datetime:
    """The present moment in UTC, without a time zone, as the raw tables keep it."""
    return datetime.now(UTC).replace(tzinfo=None)


def raw_tables(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """The tables of schema `raw` that exist; none in an empty database.

    Raises `WarehouseError` for a database that is not ours, and for one whose tables an older version made.
    """
    found: dict[str, set[str]] = {}
    for schema, table, column in connection.execute(
        "select schema_name, table_name, column_name from duckdb_columns() "
        "where database_name = current_database() and not internal"
    ).fetchall():
        found.setdefault(f"{schema}.{table}", set()).add(column)
    if not found:
        return set()
    path = _file_of(connection)
    if foreign := sorted(name for name in found if name.partition(".")[0] not in SCHEMAS):
        raise WarehouseError(
            f"{path} is no warehouse of song-genres: it holds {', '.join(foreign[:3])}. Nothing was changed. Name "
            "another file with WAREHOUSE_PATH."
        )
    for table in TABLES:
        needed = set(_columns(table)) - set(ADDED.get(table, ()))
        if lacking := needed - found.get(f"raw.{table}", needed):
            raise WarehouseError(
                f"{path} was made by another version: raw.{table} has no column {', '.join(sorted(lacking))}. Nothing "
                "was changed. Use that version, or name another file with WAREHOUSE_PATH."
            )
    return {name.removeprefix("raw.") for name in found if name.startswith("raw.")}


def _file_of(connection: duckdb.DuckDBPyConnection) -> str:
    (path,) = connection.execute(
        "select path from duckdb_databases() where database_name = current_database()"
    ).fetchone() or ("",)
    return path or "The database"


def _columns(table: str) -> list[str]:
    return [column.split()[0] for column in _DDL[table].split(",")]


def create_raw_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Create schema `raw` and its tables where they are missing; changes nothing else. Raises as `raw_tables` does."""
    existing = raw_tables(connection)
    connection.execute("create schema if not exists raw")
    for table, columns in _DDL.items():
        if table not in existing:
            connection.execute(f"create table raw.{table} ({columns})")
            connection.execute(f"comment on table raw.{table} is {quoted(_COMMENTS[table])}")
        for column in set(ADDED.get(table, ())) - set(connection.table(f"raw.{table}").columns):
            connection.execute(f"alter table raw.{table} add column {column} varchar")


@cache
def _schemas() -> "dict[str, pa.Schema]":
    with duckdb.connect() as scratch:
        for table, columns in _DDL.items():
            scratch.execute(f"create table {table} ({columns})")
        return {table: scratch.table(table).arrow().schema for table in _DDL}


def rows(table: str, records: Iterable[Mapping[str, Any]]) -> "pa.Table":
    """Records as an Arrow table for `land`; a key that a record lacks is NULL.

    `table` names the raw table, so that a column that is NULL throughout still has its type.
    """
    import pyarrow as pa

    records, schema = list(records), _schemas()[table]
    names = [name for name in schema.names if any(name in record for record in records)]
    return pa.table(
        {name: pa.array([record.get(name) for record in records], type=schema.field(name).type) for name in names}
    )


def land(
    connection: duckdb.DuckDBPyConnection,
    dataset: Dataset,
    documents: "Mapping[str, pa.Table | duckdb.DuckDBPyRelation]",
    *,
    done: Sequence[Mapping[str, Any]] = (),
    activate: bool = True,
) -> str:
    """Write one batch in ONE transaction and return its batch_id: after a `kill -9` all of it is there, or nothing.

    `documents` maps a raw table to the columns to insert; `dataset`, `source` (unless the rows bring their own),
    `batch_id`, `extracted_at` and missing columns are filled in. `listing_id` counts from 1 within the batch and
    becomes the dataset's next numbers. `done` are rows for `raw.crawl` (stage, item, detail).
    """
    batch_id, moment = uuid.uuid4().hex, now()
    stamp = {"dataset": dataset.name, "source": dataset.source, "batch_id": batch_id,
             "extracted_at": moment, "requested_at": moment, "done_at": moment}  # fmt: skip
    tables = dict(documents)
    if done:
        tables["crawl"] = rows("crawl", done)
    with transaction(connection):
        create_raw_tables(connection)
        _record_dataset(connection, dataset, activate=activate)
        (landed,) = connection.execute(
            "select coalesce(max(listing_id), 0) from raw.tracks where dataset = ?", [dataset.name]
        ).fetchone() or (0,)
        for table, incoming in tables.items():
            wanted = connection.table(f"raw.{table}").columns
            given = incoming.columns if isinstance(incoming, duckdb.DuckDBPyRelation) else incoming.column_names
            if unknown := set(given) - set(wanted):
                raise ValueError(f"raw.{table} has no column {', '.join(sorted(unknown))}")
            stamped = [name for name in wanted if name in given or name in stamp]
            values = [
                f"{landed} + listing_id" if name == "listing_id" else f'"{name}"' if name in given else f"${name}"
                for name in stamped
            ]
            parameters = {name: stamp[name] for name in stamped if name not in given}
            connection.execute(
                f"insert into raw.{table} ({', '.join(stamped)}) select {', '.join(values)} from incoming", parameters
            )
    return batch_id


def _record_dataset(connection: duckdb.DuckDBPyConnection, dataset: Dataset, *, activate: bool) -> None:
    connection.execute(
        "insert into raw.datasets (dataset, source, is_synthetic, is_active, content_sha256, landed_at, reading) "
        "values (?, ?, ?, false, ?, ?, ?) on conflict (dataset) do nothing",
        [dataset.name, dataset.source, dataset.is_synthetic, dataset.content_sha256, now(), dataset.reading],
    )
    if activate:
        use(connection, dataset.name)


def use(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Make `name` the active dataset. Raises `UnknownDataset`, which lists the datasets there are."""
    create_raw_tables(connection)
    names = [row[0] for row in connection.execute("select dataset from raw.datasets order by all").fetchall()]
    if name not in names:
        known = ", ".join(names) or "none yet; land one with `song-genres import FILE`"
        raise UnknownDataset(f"There is no dataset {name!r}. Landed so far: {known}.")
    connection.execute("update raw.datasets set is_active = (dataset = $1) where is_active <> (dataset = $1)", [name])


def active_dataset(connection: duckdb.DuckDBPyConnection) -> Dataset | None:
    """The active dataset, or None where nothing was landed."""
    return _dataset(connection, "is_active")


def dataset(connection: duckdb.DuckDBPyConnection, name: str) -> Dataset | None:
    """The dataset of that name, or None where none was landed."""
    return _dataset(connection, f"dataset = {quoted(name)}")


def _dataset(connection: duckdb.DuckDBPyConnection, condition: str) -> Dataset | None:
    if not raw_tables(connection):
        return None
    existing = connection.table("raw.datasets").columns  # an earlier version's table lacks those in ADDED
    columns = [
        column for column in ("dataset", "source", "is_synthetic", "content_sha256", "reading") if column in existing
    ]
    row = connection.execute(f"select {', '.join(columns)} from raw.datasets where {condition}").fetchone()
    return Dataset(*row) if row else None


def landed_datasets(connection: duckdb.DuckDBPyConnection) -> list[tuple[Dataset, bool, int]]:
    """Every dataset, whether it is the active one, and how many listings it has, in the order of their names."""
    if not raw_tables(connection):
        return []
    found = connection.execute(
        """
        select dataset, source, is_synthetic, content_sha256, is_active, count(listing_id)
        from raw.datasets left join raw.tracks using (dataset, source) group by all order by dataset
        """
    ).fetchall()
    return [(Dataset(*columns), is_active, listings) for *columns, is_active, listings in found]


def count_rows(connection: duckdb.DuckDBPyConnection, name: str) -> dict[str, int]:
    """How many rows each raw table holds of the dataset `name`."""
    counts = dict.fromkeys(TABLES, 0)
    for table in raw_tables(connection).intersection(TABLES):
        (counts[table],) = connection.execute(
            f"select count(*) from raw.{table} where dataset = ?", [name]
        ).fetchone() or (0,)
    return counts
