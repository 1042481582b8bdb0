"""The report: made from what is there, saying what is missing, and drawn in a real browser without a network."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pytest
from playwright.sync_api import Page, sync_playwright

from ml.dataset import AUDIO_FEATURES, ModelError, Tracks, split_by_artist
from ml.report import build_report
from ml.training import fit, record

HOSTILE = "</script><b>Punk & Jazz</b>"
"""A genre's name as a prankster would write it."""


@pytest.fixture
def marts(tracks: Tracks, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """The marts of 180 made-up tracks, one of the genres with a hostile name."""
    frame = tracks.frame.assign(dataset="made_up", is_synthetic=True, listing_id=np.arange(len(tracks.frame)))
    frame["genre"] = frame["genre"].replace("Punk", HOSTILE)
    connection.register("frame", frame)
    connection.execute(
        f"""
        create schema marts;
        create table marts.clean_tracks as from frame;
        create table marts.track_artists as
        select spotify_track_id, 1 as position, null::varchar as artist_id, artist_name from frame;
        create table marts.cleaning_audit as
        from (values (0, 'listings', 'All', 0, 190), (1, 'exact_repeat', 'Equal', 10, 180))
            as audit(step, rule, description, rows_removed, rows_after);
        create table marts.feature_distribution as
        select genres.genre, feature, bins.bin, (bins.bin - 1) / 100 as lower_bound, bins.bin / 100 as upper_bound,
            case when genres.genre is null then 3 else 1 end as tracks
        from (select distinct genre from frame union all select null) as genres,
            (select unnest({AUDIO_FEATURES}) as feature), range(1, 61) as bins(bin);
        """
    )
    return connection


@pytest.fixture
def trained(marts: duckdb.DuckDBPyConnection, tracks: Tracks) -> duckdb.DuckDBPyConnection:
    """The same with a run of the forest and one of the baseline."""
    renamed = Tracks(
        tracks.frame.assign(genre=tracks.frame["genre"].replace("Punk", HOSTILE)), tracks.credits, "made_up", True
    )
    split = split_by_artist(renamed)
    record(marts, fit(renamed, model="prior", split=split), None, published=False)
    record(marts, fit(renamed, model="study_forest", split=split), None, published=True)
    return marts


def test_the_page_has_every_chart_with_its_rows_and_says_synthetic(
    trained: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """Guards against charts without n, and against made-up data that look real."""
    result = build_report(trained, tmp_path)
    assert result.charts == ["cleaning", "tracks-per-genre", "distribution", "f1", "precision-recall", "runner-ups"]
    assert result.missing == []
    page = result.path.read_text()
    assert page.count("n = 54 held-out tracks") == 3
    assert page.count("n = 180 clean tracks") == 2
    assert page.count("synthetic data.</p>") == 6
    assert "<b>Punk" not in page
    assert (tmp_path / "data" / "f1.csv").read_text().count("\n") == 4


def test_without_a_model_the_page_says_so(marts: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Guards against no page at all where only a part is missing."""
    marts.execute("drop table marts.feature_distribution")
    result = build_report(marts, tmp_path)
    assert result.charts == ["cleaning", "tracks-per-genre"]
    assert "There is no trained model yet" in result.path.read_text()
    assert any("distributed" in sentence for sentence in result.missing)


def test_without_clean_tracks_there_is_an_error_that_says_what_to_do(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """Guards against an empty page from an empty database."""
    with pytest.raises(ModelError, match="make run"):
        build_report(connection, tmp_path)


def test_an_unknown_run_is_told_with_those_that_there_are(trained: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Guards against a page of another run than the one asked for."""
    with pytest.raises(ModelError, match="no run 'x'.*made_up-artist_grouped-"):
        build_report(trained, tmp_path, run_id="x")


@pytest.fixture
def browser_page() -> Iterator[tuple[Page, list[str]]]:
    """A page in Debian's chromium, and what it complained of: errors, and requests that leave the disk."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs chromium: apt-get install chromium")
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda request: (
                complaints.append(request.url) if not request.url.startswith(("file:", "data:", "blob:")) else None
            ),
        )
        yield page, complaints
        browser.close()


@pytest.mark.browser
def test_every_chart_is_drawn_from_disk_and_the_sankey_follows_the_choice(
    trained: duckdb.DuckDBPyConnection, tmp_path: Path, browser_page: tuple[Page, list[str]]
) -> None:
    """Guards against a page that is right as text and empty, or broken, on a screen."""
    page, complaints = browser_page
    page.goto(build_report(trained, tmp_path).path.as_uri())
    for chart in page.locator(".chart").all():
        chart.scroll_into_view_if_needed()
        chart.locator(".plot svg.main-svg").first.wait_for(timeout=15_000)
    sankey = page.locator("#runner-ups")
    before = sankey.locator(".plot").inner_text()
    sankey.locator("input").fill("Jazz")
    sankey.locator("input").press("Tab")
    page.wait_for_function("document.querySelector('#runner-ups').dataset.drawn === 'Jazz'")
    page.wait_for_function(
        "before => document.querySelector('#runner-ups .plot').innerText !== before", arg=before, timeout=15_000
    )
    sankey.locator("input").fill("no such genre")
    sankey.locator("input").press("Tab")
    assert "There is no such genre" in sankey.inner_text()
    sankey.locator("summary").click()
    assert sankey.locator("table tbody tr").count() == 9
    page.set_viewport_size({"width": 400, "height": 800})
    page.wait_for_function("document.documentElement.scrollWidth <= 400", timeout=15_000)
    assert complaints == []
