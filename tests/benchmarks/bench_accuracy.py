"""Held-out figures on real songs: the default model beside the study's forest, on the same five folds by artist.

Every track is held out once, together with all other tracks of its artist; settings were fixed beforehand
(ml/estimators.py says how), so no figure here chose anything. The real data are not part of the project: they are
looked for in the folder SONG_GENRES_DATA, else in ../shared/data, and what is missing is said. `ACCURACY_FOLDS=2` takes
the first two folds.

A split by artist may still have an album on both sides, most often a compilation: the last columns say of how many
held-out tracks the album was learnt, and the figures of the others alone.

Each model is fitted in a process of its own, so that its peak memory is its own. What each input brings:
bench_ablation.py. Other libraries' models on the same folds: anchors.py.
"""

import os
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import psutil

from extract.dumps import import_dump
from ml.dataset import folds_by_artist, load_tracks
from ml.evaluation import score
from ml.model_file import predict_probabilities
from ml.training import fit
from tests.benchmarks.bench_prediction import in_own_process
from tests.benchmarks.measuring import ROOT, dbt
from warehouse import files

DATA = Path(os.environ.get("SONG_GENRES_DATA", ROOT.parent / "shared" / "data"))
TIDYTUESDAY, GENRES_114 = "tidytuesday_spotify_songs.csv", "kaggle_114_genres_17949_with_ids.csv"
FOLDS = int(os.environ.get("ACCURACY_FOLDS", "5"))
MODELS = {
    TIDYTUESDAY: (
        ("study_forest", "audio"), ("ensemble", "audio"), ("ensemble", "audio+title"), ("ensemble", "audio+year"),
        ("ensemble", "audio+title+year+album"),
    ),
    GENRES_114: (
        ("study_forest", "audio"), ("ensemble", "audio"), ("ensemble", "audio+title"),
        ("ensemble", "audio+title+album"),  # it has no release dates
    ),
}  # fmt: skip
COLUMNS = ("top-1", "top-3", "macro F1", "log loss", "ECE", "fit s", "peak MB", "added MB", "album learnt",
           "others' top-1", "others' log loss")  # fmt: skip


class Figures(NamedTuple):
    """One fold's figures; seconds to fit; memory (MB) of the process at most, and what fitting added; the curve.

    `album_learnt` is the share of held-out tracks whose album has a track in the training part, and `others_` are the
    figures of the other held-out tracks.
    """

    top_1: float
    top_3: float
    macro_f1: float
    log_loss: float
    ece: float
    seconds: float
    peak_mb: float
    added_mb: float
    album_learnt: float
    others_top_1: float
    others_log_loss: float
    curve: pd.DataFrame


@contextmanager
def warehouse_of(name: str) -> Iterator[Path | None]:
    """A warehouse, built of a file of songs for the block; None, with a word on the screen, where there is no file."""
    if not (DATA / name).exists():
        print(f"{name} is not in {DATA}: its figures are missing here. Name its folder: SONG_GENRES_DATA.")
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "warehouse.duckdb"
        import_dump(DATA / name, path)
        dbt(path, "build", "--exclude", "resource_type:unit_test")
        yield path


def score_fold(path: Path, number: int, model: str, features: str, without: str | None = None) -> Figures:
    """The figures of one fold, `number` from 0, of the tracks in the warehouse at `path`.

    `without` is an audio feature that is made unknown of every track, after the folds were made.
    """
    with files.connect(path, read_only=True) as connection:
        tracks = load_tracks(connection)
        albums = connection.execute(
            """
            select coalesce(album_id, album_name) as album
            from marts.clean_tracks left join marts.track_details using (spotify_track_id) order by listing_id
            """
        ).df()["album"]
    split = folds_by_artist(tracks)[number]
    if without:
        tracks = replace(tracks, frame=tracks.frame.assign(**{without: np.nan}))
    before = psutil.Process().memory_info().rss / 1e6
    run = fit(tracks, model=model, features=features, split=split, explain=False)
    learnt = (albums.notna() & albums.isin(albums.iloc[split.train])).to_numpy()[split.test]
    others = split.test[~learnt]
    apart = score(
        tracks.frame["genre"].to_numpy(dtype=object)[others],
        predict_probabilities(run.model, tracks.inputs.iloc[others]),
        run.genres,
    )
    scores = run.scores
    return Figures(
        scores.top_1, scores.top_3, scores.macro_f1, scores.log_loss, scores.ece, run.fit_seconds, run.peak_mb,
        run.peak_mb - before, float(learnt.mean()), apart.top_1, apart.log_loss, run.calibration,
    )  # fmt: skip


def folds_of(path: Path, model: str, features: str, without: str | None = None, folds: int = FOLDS) -> list[Figures]:
    """The figures of the first `folds` folds, each fitted in a process of its own."""
    return [in_own_process(partial(score_fold, path, number, model, features, without)) for number in range(folds)]


def rows(name: str, figures: list[Figures], forest: list[Figures]) -> list[list[str]]:
    """One row per fold, marked if ahead of the study's forest; the mean; and the tracks of all folds as one."""
    found = []
    for fold, (one, theirs) in enumerate(zip(figures, forest, strict=True), start=1):
        better = [mine > their for mine, their in zip(one[:3], theirs[:3], strict=True)]
        ahead = "yes" if all(better) and one.log_loss < theirs.log_loss else "no"
        found.append([name, str(fold), *cells(one), ahead if forest is not figures else ""])
    found.append([name, "mean", *cells(mean_of(figures)), ""])
    pooled = f"{pooled_ece([one.curve for one in figures]):.4f}"
    found.append([name, "all", *(pooled if column == "ECE" else "" for column in COLUMNS), ""])
    return found


def mean_of(figures: list[Figures]) -> Figures:
    """The mean of each figure over the folds; the curve is that of all tracks."""
    means = [statistics.mean(column) for column in list(zip(*figures, strict=True))[:-1]]
    return Figures(*means, pd.concat([one.curve for one in figures]))


def cells(figures: Figures) -> list[str]:
    """The figures as text: shares and nats, but for seconds and megabytes."""
    return [
        f"{value:.{1 if column == 'fit s' else 0 if column.endswith('MB') else 4}f}"
        for column, value in zip(COLUMNS, figures[:-1], strict=True)
    ]


def pooled_ece(curves: list[pd.DataFrame]) -> float:
    """The calibration error of the folds' tracks as one, of which chance makes less than of a single fold's."""
    curve = pd.concat(curves)
    gaps = ((curve["mean_confidence"] - curve["accuracy"]) * curve["tracks"]).groupby(curve["bin"]).sum()
    return float(gaps.abs().sum() / curve["tracks"].sum())


def print_row(row: list[str]) -> None:
    """A row of a Markdown table, as soon as it is known: hours may lie between the first and the last."""
    print("| " + " | ".join(row) + " |", flush=True)


def main() -> None:
    """Print one table per dataset."""
    for name, models in MODELS.items():
        with warehouse_of(name) as path:
            if path is None:
                continue
            print(f"\n{name}: {FOLDS} folds by artist, every held-out track\n")
            print_row(["model", "fold", *COLUMNS, "ahead of forest"])
            print_row(["---"] * (len(COLUMNS) + 3))
            forest: list[Figures] = []
            for model, features in models:
                figures = folds_of(path, model, features)
                forest = forest or figures
                for row in rows(f"{model}, {features}", figures, forest):
                    print_row(row)
