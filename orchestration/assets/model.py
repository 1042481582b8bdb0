"""The genre model, its held-out figures, the study's protocols and the predictions as assets."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg
from pydantic import Field

from ml.card import write_card
from ml.dataset import load_tracks, split_by_artist
from ml.estimators import BASELINE, DEFAULT
from ml.model_file import load
from ml.predictions import predict_tracks, published_model_path, record_predictions
from ml.tables import TABLES
from ml.training import Run, fit, fit_protocol, record, sample_for_study_forest, save_model
from orchestration.checks import (
    MODEL_CHECKS,
    PREDICTION_CHECKS,
    STUDY_FOREST,
    check_model,
    check_predictions,
    previously_published,
)
from orchestration.failures import told_in_a_sentence
from orchestration.metadata import table_metadata
from orchestration.resources import Warehouse
from warehouse.progress import Progress

MODELS = Path("models")
RUN_TABLES = [table for table in TABLES if table not in ("genre_predictions", "study_figures")]
"""What a training run writes."""


class TrainConfig(dg.Config):
    """Which model is fitted, on what, and the seed of everything random in it."""

    model: str = Field(default=DEFAULT, description="A name in the registry, ml/estimators.py.")
    features: str = Field(default="audio", description="audio, or audio+title.")
    seed: int = Field(default=538, description="The seed of the split and of the model; 538 is the study's.")


def _spec(table: str, deps: Sequence[Sequence[str]]) -> dg.AssetSpec:
    comment, columns = TABLES[table]
    schema = dg.TableSchema([dg.TableColumn(name, kind, meaning) for name, (kind, meaning) in columns.items()])
    return dg.AssetSpec(
        ["ml", table],
        group_name="ml",
        kinds={"duckdb", "scikitlearn"},
        description=comment,
        deps=deps,
        metadata={"dagster/column_schema": schema},
    )


@dg.multi_asset(
    specs=[_spec(table, [["marts", "clean_tracks"], ["marts", "track_artists"]]) for table in RUN_TABLES],
    check_specs=MODEL_CHECKS,
)
def genre_model(
    config: TrainConfig, warehouse: Warehouse, progress: dg.ResourceParam[Progress]
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Fit the model, the majority class and the study's forest on the same split; score all on held-out artists."""
    runs: dict[str, Run] = {}
    names = list(dict.fromkeys((BASELINE, STUDY_FOREST, config.model)))
    with told_in_a_sentence():
        with warehouse.connect(read_only=True) as connection:
            tracks = load_tracks(connection)
            previous = previously_published(connection, tracks.dataset)
        split = split_by_artist(tracks, seed=config.seed)
        for done, name in enumerate(names):
            progress("train and evaluate", done, len(names))
            is_chosen = name == config.model
            part = sample_for_study_forest(tracks, split, seed=config.seed) if name == STUDY_FOREST else split
            features = config.features if is_chosen else "audio"
            runs[name] = fit(tracks, model=name, features=features, seed=config.seed, split=part, explain=is_chosen)
        run, others = runs.pop(config.model), list(runs.values())
        checks = list(check_model(run, runs, tracks, split, previous))
        # A run that must not be published leaves the one before it the published one, also in the warehouse.
        is_fit = all(check.passed for check in checks if check.severity == dg.AssetCheckSeverity.ERROR)
        path = save_model(run, MODELS)
        card = write_card(run, path, beside=others)
        with warehouse.connect() as connection:
            for other in others:
                record(connection, other, None, published=False)
            record(connection, run, path, published=is_fit)
            shown = {table: table_metadata(connection, "ml", table) for table in RUN_TABLES}
    progress("train and evaluate", len(names), len(names))
    figures = {
        "run": run.run_id,
        "synthetic": tracks.is_synthetic,
        "held-out tracks": run.scores.n,
        "top_1": run.scores.top_1,
        "top_3": run.scores.top_3,
        "macro_f1": run.scores.macro_f1,
        "log_loss": run.scores.log_loss,
        "ece": run.scores.ece,
        "fit_seconds": run.fit_seconds,
        "figures": dg.MetadataValue.md(_figures([run, *others])),
        "model": dg.MetadataValue.path(str(path.absolute())),
        "card": dg.MetadataValue.path(str(card.absolute())),
    }
    for table in RUN_TABLES:
        own = figures if table == "model_runs" else {"run": run.run_id}
        yield dg.MaterializeResult(asset_key=["ml", table], metadata=shown[table] | own)
    yield from checks


def _figures(runs: Sequence[Run]) -> str:
    lines = ["| model | top-1 | top-3 | macro F1 | log loss |", "|---|---|---|---|---|"]
    for run in runs:
        scores = run.scores
        lines.append(
            f"| {run.name} | {scores.top_1:.3f} | {scores.top_3:.3f} | {scores.macro_f1:.3f} | {scores.log_loss:.3f} |"
        )
    return "\n".join(lines)


class StudyConfig(dg.Config):
    """Which of the study's protocols are repeated, and with which of its models."""

    protocols: list[str] = Field(
        default=["study_2023_04"], description="study_2023_04 and study_2023_05, see ml/protocols.py."
    )
    models: list[str] = Field(
        default=[BASELINE, STUDY_FOREST],
        description="knn, logistic, study_forest, lightgbm (2023_05), prior. Empty: all that a protocol compares, "
        "which takes minutes.",
    )


@dg.asset(
    key=["ml", "study_figures"],
    group_name="ml",
    kinds={"duckdb", "scikitlearn"},
    description=f"{TABLES['study_figures'][0]} Beside them, in ml.model_runs, the same protocols on this dataset.",
    deps=[["ml", "model_runs"]],
)
def study_protocols(
    config: StudyConfig, warehouse: Warehouse, progress: dg.ResourceParam[Progress]
) -> dg.MaterializeResult:
    """Repeat the study's own protocols, which split by row, for comparison with the held-out artists."""
    runs = []
    with told_in_a_sentence():
        with warehouse.connect(read_only=True) as connection:
            tracks = load_tracks(connection)
        for done, protocol in enumerate(config.protocols):
            progress("the study's protocols", done, len(config.protocols))
            runs += fit_protocol(tracks, protocol, models=config.models or None)
        with warehouse.connect() as connection:
            for run in runs:
                record(connection, run, None, published=False)
            shown = table_metadata(connection, "ml", "study_figures")
    progress("the study's protocols", len(config.protocols), len(config.protocols))
    return dg.MaterializeResult(
        metadata={
            **shown,
            "protocols": ", ".join(config.protocols),
            "figures": dg.MetadataValue.md(_figures(runs)),
            "note": "Split by row, as the study did: artists are on both sides, which flatters these figures.",
        }
    )


@dg.asset(
    key=["ml", "genre_predictions"],
    group_name="ml",
    deps=[["ml", "model_runs"]],
    kinds={"duckdb", "scikitlearn"},
    description=TABLES["genre_predictions"][0],
    check_specs=PREDICTION_CHECKS,
)
def genre_predictions(warehouse: Warehouse, progress: dg.ResourceParam[Progress]) -> dg.MaterializeResult:
    """The five likeliest genres of every clean track, by the run of `ml.model_runs` that is published."""
    with told_in_a_sentence():
        with warehouse.connect(read_only=True) as connection:
            tracks = load_tracks(connection)
            model = load(published_model_path(connection))
            (seed,) = connection.execute("select seed from ml.model_runs where is_published").fetchone() or (None,)
        held_out = split_by_artist(tracks, seed=seed).is_held_out(len(tracks.frame))
        predictions = predict_tracks(model, tracks.frame, held_out, progress=progress)
        with warehouse.connect() as connection:
            record_predictions(connection, predictions)
            shown, check = table_metadata(connection, "ml", "genre_predictions"), check_predictions(connection)
    return dg.MaterializeResult(metadata=shown | {"run": model.run_id}, check_results=[check])


ASSETS = [genre_model, study_protocols, genre_predictions]
