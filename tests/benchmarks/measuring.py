"""What the benchmarks measure with: seconds and peak memory of a command with all its processes, and dbt's own figures.

Belongs here: measuring, and nothing that is measured.
"""

import json
import os
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import psutil

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
RUNS = int(os.environ.get("BENCH_RUNS", "5"))
"""Runs of each measurement, of which the median is shown; `BENCH_RUNS=1` for a quick look."""


class Usage(NamedTuple):
    """Seconds from start to end, and the most memory (RSS, bytes) that the process and its children held together."""

    seconds: float
    peak: int


def run(command: Sequence[str | Path], **environment: str) -> Usage:
    """Run the command in the project's root and measure it. Raises `SystemExit` with its output where it fails.

    The tree's memory is sampled every 20 ms; pages that processes share are counted in each. No less is returned than
    what the kernel says of the largest process.
    """
    peak = 0
    started = perf_counter()
    with subprocess.Popen(
        command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        ended = threading.Event()

        def watch() -> None:
            nonlocal peak
            parent = psutil.Process(process.pid)
            while not ended.wait(0.02):
                with suppress(psutil.Error):  # a child that is gone meanwhile
                    tree = [parent, *parent.children(recursive=True)]
                    peak = max(peak, sum(member.memory_info().rss for member in tree))

        watcher = threading.Thread(target=watch)
        watcher.start()
        output = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        seconds = perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        ended.set()
        watcher.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{output}")
    return Usage(seconds, max(peak, usage.ru_maxrss * 1024))


def dbt(warehouse: Path, *arguments: str, **environment: str) -> Usage:
    """Run dbt on the warehouse and measure it; what it writes lies beside the warehouse, in target/."""
    target = warehouse.parent / "target"
    return run(
        [BIN / "dbt", *arguments],
        WAREHOUSE_PATH=str(warehouse),
        DBT_TARGET_PATH=str(target),
        DBT_LOG_PATH=str(target / "logs"),
        **environment,
    )


def dbt_results(warehouse: Path) -> tuple[float, list[dict[str, Any]]]:
    """Of the last run of `dbt`: seconds from the first node to the last, and each node's results."""
    found = json.loads((warehouse.parent / "target" / "run_results.json").read_text())
    return found["elapsed_time"], found["results"]


def median(usages: Iterable[Usage]) -> Usage:
    """The median of the seconds, and that of the peaks."""
    seconds, peaks = zip(*usages, strict=True)
    return Usage(statistics.median(seconds), int(statistics.median(peaks)))


def median_seconds(function: Callable[[], object]) -> float:
    """The median of the seconds that `RUNS` calls take."""
    times = []
    for _ in range(RUNS):
        started = perf_counter()
        function()
        times.append(perf_counter() - started)
    return statistics.median(times)


def spread(usages: Sequence[Usage]) -> str:
    """The fastest and the slowest run, in seconds."""
    return f"{min(usages).seconds:.1f} to {max(usages).seconds:.1f}"


def gib(size: float) -> str:
    """A size in bytes, to be read."""
    return f"{size / 2**30:.2f} GiB"
