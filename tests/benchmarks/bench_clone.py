"""The first five minutes and the daily loop, in fresh clones: of the present commit, and of one before for comparison.

From the clone to the report, the same again with nothing changed, the console's help, `dagster dev` until it answers,
and the tests. What is committed is measured, and nothing else. `BEFORE=<commit>` names the commit to compare with.
"""

import os
import signal
import socket
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import perf_counter, sleep

import requests
from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.benchmarks.measuring import ROOT, RUNS
from tests.conftest import own_environment

BEFORE = os.environ.get("BEFORE", "0867670")
"""By default the commit of 26 November 2026 before set-up went through uv and recorded fits were recalled."""

LOADED = {"query": "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"}


def seconds(*command: str, cwd: Path) -> float:
    """How long a command takes in the clone; it must succeed."""
    started = perf_counter()
    done = subprocess.run(command, cwd=cwd, env=own_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    return perf_counter() - started


def until_dagster_answers(clone: Path) -> float:
    """Seconds from `dagster dev` to an interface that has loaded the code."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = perf_counter()
    server = subprocess.Popen(
        [clone / ".venv/bin/dagster", "dev", "--port", str(port)], cwd=clone, start_new_session=True,
        env=own_environment(PATH=f"{clone / '.venv/bin'}:{os.environ['PATH']}"),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while True:
            assert server.poll() is None, "dagster dev ended"
            with suppress(requests.RequestException, ValueError):
                answer = requests.post(f"http://127.0.0.1:{port}/graphql", json=LOADED, timeout=30).json()
                if answer["data"]["repositoriesOrError"].get("nodes"):
                    return perf_counter() - started
            sleep(0.1)
    finally:
        os.killpg(server.pid, signal.SIGKILL)  # SIGINT, to which Dagster turns SIGTERM, is ignored in the background
        server.wait()


def measure(commit: str) -> Iterator[tuple[str, float]]:
    """What is measured in one clone, and its seconds."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        clone = Path(folder) / "song-genres"
        started = perf_counter()
        seconds("git", "clone", "--quiet", str(ROOT), str(clone), cwd=ROOT)
        seconds("git", "checkout", "--quiet", commit, cwd=clone)
        yield "make install", seconds("make", "install", cwd=clone)
        seconds("make", "run", cwd=clone)
        yield "from the clone to the report", perf_counter() - started
        yield "make run again, nothing changed", seconds("make", "run", cwd=clone)
        yield "song-genres --help", seconds(".venv/bin/song-genres", "--help", cwd=clone)
        yield "dagster dev, until it answers", until_dagster_answers(clone)
        seconds("make", "lint", cwd=clone)  # installs what tests need
        yield "make test", seconds("make", "test", cwd=clone)


def main() -> None:
    """Print one row per command."""
    commits = {"now": "HEAD", "before": BEFORE}
    found: dict[str, dict[str, list[float]]] = {name: {} for name in commits}
    for _ in track(range(RUNS), description="clones"):
        for name, commit in commits.items():
            for what, taken in measure(commit):
                found[name].setdefault(what, []).append(taken)
    table = Table("", "seconds", f"before ({BEFORE})", "ratio", title=f"medians of {RUNS}, in fresh clones")
    for what, taken in found["now"].items():
        now, before = statistics.median(taken), statistics.median(found["before"][what])
        spread = f"{now:.1f} ({min(taken):.1f} to {max(taken):.1f})"
        table.add_row(what, spread, f"{before:.1f}", f"{now / before:.2f}")
    Console(width=120).print(table)
