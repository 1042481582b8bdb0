"""The sandbox over HTTP: what the extractors rely on must be what the real services do."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from extract.sandbox.faults import FAULTS, Fault
from extract.sandbox.server import run_server, serve
from tests.conftest import PATIENCE
from tests.extract.crawl_fixtures import catalogue
from tests.extract.sandbox.client import Client

ARTIST = "artist0x0AAAAAAAAAAAAA"
TRACK = "track0x0x0TTTTTTTTTTTT"


@pytest.fixture(scope="module")
def extended() -> Iterator[Client]:
    with serve(catalogue(), reccobeats_coverage=0.5) as sandbox:
        client = Client(sandbox).sign_in()
        yield client
        client.session.close()


@pytest.fixture(scope="module")
def development() -> Iterator[Client]:
    with serve(catalogue(), tier="development") as sandbox:
        client = Client(sandbox).sign_in()
        yield client
        client.session.close()


def search(client: Client, genre: str, kind: str = "artist", **parameters: Any) -> tuple[int, Any]:
    return client.get("/v1/search", q=f'genre:"{genre}"', type=kind, **parameters)


def test_a_token_has_the_real_shape(extended: Client) -> None:
    """Guards against a token that another client than ours could not read."""
    token = extended.token().json()
    assert token.keys() == {"access_token", "token_type", "expires_in"}
    assert (token["token_type"], token["expires_in"]) == ("Bearer", 3600)


def test_wrong_credentials_are_refused_as_by_spotify(extended: Client) -> None:
    """Guards against an error's shape that the extractor would never meet outside."""
    answer = extended.token("wrong")
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_client"


def test_without_a_token_nothing_is_given() -> None:
    """Guards against an extractor that forgets its token and is answered all the same; tokens end, too."""
    with serve(catalogue(), token_seconds=0) as sandbox:
        client = Client(sandbox)
        with client.session:
            assert client.get(f"/v1/artists/{ARTIST}")[1]["error"]["message"] == "Invalid access token"
            client.sign_in()
            assert client.get(f"/v1/artists/{ARTIST}") == (
                401, {"error": {"status": 401, "message": "The access token expired"}},
            )  # fmt: skip


def test_search_pages_follow_each_other(extended: Client) -> None:
    """Guards against a page's fields that say something else than its items."""
    status, answer = search(extended, "acid house", limit=3, offset=3)
    page = answer["artists"]
    assert status == 200
    assert [item["id"][:9] for item in page["items"]] == ["artist0x3", "artist0x3", "artist0x4"]
    assert (page["limit"], page["offset"], page["total"], page["previous"]) == (3, 3, 8, None)
    assert "offset=6" in page["next"]
    assert search(extended, "Acid House", limit=3, offset=6)[1]["artists"]["next"] is None
    assert search(extended, "Polka")[1]["artists"]["items"] == []


def test_track_search_gives_a_track_once(extended: Client) -> None:
    """Guards against a stand-in of track search that repeats the top tracks of an artist who stands twice."""
    page = search(extended, "Acid House", "track", limit=50)[1]["tracks"]
    # Artists of 10, 3, 0, 10, 10 (one of them the first artist's) and 10 tracks, and 10 of the next genre's first.
    assert page["total"] == 52
    assert page["items"][0]["id"] == TRACK


@pytest.mark.parametrize(
    ("tier", "parameters", "message"),
    [
        ("extended", {"limit": 51}, "Invalid limit"),
        ("extended", {"limit": 0}, "Invalid limit"),
        ("extended", {"limit": 50, "offset": 951}, "Invalid offset"),
        ("extended", {"offset": -1}, "Invalid offset"),
        ("extended", {"kind": "album"}, "Bad search type field"),
        ("development", {"limit": 11}, "Invalid limit"),
        ("development", {"limit": 10, "offset": 991}, "Invalid offset"),
    ],
)
def test_search_keeps_its_caps(
    tier: str, parameters: dict[str, Any], message: str, request: pytest.FixtureRequest
) -> None:
    """Guards against an extractor that asks for more than the real service gives."""
    status, answer = search(request.getfixturevalue(tier), "Dub", **parameters)
    assert (status, answer["error"]["message"]) == (400, message)


def test_batches_keep_their_caps(extended: Client) -> None:
    """Guards against batches that only the sandbox would take."""
    for path, most in (("/v1/tracks", 50), ("/v1/artists", 50), ("/v1/audio-features", 100),
                       ("/reccobeats/v1/audio-features", 40), ("/reccobeats/v1/track", 40)):  # fmt: skip
        assert extended.get(path, ids=",".join([TRACK] * most))[0] == 200
        assert extended.get(path, ids=",".join([TRACK] * (most + 1)))[0] == 400
        assert extended.get(path)[0] == 400
        assert extended.get(path, ids="a-b")[0] == 400


def test_batches_answer_in_order_and_null_where_there_is_nothing(extended: Client) -> None:
    """Guards against answers that are shorter than the question."""
    tracks = extended.get("/v1/tracks/", ids=f"{TRACK},unknown")[1]["tracks"]
    assert tracks[0]["id"] == TRACK
    assert tracks[1] is None
    none = "track0x0x9".ljust(22, "T")  # has no features in the catalogue
    features = extended.get("/v1/audio-features/", ids=f"{none},{TRACK}")[1]["audio_features"]
    assert features[0] is None
    assert features[1]["id"] == TRACK


def test_unknown_ids_are_not_found(extended: Client) -> None:
    """Guards against an empty success where Spotify answers 404."""
    for path in ("/v1/artists/unknown", "/v1/artists/unknown/top-tracks", "/v1/tracks/unknown"):
        assert extended.get(path)[0] == 404


def test_development_mode_closes_and_hides_what_it_should(development: Client) -> None:
    """Guards against an extractor that works in development mode only because the sandbox gives too much."""
    assert development.get(f"/v1/artists/{ARTIST}/top-tracks")[0] == 403
    for path in ("/v1/tracks", "/v1/artists", "/v1/audio-features"):
        assert development.get(path, ids=TRACK) == (403, {"error": {"status": 403}})
    assert "popularity" not in development.get(f"/v1/tracks/{TRACK}")[1]
    artist = development.get(f"/v1/artists/{ARTIST}")[1]
    assert {"popularity", "followers"}.isdisjoint(artist)


def test_reccobeats_leaves_out_what_it_does_not_know(extended: Client) -> None:
    """Guards against a stand-in that is tidier than the real service."""
    ids = [f"track0x3x{song}".ljust(22, "T") for song in range(10)]
    content = extended.get("/reccobeats/v1/audio-features", ids=",".join(ids))[1]["content"]
    found = [item["href"].rpartition("/")[2] for item in content]
    assert 0 < len(found) < 10
    assert set(found) < set(ids)
    assert found != sorted(found)
    assert {"time_signature", "duration_ms"}.isdisjoint(content[0])
    assert content[0]["id"] not in ids
    tracks = extended.get("/reccobeats/v1/track", ids=",".join(ids))[1]["content"]
    assert tracks[0].keys() >= {"popularity", "durationMs", "href"}


def test_the_rate_limit_is_a_rolling_window() -> None:
    """Guards against an extractor that is never told to slow down, and a limit that forgets itself at a boundary."""
    with serve(catalogue(), requests_per_window=5, window_seconds=1.0) as sandbox:
        client = Client(sandbox).sign_in()
        with client.session:
            statuses = [client.get(f"/v1/artists/{ARTIST}")[0] for _ in range(6)]
            assert statuses == [200] * 5 + [429]
            answer = client.session.get(f"{sandbox.address}/v1/artists/{ARTIST}", timeout=PATIENCE)
            assert answer.headers["Retry-After"] == "1"
            time.sleep(1.05)
            assert client.get(f"/v1/artists/{ARTIST}")[0] == 200
            assert client.get("/reccobeats/v1/track", ids=TRACK)[0] == 200
        assert sandbox.count("artist") == 8
        assert sandbox.count(status=429) == 2
        assert sandbox.most_in_window(1.0) == 8  # the token and what was refused are requests, too
        assert sandbox.most_in_window(100.0) == 9


def test_faults_come_when_they_are_told_to() -> None:
    """Guards against faults that hit the wrong request, or never end."""
    with serve(catalogue()) as sandbox:
        client = Client(sandbox).sign_in()
        with client.session:
            sandbox.break_with(Fault("artist", after=1, times=2, status=503), FAULTS["truncated"])
            answers = [client.session.get(f"{sandbox.address}/v1/artists/{ARTIST}", timeout=PATIENCE) for _ in range(4)]
            assert [answer.status_code for answer in answers] == [200, 503, 503, 200]
            with pytest.raises(ValueError):
                answers[0].json()
            sandbox.mend()
            sandbox.break_with(Fault(cut="connection"))
            with pytest.raises(requests.exceptions.ChunkedEncodingError):
                client.get(f"/v1/artists/{ARTIST}")


def test_a_page_can_grow_while_it_is_read() -> None:
    """Guards against a growth that does not shift the pages after it."""
    with serve(catalogue(), faults=[FAULTS["growing page"]]) as sandbox:
        client = Client(sandbox).sign_in()
        with client.session:
            first = search(client, "Dub", limit=4)[1]["artists"]["items"]
            second = search(client, "Dub", limit=4, offset=4)[1]["artists"]["items"]
        assert second[0]["id"] == first[3]["id"]


def test_faults_and_counts_over_http() -> None:
    """Guards against a sandbox that can be broken from tests only; a wrong fault is named."""
    with serve(catalogue()) as sandbox:
        client = Client(sandbox).sign_in()
        with client.session:
            address = f"{sandbox.address}/sandbox/faults"
            assert (
                client.session.post(address, json={"name": "unavailable", "times": 1}, timeout=PATIENCE).status_code
                == 200
            )
            assert (
                client.session.post(address, json={"status": 502, "endpoint": "artist"}, timeout=PATIENCE).status_code
                == 200
            )
            for wrong, word in ({"name": "x"}, "throttled"), ({"colour": 1}, "colour"), ([], "JSON object"):
                refused = client.session.post(address, json=wrong, timeout=PATIENCE)
                assert (refused.status_code, word in refused.json()["error"]) == (400, True)
            assert client.get(f"/v1/artists/{ARTIST}")[0] == 503
            assert client.get(f"/v1/artists/{ARTIST}")[0] == 200
            client.session.delete(address, timeout=PATIENCE)
            counts = client.get("/sandbox/counts")[1]
        assert counts["requests"] == 3
        assert counts["by_endpoint"] == {"token": 1, "artist": 2}
        assert counts["by_client"] == {"sandbox": 2, "None": 1}


def test_it_serves_until_it_is_interrupted() -> None:
    """Guards against an address that is told before it answers, and a traceback where somebody presses Ctrl-C."""
    program = (
        "from extract.sandbox import catalogue, server\n"
        "dub = catalogue.build_catalogue(listings=120, only=['Dub'])\n"
        "server.run_server(dub, port=0, announce=lambda sandbox: print(sandbox.address, flush=True))\n"
        "print('ended')"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        address = process.stdout.readline().strip()
        assert requests.get(f"{address}/sandbox/counts", timeout=PATIENCE).json()["requests"] == 0
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "ended\n"
        assert process.stderr.read() == ""
    assert process.returncode == 0


def test_it_listens_on_this_machine_only() -> None:
    """Guards against a catalogue, and a way to break it, that the whole network can reach."""
    with pytest.raises(ValueError, match="this machine only"):
        run_server(catalogue(), host="0.0.0.0")
