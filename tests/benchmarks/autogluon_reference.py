"""AutoGluon (tabular, `medium_quality`) on the very folds by artist that our own models are measured on: a reference.

It is no dependency, and `make bench` does not run it. It needs an environment of its own, for it pins other versions
than ours (about 2 GB; any CPU build of torch will do):

    python3 -m venv ../autogluon
    ../autogluon/bin/pip install torch==2.13.0
    ../autogluon/bin/pip install "autogluon.tabular[lightgbm,catboost,xgboost,fastai]==1.6.3"

The project's environment writes each warehouse's tracks and folds, AutoGluon's reads them:

    python -m tests.benchmarks.autogluon_reference --export DIR data/warehouse.duckdb
    ../autogluon/bin/python tests/benchmarks/autogluon_reference.py --run DIR [--titles] [--metric log_loss]

AutoGluon takes its own validation rows, by row, from a fold's training part. `--metric` is what it picks its ensemble
by (its default: accuracy); with log_loss it calibrates its probabilities as well.
"""

import argparse
import importlib
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

FOLDS, SEED = 5, 538
SHARES, AMOUNTS = ("top_1", "top_3", "macro_f1", "log_loss"), ("fit_seconds", "peak_mb", "added_mb")
# AutoGluon imports these while it fits; loaded before, they count as neither its time nor what its fitting adds.
LIBRARIES = ("catboost", "fastai.tabular.all", "lightgbm", "sklearn.ensemble", "torch", "xgboost")
FIGURES = dict.fromkeys(SHARES, ".4f") | dict.fromkeys(AMOUNTS, ".0f")


def export(folder: Path, warehouses: list[Path]) -> None:
    """Write DIR/<dataset>.parquet: what our estimators are given, `genre`, and fold_1 to fold_5 (train, test, '')."""
    import duckdb

    from ml.dataset import folds_by_artist, load_tracks

    folder.mkdir(parents=True, exist_ok=True)
    for warehouse in warehouses:
        with duckdb.connect(str(warehouse), read_only=True) as connection:
            tracks = load_tracks(connection)
        table = tracks.inputs.assign(genre=tracks.frame["genre"])
        for number, split in enumerate(folds_by_artist(tracks, folds=FOLDS, seed=SEED), start=1):
            parts = np.full(len(table), "", dtype=object)
            parts[split.train], parts[split.test] = "train", "test"
            table[f"fold_{number}"] = parts
        table.to_parquet(folder / f"{tracks.dataset}.parquet")
        print(f"{folder / tracks.dataset}.parquet: {len(table):,} tracks")


def fit_fold(file: Path, fold: int, titles: bool, metric: str, cores: int) -> dict[str, Any]:
    """Train on one fold and score its held-out rows; macro F1 is over all genres of the fold's training part."""
    import psutil
    from autogluon.tabular import TabularPredictor
    from sklearn.metrics import f1_score, log_loss

    for library in LIBRARIES:
        importlib.import_module(library)
    table = pd.read_parquet(file)
    part = table[f"fold_{fold}"]
    dropped = ("artist",) if titles else ("artist", "song_name")
    table = table.drop(columns=[name for name in table if name.startswith("fold_") or name in dropped])
    train, test = table[part == "train"], table[part == "test"]
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        # By default AutoGluon drops genres of fewer than 10 tracks, and would give them a probability of zero.
        learner = {"label_count_threshold": 1}
        predictor = TabularPredictor(
            "genre", eval_metric=metric, path=f"{folder}/model", verbosity=1, learner_kwargs=learner
        )
        before = psutil.Process().memory_info().rss / 1e6
        predictor.fit(train, presets="medium_quality", num_cpus=cores, num_gpus=0)
        seconds = time.perf_counter() - started
        guesses = predictor.predict_proba(test.drop(columns="genre"))
        models = predictor.model_names()
    classes = np.sort(guesses.columns.to_numpy(dtype=object))
    probabilities = guesses[classes].to_numpy(dtype=np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    genres = test["genre"].to_numpy(dtype=object)
    order = np.argsort(-probabilities, axis=1, kind="stable")
    hits = classes[order] == genres[:, None]
    return {
        "top_1": hits[:, 0].mean(),
        "top_3": hits[:, :3].any(axis=1).mean(),
        "macro_f1": f1_score(genres, classes[order[:, 0]], labels=classes, average="macro", zero_division=0),
        "log_loss": log_loss(genres, probabilities, labels=classes),
        "fit_seconds": seconds,
        "models": models,
        "before_mb": before,
    }


def measure(*arguments: object) -> dict[str, Any]:
    """`fit_fold` in a process of its own, with `peak_mb`: resident memory of it and its children, sampled.

    `added_mb` is how much of it fitting added to the data and the libraries that were loaded before it.
    """
    import psutil

    # Not multiprocessing.Pool: joblib lets its workers use one core only.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        result, peak = pool.submit(fit_fold, *arguments), 0
        while not result.done():
            memory = 0
            for process in psutil.Process().children(recursive=True):
                try:
                    memory += process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            peak = max(peak, memory)
            time.sleep(0.1)
        figures = result.result()
        return figures | {"peak_mb": peak / 1e6, "added_mb": peak / 1e6 - figures["before_mb"]}


def run(folder: Path, datasets: list[str], folds: list[int], titles: bool, metric: str, cores: int) -> None:
    """Print a Markdown table: one row per fold, and the mean."""
    for file in sorted(folder.glob("*.parquet")):
        if datasets and file.stem not in datasets:
            continue
        print(f"\n{file.stem}, {'audio+title' if titles else 'audio'}, metric {metric}\n")
        print("| fold | " + " | ".join(FIGURES) + " |\n|---|" + "---|" * len(FIGURES), flush=True)
        results = []
        for fold in folds:
            result = measure(file, fold, titles, metric, cores)
            results.append(result)
            print_row(str(fold), result)
        print_row("mean", pd.DataFrame(results)[list(FIGURES)].mean().to_dict())
        print("\nModels that ran: " + ", ".join(sorted({name for result in results for name in result["models"]})))


def print_row(name: str, result: dict[str, object]) -> None:
    print(
        f"| {name} | " + " | ".join(f"{result[figure]:{form}}" for figure, form in FIGURES.items()) + " |", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--export", type=Path, metavar="DIR", help="in the project's environment: write the folds")
    what.add_argument("--run", type=Path, metavar="DIR", help="in AutoGluon's: train and score them")
    parser.add_argument("names", nargs="*", help="warehouses to export; datasets to run (all)")
    parser.add_argument("--folds", type=int, nargs="+", default=list(range(1, FOLDS + 1)), choices=range(1, FOLDS + 1))
    parser.add_argument("--titles", action="store_true", help="song_name as well: AutoGluon makes its n-grams of it")
    parser.add_argument("--metric", default="accuracy")
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    if options.export:
        export(options.export, [Path(name) for name in options.names])
    else:
        run(options.run, options.names, options.folds, options.titles, options.metric, options.cores)


if __name__ == "__main__":
    main()
