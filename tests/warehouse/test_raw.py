"""The raw tables: one transaction a batch, numbering, datasets."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from warehouse import files, raw
from warehouse.raw import Dataset, UnknownDataset, land, rows

Query = Callable[..., list[tuple[Any, ...]]]

MINE = Dataset("mine", "dump:mine.csv", content_sha256="abc")


@pytest.fixture
def connection(warehouse_file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with files.connect(warehouse_file) as opened:
        yield opened


def tracks(*ids: str) -> dict[str, Any]:
    records = [{"genre": "Jazz", "track_id": id_, "listing_id": n, "payload": "{}"} for n, id_ in enumerate(ids, 1)]
    return {"tracks": rows("tracks", records)}


def test_a_batch_is_stamped_and_its_dataset_recorded(connection: duckdb.DuckDBPyConnection) -> None:
    """Guards against documents of which nobody can tell whence and when they came."""
    batch = land(connection, MINE, tracks("a"), done=[{"stage": "search", "item": "Jazz"}])
    assert connection.execute(
        "select dataset, source, genre, artist_id, track_id, listing_id, payload, batch_id from raw.tracks"
    ).fetchall() == [("mine", "dump:mine.csv", "Jazz", None, "a", 1, "{}", batch)]
    assert connection.execute("select dataset, stage, item, detail, batch_id from raw.crawl").fetchall() == [
        ("mine", "search", "Jazz", None, batch)
    ]
    assert raw.active_dataset(connection) == MINE
    (age,) = connection.execute("select epoch(now()) - epoch(extracted_at) from raw.tracks").fetchone() or (None,)
    assert age is not None
    assert 0 <= age < 60


def test_a_warehouse_of_an_earlier_version_is_read_and_gets_the_columns_that_it_lacks(warehouse_file: Path) -> None:
    """Guards against data that an update makes unusable."""
    with files.connect(warehouse_file) as connection:
        land(connection, MINE, tracks("a"))
        connection.execute("alter table raw.datasets drop column reading")
    with files.connect(warehouse_file, read_only=True) as connection:
        assert raw.landed_datasets(connection) == [(MINE, True, 1)]
    with files.connect(warehouse_file) as connection:
        assert raw.dataset(connection, "mine") == MINE
        land(connection, Dataset("told", "dump:x", content_sha256="abc", reading="{}"), tracks("b"))
        assert [raw.dataset(connection, name) for name in ("told", "nowhere")] == [
            Dataset("told", "dump:x", content_sha256="abc", reading="{}"),
            None,
        ]


def test_listing_ids_go_on_where_the_last_batch_ended(connection: duckdb.DuckDBPyConnection) -> None:
    """Guards against download order that starts anew a batch, and against datasets that share their numbers."""
    land(connection, MINE, tracks("a", "b"))
    land(connection, Dataset("other", "spotify"), tracks("x"))
    land(connection, MINE, tracks("c", "d"))
    assert connection.execute("select dataset, listing_id, track_id from raw.tracks order by all").fetchall() == [
        ("mine", 1, "a"),
        ("mine", 2, "b"),
        ("mine", 3, "c"),
        ("mine", 4, "d"),
        ("other", 1, "x"),
    ]


def test_features_get_their_listings_numbers_and_a_missing_number_stays_missing(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """Guards against the features of one listing landed under another, in the second batch and after."""
    land(connection, MINE, tracks("a"))
    features = rows("audio_features", [{"track_id": "b", "listing_id": 1}, {"track_id": "b", "listing_id": None}])
    land(connection, MINE, {**tracks("b"), "audio_features": features})
    assert connection.execute("select listing_id from raw.audio_features").fetchall() == [(2,), (None,)]


def test_an_error_in_the_middle_leaves_nothing_of_the_batch(connection: duckdb.DuckDBPyConnection) -> None:
    """Guards against half a batch: tracks without features, or a dataset that is active and empty."""
    land(connection, MINE, tracks("a"))
    bad = connection.sql("select 'x' as track_id, error('in the middle') as payload")
    with pytest.raises(duckdb.Error, match="in the middle"):
        land(connection, Dataset("other", "spotify"), {**tracks("b"), "audio_features": bad}, done=[{"stage": "s"}])
    assert connection.execute("select track_id from raw.tracks").fetchall() == [("a",)]
    assert connection.execute("select count(*) from raw.crawl").fetchall() == [(0,)]
    assert connection.execute("select dataset, is_active from raw.datasets").fetchall() == [("mine", True)]
    land(connection, MINE, tracks("c"))  # the connection is usable still
    assert connection.execute("select max(listing_id) from raw.tracks").fetchall() == [(2,)]


def test_a_column_that_the_table_lacks_is_refused(connection: duckdb.DuckDBPyConnection) -> None:
    """Guards against values that would be left out in silence, and against the tables before it that stay."""
    bad = connection.sql("select 1 as listing_id, 120 as tempo")
    with pytest.raises(ValueError, match=r"raw.audio_features has no column tempo"):
        land(connection, MINE, {**tracks("a"), "audio_features": bad})
    assert raw.active_dataset(connection) is None
    assert raw.count_rows(connection, "mine")["tracks"] == 0


def test_one_dataset_is_active(connection: duckdb.DuckDBPyConnection) -> None:
    """Guards against staging that reads two catalogues at once, or none."""
    assert raw.active_dataset(connection) is None
    land(connection, MINE, tracks("a"))
    land(connection, Dataset("other", "sandbox", is_synthetic=True), tracks("x"))
    land(connection, Dataset("quiet", "spotify"), tracks("y"), activate=False)
    assert raw.active_dataset(connection) == Dataset("other", "sandbox", is_synthetic=True)
    raw.use(connection, "mine")
    assert connection.execute("select dataset from raw.datasets where is_active").fetchall() == [("mine",)]


def test_using_an_unknown_dataset_names_those_that_there_are(connection: duckdb.DuckDBPyConnection) -> None:
    """Guards against an error that leaves the reader to guess, and against a switch that leaves none active."""
    with pytest.raises(UnknownDataset, match="no dataset 'x'.*none yet; land one with `song-genres import FILE`"):
        raw.use(connection, "x")
    land(connection, MINE, tracks("a"))
    with pytest.raises(UnknownDataset, match="no dataset 'x'. Landed so far: mine"):
        raw.use(connection, "x")
    assert raw.active_dataset(connection) == MINE


# Lands batches of 500 listings and their features without an end, and says each batch that was committed.
ENDLESS = """
import sys
from pathlib import Path
from warehouse import files
from warehouse.raw import Dataset, land
while True:
    with files.connect(Path(sys.argv[1])) as connection:
        one = connection.sql("select range + 1 as listing_id, 'id' as track_id, '{}' as payload from range(500)")
        land(connection, Dataset("mine", "spotify"), {"tracks": one, "audio_features": one},
             done=[{"stage": "tracks", "item": "one batch"}])
        print("landed", flush=True)
"""


@pytest.mark.parametrize("seconds", [0.0, 0.013, 0.031])
def test_kill_9_leaves_whole_batches(warehouse_file: Path, query: Query, seconds: float) -> None:
    """Guards against documents without their crawl state, or the other way round, after `kill -9` at any moment."""
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(warehouse_file)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for _ in range(3):
            assert process.stdout.readline() == "landed\n"
        time.sleep(seconds)
        os.kill(process.pid, signal.SIGKILL)
        said = 3 + process.stdout.read().count("landed")
    with files.connect(warehouse_file):
        pass  # replays what the log holds, as the next run would
    ((batches,),) = query("select count(*) from raw.crawl")
    assert said <= batches <= said + 1  # the last may have been committed and not yet said
    for table in ("tracks", "audio_features"):
        assert query(f"select count(*), count(distinct listing_id), max(listing_id) from raw.{table}") == [
            (500 * batches, 500 * batches, 500 * batches)
        ]
    assert query(
        """
        select count(distinct batch_id) from raw.tracks inner join raw.audio_features using (batch_id, listing_id)
        inner join raw.crawl using (batch_id)
        """
    ) == [(batches,)]
