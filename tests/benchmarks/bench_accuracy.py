"""Held-out figures on real songs: the default model beside the study's forest, on the same five folds by artist.

Every track is held out once, together with all other tracks of its artist; settings were fixed beforehand
(ml/estimators.py says how), so no figure here chose anything. The real data are not part of the project: they are
looked for in the folder SONG_GENRES_DATA, else in ../shared/data, and what is missing is said. `ACCURACY_FOLDS=2` takes
the first two folds.

Each model is fitted in a process of its own, so that its peak memory is its own. AutoGluon on the same folds:
tests/benchmarks/autogluon_reference.py.
"""

import os
import statistics
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import psutil
from rich.console import Console
from rich.table import Table

from extract.dumps import import_dump
from ml.dataset import folds_by_artist, load_tracks
from ml.training import fit
from tests.benchmarks.bench_prediction import in_own_process
from tests.benchmarks.measuring import ROOT, dbt
from warehouse import files

DATA = Path(os.environ.get("SONG_GENRES_DATA", ROOT.parent / "shared" / "data"))
FILES = {"TidyTuesday, 6 genres": "tidytuesday_spotify_songs.csv",
         "114-genre file with ids": "kaggle_114_genres_17949_with_ids.csv"}  # fmt: skip
FOLDS = int(os.environ.get("ACCURACY_FOLDS", "5"))
MODELS = (("study_forest", "audio"), ("ensemble", "audio"), ("ensemble", "audio+title"))


class Figures(NamedTuple):
    """One fold's figures; seconds to fit; memory (MB) of the process at most, and what fitting added; the curve."""

    top_1: float
    top_3: float
    macro_f1: float
    log_loss: float
    ece: float
    seconds: float
    peak_mb: float
    added_mb: float
    curve: pd.DataFrame


def score_fold(path: Path, number: int, model: str, features: str) -> Figures:
    """The figures of one fold, `number` from 0, of the tracks in the warehouse at `path`."""
    with files.connect(path, read_only=True) as connection:
        tracks = load_tracks(connection)
    split = folds_by_artist(tracks)[number]
    before = psutil.Process().memory_info().rss / 1e6
    run = fit(tracks, model=model, features=features, split=split, explain=False)
    scores = run.scores
    return Figures(
        scores.top_1, scores.top_3, scores.macro_f1, scores.log_loss, scores.ece, run.fit_seconds, run.peak_mb,
        run.peak_mb - before, run.calibration,
    )  # fmt: skip


def rows(name: str, figures: list[Figures], forest: list[Figures]) -> list[list[str]]:
    """One row per fold, marked if ahead of the study's forest; the mean; and the tracks of all folds as one."""
    found = []
    for fold, (one, theirs) in enumerate(zip(figures, forest, strict=True), start=1):
        better = [mine > their for mine, their in zip(one[:3], theirs[:3], strict=True)]
        ahead = "yes" if all(better) and one.log_loss < theirs.log_loss else "no"
        found.append([name, str(fold), *cells(one[:8]), ahead if forest is not figures else ""])
    found.append(
        [name, "mean", *cells([statistics.mean(column) for column in list(zip(*figures, strict=True))[:8]]), ""]
    )
    found.append([name, "all", "", "", "", "", f"{pooled_ece([one.curve for one in figures]):.4f}", "", "", "", ""])
    return found


def cells(values: Sequence[float]) -> list[str]:
    """Five shares, seconds and twice megabytes."""
    return [*(f"{value:.4f}" for value in values[:5]), f"{values[5]:.1f}", *(f"{value:.0f}" for value in values[6:])]


def pooled_ece(curves: list[pd.DataFrame]) -> float:
    """The calibration error of the folds' tracks as one, of which chance makes less than of a single fold's."""
    curve = pd.concat(curves)
    gaps = ((curve["mean_confidence"] - curve["accuracy"]) * curve["tracks"]).groupby(curve["bin"]).sum()
    return float(gaps.abs().sum() / curve["tracks"].sum())


def main() -> None:
    """Print one table per dataset."""
    console = Console(width=130)
    for title, name in FILES.items():
        if not (DATA / name).exists():
            console.print(f"{name} is not in {DATA}: its figures are missing here. Name its folder: SONG_GENRES_DATA.")
            continue
        table = Table(
            "model", "fold", "top-1", "top-3", "macro F1", "log loss", "ECE", "fit s", "peak MB", "added",
            "ahead of forest", title=f"{title}: {FOLDS} folds by artist, every held-out track",
        )  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "warehouse.duckdb"
            import_dump(DATA / name, path)
            dbt(path, "build", "--exclude", "resource_type:unit_test")
            forest: list[Figures] = []
            for model, features in MODELS:
                figures = [
                    in_own_process(partial(score_fold, path, number, model, features)) for number in range(FOLDS)
                ]
                forest = forest or figures
                for row in rows(f"{model}, {features}", figures, forest):
                    table.add_row(*row)
                table.add_section()
        console.print(table)
