"""The genre model, its held-out figures, the study's protocols and the predictions as assets.

Belongs here: what Dagster shows before anything runs. Not here: what the step does (orchestration/training.py), which
takes seconds to import.
"""

from collections.abc import Iterator, Sequence

import dagster as dg
from pydantic import Field

from ml.settings import BASELINE, DEFAULT, STUDY_FOREST
from ml.tables import TABLES
from orchestration.checks import MODEL_CHECKS, PREDICTION_CHECKS, PREDICTIONS, SETS, SONG_PREDICTIONS
from orchestration.failures import told_in_a_sentence
from orchestration.resources import Warehouse
from warehouse.progress import Progress

PREDICTED = {PREDICTIONS, SONG_PREDICTIONS, SETS}
FINDINGS = {dg.AssetKey(["ml", table]) for table in ("genre_clusters", "popularity_fits")}
"""What is found in the clean tracks beside the models (assets/findings.py)."""
RUN_TABLES = [table for table in TABLES if dg.AssetKey(["ml", table]) not in PREDICTED | FINDINGS]
"""What a training run writes."""

LEARNT = ("clean_tracks", "track_artists", "track_details", "track_genres")
"""The marts that a training run reads."""

Result = dg.MaterializeResult | dg.AssetCheckResult


class TrainConfig(dg.Config):
    """Which model is fitted, on what, and the seed of everything random in it."""

    model: str = Field(default=DEFAULT, description="A name in the registry, ml/estimators.py.")
    features: str = Field(
        default="audio", description="What the model learns from: any of audio, title, year and album, joined by +."
    )
    seed: int = Field(default=538, description="The seed of the split and of the model; 538 is the study's.")
    protocols: list[str] = Field(
        default=["study_2023_04"],
        description="The study's protocols to repeat for comparison, which split by row: study_2023_04, study_2023_05.",
    )
    protocol_models: list[str] = Field(
        default=[BASELINE, STUDY_FOREST],
        description="Which models those compare: knn, logistic, study_forest, lightgbm (2023_05), prior. Empty: all, "
        "which takes minutes.",
    )
    refit: bool = Field(default=False, description="Fit again what is recorded with the same data and settings.")


def table_spec(table: str, deps: Sequence[Sequence[str]]) -> dg.AssetSpec:
    """The asset of a table of schema `ml`, as ml/tables.py describes it."""
    comment, columns = TABLES[table]
    schema = dg.TableSchema([dg.TableColumn(name, kind, meaning) for name, (kind, meaning) in columns.items()])
    return dg.AssetSpec(
        ["ml", table],
        group_name="ml",
        kinds={"duckdb", "scikitlearn"},
        description=comment,
        deps=deps,
        metadata={"dagster/column_schema": schema},
        # Where no model may be shown there are no predictions, and there are never those of both kinds.
        skippable=dg.AssetKey(["ml", table]) in PREDICTED,
    )


# One step for both, which can do either alone: where no model may be shown there are no predictions, and what comes
# after them goes on all the same.
@dg.multi_asset(
    specs=[
        *(table_spec(table, [["marts", name] for name in LEARNT]) for table in RUN_TABLES),
        *(table_spec(key.path[1], [["ml", "model_runs"]]) for key in sorted(PREDICTED)),
    ],
    check_specs=[*MODEL_CHECKS, *PREDICTION_CHECKS],
    can_subset=True,
)
def genre_model(
    context: dg.AssetExecutionContext,
    config: TrainConfig,
    warehouse: Warehouse,
    progress: dg.ResourceParam[Progress],
) -> Iterator[Result]:
    """Fit the model, the majority class and the study's forest on one split; judge on held-out artists; predict."""
    from orchestration.training import predict, train

    results: list[Result] = []
    with told_in_a_sentence():
        if context.selected_asset_keys - PREDICTED:
            results += train(config, warehouse, progress)
        if context.selected_asset_keys & PREDICTED:
            results += predict(warehouse, progress)
    for result in results:
        if isinstance(result, dg.AssetCheckResult):
            assert result.asset_key and result.check_name
            is_wanted = dg.AssetCheckKey(result.asset_key, result.check_name) in context.selected_asset_check_keys
        else:
            is_wanted = result.asset_key in context.selected_asset_keys
        if is_wanted:
            yield result


ASSETS = [genre_model]
