"""Runs the job everything, killed in each of its steps in turn and each time re-executed from failure, for a test.

`python -m tests.end_to_end.killed_run FOLDER STAGE:DONE …`: each run is a process of its own that kills itself
(SIGKILL) when the stage has come to DONE; the last one runs to its end. Their processes are forked from this one, which
has the libraries loaded already: that is most of their start.
"""

import os
import signal
import sys

import dagster as dg

from tests.conftest import ROOT

KILL_AT = "KILL_AT"
"""The environment variable that names the stage, and how far it has come, at which a run's process is to end."""


def kill_there(stage: str, done: int, total: int | None) -> None:  # noqa: ARG001
    """An `warehouse.progress.Progress` that kills the process."""
    wanted, _, count = os.environ[KILL_AT].rpartition(":")
    if stage == wanted and done >= int(count):
        os.kill(os.getpid(), signal.SIGKILL)


def everything() -> dg.JobDefinition:
    """The job, watched by `kill_there`."""
    from orchestration.definitions import definitions

    return definitions(kill_there).resolve_job_def("everything")


def run(parent: str | None) -> bool:
    """Run the job, or re-execute `parent` from failure; whether it went well."""
    with (
        dg.DagsterInstance.from_config(str(ROOT)) as instance,
        dg.execute_job(
            dg.reconstructable(everything),
            instance=instance,
            run_config={
                "ops": {
                    "raw_documents": {"config": {"source": "songs.csv"}},
                    "genre_model": {"config": {"model": "lightgbm"}},
                }
            },
            reexecution_options=dg.ReexecutionOptions.from_failure(parent, instance) if parent else None,
        ) as result,
    ):
        return result.success


def last_run(number: int) -> str:
    """Mark the newest run as failed, as Dagster's monitoring does with one whose process is gone; returns its id."""
    with dg.DagsterInstance.from_config(str(ROOT)) as instance:
        newest, *others = instance.get_runs()
        assert len(others) == number
        assert newest.status == dg.DagsterRunStatus.STARTED
        health = instance.run_launcher.check_run_worker_health(newest)
        assert health.status.value == "FAILED", health
        instance.report_run_failed(newest, health.msg)
        return newest.run_id


def main() -> None:
    """Exit code 1, with a sentence, where a process did not end as it should."""
    os.chdir(sys.argv[1])
    import orchestration.definitions  # noqa: F401 - so that the forks need not

    parent: str | None = None
    for number, there in enumerate([*sys.argv[2:], ":0"]):
        is_last = there == ":0"
        pid = os.fork()
        if pid == 0:
            os.environ[KILL_AT] = there
            os._exit(0 if run(parent) else 1)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if code != (0 if is_last else -signal.SIGKILL):
            sys.exit(f"The run that was to be killed at {there!r} ended with {code}.")
        if not is_last:
            parent = last_run(number)


if __name__ == "__main__":
    main()
