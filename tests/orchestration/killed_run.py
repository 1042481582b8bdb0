"""A run's process, for the tests that kill it: runs the job everything in the working directory.

`python -m tests.orchestration.killed_run STAGE DONE [PARENT_RUN]`: kills itself (SIGKILL) when the stage has come to
DONE; an empty STAGE is never reached. With PARENT_RUN, re-executes that run from where it failed.
"""

import os
import signal
import sys

import dagster as dg

from tests.conftest import ROOT


def kill_at(stage: str, done: int, total: int | None) -> None:  # noqa: ARG001
    """An `extract.progress.Progress` that kills the process."""
    wanted, count, *_ = sys.argv[1:]
    if stage == wanted and done >= int(count):
        os.kill(os.getpid(), signal.SIGKILL)


def everything() -> dg.JobDefinition:
    """The job, watched by `kill_at`."""
    from orchestration.definitions import definitions

    return definitions(kill_at).resolve_job_def("everything")


def main() -> None:
    """Run the job; exit code 1 where it fails."""
    parents = sys.argv[3:]
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
            reexecution_options=dg.ReexecutionOptions.from_failure(parents[0], instance) if parents else None,
        ) as result,
    ):
        sys.exit(0 if result.success else 1)


if __name__ == "__main__":
    main()
