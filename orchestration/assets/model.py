"""The genre model, its held-out figures and its predictions as assets."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
from pydantic import Field

from extract.progress import Progress
from ml.dataset import load_tracks, split_by_artist
from ml.estimators import BASELINE
from ml.prediction import load, predict_tracks, published_model_path, record_predictions
from ml.training import fit, record, save_model
from orchestration.resources import Warehouse

MODELS = Path("models")


class TrainConfig(dg.Config):
    """Which model is fitted, and the seed of everything random in it."""

    model: str = Field(default="study_forest", description="A name in the registry, ml/estimators.py.")
    seed: int = Field(default=538, description="The seed of the split and of the model; 538 is the study's.")


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            ["ml", table],
            group_name="ml",
            kinds={"duckdb", "scikitlearn"},
            description=description,
            deps=[["marts", "clean_tracks"], ["marts", "track_artists"]],
        )
        for table, description in {
            "model_runs": "One row a training run: its figures on held-out artists, and how it was made.",
            "genre_scores": "One row a run and genre: precision, recall and F1 on the held-out tracks.",
            "runner_ups": "One row a run, genre and predicted genre: the mean probability on the held-out tracks.",
            "genres_left_out": "One row a run and genre that could not be learnt, with the reason.",
        }.items()
    ],
    pool="duckdb",
)
def genre_model(
    config: TrainConfig, warehouse: Warehouse, progress: dg.ResourceParam[Progress]
) -> Iterator[dg.MaterializeResult]:
    """Fit the model and the majority-class baseline on the same split, and score both on held-out artists."""
    progress("train", 0, 3)
    with warehouse.connect(read_only=True) as connection:
        tracks = load_tracks(connection)
    split = split_by_artist(tracks, seed=config.seed)
    progress("train", 1, 3)
    baseline = fit(tracks, model=BASELINE, seed=config.seed, split=split)
    run = fit(tracks, model=config.model, seed=config.seed, split=split)
    progress("train", 2, 3)
    path = save_model(run, MODELS)
    with warehouse.connect() as connection:
        record(connection, baseline, None, published=False)
        record(connection, run, path, published=True)
    progress("train", 3, 3)
    yield dg.MaterializeResult(
        asset_key=["ml", "model_runs"],
        metadata={
            "run": run.model.run_id,
            "held-out tracks": run.scores.n,
            "top_1": run.scores.top_1,
            "top_3": run.scores.top_3,
            "macro_f1": run.scores.macro_f1,
            "baseline_top_1": baseline.scores.top_1,
            "synthetic": tracks.is_synthetic,
            "model": dg.MetadataValue.path(str(path.absolute())),
        },
    )
    yield dg.MaterializeResult(asset_key=["ml", "genre_scores"], metadata={"dagster/row_count": len(run.genre_scores)})
    yield dg.MaterializeResult(asset_key=["ml", "runner_ups"], metadata={"dagster/row_count": len(run.runner_ups)})
    yield dg.MaterializeResult(
        asset_key=["ml", "genres_left_out"],
        metadata={
            "dagster/row_count": len(split.left_out),
            "genres": dg.MetadataValue.json(split.left_out),
        },
    )


@dg.asset(
    key=["ml", "genre_predictions"],
    group_name="ml",
    deps=[["ml", "model_runs"]],
    kinds={"duckdb", "scikitlearn"},
    pool="duckdb",
)
def genre_predictions(warehouse: Warehouse, progress: dg.ResourceParam[Progress]) -> dg.MaterializeResult:
    """The five likeliest genres of every clean track, by the run of `ml.model_runs` that is published."""
    with warehouse.connect(read_only=True) as connection:
        tracks = load_tracks(connection)
        model = load(published_model_path(connection))
        (seed,) = connection.execute("select seed from ml.model_runs where is_published").fetchone() or (None,)
    held_out = split_by_artist(tracks, seed=seed).is_held_out(len(tracks.frame))
    predictions = predict_tracks(model, tracks.frame, held_out, progress=progress)
    with warehouse.connect() as connection:
        record_predictions(connection, predictions)
    return dg.MaterializeResult(metadata={"dagster/row_count": len(predictions), "run": model.run_id})


ASSETS = [genre_model, genre_predictions]
