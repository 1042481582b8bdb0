"""Publication: what may be shown together, the copy that readers see, and what differs from the copy before."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ml.tables import create_ml_tables
from tests.ml.report_database import make_marts, some_tracks
from warehouse.changes import MART_KEYS, MartChange
from warehouse.features import AUDIO_FEATURES
from warehouse.files import WarehouseError, connect
from warehouse.publication import built, difference, publish, shown_model, tracks_digest
from warehouse.raw import Dataset, land, rows

Query = Callable[..., list[tuple[Any, ...]]]


def write(file: Path, number: int, *, tracks: int = 2, dataset: str = "songs") -> None:
    """A warehouse that was built and tested: tracks a, b, … whose popularity is `number`."""
    with connect(file) as connection:
        for schema in ("intermediate", "marts"):
            connection.execute(f"create schema if not exists {schema}")
        land(connection, Dataset(dataset, "dump:x"), {"tracks": rows("tracks", [{"listing_id": 1}])})
        features = ", ".join(f"0.5 as {name}" for name in AUDIO_FEATURES)
        connection.execute(
            f"""
            create or replace table marts.clean_tracks as
            select chr((97 + range)::int) as spotify_track_id, 'Jazz' as genre, 'Song' as song_name, {features},
                {number} as popularity, range + 1 as listing_id, '{dataset}' as dataset, false as is_synthetic
            from range({tracks});
            create or replace table marts.track_artists as
            select spotify_track_id, 1 as position, null::varchar as artist_id, 'Ann' as artist_name
            from marts.clean_tracks;
            create or replace table marts.track_details as
            select spotify_track_id, 1994 as release_year, 'Blue' as album_name from marts.clean_tracks;
            create or replace table marts.cleaning_audit as
            select 0 as step, {tracks} as rows_after, '{dataset}' as dataset, false as is_synthetic;
            create or replace table marts.numbers as select {number} as number from range(200000);
            create or replace table intermediate.build_results as
            select 'clean_tracks' as name, 'model' as kind, 'success' as status, 'build' as command,
                timestamp '2999-01-01' as began_at
            union all select 'a_test', 'test', 'pass', 'build', timestamp '2999-01-01'
            """
        )


def test_an_open_reader_keeps_the_old_copy_and_a_new_one_gets_the_new(
    warehouse_file: Path, tmp_path: Path, query: Query
) -> None:
    """Guards against a run that a reader stops, and against one that pulls the file from under a reader."""
    published = tmp_path / "out" / "published.duckdb"
    write(warehouse_file, 1)
    assert publish(warehouse_file, published).size == published.stat().st_size
    read = "select min(number), max(number), count(*) from marts.numbers"
    with duckdb.connect(str(published), read_only=True) as reader:
        write(warehouse_file, 2)
        publish(warehouse_file, published)
        assert reader.execute(read).fetchall() == [(1, 1, 200_000)]
    assert query(read, published) == [(2, 2, 200_000)]
    assert [path.name for path in published.parent.iterdir()] == ["published.duckdb"]


READ_ON_AND_ON = """
import duckdb, sys
while True:
    with duckdb.connect(sys.argv[1], read_only=True) as connection:
        low, high, count = connection.execute("select min(number), max(number), count(*) from marts.numbers").fetchone()
    assert low == high and count == 200_000, (low, high, count)
    print(low, flush=True)
"""


def test_readers_never_see_a_mixture(warehouse_file: Path, tmp_path: Path) -> None:
    """Guards against a copy that is visible before it is complete."""
    published = tmp_path / "published.duckdb"
    write(warehouse_file, 0)
    publish(warehouse_file, published)
    with subprocess.Popen(
        [sys.executable, "-c", READ_ON_AND_ON, str(published)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as reader:  # fmt: skip
        assert reader.stdout is not None
        assert reader.stdout.readline() == "0\n"
        for number in range(1, 6):
            write(warehouse_file, number)
            publish(warehouse_file, published)
        while (line := reader.stdout.readline()) not in ("5\n", ""):
            pass
        reader.kill()
        assert line == "5\n", reader.stderr.read() if reader.stderr else ""


def test_a_copy_that_fails_leaves_the_old_one(
    warehouse_file: Path, tmp_path: Path, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a failure half-way that takes the published database with it."""
    published = tmp_path / "published.duckdb"
    write(warehouse_file, 1)
    publish(warehouse_file, published)

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("warehouse.publication._keep_only", full)
    with pytest.raises(OSError, match="No space left"):
        publish(warehouse_file, published)
    assert query("select max(number) from marts.numbers", published) == [(1,)]
    assert [path.name for path in tmp_path.glob("*.duckdb*")] == ["published.duckdb"]


def test_what_a_killed_process_left_is_replaced(warehouse_file: Path, tmp_path: Path, query: Query) -> None:
    """Guards against a publication that fails for ever since an earlier one was killed."""
    published = tmp_path / "published.duckdb"
    write(warehouse_file, 1)
    with subprocess.Popen([sys.executable, "-c", ""]) as killed:
        pass
    for name in ("unfinished", "unfinished.wal"):
        (tmp_path / f"published.duckdb.{killed.pid}.{name}").write_bytes(b"half of a database")
    publish(warehouse_file, published)
    assert query("select max(number) from marts.numbers", published) == [(1,)]
    assert [path.name for path in tmp_path.glob("*.duckdb*")] == ["published.duckdb"]


PUBLISH_ON_AND_ON = """
import sys
from pathlib import Path
from warehouse.publication import publish
for _ in range(15):
    publish(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_two_processes_publish_at_once(warehouse_file: Path, tmp_path: Path, query: Query) -> None:
    """Guards against half of one's copy under the published name, and against a failure of either."""
    published = tmp_path / "published.duckdb"
    write(warehouse_file, 1)
    command = [sys.executable, "-c", PUBLISH_ON_AND_ON, str(warehouse_file), str(published)]
    with (
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as one,
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as other,
    ):
        assert [process.communicate()[1] for process in (one, other)] == ["", ""]
    assert query("select max(number), count(*) from marts.numbers", published) == [(1, 200_000)]
    assert [path.name for path in tmp_path.glob("*.duckdb*")] == ["published.duckdb"]


@pytest.mark.parametrize("link", ["itself", "symbolic", "hard"])
def test_the_copy_never_replaces_the_warehouse(warehouse_file: Path, tmp_path: Path, link: str) -> None:
    """Guards against predictions and models of other datasets lost where both paths name one file."""
    write(warehouse_file, 1)
    published = warehouse_file if link == "itself" else tmp_path / "link.duckdb"
    if link == "symbolic":
        published.symlink_to(warehouse_file)
    if link == "hard":
        os.link(warehouse_file, published)
    before = warehouse_file.read_bytes()
    with pytest.raises(WarehouseError, match="is the warehouse itself"):
        publish(warehouse_file, published)
    assert warehouse_file.read_bytes() == before


@pytest.mark.parametrize("name", ["~/copy.duckdb", "md:copy.duckdb", "sqlite:copy"])
def test_a_published_path_is_a_file_below_the_working_directory(
    warehouse_file: Path, tmp_path: Path, query: Query, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Guards against a name that DuckDB takes for a home or for another kind of database."""
    write(warehouse_file, 1)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    for _ in range(2):  # the second compares with the first
        changes = publish(warehouse_file, Path(name)).changes
    assert changes
    assert query("select max(number) from marts.numbers", tmp_path / name) == [(1,)]
    assert list((tmp_path / "home").iterdir()) == []


@pytest.mark.parametrize("name", ["copy.duckdb", 'of "songs".duckdb'])
def test_a_warehouse_may_be_called_as_it_likes(tmp_path: Path, query: Query, name: str) -> None:
    """Guards against a name that is also what the attached copy is called, or that SQL has to quote."""
    published = tmp_path / "published" / name
    write(tmp_path / name, 1)
    publish(tmp_path / name, published)
    write(tmp_path / name, 2)
    assert {change.mart for change in publish(tmp_path / name, published).changes if change.changed} == {"clean_tracks"}
    assert query("select max(number) from marts.numbers", published) == [(2,)]


def test_the_copy_can_be_opened_by_duckdb_1_5(warehouse_file: Path, tmp_path: Path) -> None:
    """Guards against a database that today's command line refuses: DuckDB 2.0 would write its own version."""
    write(warehouse_file, 1)
    published = tmp_path / "published.duckdb"
    publish(warehouse_file, published)
    with duckdb.connect() as connection:
        connection.execute(f"attach '{published}' as copy (read_only)")
        assert connection.execute(
            "select tags['storage_version'] from duckdb_databases() where database_name = 'copy'"
        ).fetchall() == [("v1.5.0+",)]


def test_publishing_says_what_changed_in_each_mart(warehouse_file: Path, tmp_path: Path) -> None:
    """Guards against a copy that is replaced and nobody can tell in what: one row added, one gone, one changed."""
    published = tmp_path / "published.duckdb"
    write(warehouse_file, 1, tracks=3)
    assert publish(warehouse_file, published).changes == []
    with connect(warehouse_file) as connection:
        connection.execute("update marts.clean_tracks set popularity = 9 where spotify_track_id = 'a'")
        connection.execute("update marts.clean_tracks set spotify_track_id = 'z' where spotify_track_id = 'c'")
    publication = publish(warehouse_file, published)
    changes = {change.mart: change for change in publication.changes}
    assert changes["clean_tracks"] == MartChange("clean_tracks", added=1, removed=1, changed=1)
    assert changes["cleaning_audit"] == MartChange("cleaning_audit", added=0, removed=0, changed=0)
    assert publication.before == "songs"
    assert changes["clean_tracks"].examples == {"added": ["z"], "removed": ["c"], "changed": ["a"]}


def test_a_difference_is_what_publishing_would_change(warehouse_file: Path, tmp_path: Path) -> None:
    """Guards against two counts of the same thing, and against a comparison that writes."""
    published = tmp_path / "published.duckdb"
    write(warehouse_file, 1, tracks=9)
    assert difference(warehouse_file, published).changes == []
    assert not published.exists()
    publish(warehouse_file, published)
    write(warehouse_file, 2, tracks=5)
    with connect(warehouse_file) as connection:
        connection.execute("drop table marts.track_artists")
        connection.execute(
            "create table marts.feature_outliers as select null::varchar as genre, 'energy' as feature, 1 as tracks "
            "union all select 'Jazz', 'energy', 1"
        )
    before = (warehouse_file.read_bytes(), published.read_bytes())
    found = difference(warehouse_file, published)
    assert (warehouse_file.read_bytes(), published.read_bytes()) == before
    assert (found.dataset, found.before, found.refusal) == ("songs", "songs", "")
    changes = {change.mart: change for change in found.changes}
    assert changes["clean_tracks"] == MartChange("clean_tracks", added=0, removed=4, changed=5)
    assert changes["clean_tracks"].examples == {"changed": ["a", "b", "c"], "removed": ["f", "g", "h"]}
    assert changes["track_artists"] == MartChange("track_artists", added=0, removed=9, changed=0)
    assert changes["track_artists"].examples == {"removed": ["a, 1", "b, 1", "c, 1"]}
    assert set(changes["feature_outliers"].examples["added"]) == {"Jazz, energy", "NULL, energy"}
    assert changes["albums"] == MartChange("albums", 0, 0, 0)


def test_rows_of_two_datasets_are_not_compared(warehouse_file: Path, tmp_path: Path) -> None:
    """Guards against the first listing of one dataset told as a change of the first listing of another."""
    published = tmp_path / "published.duckdb"
    write(warehouse_file, 1)
    publish(warehouse_file, published)
    write(warehouse_file, 1, dataset="others")
    publication = publish(warehouse_file, published)
    assert (publication.before, publication.changes) == ("songs", [])


def test_rows_of_another_key_are_new_and_gone(warehouse_file: Path, tmp_path: Path) -> None:
    """Guards against an error of DuckDB's after an update by which a mart's key has another name."""
    published = tmp_path / "published.duckdb"
    write(warehouse_file, 1)
    with connect(warehouse_file) as connection:
        connection.execute("alter table marts.clean_tracks rename spotify_track_id to track_id")
    with duckdb.connect(str(warehouse_file)) as connection:
        connection.execute(f"attach '{published}' as copy")
        connection.execute("copy from database warehouse to copy")
    write(warehouse_file, 1, tracks=3)
    changes = {change.mart: change for change in difference(warehouse_file, published).changes}
    assert changes["clean_tracks"] == MartChange("clean_tracks", added=3, removed=2, changed=0)
    assert changes["clean_tracks"].examples == {"added": ["a", "b", "c"], "removed": ["NULL", "NULL"]}


def test_a_difference_of_what_cannot_be_published_says_why(warehouse_file: Path, tmp_path: Path) -> None:
    """Guards against a comparison that looks like leave to publish, of another dataset and untested."""
    published = tmp_path / "before.duckdb"
    write(warehouse_file, 1)
    publish(warehouse_file, published)
    write(warehouse_file, 1, dataset="others")
    with connect(warehouse_file) as connection:
        connection.execute("update intermediate.build_results set status = 'fail' where kind = 'test'")
    found = difference(warehouse_file, published)
    assert (found.dataset, found.before, found.changes) == ("others", "songs", [])
    assert found.refusal.startswith("Not every test has passed since the last `dbt build`: a_test (fail).")


@pytest.mark.parametrize("name", ["before.duckdb", "published.duckdb", "a b.duckdb"])
def test_a_warehouse_of_any_name_is_compared(tmp_path: Path, name: str) -> None:
    """Guards against a database that is taken for the other one because of its file's name."""
    warehouse, published = tmp_path / name, tmp_path / "copies" / "published.duckdb"
    write(warehouse, 1)
    publish(warehouse, published)
    write(warehouse, 2)
    changes = {change.mart: change for change in difference(warehouse, published).changes}
    assert changes["clean_tracks"] == MartChange("clean_tracks", added=0, removed=0, changed=2)


def test_nothing_is_compared_without_marts_or_with_what_is_no_database(warehouse_file: Path, tmp_path: Path) -> None:
    """Guards against "all rows are new" where the published copy cannot be read."""
    published = tmp_path / "published.duckdb"
    published.write_text("no database")
    with pytest.raises(WarehouseError, match="There is no database at"):
        difference(warehouse_file, tmp_path / "none.duckdb")
    connect(warehouse_file).close()
    with pytest.raises(WarehouseError, match="dbt has built no marts here yet"):
        difference(warehouse_file, tmp_path / "none.duckdb")
    write(warehouse_file, 1)
    with pytest.raises(WarehouseError, match="cannot be opened as a DuckDB database"):
        difference(warehouse_file, published)


def with_run(file: Path, run_id: str, dataset: str, digest: str) -> None:
    """A recorded run that is the published one of its dataset, with a prediction."""
    with connect(file) as connection:
        create_ml_tables(connection)
        connection.execute(
            "insert into ml.model_runs by name "
            "select ? as run_id, ? as dataset, ? as tracks_digest, true as is_published",
            [run_id, dataset, digest],
        )
        connection.execute(
            "insert into ml.verdicts by name select ? as run_id, ? as dataset, ? as tracks_digest, "
            "true as may_publish, '' as finding, now()::timestamp as decided_at",
            [run_id, dataset, digest],
        )
        connection.execute(
            "insert into ml.genre_predictions by name select ? as run_id, ? as dataset, 'a' as spotify_track_id",
            [run_id, dataset],
        )
        connection.execute(
            "insert into ml.genre_sets by name select ? as run_id, ? as dataset, 'a' as spotify_track_id",
            [run_id, dataset],
        )


def test_a_model_of_other_tracks_or_of_another_dataset_is_not_in_the_copy(
    warehouse_file: Path, tmp_path: Path, query: Query
) -> None:
    """Guards against real tracks beside the figures of a synthetic model, or of an earlier build."""
    published = tmp_path / "published.duckdb"
    write(warehouse_file, 1)
    with connect(warehouse_file) as connection:
        digest = tracks_digest(connection)
    with_run(warehouse_file, "other", "sandbox", digest)
    found = publish(warehouse_file, published)
    assert found.model.run_id is None
    assert found.model.finding == "There is no model of songs yet. Train one with `song-genres run`."
    assert query("select count(*) from ml.model_runs where is_published", published) == [(0,)]
    assert query("select count(*) from ml.genre_predictions", published) == [(0,)]

    with_run(warehouse_file, "mine", "songs", digest)
    assert publish(warehouse_file, published).model.run_id == "mine"
    assert query("select run_id from ml.model_runs where is_published", published) == [("mine",)]
    assert query("select distinct run_id from ml.genre_predictions", published) == [("mine",)]
    assert query("select run_id from ml.genre_sets", published) == [("mine",)]
    assert query("select count(*) from ml.genre_predictions", warehouse_file) == [(2,)], "the warehouse keeps both"

    write(warehouse_file, 1, tracks=3)
    found = publish(warehouse_file, published)
    assert found.model.run_id is None
    assert "mine learnt an earlier build of songs" in found.model.finding
    assert query("select count(*) from ml.genre_predictions", published) == [(0,)]


def test_popularity_alone_makes_no_other_tracks(warehouse_file: Path) -> None:
    """Guards against a weekly refresh of popularity after which no model is of these tracks any more."""
    write(warehouse_file, 1)
    with connect(warehouse_file) as connection:
        before = built(connection)
        connection.execute("update marts.clean_tracks set popularity = 77")
        assert built(connection) == before
        connection.execute("update marts.clean_tracks set energy = 0.6 where spotify_track_id = 'b'")
        after = built(connection)
        connection.execute("update marts.track_details set release_year = 1995 where spotify_track_id = 'b'")
        with_another_year = built(connection)
    assert before and after and with_another_year
    assert len({before.tracks_digest, after.tracks_digest, with_another_year.tracks_digest}) == 3


def test_nothing_is_shown_of_an_empty_database() -> None:
    """Guards against an error where there is simply nothing yet."""
    with duckdb.connect() as connection:
        assert built(connection) is None
        assert shown_model(connection).run_id is None


@pytest.mark.parametrize(
    "earlier", ["drop table marts.track_details", "alter table marts.track_details drop column release_year"]
)
def test_marts_of_an_earlier_version_are_told_in_a_sentence_with_what_to_do(earlier: str) -> None:
    """Guards against a traceback of DuckDB's where a table or column came later than the file."""
    with duckdb.connect() as connection:
        make_marts(connection, some_tracks(["Dub", "Emo"]))
        connection.execute(earlier)
        with pytest.raises(WarehouseError, match=r"earlier version.*dbt build && song-genres publish"):
            built(connection)


def test_marts_of_another_dataset_than_the_active_one_are_not_published(warehouse_file: Path, tmp_path: Path) -> None:
    """Guards against `import` followed by `publish` without a build."""
    write(warehouse_file, 1)
    with connect(warehouse_file) as connection:
        land(connection, Dataset("b", "dump:b"), {"tracks": rows("tracks", [{"listing_id": 1}])})
    with pytest.raises(WarehouseError, match="The marts hold the dataset songs, but b is the active one"):
        publish(warehouse_file, tmp_path / "published.duckdb")


def test_every_mart_has_a_key() -> None:
    """Guards against a new mart of which nobody is told what changed."""
    models = Path(__file__).parents[2] / "dbt_project" / "models" / "marts"
    assert sorted(MART_KEYS) == sorted(path.stem for path in models.glob("*.sql"))
