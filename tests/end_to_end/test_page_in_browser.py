"""The page of `song-genres serve` in a real browser: search, knobs, files, the map; by keyboard and on a phone.

It is served as people have it, over a small published copy that is made in seconds (tests/web/published_copy.py).
"""

import csv
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.end_to_end.conftest import open_page
from tests.end_to_end.test_report_in_browser import AXE, NARROW, WIDE
from tests.extract.test_own_music import HISTORY
from tests.web.conftest import drop, serving
from tests.web.published_copy import HOSTILE, make_copy
from tests.web.test_dropped import songs_csv

pytestmark = [pytest.mark.browser]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the published copy lies."""
    return tmp_path_factory.mktemp("published")


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[str]:
    """The page's address."""
    with serving(make_copy(folder)) as address:
        yield address


@pytest.fixture
def page(browser: Browser, site: str) -> Iterator[Page]:
    """A page at 1280 pixels, which at the end must have complained of nothing, and asked no one else for anything."""
    complaints: list[str] = []
    page = open_page(browser, viewport=WIDE, reduced_motion="reduce", base_url=site)
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda request: None if request.url.startswith((site, "data:", "blob:")) else complaints.append(request.url),
    )
    page.goto("/")
    yield page
    page.close()
    assert complaints == []


def test_a_song_is_found_while_it_is_typed_by_keyboard_alone(page: Page) -> None:
    """Guards against a search that wants the mouse, or whose address cannot be reloaded."""
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.locator("#query").focus()
    page.keyboard.type("cafe elu")
    expect(page.locator("#count")).to_have_text("1 found")
    expect(page).to_have_url("/?q=cafe+elu")
    page.reload()
    expect(page.locator("#found a")).to_have_text("Café Éluard")
    page.locator("#query").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Café Éluard")
    expect(page.get_by_role("heading", name="Nearest by sound")).to_be_visible()


def test_names_that_hold_script_do_nothing(page: Page) -> None:
    """Guards against a title or genre that runs: on the server's pages, and in what the script adds."""
    page.locator("#query").fill("script ambient")
    expect(page.locator("#found li").first).to_contain_text("<script>document.title='bad'</script>")
    page.locator("#found a").first.click()
    expect(page.locator("h1")).to_contain_text("<script>")
    page.goto("/knobs")
    page.locator("#like").select_option(HOSTILE)
    expect(page.locator("#guesses")).to_contain_text(HOSTILE)
    page.goto("/map")
    page.get_by_role("link", name=HOSTILE).click()
    expect(page.locator("h1")).to_have_text(HOSTILE)
    assert "bad" not in page.title().removeprefix(HOSTILE)


def test_a_knob_that_is_turned_changes_the_ranking_and_the_address(page: Page) -> None:
    """Guards against a ranking that stays, and an address that is of other knobs than those seen."""
    page.goto("/knobs")
    page.locator("#like").select_option("Ambient")
    expect(page.locator("#guesses a").first).to_have_text("Ambient")
    knob = page.locator("#knob-loudness")
    knob.focus()
    knob.press("End")
    expect(page.locator("#guesses a").first).not_to_have_text("Ambient")
    expect(page.locator("#moved")).to_contain_text("loudness")
    expect(page).to_have_url(re.compile("loudness=5"))
    first, shown = page.locator("#guesses").inner_text(), page.locator("output").all_inner_texts()
    page.reload()
    assert page.locator("#guesses").inner_text() == first
    assert page.locator("output").all_inner_texts() == shown
    page.locator("#back").click()
    expect(page.locator("#moved li")).to_have_count(0)
    expect(page).to_have_url("/knobs")


def test_a_file_is_dropped_and_its_songs_are_downloaded(page: Page, tmp_path: Path) -> None:
    """Guards against a drop that opens the file in the browser, a bad file without words, and a download of another."""
    bad, good = tmp_path / "bad.csv", tmp_path / "good.csv"
    bad.write_bytes(b"song_name,tempo\nA,120\n")
    good.write_bytes(songs_csv(["=1+1", "Second"]))
    page.goto("/file")
    page.locator("#file").set_input_files(bad)
    expect(page.locator(".error-words")).to_contain_text("bad.csv: it lacks audio features")
    transfer = page.evaluate_handle(
        """text => { const data = new DataTransfer(); data.items.add(new File([text], "good.csv")); return data; }""",
        good.read_text(),
    )
    page.locator("#drop").dispatch_event("drop", {"dataTransfer": transfer})
    expect(page.locator("h1")).to_have_text("good.csv")
    expect(page.locator("h2").first).to_have_text("2 songs")
    page.locator("#counts").scroll_into_view_if_needed()
    expect(page.locator("#counts")).to_have_attribute("data-drawn", re.compile(".+"))
    with page.expect_download() as download:
        page.get_by_role("link", name="Download all as CSV").click()
    assert '\n"\'=1+1"' in Path(download.value.path()).read_text()
    page.locator("#remove").click()
    expect(page.locator("h1")).to_have_text("Drop a file")


def test_exportifys_file_and_spotifys_zip_are_dropped(page: Page, tmp_path: Path) -> None:
    """Guards against the files that people have in hand: a playlist is scored, and an account's data are told how."""
    header = (
        "Track URI,Track Name,Artist Name(s),Release Date,Duration (ms),Added By,Danceability,Energy,Key,Loudness,Mode,"
        "Speechiness,Acousticness,Instrumentalness,Liveness,Valence,Tempo,Time Signature\n"
    )
    row = "spotify:track:4Ub8UsjWuewQrPhuepfVp{0},Liked {0},Ann;Bob,1999-05-01,200000,wanda,"
    row += ".5,.9,1,-5,1,.1,.1,0,.1,.5,120,4\n"
    playlist, account = tmp_path / "liked_songs.csv", tmp_path / "my_spotify_data.zip"
    playlist.write_text(header + "".join(row.format(number) for number in range(3)))
    page.goto("/file")
    page.locator("#file").set_input_files(playlist)
    expect(page.locator("h1")).to_have_text("liked_songs.csv")
    expect(page.locator("h2").first).to_have_text("3 songs")
    songs = page.get_by_role("region", name="Songs with their genres")
    expect(songs.locator("tbody tr").first).to_contain_text("Liked 0")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download all as CSV").click()
    rows = list(csv.DictReader(Path(download.value.path()).read_text().splitlines()))
    assert [row["Track Name"] for row in rows] == ["Liked 0", "Liked 1", "Liked 2"]
    assert all(row["genre_set"].startswith(row["genre_1"]) for row in rows)
    with zipfile.ZipFile(account, "w") as archive:
        archive.writestr("Spotify Extended/Streaming_History_Audio_2023_1.json", json.dumps(HISTORY))
    page.locator("#file").set_input_files(account)
    expect(page.locator(".error-words")).to_contain_text("my_spotify_data.zip")
    expect(page.locator(".error-words")).to_contain_text("song-genres run --input my_spotify_data.zip")


def test_a_click_on_the_map_opens_the_genre(page: Page) -> None:
    """Guards against a map that is a picture only."""
    page.goto("/map")
    expect(page.locator("#map")).to_have_attribute("data-drawn", re.compile(".+"))
    name = page.evaluate("document.querySelector('#map .plot').data[0].customdata[0]")
    point = page.locator("#map .scatterlayer .trace").first.locator(".point").first
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=3)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_url("**/genre/**")
    assert page.locator("h1").inner_text().split("<")[0] == name.split("&lt;")[0]


PAGES = ("/?q=song", "/song/track0", "/knobs?energy=0.9", "/file", "/map", "/genre/Jazz")


@pytest.mark.parametrize(("theme", "viewport"), [("light", WIDE), ("dark", NARROW)])
def test_every_page_fits_and_axe_finds_no_serious_fault(
    page: Page, site: str, theme: str, viewport: dict[str, int]
) -> None:
    """Guards against sideways scroll on a phone, low contrast, and controls without names."""
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    page.set_viewport_size(viewport)  # type: ignore[arg-type]
    faults = {}
    long = ["A title of one word: " + "x" * 300, "<b>Second</b>"]
    files = [drop(site, f"{'long-name-' * 9}.csv", content)["page"] for content in (songs_csv(long), b"a\n1\n")]
    for address in [*PAGES, *files]:
        page.goto(address)
        if address == "/map":
            expect(page.locator("#map")).to_have_attribute("data-drawn", re.compile(".+"))
        # Not `wait_for_function`, whose text the page's policy forbids to evaluate.
        while page.evaluate("document.documentElement.scrollWidth") > viewport["width"]:
            page.wait_for_timeout(100)  # until the test's own time limit
        if not AXE.exists():
            continue
        page.evaluate(AXE.read_text(encoding="utf-8"))
        found = page.evaluate("axe.run(document, {resultTypes: ['violations'], preload: false})")["violations"]
        serious = [fault for fault in found if fault["impact"] in ("serious", "critical")]
        if serious:
            faults[address] = {fault["id"]: [node["html"][:150] for node in fault["nodes"][:3]] for fault in serious}
    assert faults == {}
    if not AXE.exists():
        pytest.skip("needs axe-core: npm install --prefix .tools axe-core (as .ci/run does)")


def test_two_tabs_and_a_publication_in_between(page: Page, browser: Browser, folder: Path, tmp_path: Path) -> None:
    """Guards against a tab that is left with an old copy, or breaks the other one. Last: it replaces the copy."""
    page.goto("/knobs")
    other = open_page(browser)
    other.goto(page.url)
    new = make_copy(tmp_path, genres=["Ambient", "Jazz", "Zydeco"])
    new.replace(folder / "song_genres.duckdb")
    page.locator("#knob-loudness").press("Home")
    expect(page.locator("#guesses")).to_contain_text("Zydeco")
    other.locator("#knob-energy").press("End")
    expect(other.locator("#guesses")).to_contain_text("Zydeco")
    other.close()
