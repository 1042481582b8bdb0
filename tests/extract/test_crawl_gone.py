"""Endpoints that answer 404 or 410 to everything: they are closed, and what they refused is asked elsewhere."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from extract.crawl import CrawlSuspended
from extract.crawl.state import MOST_NOT_FOUND_IN_A_ROW, NotFound
from extract.sandbox.faults import Fault
from extract.sandbox.server import SandboxServer, serve
from extract.settings import CrawlError
from tests.extract.crawl_fixtures import GENRES, catalogue, crawl, rows

TABLES = {"audio-features": "audio_features", "tracks": "popularity"}


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with serve(catalogue(), reccobeats_coverage=0.7) as server:
        yield server


def gone(endpoint: str, status: int = 404, body: str | None = None) -> Fault:
    return Fault(endpoint, service="spotify", times=1_000_000, status=status, body=body)


def best_answers(path: Path, endpoint: str) -> dict[str, Any]:
    """For each track that was asked about, what the warehouse knows: a document, or None."""
    answers: dict[str, Any] = {}
    for track, payload in rows(path, f"select track_id, payload from raw.{TABLES[endpoint]} order by rowid"):
        answers[track] = json.loads(payload) if payload else answers.get(track)
    return answers


@pytest.fixture
def expected(tmp_path: Path) -> dict[str, dict[str, Any]]:
    """What is known of each track where Spotify has closed both endpoints in the usual way, with 403."""
    with serve(catalogue(), reccobeats_coverage=0.7) as server:
        server.break_with(gone("audio-features", 403), gone("tracks", 403))
        crawl(server, tmp_path / "usual.duckdb", genres=GENRES)
    return {endpoint: best_answers(tmp_path / "usual.duckdb", endpoint) for endpoint in TABLES}


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("body", [None, "<html>Not here</html>", ""])
@pytest.mark.parametrize("endpoint", TABLES)
def test_reccobeats_is_asked_instead(
    endpoint: str, status: int, body: str | None, sandbox: SandboxServer, warehouse_file: Path, expected: Any
) -> None:
    """Guards against thousands of tracks recorded as having no features, because Spotify has removed the endpoint."""
    sandbox.break_with(gone(endpoint, status, body))
    report = crawl(sandbox, warehouse_file, genres=GENRES)
    assert report.finished
    (note,) = report.notes
    assert f"Spotify has closed {endpoint} to this app" in note
    assert str(status) in note
    assert "ReccoBeats" in note
    assert best_answers(warehouse_file, endpoint) == expected[endpoint]
    assert any(document is not None for document in expected[endpoint].values())
    assert sandbox.count(endpoint, service="spotify") == MOST_NOT_FOUND_IN_A_ROW
    assert crawl(sandbox, warehouse_file, genres=GENRES).attempts == 0


def test_an_endpoint_that_goes_in_between_keeps_what_it_gave(sandbox: SandboxServer, warehouse_file: Path) -> None:
    """Guards against asking anew for the good answers of an endpoint that is gone since."""
    sandbox.break_with(Fault("audio-features", service="spotify", after=1, times=999, status=404))
    assert crawl(sandbox, warehouse_file, genres=GENRES).finished
    landed = rows(warehouse_file, "select source, track_id from raw.audio_features where payload is not null")
    by_source = Counter(source for source, _ in landed)
    own = catalogue().audio_features
    tracks = [track for (track,) in rows(
        warehouse_file, "select track_id from raw.tracks group by all order by min(listing_id)"
    )]  # fmt: skip
    assert by_source["sandbox"] == sum(own[track] is not None for track in tracks[:100])
    assert by_source["reccobeats"] > 0
    assert max(Counter(track for _, track in landed).values()) == 1


@pytest.mark.parametrize("endpoint", TABLES)
@pytest.mark.full
def test_interrupted_it_goes_on_to_the_same_end(
    endpoint: str, sandbox: SandboxServer, warehouse_file: Path, expected: Any
) -> None:
    """Guards against tracks that are forgotten because the run that refused them is not the one that closes."""
    sandbox.break_with(gone(endpoint))
    runs = 0
    while True:
        try:
            crawl(sandbox, warehouse_file, genres=GENRES, request_budget=7, requests_per_batch=1)
            break
        except CrawlSuspended:
            runs += 1
    assert runs > 5
    assert best_answers(warehouse_file, endpoint) == expected[endpoint]
    assert sandbox.count(endpoint, service="spotify") <= MOST_NOT_FOUND_IN_A_ROW + runs


@pytest.mark.parametrize("endpoint", TABLES)
def test_what_an_older_run_recorded_is_asked_again(
    endpoint: str, sandbox: SandboxServer, warehouse_file: Path, expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a finished warehouse of an earlier version, in which no track has features, for ever."""
    sandbox.break_with(gone(endpoint))
    with monkeypatch.context() as earlier_version:
        earlier_version.setattr(NotFound, "raise_if_gone", lambda *_, **__: None)
        assert crawl(sandbox, warehouse_file, genres=GENRES).finished
    assert set(best_answers(warehouse_file, endpoint).values()) == {None}
    report = crawl(sandbox, warehouse_file, genres=GENRES)
    assert (report.finished, len(report.notes)) == (True, 1)
    assert best_answers(warehouse_file, endpoint) == expected[endpoint]
    assert crawl(sandbox, warehouse_file, genres=GENRES).attempts == 0


def test_a_small_crawl_of_an_endpoint_that_is_gone(sandbox: SandboxServer, warehouse_file: Path) -> None:
    """Guards against a rule that only large crawls meet: here there are 13 tracks to ask about."""
    sandbox.break_with(gone("audio-features"))
    report = crawl(sandbox, warehouse_file, genres={"Dub": 2})
    assert (report.finished, len(report.notes)) == (True, 1)
    assert rows(
        warehouse_file, "select count(distinct track_id) from raw.audio_features where source = 'reccobeats'"
    ) == [(13,)]


@pytest.mark.parametrize("genres", [["Dub"], GENRES])
@pytest.mark.parametrize("is_recorded_before", [False, True])
def test_tracks_are_searched_for_instead_of_top_tracks(
    genres: list[str],
    is_recorded_before: bool,
    sandbox: SandboxServer,
    warehouse_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Guards against genres without a track, because Spotify has removed the list of an artist's top tracks."""
    sandbox.break_with(gone("top-tracks"))
    if is_recorded_before:
        with monkeypatch.context() as earlier_version:
            earlier_version.setattr(NotFound, "raise_if_gone", lambda *_, **__: None)
            assert crawl(sandbox, warehouse_file, genres=genres).listings == {}
    report = crawl(sandbox, warehouse_file, genres=genres)
    assert report.finished
    assert "track search" in report.notes[0]
    source = catalogue()
    found = rows(warehouse_file, "select genre, track_id from raw.tracks order by listing_id")
    assert found == [
        (genre, track)
        for genre in genres
        for track in dict.fromkeys(track for artist in source.hits[genre] for track in source.top_tracks[artist])
    ]
    assert crawl(sandbox, warehouse_file, genres=genres).attempts == 0


def test_a_wrong_address_closes_nothing(sandbox: SandboxServer, warehouse_file: Path) -> None:
    """Guards against an endpoint given up for good because of a mistyped address, on the way as well."""
    with pytest.raises(CrawlSuspended):
        crawl(sandbox, warehouse_file, genres=["Dub"], request_budget=10)  # all but audio features
    with pytest.raises(CrawlError, match=r"404.*is the address right") as caught:
        crawl(sandbox, warehouse_file, genres=["Dub"], api_address=f"{sandbox.address}/v2")
    assert not isinstance(caught.value, CrawlSuspended)
    assert rows(warehouse_file, "select count(*) from raw.crawl where stage = 'closed'") == [(0,)]
    assert crawl(sandbox, warehouse_file, genres=["Dub"]).notes == ()


@pytest.mark.parametrize("status", [404, 410])
def test_a_search_that_is_not_found_stops_the_crawl(status: int, sandbox: SandboxServer, warehouse_file: Path) -> None:
    """Guards against genres recorded as having no artists; there is no other way to find them."""
    sandbox.break_with(Fault("search artists", times=999, status=status))
    with pytest.raises(CrawlError, match="is the address right"):
        crawl(sandbox, warehouse_file, genres=["Dub"])
    assert rows(warehouse_file, "select count(*) from raw.crawl") == [(0,)]
