"""`dagster dev` as people run it: a real server, real runs, a real browser; stopped and started in between."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from playwright.sync_api import Browser, expect

from extract.dumps import import_dump
from tests.end_to_end.conftest import open_page
from tests.end_to_end.dev import Dev, dagster_dev
from warehouse import files

pytestmark = [pytest.mark.full, pytest.mark.browser]

QUICK = {"genre_model": {"config": {"model": "lightgbm"}}}
CRAWL = {"source": "sandbox", "genres": {"Techno": 40, "Jazz": 40, "Metal": 40}, "requests_per_window": 150}


@pytest.fixture(scope="module")
def dev(songs_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    """In a folder with the songs landed; the last test stops it."""
    folder = tmp_path_factory.mktemp("dev")
    import_dump(songs_csv, folder / "data" / "warehouse.duckdb", name="songs")
    with dagster_dev(folder) as dev:
        yield dev


def test_it_opens_without_a_warning_of_ours(dev: Dev) -> None:
    """Guards against definitions that load with complaints, which people learn to overlook."""
    complaints = [
        line for line in dev.said.splitlines() if ("Warning" in line or "ERROR" in line) and "site-packages" not in line
    ]
    assert complaints == []


def test_everything_started_in_the_browser_and_once_more_at_the_same_time(dev: Dev, browser: Browser) -> None:
    """Guards against an interface that cannot start a run or shows nothing of it, and two writers of one database."""
    page = open_page(browser, viewport={"width": 1400, "height": 900})
    page.goto(f"{dev.url}/locations/song_genres/jobs/everything")
    page.get_by_role("button", name="Materialize all").click()
    page.get_by_role("link", name="View", exact=True).click()
    second = dev.launch("everything", **QUICK)
    expect(page.get_by_text("Success", exact=True).first).to_be_visible()
    first = page.url.rsplit("/", 1)[1]
    ended = [dev.wait_for_run(run) for run in (first, second)]
    assert [run["status"] for run in ended] == ["SUCCESS", "SUCCESS"]
    assert ended[1]["startTime"] >= ended[0]["endTime"], "they were to queue"
    with duckdb.connect(str(dev.folder / "data" / "song_genres.duckdb"), read_only=True) as connection:
        assert connection.execute("select count(*) from marts.clean_tracks").fetchall() == [(360,)]
        assert connection.execute("select count(*) from raw.tracks").fetchall() == [(364,)]

    page.goto(f"{dev.url}/assets/marts/clean_tracks")
    for words in ("The study's clean table", "Row count", "360", "How suitable the track is for dancing"):
        expect(page.get_by_text(words).first).to_be_visible()
    page.goto(f"{dev.url}/assets/ml/model_runs?view=checks")
    for words in ("nothing_on_both_sides", "beats_the_majority"):
        expect(page.get_by_text(words).first).to_be_visible()
    page.close()


def test_stopped_and_started_in_the_middle_of_a_crawl_nothing_is_lost_and_nobody_holds_the_database(
    dev: Dev,
) -> None:
    """Guards against a process that lives on and holds the file, and a run that is "started" for ever."""
    folder = dev.folder
    crawling = dev.launch("extract", raw_documents={"config": CRAWL})
    dev.wait_for(lambda: landed(folder) > 0)
    dev.stop()
    before = landed(folder)
    with dagster_dev(folder) as started_again:
        assert started_again.wait_for_run(crawling)["status"] in ("FAILURE", "CANCELED", "SUCCESS")
        again = started_again.launch("extract", raw_documents={"config": CRAWL})
        assert started_again.wait_for_run(again)["status"] == "SUCCESS"
    assert landed(folder) >= before > 0
    with files.connect(folder / "data" / "warehouse.duckdb") as connection:
        counts = (
            "select count(*), count(distinct listing_id), max(listing_id) from raw.tracks where dataset = 'sandbox'"
        )
        ((listings, distinct, last),) = connection.execute(counts).fetchall()
        assert listings == distinct == last > 100


def landed(folder: Path) -> int:
    """Documents of the sandbox in the warehouse."""
    with files.connect(folder / "data" / "warehouse.duckdb") as connection:
        ((count,),) = connection.execute("select count(*) from raw.artists where dataset = 'sandbox'").fetchall()
    return int(count)
