"""What may be shown together, and the copy that people read: one dataset, one build of it, and at most one model of it.

Belongs here: which dataset and tracks the marts hold, whether dbt has built and tested all of them, which model is of
exactly these tracks, and the copy itself. Everything that shows a figure asks `shown_model`. Not here: what differs
from the copy before (changes.py), how good a model must be (orchestration/checks.py judges, ml/training.py records),
and the rules on rows, which are dbt tests.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from warehouse.changes import DATASET, MartChange, changes_of
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

    `tracks_digest` is equal for two builds whose clean tracks have the same ids, genres, titles, audio features,
    artists, release years and albums in the same order: everything that a model may learn from. `built_at` is when dbt
    began (UTC), None where an earlier version built them.
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

    Raises `WarehouseError` where some marts are there and others not: built in part, or by an earlier version.
    """
    found = None
    for mart in ("cleaning_audit", "clean_tracks"):  # the first has rows even where no track is clean
        with suppress(duckdb.CatalogException):
            found = found or connection.execute(f"select dataset, is_synthetic from marts.{mart} limit 1").fetchone()
    if found is None:
        return None
    try:
        digest = tracks_digest(connection)
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        raise WarehouseError(
            f"The marts were built in part, or by an earlier version: {str(error).splitlines()[0].partition(': ')[2]} "
            "Nothing is lost: build them again from what was landed, then publish: dbt build && song-genres publish"
        ) from error
    try:
        (began_at,) = connection.execute(f"select began_at from ({LAST_BUILD})").fetchone() or (None,)
    except duckdb.CatalogException:
        began_at = None
    return Build(str(found[0]), bool(found[1]), digest, began_at)


def tracks_digest(connection: duckdb.DuckDBPyConnection) -> str:
    """An MD5 of all that a model may see of `marts.clean_tracks` and who is credited; the same on any machine.

    Raises `duckdb.CatalogException` where the marts have not been built.
    """
    seen = ", ".join(["spotify_track_id", "genre", "song_name", "release_year", "album_name", *AUDIO_FEATURES])
    (digest,) = connection.execute(
        f"""
        with credits as (
            select spotify_track_id, list(coalesce(artist_id, artist_name) order by position) as artists
            from marts.track_artists group by spotify_track_id
        ),
        lines as (
            select listing_id, md5(row({seen}, artists)::varchar) as line
            from marts.clean_tracks
            left join marts.track_details using (spotify_track_id)
            left join credits using (spotify_track_id)
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
        (name,) = connection.execute("select current_database()").fetchone() or ("",)
        copy = f"copy of {name}"  # a warehouse may be called copy.duckdb
        connection.execute(
            f"attach {quoted(unfinished.absolute())} as {identifier(copy)} "
            f"(read_write, storage_version {quoted(STORAGE_VERSION)})"
        )
        connection.execute(f"copy from database {identifier(name)} to {identifier(copy)}")
        _keep_only(connection, copy, model.run_id, build.tracks_digest)
        before, changes = changes_of(connection, copy, published)
        connection.execute(f"detach {identifier(copy)}")
    return Publication(published.stat().st_size, build, model, before, changes)


def _keep_only(connection: duckdb.DuckDBPyConnection, copy: str, run_id: str | None, digest: str) -> None:
    """Keep only the run `run_id` as published in the attached copy, and only findings about the tracks."""
    ml = f"{identifier(copy)}.ml"
    held = {name for (name,) in connection.execute(
        "select table_name from duckdb_tables() where database_name = ? and schema_name = 'ml'", [copy]
    ).fetchall()}  # fmt: skip
    if "model_runs" in held:
        connection.execute(f"update {ml}.model_runs set is_published = (run_id is not distinct from ?)", [run_id])
    if "genre_predictions" in held:
        connection.execute(f"delete from {ml}.genre_predictions where run_id is distinct from ?", [run_id])
    for table in sorted(held & {"song_predictions", "genre_clusters", "popularity_fits"}):
        connection.execute(f"delete from {ml}.{table} where tracks_digest <> ?", [digest])
    if "genre_sets" in held:  # they go with their predictions
        kept = " union ".join(f"select run_id, dataset from {ml}.{table}_predictions" for table in ("genre", "song"))
        connection.execute(f"delete from {ml}.genre_sets where (run_id, dataset) not in ({kept})")


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
        before, changes = changes_of(connection, str(name), published)
    return Difference(str(dataset), before, changes, refusal)
