"""The report in a real browser, opened from disk without a network: drawn, usable, and readable by everyone.

The page is made from a database that is made in seconds (tests/ml/report_database.py), with more genres than a Sankey
names and more than fit without a search.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from playwright.sync_api import Browser, Locator, Page

from ml.charts import CHARTS
from ml.dataset import split_by_artist
from ml.records import record
from ml.report import build_report
from ml.training import fit
from tests.conftest import ROOT
from tests.end_to_end.conftest import open_page
from tests.ml.report_database import find, make_marts, some_tracks

pytestmark = [pytest.mark.browser]

HOSTILE = "</script><img src=x onerror=document.title='bad'>R&B"
GENRES = [HOSTILE, "1999", *(f"Genre {letter}" for letter in "ABCDEFGHIJKLM"), "Zydeco"]
AXE = ROOT / ".tools" / "node_modules" / "axe-core" / "axe.min.js"
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 400, "height": 800}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of 16 genres with a published run, a baseline, and a run by the study's protocol."""
    folder = tmp_path_factory.mktemp("report")
    tracks = some_tracks(GENRES)
    with duckdb.connect() as connection:
        tracks = make_marts(connection, tracks)
        split = split_by_artist(tracks)
        record(connection, fit(tracks, model="prior", split=split), None, published=False)
        record(connection, fit(tracks, model="study_forest", split=split), None, published=True)
        record(connection, fit(tracks, model="knn", protocol="study_2023_04"), None, published=False)
        find(connection, tracks)
        result = build_report(connection, folder)
    assert result.missing == []
    return result.path


@pytest.fixture
def complaints() -> list[str]:
    """What the page complained of: errors, and requests that leave the disk."""
    return []


@pytest.fixture
def page(browser: Browser, report: Path, complaints: list[str]) -> Iterator[Page]:
    """The page at 1280 pixels, which at the end must have complained of nothing."""
    page = open_page(browser, viewport=WIDE, reduced_motion="reduce")
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda request: None if request.url.startswith(("file:", "data:", "blob:")) else complaints.append(request.url),
    )
    page.goto(report.as_uri())
    yield page
    page.close()
    assert complaints == []


def drawn(page: Page, key: str) -> Locator:
    """The chart `key`, brought into view and drawn."""
    chart = page.locator(f"#{key}")
    chart.scroll_into_view_if_needed()
    page.wait_for_function("key => document.getElementById(key).dataset.drawn", arg=key)
    return chart


def choose(page: Page, chart: Locator, genre: str) -> None:
    chart.locator(".choice").fill(genre)
    chart.locator(".choice").press("Tab")
    page.wait_for_function(
        "([key, genre]) => document.getElementById(key).dataset.drawn === genre",
        arg=[chart.get_attribute("id"), genre],
    )


def draw_all(page: Page) -> None:
    for chart in CHARTS:
        drawn(page, chart.key)


def test_every_chart_is_drawn_when_it_comes_into_view(page: Page) -> None:
    """Guards against a page that is right as text and empty, or broken, on a screen."""
    assert page.locator("#protocols").get_attribute("data-drawn") is None
    for chart in CHARTS:
        shapes = drawn(page, chart.key).locator(".plot svg.main-svg").first
        box = shapes.bounding_box()
        assert box is not None and box["width"] > 300 and box["height"] > 200, chart.key
        marks = page.evaluate(
            "key => document.querySelectorAll(`#${key} .plot :is(.trace, .sankey-link, .hm image)`).length", chart.key
        )
        assert marks > 0, chart.key
    assert page.title().startswith("Can a song's genre be heard?")


def test_a_link_to_a_chart_shows_that_chart(page: Page, report: Path) -> None:
    """Guards against a contents list that leads elsewhere, because charts above grow when they are drawn."""
    page.goto(f"{report.as_uri()}#importances")
    page.wait_for_function("document.getElementById('importances').dataset.drawn")
    page.wait_for_timeout(300)
    top = page.evaluate("document.getElementById('importances').getBoundingClientRect().top")
    assert -50 < top < 700


def test_the_sankey_follows_the_genre_chosen(page: Page) -> None:
    """Guards against a choice that changes a title and not the bands, and names with signs that are not found."""
    chart = drawn(page, "runner-ups")
    values = "document.querySelector('#runner-ups .plot').data[0].link.value"
    before = page.evaluate(values)
    assert len(before) == 13
    for genre in ("Zydeco", HOSTILE):
        choose(page, chart, genre)
        assert page.evaluate(values) != before
        before = page.evaluate(values)
        assert chart.locator("h3").inner_text().startswith(f"{genre} tracks:")
        assert f"{genre} (" in "".join(chart.locator(".node-label").all_text_contents())
    chart.locator(".choice").fill("no such genre")
    chart.locator(".choice").press("Tab")
    assert "There is none of that name here" in chart.inner_text()
    assert page.title().startswith("Can a song's genre be heard?")


def test_the_distribution_and_the_map_follow_the_genre_chosen(page: Page) -> None:
    """Guards against charts that all show their first choice."""
    for key, trace in (("distribution", 1), ("map", -1)):
        chart = drawn(page, key)
        at = "([key, trace]) => JSON.stringify(document.querySelector(`#${key} .plot`).data.at(trace).y)"
        before = page.evaluate(at, [key, trace])
        choose(page, chart, "Genre D")
        assert page.evaluate(at, [key, trace]) != before
        assert chart.locator("h3").inner_text().startswith("Genre D ")


def test_searching_keeps_the_bars_that_have_the_words(page: Page) -> None:
    """Guards against a search that finds nothing, or names without their values."""
    chart = drawn(page, "f1")
    search = chart.locator(".search")
    names = "document.querySelector('#f1 .plot').data.flatMap((trace) => trace.y)"
    assert len(page.evaluate(names)) == len(GENRES)
    search.fill("zyde")
    page.wait_for_function(f"{names}.length === 1")
    assert page.evaluate(names) == ["Zydeco"]
    assert page.evaluate("document.querySelector('#f1 .plot').data[0].x.length") == 1
    assert "1 found" in chart.inner_text()
    search.fill("r&b")
    page.wait_for_function(f"{names}.length === 1 && {names}[0].includes('R&amp;B')")
    search.fill("nothing like it")
    page.wait_for_function("document.querySelector('#f1 .found').textContent.startsWith('No genre')")
    search.fill("")
    page.wait_for_function(f"{names}.length === {len(GENRES)}")
    family = chart.locator("button.family").first
    family.click()
    page.wait_for_function(f"{names}.length < {len(GENRES)}")
    assert family.get_attribute("aria-pressed") == "true"


def test_tables_open_and_their_csv_lie_beside_the_page(page: Page, report: Path) -> None:
    """Guards against a chart whose numbers cannot be had."""
    for key in [*(chart.key for chart in CHARTS), "songs"]:
        part = page.locator(f"#{key}")
        part.locator("summary").click()
        rows = part.locator("tbody tr")
        assert rows.first.is_visible(), key
        link = part.locator("a[download]")
        csv = report.parent / (link.get_attribute("href") or "")
        lines = csv.read_text(encoding="utf-8").splitlines()
        assert min(len(lines) - 1, 150) == rows.count(), key


def test_the_matrix_zooms_where_it_is_dragged_over(page: Page) -> None:
    """Guards against 132 genres that can only be seen from afar."""
    chart = drawn(page, "confusions")
    span = "(() => { const r = document.querySelector('#confusions .plot').layout.xaxis.range; return r[1] - r[0]; })()"
    before = page.evaluate(span)
    area = chart.locator(".plot .nsewdrag").first
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    page.wait_for_function(f"{span} < {before} * 0.7")


def test_a_phone_shows_the_page_without_sideways_scroll(page: Page) -> None:
    """Guards against a chart or a table wider than the screen."""
    page.set_viewport_size(NARROW)
    page.reload()
    draw_all(page)
    for summary in page.locator("main summary").all():
        summary.click()
    page.wait_for_function("document.documentElement.scrollWidth <= 400")


def test_the_page_can_be_used_by_keyboard_alone(page: Page) -> None:
    """Guards against controls for the mouse alone, and focus that cannot be seen."""
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    drawn(page, "f1").locator(".search").focus()
    page.keyboard.type("zyde")
    page.wait_for_function("document.querySelector('#f1 .found').textContent === '1 found'")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "family"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.getAttribute('aria-pressed') === 'true'")
    page.locator("#boxes select").focus()
    before = page.locator("#boxes h3").inner_text()
    page.keyboard.press("ArrowDown")
    page.wait_for_function("before => document.querySelector('#boxes h3').textContent !== before", arg=before)
    page.locator("#f1 summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "table"  # which scrolls, so it must be reached


def test_dark_and_light_can_be_chosen_and_charts_follow(page: Page) -> None:
    """Guards against dark letters on a dark page: the charts' text is drawn by Plotly, not by the stylesheet."""
    drawn(page, "scores")
    paper = "getComputedStyle(document.body).backgroundColor"
    letters = "getComputedStyle(document.querySelector('#scores .plot .legendtext')).fill"
    light = page.evaluate(paper), page.evaluate(letters)
    page.locator(".theme").click()  # from the system's to light
    page.locator(".theme").click()  # to dark
    page.wait_for_function(f"{letters} !== {json.dumps(light[1])}")
    assert page.evaluate(paper) != light[0]
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.emulate_media(color_scheme="dark")
    page.locator(".theme").click()  # back to the system's, which is dark too now
    assert page.evaluate(paper) != light[0]


@pytest.mark.parametrize(("theme", "viewport"), [("light", WIDE), ("dark", NARROW)])
def test_axe_finds_no_serious_fault(page: Page, theme: str, viewport: dict[str, int]) -> None:
    """Guards against text of low contrast, controls without names, and what else bars people out."""
    if not AXE.exists():
        pytest.skip("needs axe-core: npm install --prefix .tools axe-core (as .ci/run does)")
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    page.set_viewport_size(viewport)  # type: ignore[arg-type]
    draw_all(page)
    for key in ("f1", "runner-ups", "songs"):
        page.locator(f"#{key} summary").click()
    page.add_script_tag(path=AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations'], preload: false})")["violations"]
    faults = {
        fault["id"]: [node["html"][:150] for node in fault["nodes"][:3]]
        for fault in found
        if fault["impact"] in ("serious", "critical")
    }
    assert faults == {}
