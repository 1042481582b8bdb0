"""A crawl killed at random moments: what was landed stays, nothing is doubled, and little is asked for again."""

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest

from extract.crawl import crawl
from extract.sandbox.server import serve
from extract.settings import CrawlOptions, Settings
from tests.extract.crawl_fixtures import GENRES, assert_complete, catalogue, documents, quick

BATCH = 10


def crawler(settings: Settings, path: Path, options: CrawlOptions) -> multiprocessing.process.BaseProcess:
    """A crawl in a process of its own, not started yet."""
    # Forked from a server that has everything imported: starting Python fifty times would take longer than the crawls.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", "extract.crawl"])
    return context.Process(target=crawl, args=(settings, path, options))


@pytest.mark.parametrize(
    ("tier", "kills"),
    [
        ("extended", 5),
        pytest.param("extended", 50, marks=pytest.mark.full),
        pytest.param("development", 15, marks=pytest.mark.full),
    ],
)
def test_kill_9_at_random_moments(tier: str, kills: int, tmp_path: Path) -> None:
    """Guards against documents lost or doubled by a kill, listings in another order, and work done twice."""
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")  # shown where the test fails
    draw = random.Random(seed)
    with serve(catalogue(), tier=tier, reccobeats_coverage=0.7) as sandbox:
        settings, options = sandbox.settings(), quick(genres=GENRES, requests_per_batch=BATCH)
        for undisturbed in (tmp_path / "1.duckdb", tmp_path / "2.duckdb"):  # the first also starts the fork server
            asked, started = sandbox.count(), time.monotonic()
            process = crawler(settings, undisturbed, options)
            process.start()
            process.join()
            assert process.exitcode == 0
            duration, needed = time.monotonic() - started, sandbox.count() - asked
        expected = documents(undisturbed)
        done = crawls = 0
        while done < kills:
            crawls += 1
            path = tmp_path / f"killed{crawls}.duckdb"
            asked, killed = sandbox.count(), 0
            while True:
                process = crawler(settings, path, options)
                process.start()
                process.join(draw.uniform(0, duration / 2) if done < kills else None)
                if process.exitcode is not None:
                    assert process.exitcode == 0
                    break
                assert process.pid is not None
                os.kill(process.pid, signal.SIGKILL)
                process.join()
                done += 1
                killed += 1
            assert documents(path) == expected, f"crawl {crawls}, killed {killed} times"
            # At most one batch and one token for each kill.
            assert sandbox.count() - asked <= needed + killed * (BATCH + 1)
    if tier == "extended":
        assert_complete(path, catalogue())
