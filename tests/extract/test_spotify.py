"""The Spotify client, through spotipy and real HTTP: pages, tokens, refusals, and secrets."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme

from extract.crawl import CrawlSuspended
from extract.http import Budget, Policy, Refused, Session, Suspended
from extract.reccobeats import spotify_id
from extract.sandbox.faults import FAULTS, Fault
from extract.sandbox.server import CLIENT_SECRET, SandboxServer, serve
from extract.settings import CrawlError, CrawlOptions, CredentialsError, Settings
from extract.spotify import EndpointClosed, Spotify
from tests.extract.crawl_fixtures import catalogue, crawl, quick, rows

ARTIST = "artist0x0AAAAAAAAAAAAA"


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with serve(catalogue()) as server:
        yield server


@pytest.fixture
def client(sandbox: SandboxServer) -> Iterator[Callable[..., Spotify]]:
    """`client(**changes)` makes a client of the sandbox."""
    made: list[Spotify] = []

    def make(**changes: Any) -> Spotify:
        own = {
            name: value
            for name, value in changes.items()
            if name in ("client_secret", "api_address", "accounts_address")
        }
        options = quick(**{name: value for name, value in changes.items() if name not in own})
        policy = Policy("Spotify", "sandbox", options, Budget(None))
        made.append(Spotify(sandbox.settings(**own), options, policy))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_page_knows_whether_it_is_the_last(client: Callable[..., Spotify]) -> None:
    """Guards against a page too few, or one request too many for each genre."""
    spotify = client()
    assert not spotify.search_artists("Dub", 0, 5).is_last
    assert spotify.search_artists("Dub", 5, 5).is_last  # three of five
    assert spotify.search_artists("Dub", 50, 5).is_last  # nothing
    # A full page may be followed by another, whatever it says: the service may have grown.
    assert not spotify.search_artists("Dub", 4, 4).is_last


def test_a_total_that_lies_is_not_believed(client: Callable[..., Spotify], sandbox: SandboxServer) -> None:
    """Guards against stopping where `total` says so; it may be null, absent or wrong."""
    for total in (None, 0, 1_000_000, "many"):
        sandbox.break_with(Fault(edit=lambda page, total=total: {"artists": page["artists"] | {"total": total}}))
    sandbox.break_with(Fault(after=4, edit=lambda page: {"artists": {"items": page["artists"]["items"]}}))
    spotify = client()
    lengths = [len(spotify.search_artists("Dub", 0, 5).elements) for _ in range(5)]
    assert lengths == [5] * 5


def test_an_expired_token_is_renewed_once(client: Callable[..., Spotify], sandbox: SandboxServer) -> None:
    """Guards against a crawl that ends after an hour, and against one that renews for ever."""
    spotify = client()
    assert len(spotify.top_tracks(ARTIST)) == 10
    sandbox.tokens.clear()
    assert len(spotify.top_tracks(ARTIST)) == 10
    assert sandbox.count("token") == 2
    sandbox.break_with(Fault("top-tracks", times=9, status=401))
    with pytest.raises(CredentialsError, match="refuses the token that it has just given"):
        spotify.top_tracks(ARTIST)
    assert sandbox.count("token") == 3
    assert sandbox.count("top-tracks") == 5


def test_wrong_credentials_name_the_variables(client: Callable[..., Spotify], sandbox: SandboxServer) -> None:
    """Guards against `invalid_client` as all the help that there is, and against asking again."""
    with pytest.raises(CredentialsError, match="SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET") as caught:
        client(client_secret="not-the-secret").top_tracks(ARTIST)
    assert "not-the-secret" not in str(caught.value)
    assert sandbox.count() == 1


def test_missing_credentials_name_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against a request without credentials, or with those that spotipy looks for under other names."""
    monkeypatch.setenv("SPOTIPY_CLIENT_ID", "other")
    monkeypatch.setenv("SPOTIPY_CLIENT_SECRET", "other")
    monkeypatch.delenv("SPOTIFY_CLIENT_ID", raising=False)
    monkeypatch.setenv("SPOTIFY_CLIENT_SECRET", " ")
    with pytest.raises(CredentialsError, match="SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET"):
        Settings.from_environment()


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against a secret in a setting's printed form."""
    monkeypatch.setenv("SPOTIFY_CLIENT_ID", "the-id")
    monkeypatch.setenv("SPOTIFY_CLIENT_SECRET", "the-secret")
    monkeypatch.setenv("SPOTIFY_API_ADDRESS", "http://127.0.0.1:1/v1")
    settings = Settings.from_environment()
    assert (settings.client_id, settings.client_secret) == ("the-id", "the-secret")
    assert settings.api_address == "http://127.0.0.1:1/v1"
    assert settings.accounts_address == "https://accounts.spotify.com"
    assert "the-secret" not in repr(settings)


def test_a_token_answer_without_a_token_is_tried_again(client: Callable[..., Spotify], sandbox: SandboxServer) -> None:
    """Guards against a KeyError from within spotipy."""
    sandbox.break_with(
        Fault("token", status=200, body="<html>"), Fault("token", after=1, status=200, body="[]"),
        Fault("token", after=2, status=200, body='{"access_token":"x"}'), Fault("token", after=3, status=503),
    )  # fmt: skip
    assert len(client().top_tracks(ARTIST)) == 10
    assert sandbox.count("token") == 5


@pytest.mark.parametrize(
    "body", ['{"error":{"status":403}}', '{"error":{"status":403,"message":"No"}}', "Forbidden", ""]
)
def test_a_closed_endpoint_is_told_from_other_refusals(
    client: Callable[..., Spotify], sandbox: SandboxServer, body: str
) -> None:
    """Guards against taking the other way for the wrong reason, and against not taking it."""
    sandbox.break_with(Fault(status=403, body=body, after=1, times=9))
    spotify = client()
    with pytest.raises(EndpointClosed) as caught:
        spotify.audio_features([ARTIST])
    assert caught.value.endpoint == "audio-features"
    with pytest.raises(CrawlError, match="refuses search artists") as refused:
        spotify.search_artists("Dub", 0, 50)
    assert not isinstance(refused.value, EndpointClosed)


def test_a_lapsed_subscription_is_no_closed_endpoint(client: Callable[..., Spotify], sandbox: SandboxServer) -> None:
    """Guards against remembering for good that an endpoint is closed, when the owner's Premium has ended."""
    spotify = client()
    spotify.top_tracks(ARTIST)
    sandbox.break_with(FAULTS["premium lapsed"])
    with pytest.raises(CrawlError, match="Active premium subscription required") as caught:
        spotify.top_tracks(ARTIST)
    assert not isinstance(caught.value, EndpointClosed)


def test_a_refused_page_size_is_told_from_other_bad_requests(
    client: Callable[..., Spotify], sandbox: SandboxServer
) -> None:
    """Guards against small pages for ever after any 400."""
    sandbox.break_with(
        Fault("search artists", status=400, body='{"error":{"status":400,"message":"Invalid limit"}}', times=2),
        Fault("search artists", after=2, status=400, body='{"error":{"status":400,"message":"Bad query"}}'),
    )
    spotify = client()
    with pytest.raises(EndpointClosed, match="large pages"):
        spotify.search_artists("Dub", 0, 50)
    for _ in range(2):
        with pytest.raises(Refused):
            spotify.search_artists("Dub", 0, 10)


def test_a_strange_refusal_asks_after_the_address(client: Callable[..., Spotify], sandbox: SandboxServer) -> None:
    """Guards against passing over every artist because of a mistyped address."""
    with pytest.raises(CrawlError, match=r"404.*is the address right") as caught:
        client(api_address=f"{sandbox.address}/v2").top_tracks(ARTIST)
    assert not isinstance(caught.value, Refused)


def test_nobody_at_home_suspends(client: Callable[..., Spotify]) -> None:
    """Guards against a traceback from urllib3 where a server is down."""
    with pytest.raises(Suspended, match="Spotify does not answer .*refused.* on token, 2 times"):
        client(accounts_address="http://127.0.0.1:9", max_attempts=2).top_tracks(ARTIST)


def test_a_certificate_that_is_not_trusted_names_the_setting_that_helps(
    warehouse_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against retries and "Suspended" where only a setting helps, and against one that does not."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    chain, key, trusted = tmp_path / "chain.pem", tmp_path / "key.pem", tmp_path / "authority.pem"
    certificate.cert_chain_pems[0].write_to_path(str(chain))
    certificate.private_key_pem.write_to_path(str(key))
    authority.cert_pem.write_to_path(str(trusted))
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    with serve(catalogue(), certificate=(chain, key)) as sandbox:
        with pytest.raises(CrawlError, match=r"certificate at 127.0.0.1:\d+ is not trusted") as caught:
            crawl(sandbox, warehouse_file, genres=["Dub"])
        assert "REQUESTS_CA_BUNDLE" in str(caught.value)
        assert not isinstance(caught.value, CrawlSuspended)
        assert rows(warehouse_file, "select attempts, status from raw.requests") == [(1, None)]
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "absent.pem"))
        with pytest.raises(CrawlError, match=r"absent.pem.*REQUESTS_CA_BUNDLE"):
            crawl(sandbox, warehouse_file, genres=["Dub"])
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted))
        assert crawl(sandbox, warehouse_file, genres=["Dub"]).finished


def test_netrc_and_proxies_stay_out(
    client: Callable[..., Spotify], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Guards against a password of ~/.netrc in the place of our token, and against asking a proxy for localhost."""
    (tmp_path / "netrc").write_text("default login someone password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert len(client().top_tracks(ARTIST)) == 10


def test_netrc_stays_out_where_proxies_are_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Guards against the same on a real address, for which the environment does count."""
    (tmp_path / "netrc").write_text("default login someone password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with Session(Policy("Spotify", "spotify", CrawlOptions(), Budget(None))) as session:
        assert session.trust_env
        request = requests.Request("GET", "https://api.spotify.com/v1", headers={"Authorization": "Bearer ours"})
        assert session.prepare_request(request).headers["Authorization"] == "Bearer ours"


def test_debug_logs_hold_no_secret(
    client: Callable[..., Spotify],
    sandbox: SandboxServer,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Guards against the Authorization headers that spotipy logs, and the token file that it writes."""
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.DEBUG)
    client().top_tracks(ARTIST)
    assert "Authorization" in caplog.text  # spotipy did speak
    assert "[redacted]" in caplog.text
    (token,) = sandbox.tokens
    for secret in (token, CLIENT_SECRET, "c2FuZGJveDpzYW5kYm94LXNlY3JldA=="):
        assert secret not in caplog.text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("https://open.spotify.com/track/4Ub8UsjWuewQrPhuepfVpd", "4Ub8UsjWuewQrPhuepfVpd"),
        ("https://open.spotify.com/track/4Ub8UsjWuewQrPhuepfVpd/?si=1/2", "4Ub8UsjWuewQrPhuepfVpd"),
        (None, None),
        (7, None),
    ],
)
def test_reccobeats_names_the_track_in_its_address(href: Any, expected: str | None) -> None:
    """Guards against joining features on ReccoBeats's own ids."""
    assert spotify_id({"id": "uuid", "href": href}) == expected
    assert spotify_id(None) is None
