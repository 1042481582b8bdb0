"""What a crawl cost, as the warehouse tells it, against what the server has counted."""

from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from extract.crawl import CrawlReport, CrawlSuspended
from extract.sandbox.faults import FAULTS
from extract.sandbox.server import Seen, serve
from extract.settings import CrawlError
from tests.conftest import Dbt
from tests.extract.crawl_fixtures import catalogue, crawl, rows

Key = tuple[str, str, int | None]  # source, endpoint, status


class Counts(NamedTuple):
    """What the server can say about the attempts of one key."""

    requests: Counter[Key]
    attempts: Counter[Key]
    told_to_wait: dict[Key, float]
    seconds_between: dict[Key, float]
    seconds_at_work: dict[Key, float]


def count(runs: list[list[Seen]]) -> Counts:
    """Count what arrived, run by run: within one, the same question asked again is a retry."""
    counts = Counts(Counter(), Counter(), defaultdict(float), defaultdict(float), defaultdict(float))
    for run in runs:
        before: dict[str, Seen] = {}
        for seen in run:
            key = "reccobeats" if seen.service == "reccobeats" else "sandbox", seen.endpoint, seen.status
            counts.attempts[key] += 1
            if seen.status is not None and seen.answered is not None:
                counts.seconds_at_work[key] += seen.answered - seen.arrived
            earlier = before.get(seen.path)
            before[seen.path] = seen
            is_further_token = seen.endpoint == "token" and earlier is not None and earlier.status == 200
            if earlier is None or is_further_token:
                counts.requests[key] += 1
                continue
            ended = earlier.arrived if earlier.status is None else earlier.answered
            assert ended is not None
            counts.seconds_between[key] += seen.arrived - ended
            counts.told_to_wait[key] += 2.0 if earlier.status == 429 else 0.0  # the fault's Retry-After
    return counts


def test_the_cost_is_what_the_server_counted(warehouse_file: Path, dbt: Dbt) -> None:
    """Guards against attempts counted as questions, retries counted twice, and exchanges that nobody can see."""
    reports: list[CrawlReport] = []
    runs: list[list[Seen]] = []
    with serve(catalogue(), reccobeats_coverage=0.7) as sandbox:
        for name, fault in FAULTS.items():
            sandbox.mend()
            sandbox.break_with(replace(fault, after=0 if fault.endpoint else 3, delay=min(fault.delay, 4.0)))
            timeout = 2.0 if fault.delay else 30.0
            started = len(sandbox.seen)
            try:
                reports.append(crawl(sandbox, warehouse_file, genres=["Dub", "Rai"], refresh="all", timeout=timeout))
            except CrawlSuspended as suspended:
                assert name in ("throttled for long", "quota")
                reports.append(suspended.report)
            except CrawlError:
                assert name == "premium lapsed"
            runs.append(sandbox.seen[started:])
    server = count(runs)
    assert {status for *_, status in server.attempts} == {200, 401, 403, 404, 429, 503, None}

    dbt(warehouse_file, "build", "--select", "+crawl_cost")
    cost = {
        (source, endpoint, status): figures
        for source, endpoint, status, *figures in rows(
            warehouse_file,
            "select source, endpoint, status, requests, attempts, retries, waited_seconds, elapsed_seconds "
            "from marts.crawl_cost",
        )
    }
    assert {key: attempts for key, (_, attempts, *_) in cost.items()} == server.attempts
    assert {key: requests for key, (requests, *_) in cost.items() if requests} == server.requests
    for key, (requests, attempts, retries, waited, elapsed) in cost.items():
        assert requests + retries == attempts
        # What was waited lies between what the server asked for and the time that it saw pass.
        assert server.told_to_wait[key] <= waited <= server.seconds_between[key], key
        assert elapsed >= server.seconds_at_work[key], key
    assert sum(server.told_to_wait.values()) == 6.0

    # The run that was refused gave no report.
    refused = next(run for run, name in zip(runs, FAULTS, strict=True) if name == "premium lapsed")
    assert sum(report.attempts for report in reports) == server.attempts.total() - len(refused)
    requests = count([run for run in runs if run is not refused]).requests.total()
    assert sum(report.requests for report in reports) == requests
    assert sum(report.retries for report in reports) == server.attempts.total() - len(refused) - requests
    waited = sum(figures[3] for figures in cost.values())
    assert abs(sum(report.waited_seconds for report in reports) - waited) < 1e-9
