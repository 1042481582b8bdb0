"""A crawl goes on after a build, people read the published copy all the while, and the next build is published."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PATIENCE, Dbt
from tests.dbt_project.pandas_cleaning import clean_like_the_study
from tests.dbt_project.study_listing import land_listing, make_listing, study_frame
from warehouse import files
from warehouse.changes import MART_KEYS
from warehouse.publication import publish
from warehouse.raw import Dataset, land

LISTINGS = 3_000
FIRST = 2_970
"""Landed before the first build; the last 1 % comes after it."""

READER = """
import json, sys, time
from pathlib import Path
import duckdb
published, stop = sys.argv[1:]
seen, reads, failures = [], 0, []
while not Path(stop).exists():
    try:
        with duckdb.connect(published, read_only=True) as connection:
            clean = connection.execute("select count(*) from marts.clean_tracks").fetchone()[0]
            audited = connection.execute("select min(rows_after) from marts.cleaning_audit").fetchone()[0]
            time.sleep(0.02)  # between two queries of one state
            rejected = connection.execute("select count(*) from marts.rejected_listings").fetchone()[0]
            listings = connection.execute("select max(rows_after) from marts.cleaning_audit").fetchone()[0]
        state = [clean, audited, rejected, listings]
        if state not in seen:
            seen.append(state)
        reads += 1
    except Exception as error:
        failures.append(repr(error))
    time.sleep(0.2)
print(json.dumps({"seen": seen, "reads": reads, "failures": failures}))
"""


@dataclass(frozen=True)
class Outcome:
    """The warehouse built in two parts and the one built at once; the clean tracks to expect; what the readers saw."""

    in_parts: Path
    at_once: Path
    clean: tuple[int, int]
    readers: list[dict[str, Any]]
    open_all_the_time: int
    seconds_to_publish: float


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory, dbt: Dbt) -> Outcome:
    folder = tmp_path_factory.mktemp("second_build")
    in_parts, at_once = (folder / name / "warehouse.duckdb" for name in ("in_parts", "at_once"))
    published = folder / "published.duckdb"
    with files.connect(at_once) as connection:
        make_listing(connection, LISTINGS)
        listing = study_frame(connection, "listing")
        land_listing(connection, "crawl")
    clean = (len(clean_like_the_study(listing[:FIRST])), len(clean_like_the_study(listing)))
    dbt(at_once, "run")  # not build: a plain run, on a file that no seed was ever loaded into

    go_on(in_parts, at_once, 1, FIRST)
    dbt(in_parts, "build", "--exclude", "resource_type:unit_test")
    publish(in_parts, published)
    stop = folder / "stop"
    with files.connect(published, read_only=True) as all_the_time:  # somebody's notebook
        readers = [
            subprocess.Popen([sys.executable, "-c", READER, str(published), str(stop)], stdout=subprocess.PIPE)
            for _ in range(2)
        ]
        try:
            go_on(in_parts, at_once, FIRST + 1, LISTINGS)
            dbt(in_parts, "build", "--exclude", "resource_type:unit_test")
            started = time.monotonic()
            publish(in_parts, published)
            seconds = time.monotonic() - started
            time.sleep(1)  # the readers come by once more
            stop.touch()
            reports = [json.loads(reader.communicate(timeout=PATIENCE)[0]) for reader in readers]
        finally:
            for reader in readers:
                reader.kill()
        (still,) = all_the_time.execute("select count(*) from marts.clean_tracks").fetchone() or (0,)
    return Outcome(in_parts, at_once, clean, reports, still, seconds)


def go_on(path: Path, source: Path, first: int, last: int) -> None:
    """Land the listings `first` to `last` of the warehouse `source`, and the features of tracks that are new."""
    with files.connect(path) as connection:
        connection.execute(f"attach '{source}' as source (read_only)")
        tracks = f"from source.raw.tracks where listing_id between {first} and {last}"
        earlier = f"select track_id from source.raw.tracks where listing_id < {first}"
        land(connection, Dataset("study", "sandbox", is_synthetic=True), {
            "tracks": connection.sql(
                f"select genre, artist_name, track_id, listing_id - {first - 1} as listing_id, payload {tracks}"
            ),
            "audio_features": connection.sql(
                f"select track_id, payload from source.raw.audio_features where track_id in (select track_id {tracks}) "
                f"and track_id not in ({earlier})"
            ),
        })  # fmt: skip
        connection.execute("detach source")


def test_the_second_build_gives_what_one_build_of_everything_gives(outcome: Outcome) -> None:
    """A row that a build after a further crawl leaves as it was, or builds twice."""
    with files.connect(outcome.at_once) as connection:
        connection.execute(f"attach '{outcome.in_parts}' as in_parts (read_only)")
        marts = [name for (name,) in connection.execute(
            "select table_name from duckdb_tables() where database_name = 'warehouse' and schema_name = 'marts'"
        ).fetchall()]  # fmt: skip
        assert set(marts) == set(MART_KEYS)
        for mart in marts:
            one, other = f"from warehouse.marts.{mart}", f"from in_parts.marts.{mart}"
            difference = connection.execute(f"({one} except all {other}) union all ({other} except all {one})")
            assert difference.fetchall() == [], mart
        clean = connection.execute("select count(*) from in_parts.marts.clean_tracks").fetchone()
        assert clean == (outcome.clean[1],)


def test_no_read_fails_and_each_sees_a_whole_state(outcome: Outcome) -> None:
    """A reader that finds the file locked, missing or half copied while a run builds and publishes."""
    first, second = outcome.clean
    assert first < second
    for reader in outcome.readers:
        assert reader["failures"] == []
        assert reader["reads"] > 20
        assert reader["seen"] == [[first, first, FIRST - first, FIRST], [second, second, LISTINGS - second, LISTINGS]]


def test_a_reader_that_stays_keeps_its_state_and_stops_no_publication(outcome: Outcome) -> None:
    """A notebook left open over night that would stop the runs, or be shown another state half-way."""
    assert outcome.open_all_the_time == outcome.clean[0]
    assert outcome.seconds_to_publish < files.LOCK_WAIT_SECONDS / 2
