"""The model card says what the run measured, on what, and what it left out."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml.card import card, write_card
from ml.dataset import Tracks, split_by_artist
from ml.training import Run, fit, save_model
from tests.ml.made_up_tracks import make_tracks


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    """The study's forest, the baseline and a run on other held-out tracks."""
    genres = ["Ambient", "Ja|zz\n## *x*", "Punk"] * 20 + ["Solo", "Solo", "Y" * 500]
    artists = [[f"artist {number}"] for number in range(60)] + [["a"], ["a"], ["b"]]
    tracks = make_tracks(genres, artists, loudness={"Ambient": -30.0, "Punk": -5.0})
    tracks.frame.loc[:6, "tempo"] = np.nan
    split = split_by_artist(tracks)
    return [
        fit(tracks, model="study_forest", split=split),
        fit(tracks, model="prior", split=split),
        fit(tracks, model="knn", split=split_by_artist(tracks, seed=1)),
    ]


def test_the_figures_are_the_runs_beside_the_baselines(runs: list[Run]) -> None:
    """Guards against a card whose figures are of another run, or compared over other tracks."""
    text = card(runs[0], 2_500_000, beside=[run.summary for run in runs[1:]])
    scores = runs[0].scores
    found = re.search(r"\| Genre is the first guess \| (.+) \| (.+) \|", text)
    assert found
    assert found[1] == f"{scores.top_1:.3f} ({scores.top_1_low:.3f} to {scores.top_1_high:.3f})"
    assert found[2].startswith(f"{runs[1].scores.top_1:.3f} (")
    assert "| study_forest (audio) | prior, same tracks |" in text
    assert "knn" not in text, "a run on other held-out tracks stands beside it"
    assert f"Held out | {scores.n} tracks by {runs[0].n_artists_test} first" in text
    assert "2.5 MB" in text
    assert "No baseline" not in text
    assert "No baseline was trained beside it" in card(runs[0], 1)


def test_what_was_excluded_and_what_is_missing_is_said(runs: list[Run]) -> None:
    """Guards against limits that a reader must find out alone."""
    text = card(runs[0], 1)
    assert "| Solo | 2 | all its tracks are by one artist |" in text
    assert f"| {'Y' * 59}… | 1 | it has one track |" in text
    assert "tempo 7" in text
    assert "Popularity is never a feature" in text
    assert "The same for every track, so of no use: time_signature." in text
    assert "no credited artist and no identical audio vector is on both sides" in text
    assert "developer.spotify.com/terms" in text


def test_a_card_says_what_the_model_is_told(runs: list[Run], tracks: Tracks) -> None:
    """Guards against a card of a model of years that speaks of the sound alone, or hides what is unknown."""
    assert "Guesses a song's genre from its audio features: a probability" in card(runs[0], 1)
    years = tracks.frame.assign(release_year=[1990.0, np.nan, 2000.0] * (len(tracks.frame) // 3))
    text = card(fit(replace(tracks, frame=years), model="prior", features="year+audio"), 1)
    assert "Guesses a song's genre from its audio features and its release year: a probability" in text
    beside = fit(tracks, model="study_forest").summary
    text_of_titles = card(fit(tracks, model="knn", features="audio+title"), 1, beside=[beside])
    assert "| knn (audio+title) | study_forest (audio), same tracks |" in text_of_titles
    assert "release_year is unknown of 60 of 180 tracks." in text
    assert "Unknown values among the 180 tracks: release_year 60." in text


def test_synthetic_data_are_said_loudly(runs: list[Run], tracks: Tracks) -> None:
    """Guards against figures of made-up songs taken for real ones, and the reverse."""
    assert "> **SYNTHETIC DATA.**" in card(runs[0], 1)
    real = Tracks(tracks.frame, tracks.credits, "real", False)
    assert "SYNTHETIC" not in card(fit(real, model="prior"), 1)


def test_a_genres_name_cannot_break_the_page(runs: list[Run]) -> None:
    """Guards against names that end a table's cell, start a heading or hold HTML."""
    text = card(runs[0], 1)
    assert r"Ja\|zz \#\# \*x\*" in text
    assert not re.search(r"^## \*x", text, re.MULTILINE)
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.endswith("|"), line


def test_of_many_genres_the_best_and_the_worst_are_shown() -> None:
    """Guards against a table of 132 genres, and against the worst under the heading of the best."""
    genres = [f"genre {number:02}" for number in range(25)] * 6
    loudness = {genre: -2.0 * number for number, genre in enumerate(sorted(set(genres)))}
    run = fit(make_tracks(genres, [[f"artist {n}"] for n in range(150)], loudness=loudness), model="lightgbm")
    best, worst = card(run, 1).split("Best, by F1:")[1].split("Worst, by F1:")
    figures = [[float(value) for value in re.findall(r"\| genre \d\d \| ([\d.]+)", part)] for part in (best, worst)]
    assert [len(values) for values in figures] == [10, 10]
    assert figures[0] == sorted(figures[0], reverse=True)
    assert figures[1] == sorted(figures[1])
    assert figures[0][0] == pytest.approx(run.genre_scores["f1"].max(), abs=0.001)
    assert figures[1][0] == pytest.approx(run.genre_scores["f1"].min(), abs=0.001)


def test_the_card_is_written_beside_the_model_and_repeats(runs: list[Run], tmp_path: Path) -> None:
    """Guards against cards in another folder than their model."""
    path = write_card(runs[0], save_model(runs[0], tmp_path), beside=[run.summary for run in runs])
    assert path == tmp_path / runs[0].run_id / "card.md"
    assert path.read_text(encoding="utf-8") == card(
        runs[0], path.with_name("model.skops").stat().st_size, beside=[run.summary for run in runs]
    )
    assert not re.search(r"\n{3,}", path.read_text(encoding="utf-8"))
