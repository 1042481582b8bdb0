"""A local stand-in for Spotify and ReccoBeats: serves a catalogue over HTTP, by the real services' rules.

Belongs here: addresses, tokens, tiers, the rate limit, and counts of what was asked. Not here: the text of the answers
(answers.py), what can go wrong (faults.py), what the catalogue holds (catalogue.py), and anything by which the
extractors could tell it from the real services.

On one port: `/api/token` (accounts), `/v1/…` (Spotify's Web API), `/reccobeats/v1/…`, and for the person who
runs the sandbox `/sandbox/counts` (GET) and `/sandbox/faults` (POST a fault as JSON, DELETE all). It listens on
loopback only.
"""

import asyncio
import base64
import json
import math
import secrets
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from extract.sandbox import SANDBOX
from extract.sandbox.answers import TIERS, Answers, Failure, json_response
from extract.sandbox.catalogue import Catalogue
from extract.sandbox.faults import Fault, Faults, read_fault
from extract.settings import Settings

CLIENT_ID = "sandbox"
CLIENT_SECRET = "sandbox-secret"

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass
class Seen:
    """One request that arrived: when (monotonic seconds), from which client, when and how it was answered.

    `status` is None where the client got no whole answer: it was cut off, came too late, or is still to come.
    """

    service: str
    endpoint: str
    path: str
    client: str | None
    arrived: float
    answered: float | None = None
    status: int | None = None


class _CutOff(Response):
    """Announces the whole body, sends half of it, and closes the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (ASGI's signature)
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": bytes(self.body[: len(self.body) // 2]), "more_body": True})


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
        self.address = address
        self.seen: list[Seen] = []
        self.faults = Faults()
        self.answers = Answers(catalogue, self.tier, reccobeats_coverage)
        self.tokens: dict[str, tuple[str | None, float]] = {}  # token: client, end of life
        self._granted: dict[str, list[float]] = {}  # client: arrivals that were let through
        self.faults.add(*faults)

    # For tests, and the person who runs it

    def settings(self, **changes: Any) -> Settings:
        """Settings for a crawl of this sandbox, with `changes`; the pace is not limited."""
        defaults: dict[str, Any] = {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "dataset": SANDBOX,
            "accounts_address": self.address,
            "api_address": f"{self.address}/v1",
            "reccobeats_address": f"{self.address}/reccobeats/v1",
            "requests_per_window": None,
        }
        return Settings(**{**defaults, **changes})

    def break_with(self, *faults: Fault) -> None:
        """Add faults; they count requests from now on. Where several apply to a request, the first does."""
        self.faults.add(*faults)

    def mend(self) -> None:
        """Take all faults away."""
        self.faults.clear()

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

        says = self.answers
        # spotipy writes `tracks/?ids=`: both spellings must be known, since a redirect would be one more request.
        return Starlette(
            routes=[
                route("/api/token", "accounts", "token", lambda _: ""),
                route("/v1/search", "spotify", "search", says.search),
                route("/v1/artists/{id}/top-tracks", "spotify", "top-tracks", says.top_tracks),
                *(route(f"/v1/artists{end}", "spotify", "artists", says.artists) for end in ("", "/")),
                route("/v1/artists/{id}", "spotify", "artist", says.artist),
                *(route(f"/v1/tracks{end}", "spotify", "tracks", says.tracks) for end in ("", "/")),
                route("/v1/tracks/{id}", "spotify", "track", says.track),
                *(
                    route(f"/v1/audio-features{end}", "spotify", "audio-features", says.audio_features)
                    for end in ("", "/")
                ),
                route("/reccobeats/v1/audio-features", "reccobeats", "audio-features", says.recco_features),
                route("/reccobeats/v1/track", "reccobeats", "track", says.recco_tracks),
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
        fault = self.faults.meet(service, endpoint)
        if fault.revoke_tokens:
            self.tokens.clear()
        if fault.delay:
            await asyncio.sleep(fault.delay)
        try:
            if fault.status is not None:
                body = fault.body
                if body is None:
                    body = json.dumps({"error": {"status": fault.status, "message": "Sandbox fault"}})
                response = json_response(body, fault.status, fault.headers)
            elif service == "accounts":
                seen.client, response = self._token(request, await request.body())
            else:
                self._admit(request, seen)
                text = answer(request)
                if fault.edit:
                    text = json.dumps(fault.edit(json.loads(text)))  # escaped: it may hold what UTF-8 cannot
                response = json_response(text, headers=fault.headers)
        except Failure as failure:
            response = failure.response
        if fault.grow:
            self.answers.grow(request)
        if fault.cut == "text":
            response = Response(bytes(response.body)[: len(response.body) // 2], response.status_code)
        elif fault.cut == "connection":
            response = _CutOff(bytes(response.body), response.status_code)
        seen.answered = time.monotonic()
        if fault.cut != "connection" and not await request.is_disconnected():
            seen.status = response.status_code
        return response

    async def _set_faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.mend()
            return JSONResponse({"faults": 0})
        try:
            self.break_with(read_fault(await request.body()))
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({"faults": len(self.faults)})

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
    certificate: tuple[Path, Path] | None = None,
    **options: Any,
) -> Iterator[SandboxServer]:
    """Serve a catalogue from a thread, on 127.0.0.1 and a free port (or `port`), until the block is left.

    `requests_per_window` None sets no rate limit. With `certificate`, the files of a certificate and of its key, it is
    served over HTTPS. `options` are `SandboxServer`'s.
    """
    with socket.create_server(("127.0.0.1", port)) as listener:
        address = f"{'https' if certificate else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
        sandbox = SandboxServer(
            catalogue, tier=tier, requests_per_window=requests_per_window, faults=faults, address=address, **options
        )
        server = uvicorn.Server(_config(sandbox, certificate))
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


def _config(sandbox: SandboxServer, certificate: tuple[Path, Path] | None = None) -> uvicorn.Config:
    chain, key = certificate or (None, None)
    # No log: a broken connection on demand is not an error of ours.
    return uvicorn.Config(
        sandbox.app(), log_level="critical", access_log=False, lifespan="off", ws="none",
        ssl_certfile=chain, ssl_keyfile=key,
    )  # fmt: skip
