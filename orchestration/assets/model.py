"""The genre model, its held-out figures, the study's protocols and the predictions as assets."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from ml.card import write_card
from ml.dataset import TooLittleToLearn, Tracks, leaks, load_tracks, split_by_artist
from ml.estimators import BASELINE, DEFAULT
from ml.model_file import load
from ml.predictions import latest_model, parts_of, predict_tracks, record_predictions
from ml.records import recall, record
from ml.tables import TABLES
from ml.training import Job, Summary, fit_job, jobs, sample_for_study_forest, save_model
from ml.verdict import Verdict, judge, record_verdict
from orchestration.checks import (
    MODEL_CHECKS,
    PREDICTION_CHECKS,
    PREDICTIONS,
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
RUN_TABLES = [table for table in TABLES if table != "genre_predictions"]
"""What a training run writes."""

Result = dg.MaterializeResult | dg.AssetCheckResult


class TrainConfig(dg.Config):
    """Which model is fitted, on what, and the seed of everything random in it."""

    model: str = Field(default=DEFAULT, description="A name in the registry, ml/estimators.py.")
    features: str = Field(default="audio", description="audio, or audio+title.")
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
    refit: bool = Field(default=False, description="Fit anew what is recorded already with the same data and settings.")


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
        skippable=table == "genre_predictions",  # where no model may be shown, there are none
    )


# One step for both, which can do either alone: where no model may be shown there are no predictions, and what comes
# after them goes on all the same.
@dg.multi_asset(
    specs=[
        *(_spec(table, [["marts", "clean_tracks"], ["marts", "track_artists"]]) for table in RUN_TABLES),
        _spec("genre_predictions", [["ml", "model_runs"]]),
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
    results: list[Result] = []
    with told_in_a_sentence():
        if context.selected_asset_keys != {PREDICTIONS}:
            results += _train(config, warehouse, progress)
        if PREDICTIONS in context.selected_asset_keys:
            results += _predict(warehouse, progress)
    for result in results:
        if isinstance(result, dg.AssetCheckResult):
            assert result.asset_key and result.check_name
            is_wanted = dg.AssetCheckKey(result.asset_key, result.check_name) in context.selected_asset_check_keys
        else:
            is_wanted = result.asset_key in context.selected_asset_keys
        if is_wanted:
            yield result


def _train(config: TrainConfig, warehouse: Warehouse, progress: Progress) -> Iterator[Result]:
    """Fit each run or recall it, judge the chosen one, and record all of it."""
    with warehouse.connect(read_only=True) as connection:
        tracks = load_tracks(connection)
        previous = previously_published(connection, tracks.dataset)
    run: Summary | None = None
    others: dict[str, Summary] = {}
    figures: dict[str, Any] = {"synthetic": tracks.is_synthetic}
    try:
        split = split_by_artist(tracks, seed=config.seed)
        names = list(dict.fromkeys((BASELINE, STUDY_FOREST, config.model)))
        for done, name in enumerate(sorted(names, key=lambda name: name == config.model)):
            progress("train and evaluate", done, len(names))
            is_chosen = name == config.model
            part = sample_for_study_forest(tracks, split, seed=config.seed) if name == STUDY_FOREST else split
            job = Job(name, [part], config.features if is_chosen else "audio", seed=config.seed)
            others[name] = _fit_or_recall(
                tracks, job, warehouse, refit=config.refit, beside=list(others.values()) if is_chosen else None
            )
        progress("train and evaluate", len(names), len(names))
        run = others.pop(config.model)
        verdict = judge(run, others.get(BASELINE, run), leaks(tracks, split))
        figures |= _metadata(run, list(others.values()))
    except TooLittleToLearn as error:
        verdict = Verdict(None, too_little=str(error))
    notes = list(_repeat_the_study(config, tracks, warehouse, progress))
    with warehouse.connect() as connection:
        record_verdict(connection, tracks, verdict)
        shown = {table: table_metadata(connection, "ml", table) for table in RUN_TABLES}
    figures |= {"finding": verdict.finding or "A model may be shown.", "the study's protocols": "\n".join(notes)}
    for table in RUN_TABLES:
        yield dg.MaterializeResult(
            asset_key=["ml", table], metadata=shown[table] | (figures if table in ("model_runs", "verdicts") else {})
        )
    yield from check_model(verdict, run, others, previous)


def _fit_or_recall(
    tracks: Tracks, job: Job, warehouse: Warehouse, *, refit: bool = False, beside: list[Summary] | None = None
) -> Summary:
    """The job's run, as it is recorded, or fitted and recorded now.

    With `beside`, runs of the same split, the model is explained and kept as a file, with a card that compares it.
    """
    if not refit:
        with warehouse.connect(read_only=True) as connection:
            if known := recall(connection, job.run_id(tracks), with_model=beside is not None):
                return known
    run = fit_job(tracks, job, explain=beside is not None)
    path = None
    if beside is not None:
        path = save_model(run, MODELS)
        write_card(run, path, beside=beside)
    with warehouse.connect() as connection:
        record(connection, run, path, published=False)
    return run.summary


def _repeat_the_study(config: TrainConfig, tracks: Tracks, warehouse: Warehouse, progress: Progress) -> Iterator[str]:
    """Repeat the study's own protocols, which split by row, and say in a sentence what came of each."""
    for done, protocol in enumerate(config.protocols):
        progress("the study's protocols", done, len(config.protocols))
        try:
            for job in jobs(tracks, protocol, models=config.protocol_models or None):
                run = _fit_or_recall(tracks, job, warehouse, refit=config.refit)
                figures = f"top-1 {run.scores.top_1:.3f}, top-3 {run.scores.top_3:.3f}"
                yield f"{protocol}, {run.name}: {figures}; split by row, so artists are on both sides."
        except TooLittleToLearn as error:
            yield f"{protocol} cannot be repeated: {error}"
    progress("the study's protocols", len(config.protocols), len(config.protocols))


def _metadata(run: Summary, others: list[Summary]) -> dict[str, Any]:
    """What Dagster shows of the judged run."""
    lines = ["| model | top-1 | top-3 | macro F1 | log loss |", "|---|---|---|---|---|"]
    for each in [run, *others]:
        scores = each.scores
        lines.append(
            f"| {each.name} | {scores.top_1:.3f} | {scores.top_3:.3f} | {scores.macro_f1:.3f} | {scores.log_loss:.3f} |"
        )
    folder = (MODELS / run.run_id).absolute()
    return {
        "run": run.run_id,
        "held-out tracks": run.scores.n,
        **{name: getattr(run.scores, name) for name in ("top_1", "top_3", "macro_f1", "log_loss", "ece")},
        "figures": dg.MetadataValue.md("\n".join(lines)),
        "model": dg.MetadataValue.path(str(folder / "model.skops")),
        "card": dg.MetadataValue.path(str(folder / "card.md")),
    }


def _predict(warehouse: Warehouse, progress: Progress) -> Iterator[Result]:
    """The likeliest genres of every clean track, by the model of its dataset; nothing where there is none."""
    with warehouse.connect(read_only=True) as connection:
        found = latest_model(connection)
        if found is None:
            return
        run_id, path = found
        tracks = load_tracks(connection)
        parts = parts_of(connection, run_id, tracks.frame["spotify_track_id"])
    predictions = predict_tracks(load(path), tracks.frame, parts, progress=progress)
    with warehouse.connect() as connection:
        record_predictions(connection, predictions)
        shown, check = table_metadata(connection, "ml", "genre_predictions"), check_predictions(connection)
    counts = {f"tracks {part}": int((parts == part).sum()) for part in sorted(set(parts))}
    yield dg.MaterializeResult(asset_key=PREDICTIONS, metadata=shown | counts | {"run": run_id})
    yield check


ASSETS = [genre_model]
