"""Data for which no model can be shown: marts, exports and page are published all the same; the page says why first."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.end_to_end.conftest import song_genres
from tests.end_to_end.workplace import MODEL, Workplace, songs, write_songs
from warehouse.publication import publish

Songs = list[dict[str, Any]]
CASES: dict[str, tuple[Callable[[], Songs], str]] = {
    "random labels": (lambda: songs(["pop", "rock"], alike=True), "No: of "),
    "one genre": (lambda: songs(["pop"]), "Nothing to tell apart: of 1 genres in 'mine', fewer than two have tracks"),
    "ten songs": (
        lambda: songs(["pop", "rock"], artists=5, each=1),
        "Only 2 of the artists could be held out, with 2 tracks; a figure needs 10.",
    ),
    "too few for this model": (
        lambda: songs(["pop", "rock"], artists=5, each=1),
        "'mine' has too few tracks for the model logistic: 8 to learn 2 genres from, and only 4 of pop.",
    ),
    "three songs": (lambda: songs(["pop", "rock"], artists=2, each=1)[:3], "Nothing to tell apart: of 2 genres"),
    "one artist": (
        lambda: [row | {"artist_name": "Ann"} for row in songs(["pop", "rock"], artists=8)],
        "Nothing to tell apart: of 2 genres in 'mine', fewer than two have tracks by 2 or more artists.",
    ),
    "no clean track": (lambda: [row | {"tempo": 0} for row in songs(["pop"], artists=4)], "'mine' has no clean tracks"),
}
"""What is imported, and how the finding begins."""

EACH_KIND = ("random labels", "one genre", "no clean track")
"""Cases that differ in where the run finds out; the others are repetitions."""


def check_that_no_model_is_shown(place: Workplace, listings: int, finding: str) -> None:
    """The copy has every listing, and nothing of a model; the page and the table of the run say the finding."""
    ((clean, rejected),) = place.read(
        "select (select count(*) from marts.clean_tracks), (select count(*) from marts.rejected_listings)"
    )
    assert clean + rejected == listings
    assert place.read("select count(*) from ml.model_runs where is_published") == [(0,)]
    assert place.read("select count(*) from ml.genre_predictions") == [(0,)]
    ((said, may_publish),) = place.read("select finding, may_publish from ml.verdicts")
    assert said.startswith(finding)
    assert not may_publish
    _, _, answer = place.page.partition("The answer in figures")[2].partition(" The answer ")
    assert answer.startswith(said), answer[:500]
    assert "Top-1" not in answer


@pytest.mark.parametrize(
    "case", [case if case in EACH_KIND else pytest.param(case, marks=pytest.mark.full) for case in CASES]
)
def test_what_cannot_be_told_is_said_and_the_rest_is_published(workplace: Workplace, case: str) -> None:
    """Guards against a run that stops at the model, so that nobody gets the clean table, and against its figures."""
    make, finding = CASES[case]
    rows = make()
    model = "lightgbm" if case == "ten songs" else MODEL
    workplace.run(str(write_songs(workplace.folder / "mine.csv", rows)), model=model)
    check_that_no_model_is_shown(workplace, len(rows), finding)
    assert (workplace.folder / "exports" / "mine" / "README.md").read_text().startswith("# mine\n")
    refused = workplace.song_genres("predict", "mine.csv")
    assert refused.exit_code == 1
    assert finding.split(":")[0] in refused.stderr


@pytest.mark.full
def test_the_console_says_it_too_and_ends_well(tmp_path: Path) -> None:
    """Guards against an exit code that says something is broken, and a traceback where there is an answer."""
    rows = songs(["pop", "rock"], artists=5, each=1)
    write_songs(tmp_path / "mine.csv", rows)
    done = song_genres("run", "--input", "mine.csv", "--model", "lightgbm", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stdout.lstrip().startswith("Only 2 of the artists could be held out, with 2 tracks; a figure needs 10.")
    with duckdb.connect(str(tmp_path / "data" / "song_genres.duckdb"), read_only=True) as copy:
        assert copy.execute("select count(*) from marts.clean_tracks").fetchall() == [(len(rows),)]
    assert (tmp_path / "reports" / "index.html").exists()
    assert (tmp_path / "reports" / "warehouse.html").exists()
    assert (tmp_path / "exports" / "mine" / "README.md").exists()


def test_a_good_model_stays_when_another_is_tried(workplace: Workplace) -> None:
    """Guards against a bad model, or one trained for comparison alone, that takes the place of one that is shown."""
    write_songs(workplace.folder / "mine.csv", songs(["pop", "rock"]))
    workplace.run("mine.csv")
    good = publish().model
    assert good.run_id
    assert good.finding == ""
    assert workplace.song_genres("train", "--model", MODEL).exit_code == 0  # the very run that is shown
    assert publish().model == good
    workplace.train_job("prior")
    shown = publish().model
    assert shown.run_id == good.run_id
    assert shown.finding.startswith("No: of 42 held-out tracks, prior names the right one of 2 genres for 50.0%")
    assert workplace.read("select distinct run_id from ml.genre_predictions") == [(good.run_id,)]
    assert workplace.song_genres("report").exit_code == 0
    assert (
        f"The answer {shown.finding} What follows is of an earlier run that may be shown: {good.run_id}."
        in workplace.page
    )
    assert workplace.song_genres("predict", "mine.csv").exit_code == 0
