"""What runs, and when: the jobs, the schedules, the drop folder, and what follows by itself.

Belongs here: which assets make a job, and what starts one. Not here: the assets (assets/), and what they do.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from orchestration.assets.extract import ExtractConfig
from orchestration.checks import DOCUMENT_CHECKS
from warehouse.files import write_whole
from warehouse.raw import READ_BY_DBT

INBOX = Path("data/inbox")
DUMP = "song_genres/dump"
"""The tag of a run that imports a dump from the inbox: which file, put there when."""

everything = dg.define_asset_job(
    "everything", dg.AssetSelection.all(), description="From the documents to the report; makes all of it again."
)
_landed = dg.AssetSelection.groups("extract")
_look_landed = dg.AssetSelection.checks(*(spec.key for spec in DOCUMENT_CHECKS))  # the other checks of raw are dbt's
extract = dg.define_asset_job(
    "extract", _landed.without_checks() | _look_landed, description="Land documents: those that are missing, or a dump."
)
transform = dg.define_asset_job(
    "transform",
    dg.AssetSelection.groups("staging", "intermediate", "marts")
    | (dg.AssetSelection.checks_for_assets(*(["raw", table] for table in READ_BY_DBT)) - _look_landed),
    description="Clean the active dataset, and test it: `dbt build`.",
)
train = dg.define_asset_job(
    "train", dg.AssetSelection.groups("ml"), description="Fit, score and publish a model in the warehouse; predict."
)
report = dg.define_asset_job(
    "report",
    dg.AssetSelection.groups("report"),
    description="Publish the warehouse where all tests passed, then the report, exports and documentation from it.",
)

weekly_refresh = dg.ScheduleDefinition(
    name="weekly_refresh",
    job=everything,
    cron_schedule="0 4 * * 1",
    execution_timezone="UTC",
    run_config=dg.RunConfig({"raw_documents": ExtractConfig(refresh="popularity")}),
    description="Mondays at 4:00 UTC: asks the active dataset's source for popularity again, then runs what follows.",
)

PER_DAY = 700
"""Requests in any 24 hours: new apps were seen to be paused after 730 to 880 (docs of the crawl's options)."""

daily_crawl = dg.ScheduleDefinition(
    name="daily_crawl",
    job=everything,
    cron_schedule="0 5 * * *",
    execution_timezone="UTC",
    run_config=dg.RunConfig({"raw_documents": ExtractConfig(per_day=PER_DAY)}),
    description=f"Daily at 5:00 UTC: asks for what the active dataset still lacks, at most {PER_DAY} requests per day, "
    "then runs what follows. For a crawl, or a list of songs, that takes more than a day.",
)

# Two days late is time enough for a crawl that waits for its quota, and for the run after it.
FRESHNESS = dg.FreshnessPolicy.time_window(warn_window=timedelta(days=9), fail_window=timedelta(days=16))
"""How old the raw documents and the published copy may be: one missed weekly refresh warns, two fail."""
KEPT_FRESH = {dg.AssetKey(["raw", table]) for table in READ_BY_DBT} | {dg.AssetKey(["report", "published_database"])}


def kept_fresh(spec: dg.AssetSpec) -> dg.AssetSpec:
    """The asset, with the freshness policy if it is a table of raw documents or the published copy."""
    return spec.replace_attributes(freshness_policy=FRESHNESS) if spec.key in KEPT_FRESH else spec


@dg.sensor(
    job=extract,
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=f"Imports each dump put into {INBOX}/ once, then moves it to done/, or to failed/ with the reason.",
)
def inbox(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Start a run for each new file that has stopped growing, and put away those whose runs have ended.

    A file is known by when it was put there (its inode's change time), so that the same one, mended or moved back, is
    tried again. The run's own record says how it ended: nothing is lost where Dagster stops in between.
    """
    files = sorted(path for path in INBOX.glob("*") if path.is_file() and not path.name.startswith("."))
    seen_before = set(json.loads(context.cursor or "[]"))
    keys = {path: f"{path.name} {path.stat().st_size} {path.stat().st_ctime_ns}" for path in files}
    for path, key in keys.items():
        run = next(iter(context.instance.get_runs(dg.RunsFilter(tags={DUMP: key}), limit=1)), None)
        if run is None:
            if key in seen_before:  # or else it may still be being written
                config = dg.RunConfig({"raw_documents": ExtractConfig(source=str(path))})
                yield dg.RunRequest(run_key=key, run_config=config, tags={DUMP: key})
        elif run.status == dg.DagsterRunStatus.SUCCESS:
            _put_away(path, "done")
        elif run.is_finished:
            moved = _put_away(path, "failed")
            write_whole(
                moved.with_name(moved.name + ".reason.txt"),
                f"{_reason(context.instance, run.run_id)}\nRun {run.run_id}. Mend it and put it back into {INBOX}/.\n",
            )
    if not files:
        yield dg.SkipReason(f"There is no file in {INBOX}/.")
    context.update_cursor(json.dumps(sorted(keys.values())))


def _put_away(path: Path, folder: str) -> Path:
    """Move the file into a folder beside it, under another name where that name is taken."""
    target = path.parent / folder / path.name
    target.parent.mkdir(exist_ok=True)
    if target.exists():
        target = target.with_name(f"{path.stem}.{datetime.now(UTC):%Y%m%dT%H%M%S%f}{path.suffix}")
    return path.rename(target)


def _reason(instance: dg.DagsterInstance, run_id: str) -> str:
    """Why the run failed: what its step said, or that the run itself was ended."""
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        failure = entry.get_dagster_event().step_failure_data
        if failure.user_failure_data and failure.user_failure_data.description:
            return str(failure.user_failure_data.description)
        if failure.error:
            return str(failure.error.message).strip()
    return "The run was ended before it was done."


def follows(spec: dg.AssetSpec) -> dg.AssetSpec:
    """The asset, to be made automatically when its inputs were, where `automation` is switched on."""
    return spec.replace_attributes(automation_condition=dg.AutomationCondition.eager())


automation = dg.AutomationConditionSensorDefinition(
    "automation",
    target=dg.AssetSelection.all() | dg.AssetSelection.all_asset_checks(),
    default_status=dg.DefaultSensorStatus.STOPPED,
    minimum_interval_seconds=30,
    description="Switched on, what follows from newly landed documents is made automatically: marts, model, report.",
)

JOBS = [everything, extract, transform, train, report]
SCHEDULES = [weekly_refresh, daily_crawl]
SENSORS = [inbox, automation]
