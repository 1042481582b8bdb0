"""Other libraries' models on the very folds by artist that our own are measured on, and ours beside them: an anchor.

`make bench` does not run it, for the others are no dependencies. Each needs an environment of its own (AutoGluon about
2 GB; any CPU build of torch will do):

    uv venv ../catboost && uv pip install --python ../catboost catboost pandas pyarrow scikit-learn psutil
    uv venv ../autogluon && uv pip install --python ../autogluon "autogluon.tabular[lightgbm,catboost,xgboost]" psutil

The project's environment writes each warehouse's tracks and folds; then each environment fits its own:

    python -m tests.benchmarks.anchors --export DIR data/warehouse.duckdb
    python -m tests.benchmarks.anchors --run DIR --model ensemble
    ../catboost/bin/python tests/benchmarks/anchors.py --run DIR --model catboost [--features audio+year] [--folds 1]
    ../autogluon/bin/python tests/benchmarks/anchors.py --run DIR --model autogluon --minutes 20

CatBoost has its defaults. AutoGluon is `best_quality`, picks by log loss (so that it calibrates its probabilities), and
validates on eight groups of artists.
"""

import argparse
import importlib
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

FOLDS, SEED = 5, 538
SCORED = 100_000
"""Songs that are scored for the time it takes: a fold's held-out ones, over and over."""
BESIDE_SOUND = {"title": "song_name", "year": "release_year", "album": "album_name"}
LIBRARIES = {
    # What is imported while fitting counts as neither its time nor its memory if it was loaded before.
    "autogluon": ("autogluon.tabular", "catboost", "lightgbm", "sklearn.ensemble", "torch", "xgboost"),
    "catboost": ("catboost",),
}
FIGURES = dict.fromkeys(("top_1", "top_3", "macro_f1", "log_loss"), ".4f") | dict.fromkeys(
    ("fit_seconds", "peak_mb", "added_mb", "file_mb", "score_seconds"), ".1f"
)

Guess = Callable[[pd.DataFrame], pd.DataFrame]
"""Probabilities, a column per genre."""


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


def fit_catboost(train: pd.DataFrame, folder: Path, options: argparse.Namespace) -> Guess:
    """CatBoost's defaults; a text is given to it as such, and "" where it is unknown."""
    from catboost import CatBoostClassifier

    texts = [column for column in BESIDE_SOUND.values() if column in train and column != "release_year"]

    def seen(table: pd.DataFrame) -> pd.DataFrame:
        return table.drop(columns=["genre", "artist"], errors="ignore").fillna(dict.fromkeys(texts, ""))

    model = CatBoostClassifier(
        loss_function="MultiClass", thread_count=options.cores, random_seed=SEED, allow_writing_files=False, verbose=0
    )
    model.fit(seen(train), train["genre"], text_features=texts or None)
    model.save_model(str(folder / "model.cbm"))
    return lambda table: pd.DataFrame(model.predict_proba(seen(table)), columns=model.classes_)


def fit_autogluon(train: pd.DataFrame, folder: Path, options: argparse.Namespace) -> Guess:
    """AutoGluon's best preset within the minutes; its folds keep each artist on one side, as ours do."""
    from autogluon.tabular import TabularPredictor

    bags = np.random.default_rng(SEED).integers(8, size=train["artist"].max() + 1)
    predictor = TabularPredictor(
        "genre", eval_metric="log_loss", groups="bag", path=str(folder / "working"), verbosity=1,
        learner_kwargs={"label_count_threshold": 1},  # or it drops genres of fewer than 10 tracks
    )  # fmt: skip
    predictor.fit(
        train.drop(columns="artist").assign(bag=bags[train["artist"]]), presets="best_quality",
        time_limit=60 * options.minutes, num_cpus=options.cores, num_gpus=0, dynamic_stacking=False,
    )  # fmt: skip
    predictor.clone_for_deployment(str(folder / "model"))
    return lambda table: predictor.predict_proba(table.drop(columns=["genre", "artist"], errors="ignore"))


def fit_ours(train: pd.DataFrame, folder: Path, options: argparse.Namespace) -> Guess:
    """A model of the registry, in the project's environment."""
    from joblib.externals.loky import get_reusable_executor

    from ml.estimators import make_estimator
    from ml.model_file import Model, predict_probabilities, save

    pipeline = make_estimator(options.model, features=options.features, seed=SEED)
    pipeline.fit(train, train["genre"].to_numpy(dtype=object))
    model = Model("anchor", options.model, pipeline, "anchor", is_synthetic=False, features=options.features)
    save(model, folder / "model.skops")
    get_reusable_executor().shutdown(kill_workers=True)  # or the process would wait five minutes for them to end
    return lambda table: pd.DataFrame(predict_probabilities(model, table), columns=model.genres)


FITS = {"catboost": fit_catboost, "autogluon": fit_autogluon}


def fit_fold(file: Path, fold: int, options: argparse.Namespace) -> dict[str, Any]:
    """Train on one fold and score its held-out rows; macro F1 is over all genres of the fold's training part."""
    import psutil
    from sklearn.metrics import f1_score, log_loss

    for library in LIBRARIES.get(options.model, ("ml.model_file",)):
        importlib.import_module(library)
    table = pd.read_parquet(file)
    part = table[f"fold_{fold}"]
    wanted = options.features.split("+")
    dropped = [column for name, column in BESIDE_SOUND.items() if name not in wanted]
    table = table.drop(columns=[name for name in table if name.startswith("fold_") or name in dropped])
    train, test = table[part == "train"].reset_index(drop=True), table[part == "test"].reset_index(drop=True)
    before = psutil.Process().memory_info().rss / 1e6
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        started = time.perf_counter()
        guess = FITS.get(options.model, fit_ours)(train, folder, options)
        seconds = time.perf_counter() - started
        file_mb = sum(
            path.stat().st_size for path in folder.rglob("*") if path.is_file() and "working" not in path.parts
        )
        guesses = guess(test)
        many = pd.concat([test] * -(-SCORED // len(test)), ignore_index=True)[:SCORED]
        started = time.perf_counter()
        guess(many)
        score_seconds = time.perf_counter() - started
    classes = np.sort(guesses.columns.to_numpy(dtype=object))
    probabilities = guesses[classes].to_numpy(dtype=np.float64)
    probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    genres = test["genre"].to_numpy(dtype=object)
    order = np.argsort(-probabilities, axis=1, kind="stable")
    hits = classes[order] == genres[:, None]
    return {
        "top_1": hits[:, 0].mean(),
        "top_3": hits[:, :3].any(axis=1).mean(),
        "macro_f1": f1_score(genres, classes[order[:, 0]], labels=classes, average="macro", zero_division=0),
        "log_loss": log_loss(genres, probabilities, labels=classes),
        "fit_seconds": seconds,
        "file_mb": file_mb / 1e6,
        "score_seconds": score_seconds,
        "before_mb": before,
    }


def measure(file: Path, fold: int, options: argparse.Namespace) -> dict[str, Any]:
    """`fit_fold` in a process of its own, with `peak_mb`: resident memory of it and its children, sampled.

    `added_mb` is how much of it fitting and scoring added to the data and the libraries that were loaded before.
    """
    import psutil

    # Not multiprocessing.Pool: joblib lets its workers use one core only.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        result, peak = pool.submit(fit_fold, file, fold, options), 0
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


def run(options: argparse.Namespace) -> None:
    """Print a Markdown table: one row per fold, and the mean."""
    for file in sorted(options.run.glob("*.parquet")):
        if options.names and file.stem not in options.names:
            continue
        print(f"\n{file.stem}: {options.model}, {options.features}\n")
        print("| fold | " + " | ".join(FIGURES) + " |\n|---|" + "---|" * len(FIGURES), flush=True)
        results = []
        for fold in options.folds:
            results.append(measure(file, fold, options))
            print_row(str(fold), results[-1])
        print_row("mean", pd.DataFrame(results)[list(FIGURES)].mean().to_dict())


def print_row(name: str, result: dict[Any, Any]) -> None:
    """A row of the table."""
    print(
        f"| {name} | " + " | ".join(f"{result[figure]:{form}}" for figure, form in FIGURES.items()) + " |", flush=True
    )


def main() -> None:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--export", type=Path, metavar="DIR", help="in the project's environment: write the folds")
    what.add_argument("--run", type=Path, metavar="DIR", help="in the model's environment: train and score them")
    parser.add_argument("names", nargs="*", help="warehouses to export; datasets to run (all)")
    parser.add_argument("--model", default="ensemble", help="catboost, autogluon, or one of ml/estimators.py")
    parser.add_argument("--features", default="audio", help="audio, and any of title, year and album, joined by +")
    parser.add_argument("--folds", type=int, nargs="+", default=list(range(1, FOLDS + 1)), choices=range(1, FOLDS + 1))
    parser.add_argument("--minutes", type=float, default=20, help="what AutoGluon may take to fit a fold")
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    if options.export:
        export(options.export, [Path(name) for name in options.names])
    else:
        run(options)


if __name__ == "__main__":
    main()
