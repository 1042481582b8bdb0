"""What Dagster loads: the assets, checks and jobs, wired to this machine's files; and a run without its server."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from orchestration import jobs
from orchestration.assets import extract, findings, model, report, warehouse
from orchestration.readings import FileReading
from orchestration.resources import ROOT, dbt_resource, point_dbt_at, warehouse_resource
from warehouse.progress import Progress


def log_progress(stage: str, done: int, total: int | None) -> None:
    """Log progress, for runs that nobody watches: at the start, and at each tenth where a total is known."""
    if done == 0 or (total and done * 10 // total > (done - 1) * 10 // total):
        logging.getLogger("song_genres").info("%s: %s of %s", stage, done, total or "?")


def definitions(progress: Progress = log_progress) -> dg.Definitions:
    """All definitions; `progress` is told how far a step is."""
    files = warehouse_resource()
    point_dbt_at(files.file)
    return dg.Definitions(
        assets=[
            *dg.map_asset_specs(jobs.kept_fresh, [extract.raw_documents]),
            warehouse.dbt_models,
            # What dbt makes has its condition from the translator (assets/warehouse.py).
            *dg.map_asset_specs(
                lambda spec: jobs.kept_fresh(jobs.follows(spec)), [*model.ASSETS, *findings.ASSETS, *report.ASSETS]
            ),
        ],
        jobs=jobs.JOBS,
        schedules=jobs.SCHEDULES,
        sensors=jobs.SENSORS,
        resources={"warehouse": files, "dbt": dbt_resource(), "progress": progress},
        # One process for all steps: DuckDB has a single writer, and each further process costs seconds to start.
        executor=dg.in_process_executor,
    )


@dataclass(frozen=True)
class Everything:
    """What came of a run: its dataset, the seconds that each step took, by name, and how its file was read, if any.

    `suspended` says why not all of it could be asked for yet. `recalled` says which models were not fitted but
    found from an earlier run; it is empty where none was.
    """

    dataset: str
    seconds: dict[str, float]
    reading: FileReading | None
    suspended: str | None = None
    recalled: str = ""


def run_everything(config: Mapping[str, Mapping[str, Any]], progress: Progress) -> Everything:
    """Run the job `everything` in this process, recorded as Dagster's own runs are.

    `config` is for each step, by name. Raises what a step raises.
    """
    job = definitions(progress).resolve_job_def("everything")
    with dg.DagsterInstance.from_config(str(ROOT)) as instance:
        result = job.execute_in_process(
            instance=instance,
            run_config={
                "ops": {step: {"config": values} for step, values in config.items()},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
        )
    landed = result.asset_materializations_for_node("raw_documents")
    reading, suspended = (landed[0].metadata.get(name) for name in ("reading", "suspended"))
    recalled = [
        str(model.metadata["recalled"].value)
        for model in result.asset_materializations_for_node("genre_model")
        if "recalled" in model.metadata
    ]
    return Everything(
        dataset=str(landed[0].metadata["dataset"].value),
        seconds={
            event.step_key: event.step_success_data.duration_ms / 1000
            for event in result.all_events
            if event.is_step_success and event.step_key
        },
        reading=FileReading.of_json(str(reading.value)) if reading else None,
        suspended=str(suspended.value) if suspended else None,
        recalled=recalled[0] if recalled else "",
    )


defs = definitions()
