"""What the step of the model does: fit or recall, judge, record, and predict.

Belongs here: the order of the work, and what Dagster is told of it. Not here: the assets and their settings
(assets/model.py), and any fitting or scoring (ml/).
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from ml.card import write_card
from ml.dataset import TooLittleToLearn, Tracks, leaks, load_tracks, split_by_artist
from ml.model_file import load
from ml.predictions import (
    latest_model,
    lent_model,
    parts_of,
    predict_tracks,
    record_predictions,
    record_song_predictions,
)
from ml.records import recall, record
from ml.settings import BASELINE, STUDY_FOREST, with_inputs
from ml.training import Job, Summary, fit_job, jobs, sample_for_study_forest, save_model
from ml.verdict import Verdict, judge, record_verdict
from orchestration.assets.model import RUN_TABLES, Result, TrainConfig
from orchestration.checks import (
    PREDICTIONS,
    SETS,
    SONG_PREDICTIONS,
    check_model,
    check_predictions,
    previously_published,
)
from orchestration.metadata import table_metadata
from orchestration.resources import Warehouse
from warehouse.progress import Progress

MODELS = Path("models")


def train(config: TrainConfig, warehouse: Warehouse, progress: Progress) -> Iterator[Result]:
    """Fit each run or recall it, judge the chosen one, and record all of it."""
    with warehouse.connect(read_only=True) as connection:
        tracks = load_tracks(connection)
        previous = previously_published(connection, tracks.dataset)
    run: Summary | None = None
    others: dict[str, Summary] = {}
    figures: dict[str, Any] = {"synthetic": tracks.is_synthetic}
    recalled: dict[str, list[str]] = {}
    try:
        split = split_by_artist(tracks, seed=config.seed)
        names = list(dict.fromkeys((BASELINE, STUDY_FOREST, config.model)))
        for done, name in enumerate(sorted(names, key=lambda name: name == config.model)):
            progress("train and evaluate", done, len(names))
            is_chosen = name == config.model
            part = sample_for_study_forest(tracks, split, seed=config.seed) if name == STUDY_FOREST else split
            job = Job(name, [part], config.features if is_chosen else "audio", seed=config.seed)
            others[name] = _fit_or_recall(
                tracks,
                job,
                warehouse,
                recalled,
                refit=config.refit,
                beside=list(others.values()) if is_chosen else None,
            )
        progress("train and evaluate", len(names), len(names))
        run = others.pop(config.model)
        verdict = judge(run, others.get(BASELINE, run), leaks(tracks, split))
        figures |= _metadata(run, list(others.values()))
    except TooLittleToLearn as error:
        verdict = Verdict(None, too_little=str(error))
    notes = list(_repeat_the_study(config, tracks, warehouse, progress, recalled))
    with warehouse.connect() as connection:
        record_verdict(connection, tracks, verdict)
        shown = {table: table_metadata(connection, "ml", table) for table in RUN_TABLES}
    figures |= {"finding": verdict.finding or "A model may be shown.", "the study's protocols": "\n".join(notes)}
    if recalled:
        figures["recalled"] = "; ".join(f"{', '.join(names)} from {place}" for place, names in recalled.items())
    for table in RUN_TABLES:
        yield dg.MaterializeResult(
            asset_key=["ml", table], metadata=shown[table] | (figures if table in ("model_runs", "verdicts") else {})
        )
    yield from check_model(verdict, run, others, previous)


def _fit_or_recall(
    tracks: Tracks,
    job: Job,
    warehouse: Warehouse,
    recalled: dict[str, list[str]],
    *,
    refit: bool = False,
    beside: list[Summary] | None = None,
) -> Summary:
    """The job's run, as it is recorded (then `recalled` gets it, by where it was found), or fitted now.

    With `beside`, runs of the same split, the model is explained and kept as a file, with a card that compares it.
    """
    if not refit:
        with warehouse.connect(read_only=True) as connection:
            if known := recall(connection, job.run_id(tracks), with_model=beside is not None):
                place = "ml.model_runs" if beside is None else f"{MODELS / known.run_id}/"
                recalled.setdefault(place, []).append(f"{known.name} ({job.protocol})")
                return known
    run = fit_job(tracks, job, explain=beside is not None)
    path = None
    if beside is not None:
        path = save_model(run, MODELS)
        write_card(run, path, beside=beside)
    with warehouse.connect() as connection:
        record(connection, run, path, published=False)
    return run.summary


def _repeat_the_study(
    config: TrainConfig, tracks: Tracks, warehouse: Warehouse, progress: Progress, recalled: dict[str, list[str]]
) -> Iterator[str]:
    """Repeat the study's own protocols, which split by row, and say in a sentence what came of each."""
    for done, protocol in enumerate(config.protocols):
        progress("the study's protocols", done, len(config.protocols))
        try:
            for job in jobs(tracks, protocol, models=config.protocol_models or None):
                run = _fit_or_recall(tracks, job, warehouse, recalled, refit=config.refit)
                figures = f"top-1 {run.scores.top_1:.3f}, top-3 {run.scores.top_3:.3f}"
                yield f"{protocol}, {run.name}: {figures}; split by row, so artists are on both sides."
        except TooLittleToLearn as error:
            yield f"{protocol} cannot be repeated: {error}"
    progress("the study's protocols", len(config.protocols), len(config.protocols))


def _metadata(run: Summary, others: list[Summary]) -> dict[str, Any]:
    """What Dagster shows of the judged run."""
    names = {
        "top-1": "top_1", "top-3": "top_3", "top-1, any listed genre": "top_1_any",
        "top-3, any listed genre": "top_3_any", "macro F1": "macro_f1", "log loss": "log_loss",
    }  # fmt: skip
    lines = [f"| model | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for each in [run, *others]:
        figures = " | ".join(f"{getattr(each.scores, name):.3f}" for name in names.values())
        lines.append(f"| {with_inputs(each.name, each.features)} | {figures} |")
    sets = {name: getattr(run.scores, name) for name in ("coverage", "set_size")}
    folder = (MODELS / run.run_id).absolute()
    return {
        "run": run.run_id,
        "held-out tracks": run.scores.n,
        **{name: getattr(run.scores, name) for name in (*names.values(), "ece")},
        **{name: value for name, value in sets.items() if not math.isnan(value)},
        "figures": dg.MetadataValue.md("\n".join(lines)),
        "model": dg.MetadataValue.path(str(folder / "model.skops")),
        "card": dg.MetadataValue.path(str(folder / "card.md")),
    }


def predict(warehouse: Warehouse, progress: Progress) -> Iterator[Result]:
    """Predict the five most probable genres of every clean track, and its set, if its dataset has a model.

    The tracks of a list of songs, which have no genres, are scored by the model of another dataset, if there is one.
    """
    with warehouse.connect(read_only=True) as connection:
        tracks = load_tracks(connection)
        found = latest_model(connection) if tracks.is_labelled else lent_model(connection)
        if found is None:
            return
        run_id, path = found
        parts = parts_of(connection, run_id, tracks.frame["spotify_track_id"])
    predictions = predict_tracks(load(path), tracks.frame, parts, progress=progress)
    if not tracks.is_labelled:
        with warehouse.connect() as connection:
            record_song_predictions(connection, tracks, predictions)
            shown, sets = (table_metadata(connection, "ml", table) for table in ("song_predictions", "genre_sets"))
        yield dg.MaterializeResult(asset_key=SONG_PREDICTIONS, metadata=shown | {"run": run_id})
        yield dg.MaterializeResult(asset_key=SETS, metadata=sets | {"run": run_id})
        return
    with warehouse.connect() as connection:
        record_predictions(connection, tracks.dataset, predictions)
        shown, sets = (table_metadata(connection, "ml", table) for table in ("genre_predictions", "genre_sets"))
        check = check_predictions(connection)
    counts = {f"tracks {part}": int((parts == part).sum()) for part in sorted(set(parts))}
    yield dg.MaterializeResult(asset_key=PREDICTIONS, metadata=shown | counts | {"run": run_id})
    yield dg.MaterializeResult(asset_key=SETS, metadata=sets | {"run": run_id})
    yield check
