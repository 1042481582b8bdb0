"""The run launcher that dagster.yaml names: it can tell Dagster whether the process of a run is alive.

Belongs here: what Dagster's own classes for one machine lack for that. Everything else is as Dagster does it.
"""

import dagster as dg
import psutil

# Private, and therefore with an upper bound in pyproject.toml: Dagster has no public name for the answer's type.
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus


class WatchedRunLauncher(dg.DefaultRunLauncher):
    """Dagster's own launcher for one machine, which by itself cannot answer that question.

    Without it a run that was killed with its server, or in the console script, is "started" for ever, and every later
    run waits for it.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Dagster's monitoring asks, and marks a run whose worker failed as failed."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether a process that said it executes the run is alive; one that has said nothing yet is given time."""
        for entry in self._instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
            pid = entry.get_dagster_event().engine_event_data.metadata.get("pid")
            if pid is not None and not _is_alive(int(str(pid.value)), since=entry.timestamp):
                return CheckRunHealthResult(
                    WorkerStatus.FAILED,
                    f"The process {pid.value} that executed the run is gone. What it landed is landed; re-execute from "
                    "failure.",
                )
        return CheckRunHealthResult(WorkerStatus.RUNNING)


def _is_alive(pid: int, *, since: float) -> bool:
    """Whether the process that had the number `pid` at the time `since` still runs: the system reuses numbers."""
    try:
        process = psutil.Process(pid)
        return bool(process.create_time() <= since and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
