"""The crawl against the sandbox: everything is landed once, in order, whatever goes wrong on the way."""

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from extract.crawl import CrawlReport, CrawlSuspended
from extract.sandbox.answers import Failure
from extract.sandbox.faults import FAULTS, Fault
from extract.sandbox.server import CLIENT_SECRET, SandboxServer, serve
from extract.settings import CrawlError, CrawlOptions, CredentialsError, read_genres, study_genres
from tests.extract.crawl_fixtures import GENRES, assert_complete, catalogue, crawl, documents, listings, rows
from warehouse import files, raw
from warehouse.raw import Dataset


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with serve(catalogue(), reccobeats_coverage=0.7) as server:
        yield server


@pytest.fixture
def development() -> Iterator[SandboxServer]:
    with serve(catalogue(), tier="development", reccobeats_coverage=0.7) as server:
        yield server


@pytest.fixture
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, list[tuple[Any, ...]]]]:
    """`undisturbed(tier)`: what a crawl lands that nothing happens to."""

    def run(tier: str) -> dict[str, list[tuple[Any, ...]]]:
        path = tmp_path_factory.mktemp("undisturbed") / "warehouse.duckdb"
        with serve(catalogue(), tier=tier, reccobeats_coverage=0.7) as server:
            crawl(server, path, genres=GENRES)
        return documents(path)

    return run


def test_everything_is_landed_once_and_in_order(sandbox: SandboxServer, warehouse_file: Path) -> None:
    """Guards against lost, doubled or reordered documents, whatever script their names are in."""
    report = crawl(sandbox, warehouse_file, genres=GENRES)
    assert_complete(warehouse_file, catalogue())
    per_genre = Counter(genre for genre, *_ in listings(catalogue()))
    tracks = len({track for *_, track in listings(catalogue())})
    assert report.finished
    assert report.listings == per_genre
    assert report.documents == {
        "artists": 48, "tracks": sum(per_genre.values()), "audio_features": tracks,
        "popularity": sum(
            catalogue().tracks[track].get("popularity") is None for track in {row[3] for row in listings(catalogue())}
        ),
    }  # fmt: skip
    assert report.requests == sandbox.count()
    assert (report.retries, report.unusable, report.notes) == (0, 0, ())


def test_an_artist_and_a_track_are_asked_for_once(sandbox: SandboxServer, warehouse_file: Path) -> None:
    """Guards against the study's way of one request for each hit and each track."""
    crawl(sandbox, warehouse_file, genres=GENRES)
    artists = {artist for hits in catalogue().hits.values() for artist in hits}
    paths = Counter(seen.path for seen in sandbox.seen)
    assert max(paths.values()) == 1
    assert sandbox.count("top-tracks") == len(artists) == 36
    tracks = {track for *_, track in listings(catalogue())}
    assert sandbox.count("audio-features") == -(-len(tracks) // 100)
    assert sandbox.count("search artists") == 6
    assert sandbox.count("token") == 1


def test_popularity_is_asked_for_where_the_track_lacks_it(sandbox: SandboxServer, warehouse_file: Path) -> None:
    """Guards against a request for what is known, and against asking for ever where it stays unknown."""
    crawl(sandbox, warehouse_file, genres=["Acid House"])
    landed = {
        track: json.loads(payload)
        for track, payload in rows(warehouse_file, "select track_id, payload from raw.popularity")
    }
    assert {track[-22:][:10] for track in landed} == {
        f"track{genre}x{artist}x{song}" for genre, artist in ("00", "03", "04", "05", "10") for song in "78"
    }
    # The fourth artist, of popularity 30; what has no such key at all stays unknown.
    assert landed["track0x3x7".ljust(22, "T")]["popularity"] == 30
    assert landed["track0x3x8".ljust(22, "T")]["popularity"] is None
    assert sandbox.count("tracks") == 1


def test_a_finished_crawl_makes_no_request(sandbox: SandboxServer, warehouse_file: Path) -> None:
    """Guards against paying twice, even for a token; and against new rows where nothing is new."""
    crawl(sandbox, warehouse_file, genres=GENRES)
    asked, before = sandbox.count(), rows(warehouse_file, "select count(*) from raw.crawl")
    report = crawl(sandbox, warehouse_file, genres=GENRES)
    assert report.finished
    assert (report.requests, report.documents) == (0, {})
    assert sandbox.count() == asked
    assert rows(warehouse_file, "select count(*) from raw.crawl") == before


def test_more_genres_and_higher_limits_ask_for_the_rest(sandbox: SandboxServer, warehouse_file: Path) -> None:
    """Guards against a crawl that has to begin anew to learn more."""
    crawl(sandbox, warehouse_file, genres={"Dub": 2})
    assert_hits(warehouse_file, {"Dub": 2})
    crawl(sandbox, warehouse_file, genres={"Dub": 5, "Rai": 1})
    assert_hits(warehouse_file, {"Dub": 5, "Rai": 1})
    crawl(sandbox, warehouse_file, hits_per_genre=3, genres=["Dub", "Rai"])
    assert_hits(warehouse_file, {"Dub": 5, "Rai": 3})
    assert max(Counter(seen.path for seen in sandbox.seen if "top-tracks" in seen.path).values()) == 1


def assert_hits(path: Path, hits: dict[str, int]) -> None:
    expected: Counter[tuple[str, str]] = Counter()
    for genre, number in hits.items():
        for artist in catalogue().hits[genre][:number]:
            expected.update((genre, track) for track in catalogue().top_tracks[artist])
    assert Counter(rows(path, "select genre, track_id from raw.tracks")) == expected


# Tiers


@pytest.mark.parametrize("tier", ["development", "no audio features"])
def test_a_closed_endpoint_is_met_once_and_told(
    tier: str, warehouse_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards against asking for what is closed again and again, in one run or in the next; and against silence."""
    with serve(catalogue(), tier=tier, reccobeats_coverage=0.7) as sandbox:
        first = crawl(sandbox, warehouse_file, genres=["Dub"])
        second = crawl(sandbox, warehouse_file, genres=["Dub", "Rai"])
    statuses = Counter(seen.status for seen in sandbox.seen)
    assert (statuses[400], statuses[403]) == {"development": (1, 0), "no audio features": (0, 1)}[tier]
    (note,) = first.notes
    assert "ReccoBeats" in note
    assert caplog.messages == [note]
    assert second.notes == ()
    assert second.finished


def test_development_mode_searches_for_tracks(development: SandboxServer, warehouse_file: Path) -> None:
    """Guards against an empty warehouse for everybody whose app is new."""
    source = catalogue()
    crawl(development, warehouse_file, genres=GENRES)
    expected = []
    for genre in GENRES:
        ids = dict.fromkeys(track for artist in source.hits[genre] for track in source.top_tracks[artist])
        artists = [source.tracks[track]["artists"][0] for track in ids]
        expected += [(genre, artist["id"], artist["name"], track) for artist, track in zip(artists, ids, strict=True)]
    landed = rows(warehouse_file, "select genre, artist_id, artist_name, track_id from raw.tracks order by listing_id")
    assert landed == expected
    assert rows(warehouse_file, "select count(*) from raw.artists") == [(0,)]
    assert development.count("search artists") == 1


@pytest.mark.parametrize("table", ["audio_features", "popularity"])
def test_reccobeats_documents_find_their_tracks(table: str, development: SandboxServer, warehouse_file: Path) -> None:
    """Guards against features joined to the wrong track (answers have no order), and tracks asked for for ever."""
    crawl(development, warehouse_file, genres=GENRES)
    tracks = [track for (track,) in rows(warehouse_file, "select distinct track_id from raw.tracks")]
    landed = rows(warehouse_file, f"select track_id, source, payload from raw.{table}")
    assert sorted(track for track, _, _ in landed) == sorted(tracks)
    assert {source for _, source, _ in landed} == {"reccobeats"}
    known = [(track, json.loads(payload)) for track, _, payload in landed if payload]
    assert 0 < len(known) < len(tracks)
    assert all(document["href"].endswith(f"/{track}") for track, document in known)
    assert development.count("audio-features", service="reccobeats") == -(-len(tracks) // 40)


def test_a_tier_that_changes_on_the_way(warehouse_file: Path) -> None:
    """Guards against a crawl that ends when Spotify closes an endpoint to it; what was landed stays."""
    with serve(catalogue()) as sandbox:
        sandbox.break_with(Fault("top-tracks", after=12, times=999, status=403))
        report = crawl(sandbox, warehouse_file, genres=GENRES)
    assert report.finished
    found = rows(warehouse_file, "select genre, track_id from raw.tracks")
    assert set(found) == {(genre, track) for genre, _, _, track in listings(catalogue())}
    assert sandbox.count("top-tracks", status=403) == 1


# Going on


@pytest.mark.parametrize("tier", ["extended", "development"])
@pytest.mark.parametrize("budget", [4, 25])
def test_a_budget_suspends_and_the_same_command_goes_on(
    tier: str, budget: int, warehouse_file: Path, undisturbed: Callable[[str], Any]
) -> None:
    """Guards against a budget that costs documents, order, or more requests in sum than a crawl in one go."""
    with serve(catalogue(), tier=tier, reccobeats_coverage=0.7) as sandbox:
        runs = 1
        while True:
            before = sandbox.count()
            try:
                crawl(sandbox, warehouse_file, genres=GENRES, request_budget=budget)
                break
            except CrawlSuspended as suspended:
                runs += 1
                assert "budget" in suspended.reason
                assert "The same command goes on" in str(suspended)
                assert suspended.report.requests == sandbox.count() - before == budget
                assert not suspended.report.finished
    # Each run spends its first request on a token; else none asks what an earlier one did.
    assert runs == -(-(sandbox.count() - runs) // (budget - 1))
    assert documents(warehouse_file) == undisturbed(tier)


def test_features_of_what_is_landed_come_although_the_quota_is_used_up(
    development: SandboxServer, warehouse_file: Path
) -> None:
    """Guards against a day's tracks that nobody can use before the whole crawl is done, many days later."""
    development.break_with(replace(FAULTS["quota"], endpoint="search tracks", after=20))
    with pytest.raises(CrawlSuspended, match="quota") as caught:
        crawl(development, warehouse_file, genres=GENRES)
    assert caught.value.resume_at is not None
    assert timedelta(hours=22) < caught.value.resume_at - raw.now() < timedelta(hours=23)
    assert development.count("search tracks") == 21
    assert caught.value.report.documents["tracks"] > 100
    (features,) = rows(warehouse_file, "select count(distinct track_id) from raw.tracks")
    assert caught.value.report.documents["audio_features"] == features[0]


def test_an_interruption_lands_what_has_come(sandbox: SandboxServer, warehouse_file: Path) -> None:
    """Guards against losing a batch to Ctrl-C."""

    def interrupt(stage: str, done: int, _: int | None) -> None:
        if stage == "listing top tracks" and done == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        crawl(sandbox, warehouse_file, requests_per_batch=1_000, genres=GENRES, progress=interrupt)
    asked = sandbox.count("top-tracks")
    assert asked > 0
    crawl(sandbox, warehouse_file, genres=GENRES)
    assert_complete(warehouse_file, catalogue())
    assert max(Counter(seen.path for seen in sandbox.seen if "/v1/" in seen.path).values()) == 1


def test_a_refresh_of_popularity_lands_new_rows_beside_the_old(sandbox: SandboxServer, warehouse_file: Path) -> None:
    """Guards against a refresh that overwrites, forgets a track, crawls on, or begins again when it is interrupted."""
    crawl(sandbox, warehouse_file, genres=["Dub"])
    before = documents(warehouse_file)
    asked, landed = sandbox.count(), len(before["popularity"])
    tracks = {track for *_, track in listings(catalogue(), ["Dub"])}
    with pytest.raises(CrawlSuspended):
        crawl(sandbox, warehouse_file, request_budget=2, refresh="popularity")
    report = crawl(sandbox, warehouse_file, refresh="popularity")
    assert report.finished
    after = documents(warehouse_file)
    assert after["listings"] == before["listings"]
    assert after["audio_features"] == before["audio_features"]
    refreshed = Counter(row[2] for row in after["popularity"]) - Counter(row[2] for row in before["popularity"])
    assert refreshed == dict.fromkeys(tracks, 1)
    assert len(after["popularity"]) == landed + len(tracks)
    assert sandbox.count() - asked == 2 + len(tracks) // 50 + 1  # a token for each run
    crawl(sandbox, warehouse_file, refresh="popularity")
    assert len(documents(warehouse_file)["popularity"]) == landed + 2 * len(tracks)


def test_a_refresh_of_everything_lands_a_second_crawl(sandbox: SandboxServer, warehouse_file: Path) -> None:
    """Guards against old rows that change, and against new ones mixed up with them; interrupted, it goes on."""
    crawl(sandbox, warehouse_file, genres=GENRES)
    first = documents(warehouse_file)
    interruptions = 0
    while True:
        try:
            report = crawl(sandbox, warehouse_file, request_budget=20, genres=GENRES, refresh="all")
            break
        except CrawlSuspended:
            interruptions += 1
    assert interruptions == 2
    assert report.listings == Counter(genre for genre, *_ in listings(catalogue()))
    both = documents(warehouse_file)
    number = len(first["listings"])
    assert both["listings"][:number] == first["listings"]
    assert [row[1:] for row in both["listings"][number:]] == [row[1:] for row in first["listings"]]
    for table in ("artists", "audio_features", "popularity"):
        assert Counter(both[table]) == Counter(first[table] * 2)
    asked = sandbox.count()
    crawl(sandbox, warehouse_file, genres=GENRES)
    assert sandbox.count() == asked


# Faults


FLEETING: dict[str, list[Fault]] = {
    "429, a second": [Fault(after=5, status=429, headers={"Retry-After": "1"})],
    "429 without Retry-After": [Fault(after=5, times=4, status=429)],
    "429 until a date": [Fault(after=5, status=429, headers={"Retry-After": "Sat, 14 Nov 2020 10:00:07 GMT"})],
    "500, 502, 503": [Fault(after=number * 7, times=3, status=status) for number, status in enumerate((500, 502, 503))],
    "slower than the time-out": [Fault("top-tracks", after=4, delay=1.0), Fault("audio-features", delay=1.0)],
    "broken connection": [Fault("top-tracks", after=8, times=2, cut="connection"), Fault("token", cut="connection")],
    "truncated": [Fault("search artists", cut="text"), Fault("audio-features", times=2, cut="text")],
    "not json": [Fault("top-tracks", after=3, times=2, status=200, body="<html>Sign in</html>")],
    "empty": [Fault("tracks", status=200, body="")],
    "null": [Fault("search artists", status=200, body='{"artists":null}')],
    "another's answer": [Fault("audio-features", status=200, body='{"tracks":[]}')],
    "token expired": [Fault(after=9, revoke_tokens=True), Fault(after=30, revoke_tokens=True)],
}


@pytest.mark.parametrize("name", FLEETING)
def test_nothing_is_lost_to_what_passes(name: str, warehouse_file: Path) -> None:
    """Guards against a fault that costs a document, an order, or the crawl."""
    with serve(catalogue(), faults=FLEETING[name]) as sandbox:
        report = crawl(sandbox, warehouse_file, timeout=0.5, genres=GENRES)
        assert report.attempts == sandbox.count()
    assert report.finished
    assert report.retries == report.attempts - report.requests > 0
    assert_complete(warehouse_file, catalogue())


@pytest.mark.parametrize("name", ["throttled for long", "quota"])
def test_a_long_wait_ends_the_run_in_good_order(name: str, sandbox: SandboxServer, warehouse_file: Path) -> None:
    """Guards against hanging for a day, and against losing what came before."""
    sandbox.break_with(replace(FAULTS[name], after=17))
    with pytest.raises(CrawlSuspended) as caught:
        crawl(sandbox, warehouse_file, genres=GENRES)
    assert caught.value.resume_at is not None
    assert caught.value.resume_at - raw.now() > timedelta(hours=22)
    assert caught.value.report.documents["artists"] == 48
    assert f"{caught.value.resume_at:%Y-%m-%d %H:%M} UTC" in str(caught.value)
    sandbox.mend()
    crawl(sandbox, warehouse_file, genres=GENRES)
    assert_complete(warehouse_file, catalogue())


def test_a_service_that_stays_down_ends_the_run_in_good_order(sandbox: SandboxServer, warehouse_file: Path) -> None:
    """Guards against counting what was not answered as done."""
    sandbox.break_with(Fault(after=17, times=999, status=503))
    with pytest.raises(CrawlSuspended, match="answers 503"):
        crawl(sandbox, warehouse_file, genres=GENRES)
    sandbox.mend()
    crawl(sandbox, warehouse_file, genres=GENRES)
    assert_complete(warehouse_file, catalogue())


def test_one_answer_that_stays_useless_is_passed_over_and_kept(sandbox: SandboxServer, warehouse_file: Path) -> None:
    """Guards against a crawl that one broken page stops for good, and against losing what it held."""
    sandbox.break_with(Fault("top-tracks", after=3, times=8, status=200, body='{"tracks":[{"id":"half'))
    report = crawl(sandbox, warehouse_file, genres=GENRES)
    assert report.finished
    assert report.unusable == 8
    skipped = catalogue().hits["Acid House"][3]
    expected = [listing for listing in listings(catalogue()) if listing[1] != skipped]
    landed = rows(warehouse_file, "select genre, artist_id, artist_name, track_id from raw.tracks order by listing_id")
    assert landed == expected
    ((payload, reason, request),) = rows(
        warehouse_file, "select distinct payload, reason, request from raw.unusable_responses"
    )
    assert payload == '{"tracks":[{"id":"half'
    assert "truncated" in reason
    assert skipped in request


def test_useless_answers_to_everything_are_not_passed_over(sandbox: SandboxServer, warehouse_file: Path) -> None:
    """Guards against a network's log-in page taken for thousands of artists without tracks."""
    sandbox.break_with(Fault("top-tracks", after=3, times=999, status=200, body="<html>"))
    with pytest.raises(CrawlSuspended, match="3 requests in a row"):
        crawl(sandbox, warehouse_file, max_attempts=2, genres=GENRES)
    sandbox.mend()
    crawl(sandbox, warehouse_file, genres=GENRES)
    assert_complete(warehouse_file, catalogue())


def test_an_artist_who_is_not_found_is_passed_over(sandbox: SandboxServer, warehouse_file: Path) -> None:
    """Guards against a crawl that an unknown id stops, and against asking for it again."""
    body = '{"error":{"status":404,"message":"Resource not found"}}'
    sandbox.break_with(Fault("top-tracks", after=3, status=404, body=body))
    assert crawl(sandbox, warehouse_file, genres=GENRES).finished
    assert rows(warehouse_file, "select endpoint, reason, payload from raw.unusable_responses") == [
        ("top-tracks", "404: Resource not found", body)
    ]
    assert crawl(sandbox, warehouse_file, genres=GENRES).requests == 0


@pytest.mark.parametrize("status", [400, 404, 410])
@pytest.mark.parametrize("endpoint", ["audio-features", "tracks"])
def test_one_bad_id_does_not_spoil_its_batch(
    endpoint: str, status: int, sandbox: SandboxServer, warehouse_file: Path
) -> None:
    """Guards against a hundred tracks without features, or an endpoint given up, because one id is not accepted."""
    bad = "track2x3x8".ljust(22, "T")
    table = {"audio-features": "audio_features", "tracks": "popularity"}[endpoint]

    def refuse(answer: dict[str, list[Any]]) -> dict[str, list[Any]]:
        if any(element and element["id"] == bad for elements in answer.values() for element in elements):
            raise Failure(status, "Invalid base62 id")
        return answer

    sandbox.break_with(Fault(endpoint, times=999, edit=refuse))
    report = crawl(sandbox, warehouse_file, genres=GENRES)
    assert (report.finished, report.notes) == (True, ())
    landed = dict(rows(warehouse_file, f"select track_id, payload from raw.{table}"))
    null = {track for track, payload in landed.items() if payload is None}
    without = {track for track in landed if catalogue().audio_features[track] is None}
    assert null == {bad} | (without if endpoint == "audio-features" else set())


def test_slots_and_documents_that_make_no_sense_are_kept(sandbox: SandboxServer, warehouse_file: Path) -> None:
    """Guards against a crash on, or a silent loss of, what should not be in a list."""
    odd = [
        None,
        7,
        "text",
        [],
        {},
        {"id": None},
        {"id": 5},
        {"id": "../../etc"},
        {"id": "half \ud83d", "name": "\ud83d"},
    ]
    sandbox.break_with(
        Fault("search artists", edit=lambda page: {"artists": {"items": odd + page["artists"]["items"]}}),
        Fault("top-tracks", edit=lambda answer: {"tracks": odd + answer["tracks"]}),
        Fault("audio-features", edit=lambda answer: {"audio_features": odd + answer["audio_features"]}),
        Fault("tracks", edit=lambda answer: {"tracks": odd + answer["tracks"]}),
    )
    assert crawl(sandbox, warehouse_file, genres=["Dub"]).finished
    landed = rows(warehouse_file, "select payload, track_id from raw.tracks order by listing_id limit 9")
    assert [json.loads(payload) for payload, _ in landed] == odd
    assert [track for _, track in landed] == [None] * 7 + ["../../etc", "half ?"]
    kept = Counter(rows(warehouse_file, "select endpoint, payload from raw.unusable_responses"))
    assert kept["search artists", "null"] == 1
    assert kept["search artists", '{"id": "../../etc"}'] == 1
    assert len([row for row in kept.elements() if row[0] == "search artists"]) == 9
    assert len([row for row in kept.elements() if row[0] == "audio_features"]) == 8  # a null slot is no document
    assert max(Counter(rows(warehouse_file, "select track_id from raw.audio_features")).values()) == 1


def test_a_page_that_grows_while_it_is_read(warehouse_file: Path) -> None:
    """Guards against a loop, a lost artist, or a second request for one who is met again on the next page."""
    source = catalogue()
    mine = source.hits["Dub"] + [f"more{number:02}".ljust(22, "A") for number in range(52)]
    for artist in mine[8:]:
        source.artists[artist], source.top_tracks[artist] = {"id": artist, "name": artist}, []  # type: ignore[index]
    with serve(replace(source, hits={"Dub": mine}), faults=[FAULTS["growing page"]]) as sandbox:
        crawl(sandbox, warehouse_file, genres=["Dub"])
    # The page of 50 was read, then one came to its head: the second page begins with the fiftieth again.
    landed = [artist for (artist,) in rows(warehouse_file, "select artist_id from raw.artists order by rowid")]
    assert landed == [*mine[:50], *mine[49:]]
    assert max(Counter(seen.path for seen in sandbox.seen).values()) == 1


def test_documents_of_ten_megabytes(sandbox: SandboxServer, warehouse_file: Path) -> None:
    """Guards against a limit on size anywhere on the way."""
    filler = "é" * 5_000_000

    def grow(answer: dict[str, Any]) -> dict[str, Any]:
        answer["tracks"][0]["filler"] = filler
        return answer

    sandbox.break_with(Fault("top-tracks", edit=grow))
    crawl(sandbox, warehouse_file, genres=["Dub"])
    ((payload,),) = rows(warehouse_file, "select payload from raw.tracks where listing_id = 1")
    assert json.loads(payload)["filler"] == filler


def test_genres_of_every_kind(sandbox: SandboxServer, warehouse_file: Path) -> None:
    """Guards against a query that a genre's letters break, and against an error where nothing is found."""
    names = ["Québécois", "R&B", "Drum & Bass + 50%", "シティ・ポップ", "a" * 300, "no such genre", "k-POP"]
    report = crawl(sandbox, warehouse_file, genres=names)
    assert report.finished
    assert list(report.listings) == ["Québécois", "k-POP"]
    queries = [seen.path for seen in sandbox.seen if seen.endpoint == "search artists"]
    assert "R%26B" in queries[1]


@pytest.mark.parametrize(("status", "body"), [(403, "<html>blocked"), (401, '{"error":"no"}')])
def test_a_reccobeats_that_refuses_the_crawl(
    status: int, body: str, development: SandboxServer, warehouse_file: Path
) -> None:
    """Guards against taking a blocked client for tracks without features."""
    development.break_with(Fault("audio-features", times=99, status=status, body=body))
    with pytest.raises(CrawlError, match="ReccoBeats refuses the crawl"):
        crawl(development, warehouse_file, genres=["Dub"])
    assert rows(warehouse_file, "select count(*) from raw.audio_features") == [(0,)]
    development.mend()
    assert crawl(development, warehouse_file, genres=["Dub"]).finished
    assert development.count("search tracks") == 6


# The database


def test_a_batch_that_cannot_be_written_is_fetched_again(
    sandbox: SandboxServer, warehouse_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against half a batch, or a doubled one, after a full disk."""
    land, calls = raw.land, []

    def fail_once(*arguments: Any, **options: Any) -> str:
        calls.append(1)
        if len(calls) == 2:
            raise duckdb.IOException("No space left on device")
        return land(*arguments, **options)

    monkeypatch.setattr(raw, "land", fail_once)
    with pytest.raises(duckdb.IOException, match="No space left"):
        crawl(sandbox, warehouse_file, genres=GENRES)
    crawl(sandbox, warehouse_file, genres=GENRES)
    assert_complete(warehouse_file, catalogue())


def test_two_crawls_at_once_do_not_double_anything(sandbox: SandboxServer, warehouse_file: Path) -> None:
    """Guards against two runs started by mistake, each of which lands the same documents."""

    def start_another(stage: str, done: int, _: int | None) -> None:
        if (stage, done) == ("listing top tracks", 5):
            crawl(sandbox, warehouse_file, genres=GENRES)

    with pytest.raises(CrawlError, match="Another crawl of the dataset 'sandbox'"):
        crawl(sandbox, warehouse_file, genres=GENRES, progress=start_another)
    assert_complete(warehouse_file, catalogue())


# Cost, pace, secrets


def test_the_pace_is_kept(warehouse_file: Path) -> None:
    """Guards against more requests in a window than Spotify allows: the server counts, over two runs in a row."""
    with serve(catalogue(), requests_per_window=20, window_seconds=2.0) as sandbox:
        pace = {"requests_per_window": 20, "window_seconds": 2.0}
        with pytest.raises(CrawlSuspended):
            crawl(sandbox, warehouse_file, genres=GENRES, request_budget=30, **pace)
        crawl(sandbox, warehouse_file, genres=GENRES, **pace)
    assert sandbox.most_in_window(2.0) == 20
    assert sandbox.count(status=429) == 0
    ((waited,),) = rows(warehouse_file, "select sum(waited_seconds) from raw.requests")
    assert waited > 0  # how long is the machine's affair: a slow one has less to wait for


def test_the_database_is_free_between_batches(sandbox: SandboxServer, warehouse_file: Path) -> None:
    """Guards against a crawl that keeps `dbt build` and readers out for hours."""
    free = []

    def open_otherwise(stage: str, *_: int | None) -> None:
        # DuckDB refuses a second connection with another configuration in one process while the first is open.
        with duckdb.connect(str(warehouse_file), config={"threads": 1}) as connection:
            connection.execute("select count(*) from raw.tracks").fetchall()
        free.append(stage)

    crawl(sandbox, warehouse_file, genres=GENRES, progress=open_otherwise)
    assert {"finding artists", "listing top tracks", "audio features", "popularity"} <= set(free)
    assert_complete(warehouse_file, catalogue())


def test_no_secret_is_written_anywhere(
    development: SandboxServer, warehouse_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards against the client secret or a token in the database, the logs, or an error's words."""
    caplog.set_level(logging.DEBUG)
    development.break_with(
        Fault("token", status=200, body='{"access_token":"half-a-token'),
        Fault("search tracks", times=2, cut="text"), Fault("search tracks", after=3, status=401),
    )  # fmt: skip
    crawl(development, warehouse_file, genres=GENRES)
    with pytest.raises(CredentialsError) as caught:
        crawl(development, warehouse_file, client_secret="a-wrong-secret", genres=["Polka"])
    secrets = [*development.tokens, CLIENT_SECRET, "c2FuZGJveDpzYW5kYm94LXNlY3JldA==", "half-a-token", "a-wrong-secret"]
    with files.connect(warehouse_file) as connection:
        text = "\n".join(str(row) for table in raw.TABLES for row in connection.execute(f"from raw.{table}").fetchall())
    written = warehouse_file.read_bytes()
    assert "search tracks" in text
    for secret in secrets:
        assert secret not in text
        assert secret.encode() not in written
        assert secret not in caplog.text
        assert secret not in str(caught.value)


# What the caller says


def test_a_refused_run_does_not_become_the_active_dataset(sandbox: SandboxServer, warehouse_file: Path) -> None:
    """Guards against an empty dataset in the place of the one that everybody reads."""
    crawl(sandbox, warehouse_file, genres=["Dub"])
    with pytest.raises(CredentialsError):
        crawl(sandbox, warehouse_file, client_secret="wrong", dataset=Dataset("spotify", "spotify"), genres=["Dub"])
    assert rows(warehouse_file, "select dataset from raw.datasets where is_active") == [("sandbox",)]
    assert rows(warehouse_file, "select status from raw.requests where dataset = 'spotify'") == [(400,)]


def test_a_finished_crawl_becomes_the_active_dataset_again(sandbox: SandboxServer, warehouse_file: Path) -> None:
    """Guards against a run whose result nobody sees, because another dataset was landed in between."""
    crawl(sandbox, warehouse_file, genres=["Dub"])
    crawl(sandbox, warehouse_file, dataset=Dataset("other", "sandbox", True), genres=["Rai"])
    assert rows(warehouse_file, "select dataset from raw.datasets where is_active") == [("other",)]
    crawl(sandbox, warehouse_file, genres=["Dub"])
    assert rows(warehouse_file, "select dataset from raw.datasets where is_active") == [("sandbox",)]


def test_a_dump_is_not_crawled_into(sandbox: SandboxServer, warehouse_file: Path) -> None:
    """Guards against two catalogues mixed under one name."""
    with files.connect(warehouse_file) as connection:
        raw.land(connection, Dataset("sandbox", "dump:x.csv"), {})
    with pytest.raises(CrawlError, match="'sandbox' comes from dump:x.csv"):
        crawl(sandbox, warehouse_file, genres=["Dub"])


def test_genres_default_to_the_studys() -> None:
    """Guards against a default that forgets genres."""
    assert len(study_genres()) == 132
    assert (study_genres()[0], study_genres()[-1]) == ("Acid House", "Thrash Core")
    assert CrawlOptions().genre_limits() == dict.fromkeys(study_genres(), 1_000)


@pytest.mark.parametrize(
    ("genres", "words"),
    [
        ([" "], "' ' cannot be a genre"),
        (['a"b'], "quotation marks"),
        ({"Dub": 0}, "limit of Dub is 0"),
    ],
)
def test_wrong_genres_are_named(genres: Any, words: str) -> None:
    """Guards against a query that means something else."""
    with pytest.raises(CrawlError, match=words):
        CrawlOptions(genres=genres).genre_limits()


def test_limits_are_capped_at_what_a_search_gives() -> None:
    """Guards against offsets that Spotify refuses; a genre twice is a genre once."""
    assert CrawlOptions(genres={"Dub": 5_000, "Rai": None}, hits_per_genre=7).genre_limits() == {"Dub": 1_000, "Rai": 7}
    assert CrawlOptions(genres=["Dub", "Rai", " Dub "], hits_per_genre=7).genre_limits() == {"Dub": 7, "Rai": 7}


def test_genres_from_a_file(tmp_path: Path) -> None:
    """Guards against comments, blank lines and limits read as names."""
    path = tmp_path / "genres.txt"
    path.write_text("\ufeff# mine\n\nDub\nRai , 20 # few\n", encoding="utf-8")
    assert read_genres(path) == {"Dub": None, "Rai": 20}
    path.write_text("Dub\nRai, many\n")
    with pytest.raises(CrawlError, match="line 2: 'many'"):
        read_genres(path)
    path.write_text("# none\n")
    with pytest.raises(CrawlError, match="names no genre"):
        read_genres(path)
    with pytest.raises(CrawlError, match="absent.txt"):
        read_genres(tmp_path / "absent.txt")


@pytest.mark.parametrize(
    "change", [{"requests_per_window": 0}, {"timeout": 0}, {"request_budget": -1}, {"refresh": "none"}]
)
def test_settings_that_make_no_sense_are_named(change: dict[str, Any]) -> None:
    """Guards against a crawl that can never send anything."""
    with pytest.raises(CrawlError, match=next(iter(change))):
        CrawlOptions(**change)


def test_a_report_is_plain(sandbox: SandboxServer, warehouse_file: Path) -> None:
    """Guards against a report that a caller could change."""
    report = crawl(sandbox, warehouse_file, genres=["Dub"])
    assert isinstance(report, CrawlReport)
    with pytest.raises(AttributeError):
        report.requests = 0  # type: ignore[misc]


def test_a_batch_of_nothing_but_an_artist_without_tracks(warehouse_file: Path) -> None:
    """Guards against a crawl that stops where the only hit of a batch has no tracks and was asked about before."""
    source = catalogue()
    silent = source.hits["Dub"][2]
    assert source.top_tracks[silent] == []
    with serve(replace(source, hits={"Dub": [silent], "Rai": [silent]})) as sandbox:
        crawl(sandbox, warehouse_file, genres=["Dub"])
        assert crawl(sandbox, warehouse_file, genres=["Dub", "Rai"], requests_per_batch=1).finished
    assert rows(warehouse_file, "select count(*) from raw.tracks") == [(0,)]
