"""Long and large: a crawl of 100,000 requests with random faults, and `dagster dev` for an hour with a run per minute.

As a command: `python -m tests.proof.long_run crawl [--listings 1100000]`, or `dagster [--minutes 60]`, or
`everything [--listings 9166680]`, which runs each command from import to report and measures it.
Belongs here: all of it. Not here: how `dbt build` alone grows (tests/benchmarks/bench_growth.py).
"""

import argparse
import multiprocessing
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import psutil
from rich.console import Console
from rich.table import Table

from extract.crawl import CrawlSuspended, crawl
from extract.sandbox.catalogue import build_catalogue
from extract.sandbox.faults import FAULTS, Fault
from extract.sandbox.server import serve
from extract.settings import CrawlOptions, Settings
from tests.benchmarks.bench_crawl import same_documents
from tests.benchmarks.measuring import BIN, gib, run
from tests.dbt_project.study_listing import make_listing
from tests.end_to_end.dev import dagster_dev
from warehouse import files

SEED = 25
PASSING = ("throttled", "unavailable", "broken connection", "truncated", "not json", "token expired")
"""What a crawl must live through, in `FAULTS`; what suspends it for a day is tested in tests/extract."""


class Held(NamedTuple):
    """What processes hold: memory (RSS, bytes), open files, threads."""

    memory: int
    handles: int
    threads: int


def held(processes: Sequence[psutil.Process]) -> Held:
    """What they hold together."""
    found = [(each.memory_info().rss, each.num_fds(), each.num_threads()) for each in processes]
    return Held(*map(sum, zip(*found, strict=True)))


def show(title: str, samples: Sequence[tuple[str, Held]]) -> None:
    """Print the median of each tenth of the samples; the first column is what the last of a tenth was called."""
    table = Table("until", "memory", "open files", "threads", title=title)
    for tenth in range(10):
        part = samples[tenth * len(samples) // 10 : (tenth + 1) * len(samples) // 10]
        if part:
            medians = [int(statistics.median(each)) for each in zip(*(sample for _, sample in part), strict=True)]
            table.add_row(part[-1][0], gib(medians[0]), *map(str, medians[1:]))
    Console(width=100).print(table)


def until_done(settings: Settings, path: Path, options: CrawlOptions) -> None:
    """Crawl, and again where the crawl was suspended."""
    while True:
        try:
            crawl(settings, path, options)
        except CrawlSuspended as suspended:
            print(suspended, flush=True)
        else:
            return


def passing_fault(draw: random.Random) -> Fault:
    """One of `PASSING`, of one request, after which a throttled crawl waits a second."""
    fault = FAULTS[draw.choice(PASSING)]
    return replace(fault, times=1, headers={"Retry-After": "1"} if fault.headers else {})


def long_crawl(listings: int, seed: int) -> int:
    """A crawl of a synthetic catalogue while a fault is added about every fifth of a second."""
    draw = random.Random(seed)
    catalogue = build_catalogue(listings=listings)
    samples = []
    with tempfile.TemporaryDirectory() as folder, serve(catalogue, tier="extended") as sandbox:
        path, started = Path(folder) / "crawl.duckdb", time.monotonic()
        options = CrawlOptions(backoff_seconds=0.01, max_attempts=12)
        process = multiprocessing.get_context("spawn").Process(
            target=until_done, args=(sandbox.settings(), path, options)
        )
        process.start()
        watched = psutil.Process(process.pid)
        while process.is_alive():
            time.sleep(draw.uniform(0, 0.4))
            sandbox.mend()  # so that the sandbox does not look through all that were
            sandbox.break_with(passing_fault(draw))
            try:
                samples.append((f"{len(sandbox.seen):,} requests", held([watched])))
            except psutil.Error:
                break
        process.join()
        same = same_documents(catalogue, path)
        asked, met = len(sandbox.seen), sum(seen.status != 200 for seen in sandbox.seen)
    seconds = time.monotonic() - started
    show(f"Crawl with {met:,} requests that failed (seed {seed}), {seconds:,.0f} s", samples)
    print(f"Exit code {process.exitcode}; {asked:,} requests; documents as without faults: {same}")
    return 0 if process.exitcode == 0 and same else 1


def dagster_hour(minutes: float) -> int:
    """`dagster dev`, and a run of the job `extract` each minute, which asks a small sandbox for popularity again."""
    config = {"source": "sandbox", "genres": {"Techno": 4, "Jazz": 4}, "refresh": "popularity"}
    samples, ended = [], []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, dagster_dev(Path(folder)) as dev:
        server = psutil.Process(dev.process.pid)
        began = time.monotonic()
        while time.monotonic() - began < 60 * minutes:
            launched = time.monotonic()
            run_id = dev.launch("extract", raw_documents={"config": config})
            ended.append(dev.wait_for_run(run_id)["status"])
            time.sleep(max(0, 60 - (time.monotonic() - launched)))
            minute = (time.monotonic() - began) / 60
            samples.append((f"minute {minute:.0f}", held([server, *server.children(recursive=True)])))
    show("dagster dev with its daemon and code server, between runs", samples)
    succeeded = ended.count("SUCCESS")
    print(f"{succeeded} of {len(ended)} runs succeeded")
    return 0 if succeeded == len(ended) else 1


def everything(listings: int) -> int:
    """Each command from a file of so many listings to the report, with its seconds and its peak memory."""
    table = Table("command", "seconds", "peak memory", title=f"{listings:,} listings, tracks and features made up")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with files.connect(folder / "made.duckdb") as connection:
            make_listing(connection, listings)
            connection.execute(f"copy listing to '{folder / 'songs.csv'}'")
        (folder / "made.duckdb").unlink()
        commands = {
            "song-genres import": ["song-genres", "import", "songs.csv"],
            "dbt build": ["dbt", "build", "--exclude-resource-type", "unit_test"],
            "song-genres train --model logistic": ["song-genres", "train", "--model", "logistic"],
            "song-genres publish": ["song-genres", "publish"],
            "song-genres export": ["song-genres", "export"],
            "song-genres report": ["song-genres", "report"],
        }
        for shown, (program, *rest) in commands.items():
            usage = run([BIN / program, *rest], cwd=folder)
            table.add_row(shown, f"{usage.seconds:,.0f}", gib(usage.peak))
            Console(width=100).print(table)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["crawl", "dagster", "everything"])
    parser.add_argument("--listings", type=int)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args(arguments)
    if options.what == "crawl":
        return long_crawl(options.listings or 1_100_000, options.seed)
    return dagster_hour(options.minutes) if options.what == "dagster" else everything(options.listings or 9_166_680)


if __name__ == "__main__":
    sys.exit(main())
