"""The README's pictures of the report and of the page, in docs/: `make screenshots`, which needs Debian's chromium.

They show the published copy's data, so run it after `make run`, whose synthetic catalogue everyone has.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from ml.report import build_report
from tests.web.conftest import serving
from warehouse import files

DOCS = Path(__file__).parent.parent / "docs"
SIZE = {"width": 1280, "height": 940}


def main() -> None:
    """Make the report anew in a folder of its own, serve the page, and write the pictures."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("Screenshots need chromium: apt-get install chromium.")
    with tempfile.TemporaryDirectory() as folder:
        try:
            with files.connect(files.published_path(), read_only=True) as connection:
                report = build_report(connection, Path(folder)).path
        except files.WarehouseError as error:
            sys.exit(str(error))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            answer = browser.new_page(viewport=SIZE, reduced_motion="reduce")
            answer.goto(report.as_uri())
            picture(answer, "report.png")
            map_ = browser.new_page(viewport=SIZE, color_scheme="dark", reduced_motion="reduce")
            map_.goto(f"{report.as_uri()}#map")
            map_.wait_for_function("document.getElementById('map')?.dataset.drawn", timeout=30_000)
            map_.evaluate("document.getElementById('map').scrollIntoView()")
            picture(map_, "report-map.png")
            with serving(files.published_path()) as address:
                song = browser.new_page(viewport=SIZE, reduced_motion="reduce")
                song.goto(f"{address}/?q=velmere synthetic")
                song.locator("#found a").first.click()
                song.get_by_role("heading", name="It sounds like").wait_for()
                picture(song, "page-song.png")
                knobs = browser.new_page(viewport=SIZE, color_scheme="dark", reduced_motion="reduce")
                knobs.goto(f"{address}/knobs")
                knobs.locator("#like").select_option(index=1)
                knobs.locator("#knob-tempo").press("End")
                knobs.locator("#moved li").first.wait_for()
                picture(knobs, "page-knobs.png")
            browser.close()


def picture(page: Page, name: str) -> None:
    """What the window shows, once nothing moves any more."""
    page.wait_for_timeout(1000)
    page.screenshot(path=DOCS / name)
    print(f"docs/{name}: {(DOCS / name).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
