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
from typing import Any, NamedTuple, Self

import psutil

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
RUNS = int(os.environ.get("BENCH_RUNS", "5"))
"""Runs of each measurement, of which the median is shown; `BENCH_RUNS=1` for a quick look."""


class Usage(NamedTuple):
    """Seconds from start to end, and the most memory (RSS, bytes) that the process and its children held together."""

    seconds: float
    peak: int


class PeakOfTree:
    """The most memory (RSS, bytes) that a process and its children hold together while the block runs.

    Sampled every `pause` seconds: looking takes time itself, at 20 ms and sixteen processes a tenth of a core.
    Pages that processes share are counted in each. No less is given than the peak that the kernel keeps of the largest
    process (where there is /proc). Not ru_maxrss: a child begins with that of the process which started it.
    """

    def __init__(self, pid: int, pause: float = 0.02) -> None:
        self.bytes = 0
        self._pause = pause
        self._parent = psutil.Process(pid)
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._ended.wait(self._pause):
            with suppress(psutil.Error):  # a child that is gone meanwhile
                tree = [self._parent, *self._parent.children(recursive=True)]
                self.bytes = max(self.bytes, sum(member.memory_info().rss for member in tree), *map(kept_peak, tree))


def run(command: Sequence[str | Path], cwd: Path = ROOT, **environment: str) -> Usage:
    """Run the command, in the project's root unless told otherwise, and measure it.

    Raises `SystemExit` with its output where it fails.
    """
    started = perf_counter()
    with (
        subprocess.Popen(
            command, cwd=cwd, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process,
        PeakOfTree(process.pid) as peak,
    ):
        output = process.stdout.read() if process.stdout else ""
        process.wait()
        seconds = perf_counter() - started
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{output}")
    return Usage(seconds, peak.bytes)


def kept_peak(process: psutil.Process) -> int:
    """The most memory (RSS, bytes) that the process has held since its program began; 0 where the system keeps none."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


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
