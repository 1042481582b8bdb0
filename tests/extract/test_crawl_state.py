"""A crawl's state that another version wrote, or another clock; and documents that have grown between two crawls.

As the acceptance tests of Airbyte and the Singer SDK ask it (docs/testing.md).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from extract.sandbox.faults import Fault
from extract.sandbox.server import SandboxServer, serve
from extract.settings import CrawlError
from tests.conftest import Dbt
from tests.extract.crawl_fixtures import GENRES, assert_complete, catalogue, crawl, documents, rows


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with serve(catalogue()) as server:
        yield server


def change(path: Path, sql: str) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute(sql)


def test_a_state_far_beyond_the_end_asks_nothing_and_lands_nothing(
    sandbox: SandboxServer, warehouse_file: Path
) -> None:
    """Guards against a page that is not there being asked for again and again, or an error in Python's words."""
    crawl(sandbox, warehouse_file, genres=["Dub"])
    landed, asked = documents(warehouse_file), sandbox.count()
    change(
        warehouse_file, """update raw.crawl set detail = '{"offset": 999999, "ended": false}' where stage = 'artists'"""
    )
    assert crawl(sandbox, warehouse_file, genres=["Dub"]).finished
    assert (documents(warehouse_file), sandbox.count()) == (landed, asked)


def test_requests_that_lie_in_the_future_hold_up_nothing(sandbox: SandboxServer, warehouse_file: Path) -> None:
    """Guards against a wait of years after a clock that went wrong and was put right."""
    crawl(sandbox, warehouse_file, genres=["Dub"])
    change(warehouse_file, "update raw.requests set requested_at = '2999-12-31'")
    report = crawl(sandbox, warehouse_file, genres=["Dub", "Rai"], requests_per_window=150, per_day=10_000)
    assert report.finished
    assert report.waited_seconds < 1
    assert_complete(warehouse_file, catalogue(), ["Dub", "Rai"])


@pytest.mark.parametrize(
    "later",
    [
        "update raw.crawl set stage = 'audio analyses' where stage = 'top tracks'",
        """update raw.crawl set detail = '{"cursor": "x"}' where stage = 'artists'""",
        "update raw.crawl set detail = null where stage = 'listings'",
        "update raw.crawl set detail = 'done' where stage = 'top tracks'",
    ],
)
def test_a_state_that_a_later_version_wrote_is_refused_in_a_sentence(
    later: str, sandbox: SandboxServer, warehouse_file: Path
) -> None:
    """Guards against a crawl that begins anew, doubling all, because it does not understand what was done."""
    crawl(sandbox, warehouse_file, genres=["Dub"])
    landed, asked = documents(warehouse_file), sandbox.count()
    change(warehouse_file, later)
    with pytest.raises(CrawlError, match="made by another version.*Nothing was asked or changed"):
        crawl(sandbox, warehouse_file, genres=["Dub", "Rai"])
    assert (documents(warehouse_file), sandbox.count()) == (landed, asked)


def test_a_state_that_an_earlier_version_wrote_is_gone_on_from(sandbox: SandboxServer, warehouse_file: Path) -> None:
    """Guards against a crawl of weeks that an update throws away: the raw tables of the first version, half done."""
    crawl(sandbox, warehouse_file, genres=["Dub"])
    change(warehouse_file, "alter table raw.datasets drop column reading")
    change(warehouse_file, "drop table raw.plays")
    change(warehouse_file, "drop table raw.genre_tree")
    asked = sandbox.count("search artists")
    assert crawl(sandbox, warehouse_file, genres=GENRES).finished
    assert len(rows(warehouse_file, "select * from raw.tracks where genre = 'Dub'")) == len(
        [1 for artist in catalogue().hits["Dub"] for _ in catalogue().top_tracks[artist]]
    )
    assert sandbox.count("search artists") - asked >= len(GENRES) - 1
    assert rows(warehouse_file, "select count(*) from raw.plays") == [(0,)]


def grown(answer: Any) -> Any:
    """The answer with more in each document than there was, at each depth, and one value of another type."""
    if isinstance(answer, list):
        return [grown(each) for each in answer]
    if not isinstance(answer, dict):
        return answer
    more = {name: grown(value) for name, value in answer.items()}
    if "id" in more:
        more |= {"mood": {"name": "calm", "share": 0.5}, "collaborators": [], "popularity_2": None}
    return more | ({"explicit": "unknown"} if more.get("type") == "track" else {})


def test_documents_that_grew_between_two_crawls_are_kept_and_built(
    sandbox: SandboxServer, warehouse_file: Path, dbt: Dbt
) -> None:
    """Guards against a new field of Spotify's that is lost, or that breaks what was there before."""
    crawl(sandbox, warehouse_file, genres=["Dub"])
    dbt(warehouse_file, "run")
    first, clean = documents(warehouse_file), clean_tracks(warehouse_file)
    sandbox.break_with(
        *(Fault(endpoint, edit=grown, times=9999) for endpoint in ("search artists", "top-tracks", "audio-features"))
    )
    crawl(sandbox, warehouse_file, genres=["Dub"], refresh="all")
    both = documents(warehouse_file)
    number = len(first["listings"])
    assert both["listings"][:number] == first["listings"]
    assert [json.loads(row[-1]) for row in both["listings"][number:]] == [
        grown(json.loads(row[-1])) for row in first["listings"]
    ]
    dbt(warehouse_file, "build", "--exclude", "resource_type:unit_test")
    assert clean_tracks(warehouse_file) == clean


def clean_tracks(path: Path) -> list[tuple[Any, ...]]:
    return rows(path, "select * exclude (popularity) from marts.clean_tracks order by listing_id")
