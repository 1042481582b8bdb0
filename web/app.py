"""The server of the page: its addresses, who may ask, and how it is started and stopped.

Belongs here: HTTP. Not here: what a page shows (pages.py). It listens on loopback unless told otherwise. A web page
from elsewhere cannot use it: a Host that is a foreign name is refused (DNS rebinding), and so is anything but reading
with the Origin of another site.
"""

import ipaddress
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from warehouse.files import WarehouseError
from web.dropped import DropFolder, Refused
from web.published import Published, Snapshot

PORT = 8751
SCORER = (sys.executable, "-m", "orchestration.dropped")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Scripts come from this server alone. Plotly writes style attributes, so styles may stand in the page."""

ASSETS = {"report.css": "ml/templates", "report.js": "ml/templates", "app.js": "web/static", "app.css": "web/static"}
TYPES = {"css": "text/css", "js": "text/javascript"}


class Guard:
    """Refuses requests that a web page of elsewhere may have made, and gives each answer `HEADERS`."""

    def __init__(self, app: ASGIApp, names: frozenset[str]) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope["method"], Headers(scope=scope))
        answer: ASGIApp = PlainTextResponse(refusal, 403) if refusal else self._app
        await answer(scope, receive, send_with_headers)

    def _refusal(self, method: str, headers: Headers) -> str:
        host = headers.get("host", "")
        if not _is_own_name(host, self._names):
            return "This server does not answer under that name. Open the address that song-genres serve printed."
        if method in ("GET", "HEAD"):
            return ""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
        if (origin is not None and urlsplit(origin).netloc != host) or site != "same-origin":
            return "Another site may not send anything to this server."
        return ""


def _is_own_name(host: str, names: frozenset[str]) -> bool:
    """Whether `host` is one of the names, or an address in figures where we listen on all: no name can be rebound."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return "*" in names


Handler = Callable[[Request, Snapshot], Response]


class Site:
    """The pages over one published copy, with the folder for dropped files."""

    def __init__(self, published: Published, dropped: DropFolder) -> None:
        self._published = published
        self._dropped = dropped

    def routes(self) -> list[Route]:
        """All addresses."""
        return [
            Route("/", self._with_copy(self._search)),
            Route("/api/search", self._with_copy(self._found)),
            Route("/song/{track_id:path}", self._with_copy(self._song)),
            Route("/knobs", self._with_copy(self._knobs)),
            Route("/api/predict", self._with_copy(self._predict)),
            Route("/file", self._with_copy(self._file)),
            Route("/file/{token}", self._with_copy(self._file)),
            Route("/file/{token}/scored.csv", self._scored),
            Route("/api/files", self._take, methods=["POST"]),
            Route("/api/files/{token}", self._state),
            Route("/api/files/{token}", self._remove, methods=["DELETE"]),
            Route("/map", self._with_copy(self._map)),
            Route("/genre/{genre:path}", self._with_copy(self._genre)),
            Route("/assets/{name}", self._asset),
        ]

    def _with_copy(self, answer: Handler) -> Callable[[Request], Response]:
        """An endpoint that holds one copy from its beginning to its end; it runs in a thread."""

        def endpoint(request: Request) -> Response:
            from web.knobs import BadValue

            is_api = request.url.path.startswith("/api/")
            try:
                return answer(request, self._published.snapshot())
            except BadValue as error:
                return _told(is_api, 400, "This cannot be", str(error))
            except WarehouseError as error:
                words = str(error).replace(str(self._published.path.absolute()), self._published.path.name)
                return _told(is_api, 503, "Nothing to show yet", words, "make run")

        return endpoint

    def _search(self, request: Request, snapshot: Snapshot) -> Response:
        return HTMLResponse(_pages().search_page(snapshot, request.query_params.get("q", "")))

    def _found(self, request: Request, snapshot: Snapshot) -> Response:
        from web.songs import search

        return JSONResponse({"songs": search(snapshot, request.query_params.get("q", ""))})

    def _song(self, request: Request, snapshot: Snapshot) -> Response:
        same_artist = request.query_params.get("same_artist") == "1"
        page = _pages().song_page(snapshot, request.path_params["track_id"], same_artist=same_artist)
        return HTMLResponse(page) if page else _told(False, 404, "No such song", "No published song has this id.")

    def _knobs(self, request: Request, snapshot: Snapshot) -> Response:
        return HTMLResponse(_pages().knobs_page(snapshot, request.query_params))

    def _predict(self, request: Request, snapshot: Snapshot) -> Response:
        from ml.dataset import ModelError
        from web import knobs

        base, song = _pages().start_of(snapshot, request.query_params)
        values = knobs.read_values(request.query_params, base)
        try:
            return JSONResponse(knobs.hear(snapshot, values, base, song))
        except ModelError:
            return JSONResponse({"error": "No model is published with these songs. Train one: make run."}, 503)

    def _file(self, request: Request, snapshot: Snapshot) -> Response:
        token = request.path_params.get("token")
        file = self._dropped.find(token) if token else None
        if token and file is None:
            return _told(False, 404, "Gone", "What was dropped is removed after half an hour. Drop the file again.")
        return HTMLResponse(_pages().file_page(snapshot, file))

    def _map(self, _: Request, snapshot: Snapshot) -> Response:
        return HTMLResponse(_pages().map_page(snapshot))

    def _genre(self, request: Request, snapshot: Snapshot) -> Response:
        page = _pages().genre_page(snapshot, request.path_params["genre"])
        return HTMLResponse(page) if page else _told(False, 404, "No such genre", "No published song has this genre.")

    async def _take(self, request: Request) -> Response:
        try:
            snapshot = await run_in_threadpool(self._published.snapshot)
            if snapshot.model_path is None:
                raise Refused(503, snapshot.finding)
            length = request.headers.get("content-length", "")
            file = await self._dropped.take(
                unquote(request.query_params.get("name", "")), int(length) if length.isdigit() else None,
                request.stream(), snapshot.model_path.absolute(),
            )  # fmt: skip
        except Refused as error:
            return JSONResponse({"error": str(error)}, error.status)
        except WarehouseError:
            return JSONResponse({"error": "Nothing is published yet. Make it: make run."}, 503)
        except ClientDisconnect:  # who sent it has gone, and reads no answer
            return Response(status_code=400)
        return JSONResponse({"token": file.token, "page": f"/file/{file.token}"}, 202)

    async def _state(self, request: Request) -> Response:
        file = self._dropped.find(request.path_params["token"])
        if file is None:
            return JSONResponse({"error": "What was dropped has been removed."}, 404)
        return JSONResponse({"songs": file.songs, "is_done": file.result is not None})

    async def _remove(self, request: Request) -> Response:
        self._dropped.remove(request.path_params["token"])
        return Response(status_code=204)

    async def _scored(self, request: Request) -> Response:
        file = self._dropped.find(request.path_params["token"])
        if file is None or file.scored is None:
            return _told(False, 404, "Gone", "What was dropped is removed after half an hour. Drop the file again.")
        return FileResponse(file.scored, media_type="text/csv", filename="scored.csv")

    def _asset(self, request: Request) -> Response:
        found = _asset(request.path_params["name"])
        if found is None:
            raise HTTPException(404)
        return Response(found[0], media_type=found[1], headers={"Cache-Control": "no-cache"})


def _pages() -> Any:
    """The pages' module, imported when one is wanted: the server should listen at once."""
    from web import pages

    return pages


def _told(is_api: bool, status: int, title: str, words: str, command: str = "") -> Response:
    """An answer that is a sentence."""
    if is_api:
        return JSONResponse({"error": words}, status)
    page = _pages().render("message.html", None, title=title, words=words, command=command, place="")
    return HTMLResponse(page, status)


@cache
def _asset(name: str) -> tuple[bytes, str] | None:
    """What the pages load, and its media type."""
    if name == "plotly.min.js":
        from plotly.offline import get_plotlyjs

        return get_plotlyjs().encode(), TYPES["js"]
    if name == "theme.css":
        return _pages().theme_css().encode(), TYPES["css"]
    if name not in ASSETS:
        return None
    package, _, folder = ASSETS[name].partition("/")
    return resources.files(package).joinpath(folder, name).read_bytes(), TYPES[name.rpartition(".")[2]]


def make_app(
    published: Path, *, names: Sequence[str] = LOOPBACK, scorer: Sequence[str] = SCORER, **limits: Any
) -> Starlette:
    """The app over the published copy at `published`, which may come and go.

    It answers under `names`, and with "*" among them under any address in figures. `scorer` and `limits` are
    `DropFolder`'s.
    """
    dropped = DropFolder(scorer, **limits)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await dropped.close()

    site = Site(Published(published), dropped)
    return Starlette(
        routes=site.routes(), lifespan=lifespan, middleware=[Middleware(Guard, names=frozenset(map(str.lower, names)))]
    )


def run_server(
    published: Path, *, host: str = "127.0.0.1", port: int = PORT, opens_browser: bool = True,
    announce: Callable[[str], object] = print,
) -> None:  # fmt: skip
    """Serve until interrupted; `announce` is told the address once it can be opened. Raises `OSError`."""
    names = LOOPBACK if host in LOOPBACK else (*LOOPBACK, host, socket.gethostname(), "*")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listener:
        shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
        address = f"http://{shown}:{listener.getsockname()[1]}"
        announce(address)
        # A few songs at a time gain nothing by threads, which wait for each other busily where a file is scored beside.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        # What takes seconds to import is imported while the first page is on its way.
        threading.Thread(target=_pages, daemon=True).start()
        if opens_browser:
            threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()
        config = uvicorn.Config(
            make_app(published, names=names), log_level="warning", access_log=False, ws="none",
            timeout_graceful_shutdown=3,
        )  # fmt: skip
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])
