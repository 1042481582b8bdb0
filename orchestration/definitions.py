"""What Dagster loads: the assets, checks and jobs, wired to this machine's files."""

import logging

import dagster as dg

from orchestration import jobs
from orchestration.assets import extract, model, report, warehouse
from orchestration.resources import dbt_resource, point_dbt_at, warehouse_resource
from warehouse.progress import Progress


def log_progress(stage: str, done: int, total: int | None) -> None:
    """Progress as a log line, for runs that nobody watches: at the start, and at each tenth where a total is known."""
    if done == 0 or (total and done * 10 // total > (done - 1) * 10 // total):
        logging.getLogger("song_genres").info("%s: %s of %s", stage, done, total or "?")


def definitions(progress: Progress = log_progress) -> dg.Definitions:
    """All definitions; `progress` hears how far a step is."""
    files = warehouse_resource()
    point_dbt_at(files.file)
    return dg.Definitions(
        assets=[
            extract.raw_documents,
            warehouse.dbt_models,
            # What dbt makes has its condition from the translator (assets/warehouse.py).
            *dg.map_asset_specs(jobs.follows, [*model.ASSETS, *report.ASSETS]),
        ],
        jobs=jobs.JOBS,
        schedules=jobs.SCHEDULES,
        sensors=jobs.SENSORS,
        resources={"warehouse": files, "dbt": dbt_resource(), "progress": progress},
        # One process for all steps: DuckDB has a single writer, and each further process costs seconds to start.
        executor=dg.in_process_executor,
    )


defs = definitions()
