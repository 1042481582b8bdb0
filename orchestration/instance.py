"""What dagster.yaml names of ours: where Dagster keeps its records, and what it asks about the process of a run.

Belongs here: where Dagster's own classes for one machine fall short of these two. All else is as Dagster does it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Self

import dagster as dg
import psutil
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, NullPool, create_engine


class Records(DagsterSqliteStorage):
    """Dagster's own records of runs, events and schedules in SQLite files; events do not wait for the disk."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        self._event_log_storage = _EventLog(self._event_log_storage._base_dir)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        """Dagster's way to make one from dagster.yaml."""
        return cls.from_local(inst_data=inst_data, **config_value)


class _EventLog(SqliteEventLogStorage):
    """Events without `fsync`, and with an engine that is kept for each file.

    Dagster opens and closes a file of SQLite for every event, up to three times, and each time waits for the disk. A
    run of everything announces 200 assets and checks before it begins: seconds, on a slow or busy disk more than half a
    minute, in which nothing is answered. A killed process loses nothing by it, since the operating system has what was
    written. A power cut may take some of what Dagster keeps about runs (docs/operations.md says what to do then), and
    nothing of the data. An engine remembers what SQL its statements are; a new one for each event compiles them anew.
    """

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            engine = _engine(self.conn_string_for_shard(shard))
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.begin() as connection:
                connection.exec_driver_sql("pragma synchronous = off")
                yield connection


@lru_cache(maxsize=16)  # a file a run, and an index
def _engine(address: str) -> Engine:
    """An engine with Dagster's own settings; it keeps no file open."""
    return create_engine(address, poolclass=NullPool, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS})


class WatchedRunLauncher(DefaultRunLauncher):
    """Dagster's own launcher for one machine, with an answer to that question, which it does not give.

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
    """Whether the process that had the number `pid` at the time `since` still runs: numbers are given again."""
    try:
        process = psutil.Process(pid)
        return bool(process.create_time() <= since and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
