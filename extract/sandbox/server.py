"""A local stand-in for Spotify and ReccoBeats: serves a catalogue over HTTP, with the real services' shapes and rules.

Belongs here: endpoints, tokens, tiers, caps, the rate limit, faults on demand, and counts of what was asked. Not here:
what the catalogue holds (catalogue.py), and anything that the extractors could tell it from the real services by.

On one port: `/api/token` (accounts), `/v1/…` (Spotify's Web API), `/reccobeats/v1/…`, and for whoever runs the sandbox
`/sandbox/counts` (GET) and `/sandbox/faults` (POST a fault as JSON, DELETE all). It listens on loopback only.
"""

import asyncio
import base64
import json
import math
import re
import secrets
import socket
import threading
import time
import uuid
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from extract.sandbox.catalogue import Catalogue
from extract.settings import MOST_HITS, Settings
from warehouse.raw import Dataset

SANDBOX = Dataset("sandbox", "sandbox", is_synthetic=True)
CLIENT_ID = "sandbox"
CLIENT_SECRET = "sandbox-secret"

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_GENRE = re.compile(r'genre:"([^"]*)"')


@dataclass(frozen=True)
class Tier:
    """What Spotify gives an app."""

    page: int
    default_page: int
    closed: frozenset[str] = frozenset()
    has_popularity: bool = True


TIERS: Mapping[str, Tier] = {
    # Apps that were approved long ago.
    "extended": Tier(50, 20),
    # Apps made between November 2024 and February 2026.
    "no audio features": Tier(50, 20, frozenset({"audio-features"})),
    # Apps made since.
    "development": Tier(10, 5, frozenset({"top-tracks", "tracks", "artists", "audio-features"}), has_popularity=False),
}


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong: after `after` requests to `endpoint` (None: any), for the next `times` of them.

    `status`, `headers` and `body` replace the answer, `edit` changes its document, `delay` holds it back for so many
    seconds, `cut` breaks it off half-way (the connection with it, or only the text), `revoke_tokens` makes every
    token unknown, and `grow` puts an artist at the head of a genre's search after the answer.
    """

    endpoint: str | None = None
    after: int = 0
    times: int = 1
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    edit: Callable[[Any], Any] | None = None
    delay: float = 0.0
    cut: Literal["connection", "text"] | None = None
    revoke_tokens: bool = False
    grow: bool = False


_QUOTA = '{"error":{"status":429,"message":"Too many requests","reason":"QUOTA_EXCEEDED"}}'

FAULTS: Mapping[str, Fault] = {
    "throttled": Fault(status=429, headers={"Retry-After": "2"}, times=3),
    "throttled for long": Fault(status=429, headers={"Retry-After": "81654"}),
    "quota": Fault(status=429, headers={"Retry-After": "81654"}, body=_QUOTA, times=1_000_000),
    "unavailable": Fault(status=503, times=3),
    "slow": Fault(delay=60.0),
    "broken connection": Fault(cut="connection", times=3),
    "truncated": Fault(cut="text", times=3),
    "not json": Fault(status=200, body="<html>Log in to the network</html>", times=3),
    "premium lapsed": Fault(
        status=403, body="Active premium subscription required for the owner of the app.", times=1_000_000
    ),
    "token expired": Fault(revoke_tokens=True),
    "growing page": Fault(endpoint="search artists", grow=True, times=3),
}
"""Faults by name, for the command line."""


@dataclass
class Seen:
    """One request that arrived: when (monotonic seconds), from which client, and how it was answered."""

    service: str
    endpoint: str
    path: str
    client: str | None
    arrived: float
    status: int | None = None


class Failure(Exception):
    """An answer of 4xx, in the shape of Spotify's errors."""

    def __init__(self, status: int, message: str | None, headers: Mapping[str, str] | None = None) -> None:
        error: dict[str, Any] = {"status": status} if message is None else {"status": status, "message": message}
        super().__init__(message)
        self.response = _text(json.dumps({"error": error}), status, headers)


class _CutOff(Response):
    """Announces the whole body, sends half of it, and closes the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (ASGI's signature)
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": bytes(self.body[: len(self.body) // 2]), "more_body": True})


def _text(text: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(text.encode(), status, headers, media_type="application/json; charset=utf-8")


class SandboxServer:
    """The sandbox's state: its catalogue and rules, and what it has been asked. Made by `serve`."""

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        tier: str = "extended",
        requests_per_window: int | None = None,
        window_seconds: float = 30.0,
        token_seconds: int = 3600,
        reccobeats_coverage: float = 0.8,
        faults: Sequence[Fault] = (),
        address: str = "",
    ) -> None:
        self.catalogue = catalogue
        self.tier = TIERS[tier]
        self.requests_per_window = requests_per_window
        self.window_seconds = window_seconds
        self.token_seconds = token_seconds
        self.reccobeats_coverage = reccobeats_coverage
        self.address = address
        self.seen: list[Seen] = []
        self._faults: list[tuple[Fault, Counter[str]]] = []
        self.tokens: dict[str, tuple[str | None, float]] = {}  # token: client, end of life
        self._granted: dict[str, list[float]] = {}  # client: arrivals that were let through
        self._grown: dict[str, list[str]] = {}
        self.break_with(*faults)

    # For whoever runs it

    def settings(self, **changes: Any) -> Settings:
        """Settings for a crawl of this sandbox, and `changes` over them; without a limit to its pace."""
        defaults: dict[str, Any] = {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "dataset": SANDBOX,
            "accounts_address": self.address,
            "api_address": f"{self.address}/v1",
            "reccobeats_address": f"{self.address}/reccobeats/v1",
            "requests_per_window": 1_000_000,
        }
        return Settings(**{**defaults, **changes})

    def break_with(self, *faults: Fault) -> None:
        """Add faults; they count requests from now on. Where several apply to a request, the first does."""
        self._faults += [(fault, Counter()) for fault in faults]

    def mend(self) -> None:
        """Take all faults away."""
        self._faults = []

    def count(self, endpoint: str | None = None, *, service: str | None = None, status: int | None = None) -> int:
        """How many requests have arrived, of those to `endpoint` or `service`, or answered with `status`."""
        return sum(
            (endpoint is None or seen.endpoint == endpoint)
            and (service is None or seen.service == service)
            and (status is None or seen.status == status)
            for seen in self.seen
        )

    def most_in_window(self, seconds: float, service: str = "spotify") -> int:
        """The most requests that arrived at a service within any `seconds`."""
        arrivals = sorted(seen.arrived for seen in self.seen if seen.service in (service, "accounts"))
        most = first = 0
        for last, arrived in enumerate(arrivals):
            while arrivals[first] <= arrived - seconds:
                first += 1
            most = max(most, last - first + 1)
        return most

    def counts(self) -> dict[str, Any]:
        """The counts as JSON: by service, by endpoint, by client and by status."""
        return {
            "requests": len(self.seen),
            **{
                f"by_{name}": dict(Counter(str(getattr(seen, name)) for seen in self.seen))
                for name in ("service", "endpoint", "client", "status")
            },
            "most_in_window": self.most_in_window(self.window_seconds),
        }

    # Every request comes through here

    def app(self) -> Starlette:
        """The web application."""

        def route(path: str, service: str, endpoint: str, answer: Callable[[Request], str]) -> Route:
            async def handle(request: Request) -> Response:
                return await self._handle(request, service, endpoint, answer)

            return Route(path, handle, methods=["POST" if endpoint == "token" else "GET"])

        async def counts(_: Request) -> Response:
            return JSONResponse(self.counts())

        async def faults(request: Request) -> Response:
            return await self._set_faults(request)

        # spotipy writes `tracks/?ids=`: both spellings must be known, for a redirect would be a request more.
        return Starlette(
            routes=[
                route("/api/token", "accounts", "token", lambda _: ""),
                route("/v1/search", "spotify", "search", self._search),
                route("/v1/artists/{id}/top-tracks", "spotify", "top-tracks", self._top_tracks),
                *(route(f"/v1/artists{end}", "spotify", "artists", self._artists) for end in ("", "/")),
                route("/v1/artists/{id}", "spotify", "artist", self._artist),
                *(route(f"/v1/tracks{end}", "spotify", "tracks", self._tracks) for end in ("", "/")),
                route("/v1/tracks/{id}", "spotify", "track", self._track),
                *(
                    route(f"/v1/audio-features{end}", "spotify", "audio-features", self._audio_features)
                    for end in ("", "/")
                ),
                route("/reccobeats/v1/audio-features", "reccobeats", "audio-features", self._recco_features),
                route("/reccobeats/v1/track", "reccobeats", "track", self._recco_tracks),
                Route("/sandbox/counts", counts),
                Route("/sandbox/faults", faults, methods=["POST", "DELETE"]),
            ]
        )

    async def _handle(
        self, request: Request, service: str, endpoint: str, answer: Callable[[Request], str]
    ) -> Response:
        if endpoint == "search":
            endpoint = f"search {request.query_params.get('type')}s"
        path = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
        seen = Seen(service, endpoint, path, None, time.monotonic())
        self.seen.append(seen)
        fault = self._fault(endpoint)
        if fault.revoke_tokens:
            self.tokens.clear()
        if fault.delay:
            await asyncio.sleep(fault.delay)
        try:
            if fault.status is not None:
                body = fault.body
                if body is None:
                    body = json.dumps({"error": {"status": fault.status, "message": "Sandbox fault"}})
                response = _text(body, fault.status, fault.headers)
            elif service == "accounts":
                seen.client, response = self._token(request, await request.body())
            else:
                self._admit(request, seen)
                text = answer(request)
                if fault.edit:
                    text = json.dumps(fault.edit(json.loads(text)))  # escaped: it may hold what UTF-8 cannot
                response = _text(text, headers=fault.headers)
        except Failure as failure:
            response = failure.response
        if fault.grow:
            self._grow(request)
        if fault.cut == "text":
            response = Response(bytes(response.body)[: len(response.body) // 2], response.status_code)
        elif fault.cut == "connection":
            response = _CutOff(bytes(response.body), response.status_code)
        seen.status = response.status_code
        return response

    def _fault(self, endpoint: str) -> Fault:
        """The fault that this request meets, or one without any effect."""
        found = Fault()
        for fault, counts in self._faults:
            if fault.endpoint not in (None, endpoint):
                continue
            counts["met"] += 1
            if fault.after < counts["met"] <= fault.after + fault.times and found == Fault():
                found = fault
        return found

    async def _set_faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.mend()
            return JSONResponse({"faults": 0})
        try:
            wanted = json.loads(await request.body())
            name = wanted.pop("name", None)
            known = {item.name for item in fields(Fault)} - {"edit"}
            if unknown := set(wanted) - known:
                raise ValueError(f"a fault has no {sorted(unknown)[0]!r}; it has: {', '.join(sorted(known))}")
            self.break_with(replace(FAULTS[name], **wanted) if name else Fault(**wanted))
        except KeyError as error:
            return JSONResponse({"error": f"no fault is called {error}; there are: {', '.join(FAULTS)}"}, 400)
        except (ValueError, TypeError, AttributeError) as error:
            return JSONResponse({"error": f"give a fault as a JSON object: {error}"}, 400)
        return JSONResponse({"faults": len(self._faults)})

    def _token(self, request: Request, body: bytes) -> tuple[str | None, Response]:
        client, secret = _basic_credentials(request.headers.get("Authorization", ""))
        if (client, secret) != (CLIENT_ID, CLIENT_SECRET):
            error = {"error": "invalid_client", "error_description": "Invalid client secret"}
            return client, JSONResponse(error, 400)
        if b"grant_type=client_credentials" not in body:
            return client, JSONResponse({"error": "unsupported_grant_type", "error_description": ""}, 400)
        token = secrets.token_urlsafe(32)
        self.tokens[token] = client, time.monotonic() + self.token_seconds
        return client, JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": self.token_seconds})

    def _admit(self, request: Request, seen: Seen) -> None:
        """Check token, pace and tier, in this order."""
        if seen.service == "spotify":
            token = request.headers.get("Authorization", "").removeprefix("Bearer ")
            client, dies_at = self.tokens.get(token, (None, 0.0))
            if client is None:
                raise Failure(401, "Invalid access token")
            if time.monotonic() >= dies_at:
                raise Failure(401, "The access token expired")
            seen.client = client
        if self.requests_per_window is not None:
            granted = self._granted.setdefault(seen.client or seen.service, [])
            granted[:] = [moment for moment in granted if moment > seen.arrived - self.window_seconds]
            if len(granted) >= self.requests_per_window:
                seconds = math.ceil(granted[0] + self.window_seconds - seen.arrived)
                raise Failure(429, "API rate limit exceeded", {"Retry-After": str(max(seconds, 1))})
            granted.append(seen.arrived)
        if seen.service == "spotify" and seen.endpoint in self.tier.closed:
            raise Failure(403, None)

    # Spotify's Web API

    def _search(self, request: Request) -> str:
        kind = request.query_params.get("type", "")
        if kind not in ("artist", "track"):
            raise Failure(400, "Bad search type field")
        limit = _whole(request, "limit", self.tier.default_page, 1, self.tier.page)
        offset = _whole(request, "offset", 0, 0, MOST_HITS - 1)
        if offset + limit > MOST_HITS:
            raise Failure(400, "Invalid offset")
        found = _GENRE.fullmatch(request.query_params.get("q", ""))
        if found is None:
            raise Failure(400, "No search query")
        ids = self._found(kind, found[1])[:MOST_HITS]
        text = self._artist_text if kind == "artist" else self._track_text
        following = request.url.include_query_params(offset=offset + limit, limit=limit)
        page = {
            "href": str(request.url),
            "limit": limit,
            "next": str(following) if offset + limit < len(ids) else None,
            "offset": offset,
            "previous": None,
            "total": len(ids),
        }
        items = ",".join(text(key) for key in ids[offset : offset + limit])
        return f'{{"{kind}s":{{"items":[{items}],{json.dumps(page)[1:]}}}'

    def _found(self, kind: str, genre: str) -> list[str]:
        hits = self._hits(genre)
        if kind == "artist":
            return [*self._grown.get(genre.lower(), []), *hits]
        return list(dict.fromkeys(track for artist in hits for track in self.catalogue.top_tracks.get(artist, [])))

    def _hits(self, genre: str) -> list[str]:
        return next((hits for name, hits in self.catalogue.hits.items() if name.lower() == genre.lower()), [])

    def _grow(self, request: Request) -> None:
        """Put the genre's own last artist at its head, so that every later page begins one artist earlier."""
        found = _GENRE.fullmatch(request.query_params.get("q", ""))
        if found:
            self._grown.setdefault(found[1].lower(), []).insert(0, self._hits(found[1])[-1])

    def _top_tracks(self, request: Request) -> str:
        artist_id = request.path_params["id"]
        if artist_id not in self.catalogue.artists:
            raise Failure(404, "Resource not found")
        return _array("tracks", [self._track_text(key) for key in self.catalogue.top_tracks.get(artist_id, [])])

    def _artist(self, request: Request) -> str:
        return self._one(request, self.catalogue.artists, self._artist_text)

    def _track(self, request: Request) -> str:
        return self._one(request, self.catalogue.tracks, self._track_text)

    def _artists(self, request: Request) -> str:
        known = self.catalogue.artists
        return _array("artists", [self._artist_text(key) if key in known else "null" for key in _ids(request, 50)])

    def _tracks(self, request: Request) -> str:
        return _array("tracks", [self._whole_track(key) for key in _ids(request, 50)])

    def _audio_features(self, request: Request) -> str:
        features = self.catalogue.audio_features
        return _array("audio_features", [_json(features.get(key)) for key in _ids(request, 100)])

    def _one(self, request: Request, known: Mapping[str, Any], text: Callable[[str], str]) -> str:
        if request.path_params["id"] not in known:
            raise Failure(404, "Resource not found")
        return text(request.path_params["id"])

    def _artist_text(self, artist_id: str) -> str:
        artist = dict(self.catalogue.artists[artist_id])
        if not self.tier.has_popularity:
            artist.pop("popularity", None)
            artist.pop("followers", None)
        return _json(artist)

    def _track_text(self, track_id: str) -> str:
        track = dict(self.catalogue.tracks[track_id])
        if not self.tier.has_popularity:
            track.pop("popularity", None)
        return _json(track)

    def _whole_track(self, track_id: str) -> str:
        if track_id not in self.catalogue.tracks:
            return "null"
        return _json(dict(self.catalogue.tracks[track_id]) | {"popularity": self._popularity(track_id)})

    def _popularity(self, track_id: str) -> int | None:
        """A track's popularity; where its document says null, its first artist's; where it says nothing, unknown."""
        track = self.catalogue.tracks[track_id]
        if track.get("popularity", 0) is None and track.get("artists"):
            artist = self.catalogue.artists.get(track["artists"][0].get("id"), {})
            return artist.get("popularity")
        return track.get("popularity")

    # ReccoBeats

    def _recco_features(self, request: Request) -> str:
        absent = ("duration_ms", "time_signature", "type", "uri", "track_href", "analysis_url", "id")
        content = []
        for track_id in self._recco_known(request):
            features = self.catalogue.audio_features.get(track_id)
            if features is not None:
                kept = {name: value for name, value in features.items() if name not in absent}
                content.append(_recco_head(track_id) | kept)
        return _json({"content": content})

    def _recco_tracks(self, request: Request) -> str:
        content = []
        for track_id in self._recco_known(request):
            track = self.catalogue.tracks[track_id]
            popularity = self._popularity(track_id)
            content.append(
                _recco_head(track_id)
                | {"trackTitle": track.get("name"), "durationMs": track.get("duration_ms"), "popularity": popularity}
            )
        return _json({"content": content})

    def _recco_known(self, request: Request) -> list[str]:
        """The tracks of a request that ReccoBeats knows, in an order of its own."""
        known = [
            track_id
            for track_id in _ids(request, 40)
            if track_id in self.catalogue.tracks and _share(track_id) < self.reccobeats_coverage
        ]
        return sorted(known, key=_share)


def _share(track_id: str) -> float:
    """A number from 0 to 1 that looks drawn at random, always the same for one track."""
    return zlib.crc32(track_id.encode()) / 2**32


def _recco_head(track_id: str) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, track_id)),
        "href": f"https://open.spotify.invalid/track/{track_id}",
        "synthetic": True,
    }


def _json(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False)


def _array(name: str, texts: Sequence[str]) -> str:
    return f'{{"{name}":[{",".join(texts)}]}}'


def _ids(request: Request, most: int) -> list[str]:
    ids = [key for key in request.query_params.get("ids", "").split(",") if key]
    if not ids:
        raise Failure(400, "Missing required parameter: ids")
    if len(ids) > most:
        raise Failure(400, "Too many ids requested")
    if not all(re.fullmatch(r"[0-9A-Za-z]+", key) for key in ids):
        raise Failure(400, "Invalid base62 id")
    return ids


def _whole(request: Request, name: str, default: int, least: int, most: int) -> int:
    text = request.query_params.get(name, str(default))
    if not text.isdecimal() or not least <= int(text) <= most:
        raise Failure(400, f"Invalid {name}")
    return int(text)


def _basic_credentials(header: str) -> tuple[str | None, str | None]:
    try:
        client, _, secret = base64.b64decode(header.removeprefix("Basic "), validate=True).decode().partition(":")
    except ValueError:
        return None, None
    return client, secret


@contextmanager
def serve(
    catalogue: Catalogue,
    *,
    tier: str = "extended",
    requests_per_window: int | None = None,
    faults: Sequence[Fault] = (),
    port: int = 0,
    **options: Any,
) -> Iterator[SandboxServer]:
    """Serve a catalogue from a thread, on 127.0.0.1 and a free port (or `port`), until the block is left.

    `requests_per_window` None sets no rate limit; `options` are `SandboxServer`'s.
    """
    with socket.create_server(("127.0.0.1", port)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        sandbox = SandboxServer(
            catalogue, tier=tier, requests_per_window=requests_per_window, faults=faults, address=address, **options
        )
        server = uvicorn.Server(_config(sandbox))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="sandbox", daemon=True)
        thread.start()
        try:
            yield sandbox
        finally:
            server.should_exit = server.force_exit = True
            thread.join()


def run_server(
    catalogue: Catalogue,
    *,
    host: str = "127.0.0.1",
    port: int = 8750,
    tier: str = "extended",
    requests_per_window: int | None = 150,
    faults: Sequence[Fault] = (),
    announce: Callable[[SandboxServer], None] | None = None,
) -> None:
    """Serve a catalogue until interrupted; `announce` is called once it answers. Raises `ValueError` or `OSError`."""
    if host not in _LOOPBACK:
        raise ValueError(f"The sandbox listens on this machine only: {host!r} is not one of {', '.join(_LOOPBACK)}.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listener:
        shown = f"[{host}]" if ":" in host else host
        sandbox = SandboxServer(
            catalogue, tier=tier, requests_per_window=requests_per_window, faults=faults,
            address=f"http://{shown}:{listener.getsockname()[1]}",
        )  # fmt: skip
        if announce:
            announce(sandbox)
        with suppress(KeyboardInterrupt):
            uvicorn.Server(_config(sandbox)).run(sockets=[listener])


def _config(sandbox: SandboxServer) -> uvicorn.Config:
    # No log: a broken connection on demand is not an error of ours.
    return uvicorn.Config(sandbox.app(), log_level="critical", access_log=False, lifespan="off", ws="none")
