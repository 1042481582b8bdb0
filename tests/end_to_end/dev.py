"""A `dagster dev` of the tests and benchmarks: the real server with its daemon, in a folder of its own."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from tests.conftest import PATIENCE, ROOT, own_environment

LAUNCH = """
mutation ($job: String!, $config: RunConfigData!) {
  launchRun(executionParams: {
    selector: {jobName: $job, repositoryName: "__repository__", repositoryLocationName: "song_genres"},
    runConfigData: $config
  }) { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } }
}"""
RUN = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status startTime endTime } } }"


class Dev:
    """A `dagster dev` in a folder of its own; `stop` ends it as a service manager would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("dagster.yaml", "pyproject.toml"):  # what it reads of the project's root
            shutil.copyfile(ROOT / name, folder / name)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = (folder / "dev.log").open("a")
        self.process = subprocess.Popen(
            [Path(sys.executable).with_name("dagster"), "dev", "--port", str(self.port)],
            cwd=folder, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True,
            env=own_environment(PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}"),
            # Dagster takes SIGTERM as it takes SIGINT, which what a script started in the background would ignore.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        self.wait_for(self.answers)

    def answers(self) -> bool:
        """Whether the interface is up and the code is loaded."""
        assert self.process.poll() is None, self.said
        try:
            found = self.query("{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }")
        except requests.RequestException:
            return False
        return bool(found["repositoriesOrError"].get("nodes"))

    @property
    def said(self) -> str:
        """All that it wrote."""
        return (self.folder / "dev.log").read_text()

    def query(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data that GraphQL answers."""
        answer = requests.post(f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=PATIENCE)
        answer.raise_for_status()
        return answer.json()["data"]  # type: ignore[no-any-return]

    def launch(self, job: str, **ops: Any) -> str:
        """Launch the job; returns the run's id."""
        found = self.query(LAUNCH, job=job, config={"ops": ops})["launchRun"]
        assert found["__typename"] == "LaunchRunSuccess", found
        return str(found["run"]["runId"])

    def run(self, run_id: str) -> dict[str, Any]:
        """The run's status, and when it began and ended."""
        return self.query(RUN, id=run_id)["runOrError"]  # type: ignore[no-any-return]

    def wait_for_run(self, run_id: str) -> dict[str, Any]:
        """Wait until the run has ended."""
        self.wait_for(lambda: self.run(run_id)["status"] in ("SUCCESS", "FAILURE", "CANCELED"))
        return self.run(run_id)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds."""
        until = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < until, f"not within {PATIENCE} s; {self.said[-3000:]}"
            time.sleep(0.5)

    def stop(self) -> None:
        """SIGTERM, and wait: Dagster gives each of its two services a minute to end what it does, and then kills it."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=PATIENCE)
        self.log.close()


@contextmanager
def dagster_dev(folder: Path) -> Iterator[Dev]:
    dev = Dev(folder)
    try:
        yield dev
    finally:
        dev.stop()
