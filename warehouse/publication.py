"""What may be shown together, and the copy that people read: one dataset, one build of it, and at most one model of it.

Belongs here: which dataset and tracks the marts hold, whether dbt has built and tested all of them, which model is of
exactly these tracks, the copy itself, and what differs from the copy before. Everything that shows a figure asks
`shown_model`. Not here: how good a model must be (orchestration/checks.py judges, ml/training.py records), and the
rules on rows, which are dbt tests.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import duckdb

from warehouse.features import AUDIO_FEATURES
from warehouse.files import (
    STORAGE_VERSION,
    WarehouseError,
    WarehouseMissing,
    connect,
    identifier,
    published_path,
    quoted,
    warehouse_path,
    whole_or_not_there,
)
from warehouse.raw import LANDED_AT

NO_MARTS = "dbt has built no marts here yet. Run `dbt build` first, or `make run` for everything."
REBUILD = "The published copy stays as it is. Run `dbt build`, then `song-genres publish`."
TRAIN = "Train one with `song-genres run`."

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


LAST_BUILD = """
    select
        max(command) filter (kind = 'model') as command,
        max(began_at) filter (kind = 'model') as began_at,
        coalesce(bool_and(status = 'success') filter (kind = 'model'), false) as is_complete,
        coalesce(bool_and(status in ('pass', 'warn')) filter (kind <> 'model'), false) as is_tested,
        case
            when bool_and(status = 'not run') then 'it did not end'
            else array_to_string(list_sort(list(name || ' (' || status || ')') filter (is_wrong))[:5], ', ')
                || case when count(*) filter (is_wrong) > 5 then ', …' else '' end
        end as problems
    from (
        select *, status not in ('success', 'pass', 'warn', 'not run', 'skipped') as is_wrong
        from intermediate.build_results
    )
"""
"""What the rows that dbt's hooks wrote (macros/record_build.sql) say of its last command. One row."""


@dataclass(frozen=True)
class Build:
    """What the marts hold: whose data, whether they are made up, and which tracks exactly.

    `tracks_digest` is equal for two builds whose clean tracks have the same ids, genres, titles, audio features and
    artists in the same order: everything that a model learns from. `built_at` is when dbt began (UTC), None where an
    earlier version built them.
    """

    dataset: str
    is_synthetic: bool
    tracks_digest: str
    built_at: datetime | None


@dataclass(frozen=True)
class ShownModel:
    """The model that may be shown with the marts: its run, or None; and in a sentence what was found.

    `finding` is empty where a model may be shown and nothing needs to be said before its figures.
    """

    run_id: str | None
    finding: str


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


@dataclass(frozen=True)
class Difference:
    """What publishing would change now: the dataset of the warehouse, that of the copy (`before`), and each mart.

    `before` is None where there is no copy. `changes` is empty there, and where the copy holds another dataset, whose
    rows are not compared. `refusal` says why `publish` would refuse the warehouse as it is, empty where it would not.
    """

    dataset: str
    before: str | None
    changes: Sequence[MartChange]
    refusal: str


@dataclass(frozen=True)
class Publication:
    """A published copy: its size in bytes, whose data it holds, its model, and what changed against `before`.

    `before` is the dataset of the copy that was replaced, None where there was none. `changes` is empty where it is
    not the dataset of this copy.
    """

    size: int
    build: Build
    model: ShownModel
    before: str | None
    changes: Sequence[MartChange]


def built(connection: duckdb.DuckDBPyConnection) -> Build | None:
    """What the marts hold, or None where dbt has built none.

    Raises `duckdb.CatalogException` where some marts are there and others not: a build that was cut short.
    """
    found = None
    for mart in ("cleaning_audit", "clean_tracks"):  # the first has rows even where no track is clean
        with suppress(duckdb.CatalogException):
            found = found or connection.execute(f"select dataset, is_synthetic from marts.{mart} limit 1").fetchone()
    if found is None:
        return None
    digest = tracks_digest(connection)
    try:
        (began_at,) = connection.execute(f"select began_at from ({LAST_BUILD})").fetchone() or (None,)
    except duckdb.CatalogException:
        began_at = None
    return Build(str(found[0]), bool(found[1]), digest, began_at)


def tracks_digest(connection: duckdb.DuckDBPyConnection) -> str:
    """An MD5 of all that a model sees of `marts.clean_tracks` and who is credited; the same on any machine.

    Raises `duckdb.CatalogException` where the marts have not been built.
    """
    seen = ", ".join(["spotify_track_id", "genre", "song_name", *AUDIO_FEATURES])
    (digest,) = connection.execute(
        f"""
        with credits as (
            select spotify_track_id, list(coalesce(artist_id, artist_name) order by position) as artists
            from marts.track_artists group by spotify_track_id
        ),
        lines as (
            select listing_id, md5(row({seen}, artists)::varchar) as line
            from marts.clean_tracks left join credits using (spotify_track_id)
        )
        select md5(coalesce(string_agg(line, '' order by listing_id), '')) from lines
        """
    ).fetchone() or ("",)
    return str(digest)


def shown_model(connection: duckdb.DuckDBPyConnection, build: Build | None = None) -> ShownModel:
    """The model that may be shown with the marts of `connection`: of the same dataset and of exactly these tracks.

    The one place that decides it. `build` is `built(connection)`, where the caller has it already.
    """
    build = build or built(connection)
    if build is None:
        return ShownModel(None, "")
    run_id = _one(
        connection,
        "select run_id from ml.model_runs where is_published and (dataset, tracks_digest) = (?, ?)",
        [build.dataset, build.tracks_digest],
    )
    verdict = _one(
        connection,
        "select finding from ml.verdicts where (dataset, tracks_digest) = (?, ?)",
        [build.dataset, build.tracks_digest],
    )
    if run_id or verdict:
        return ShownModel(run_id, verdict or "")
    earlier = _one(  # of the verdicts, for the published copy does not say which model of other tracks was shown
        connection,
        "select run_id from ml.verdicts where dataset = ? and may_publish order by decided_at desc limit 1",
        [build.dataset],
    )
    if earlier:
        return ShownModel(
            None,
            f"There is no model of these tracks yet; {earlier} learnt an earlier build of {build.dataset}. {TRAIN}",
        )
    return ShownModel(None, f"There is no model of {build.dataset} yet. {TRAIN}")


def _one(connection: duckdb.DuckDBPyConnection, query: str, parameters: list[str]) -> str | None:
    try:
        found = connection.execute(query, parameters).fetchone()
    except (duckdb.CatalogException, duckdb.BinderException):  # nothing was trained, or by an earlier version
        return None
    return str(found[0]) if found and found[0] is not None else None


def require_tested_build(connection: duckdb.DuckDBPyConnection) -> None:
    """Raise `WarehouseError` unless every mart was built and tested, from the active dataset as it is now.

    The last dbt command that built anything must have built all of it, all data tests must have passed after it, and
    no document may have been landed since it began.
    """
    try:
        last = connection.execute(
            f"select command, began_at, is_complete, is_tested, problems from ({LAST_BUILD})"
        ).fetchone()
        held = connection.execute(DATASET.format("marts")).fetchone()
    except duckdb.CatalogException:
        last = held = None
    if not last or not last[0] or not held:
        raise WarehouseError(NO_MARTS)
    command, began_at, is_complete, is_tested, problems = last
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
    if active != held[0]:
        raise WarehouseError(f"The marts hold the dataset {held[0]}, but {active} is the active one. {REBUILD}")
    if landed_at and landed_at > began_at:
        raise WarehouseError(
            f"Documents were landed at {landed_at:%Y-%m-%d %H:%M:%S} (UTC), after the last `dbt {command}` had begun. "
            + REBUILD
        )


def publish(warehouse: Path | None = None, published: Path | None = None) -> Publication:
    """Replace `published` by a copy of `warehouse`, atomically, and say what changed.

    By default the files that WAREHOUSE_PATH and PUBLISHED_PATH name. The copy holds predictions and a published model
    of exactly its tracks (`shown_model`), or none; the warehouse keeps those of other datasets. A reader sees the old
    file or the new one, never a mixture, and an open reader keeps the old one.

    Raises `WarehouseMissing`, `WarehouseLocked`, or `WarehouseError` where the marts were not all built and tested.
    """
    warehouse, published = warehouse or warehouse_path(), published or published_path()
    if not warehouse.exists():
        raise WarehouseMissing(f"There is no database at {warehouse.absolute()} to publish. Make one with `make run`.")
    if published.exists() and published.samefile(warehouse):
        raise WarehouseError(
            f"{published.absolute()} is the warehouse itself, which a copy would replace. It is as it was. Name "
            "another file with PUBLISHED_PATH."
        )
    with whole_or_not_there(published) as unfinished, connect(warehouse, read_only=True) as connection:
        require_tested_build(connection)
        build = built(connection)
        assert build is not None, "a tested build has marts"
        model = shown_model(connection, build)
        unfinished.unlink()
        connection.execute(
            f"attach {quoted(unfinished.absolute())} as copy (read_write, storage_version {quoted(STORAGE_VERSION)})"
        )
        (name,) = connection.execute("select current_database()").fetchone() or ("",)
        connection.execute(f'copy from database "{name}" to copy')
        _keep_only(connection, model.run_id, build.tracks_digest)
        before, changes = _changes(connection, "copy", published)
        connection.execute("detach copy")
    return Publication(published.stat().st_size, build, model, before, changes)


def _keep_only(connection: duckdb.DuckDBPyConnection, run_id: str | None, digest: str) -> None:
    """Keep only the run `run_id` as published in the attached copy, and only predictions of the tracks."""
    held = {name for (name,) in connection.execute(
        "select table_name from duckdb_tables() where database_name = 'copy' and schema_name = 'ml'"
    ).fetchall()}  # fmt: skip
    if "model_runs" in held:
        connection.execute("update copy.ml.model_runs set is_published = (run_id is not distinct from ?)", [run_id])
    if "genre_predictions" in held:
        connection.execute("delete from copy.ml.genre_predictions where run_id is distinct from ?", [run_id])
    if "song_predictions" in held:
        connection.execute("delete from copy.ml.song_predictions where tracks_digest <> ?", [digest])


def difference(warehouse: Path | None = None, published: Path | None = None) -> Difference:
    """What `publish` would change of `published`, mart by mart; nothing is written.

    By default the files that WAREHOUSE_PATH and PUBLISHED_PATH name. Raises `WarehouseMissing`, `WarehouseLocked`, or
    `WarehouseError` where dbt has built no marts, or the copy is no database.
    """
    warehouse, published = warehouse or warehouse_path(), published or published_path()
    if published.exists():
        connect(published, read_only=True).close()  # what is no database is told; `publish` would replace it
    with connect(warehouse, read_only=True) as connection:
        try:
            (dataset,) = connection.execute(DATASET.format("marts")).fetchone() or (None,)
        except duckdb.CatalogException:
            dataset = None
        if dataset is None:
            raise WarehouseError(NO_MARTS)
        refusal = ""
        try:
            require_tested_build(connection)
        except WarehouseError as error:
            refusal = str(error)
        (name,) = connection.execute("select current_database()").fetchone() or ("",)
        before, changes = _changes(connection, str(name), published)
    return Difference(str(dataset), before, changes, refusal)


def _changes(
    connection: duckdb.DuckDBPyConnection, database: str, published: Path
) -> tuple[str | None, list[MartChange]]:
    """The dataset of the earlier copy and, if the attached `database` holds the same, how each mart differs."""
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
