"""`dagster dev` as a user meets it: until the interface answers, and a whole run of the embedded default.

The run is launched through the interface's own GraphQL, in a copy of the project that has no data yet: seconds from
the launch to the end, the part of it that is spent in our steps, and in which; and the most memory of the server, its
daemon and the run together.
"""

import shutil
import statistics
import tempfile
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from orchestration.screens import STAGES
from tests.benchmarks.measuring import ROOT, RUNS, PeakOfTree, gib
from tests.end_to_end.dev import dagster_dev

MADE = {".git", ".venv", "data", "logs", "models", "reports", "target"}
"""What a fresh clone does not have."""
STEPS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { stepStats { stepKey startTime endTime } } } }"


class Measured(NamedTuple):
    """Seconds until the interface answers; from launch to end; of each step; and bytes."""

    start: float
    launch_to_end: float
    steps: dict[str, float]
    peak: int


def clone(folder: Path) -> Path:
    """A copy of the project in `folder`, as it is now, without what was made in it."""
    return shutil.copytree(
        ROOT, folder / "project", ignore=lambda parent, names: MADE & set(names) if Path(parent) == ROOT else set()
    )


def measure() -> Measured:
    """Start, run, stop, in a fresh clone."""
    # A process of the server may still write its last line when the folder is removed.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        project, started = clone(Path(folder)), perf_counter()
        with dagster_dev(project) as dev:
            start = perf_counter() - started
            with PeakOfTree(dev.process.pid, pause=0.2) as peak:
                launched = perf_counter()
                run_id = dev.launch("everything")
                ended = dev.wait_for_run(run_id)
                seconds = perf_counter() - launched
            assert ended["status"] == "SUCCESS", dev.said
            stats = dev.query(STEPS, id=run_id)["runOrError"]["stepStats"]
    return Measured(
        start, seconds, {step["stepKey"]: step["endTime"] - step["startTime"] for step in stats}, peak.bytes
    )


def main() -> None:
    """Print one row per stage."""
    runs = [measure() for _ in range(RUNS)]
    table = Table("", "seconds", "runs", title="dagster dev, and `everything` on the embedded default (synthetic)")

    def row(name: str, values: list[float]) -> None:
        table.add_row(name, f"{statistics.median(values):.1f}", f"{min(values):.1f} to {max(values):.1f}")

    row("dagster dev: until the interface answers", [run.start for run in runs])
    row("everything: from the launch to its end", [run.launch_to_end for run in runs])
    table.add_section()
    for step, stage in STAGES.items():
        row(stage, [run.steps[step] for run in runs])
    row("the rest: Dagster's queue, the run's process, its imports", [
        run.launch_to_end - sum(run.steps.values()) for run in runs
    ])  # fmt: skip
    table.caption = (
        f"Medians of {RUNS}. Peak memory of server, daemon and run: {gib(max(run.peak for run in runs))}. Of "
        "`transform and test` and of `document`, about 4 s each are dbt's own start and end."
    )
    Console(width=120).print(table)
