"""Fetching published dumps, from a server on 127.0.0.1 in place of the publisher's."""

import hashlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from extract.fetch import PUBLISHED_DUMPS, FetchError, PublishedDump, fetch

CONTENT = b"a,b\n" + b"1,2\n" * 200_000


class Publisher(ThreadingHTTPServer):
    """Serves CONTENT at every path but /broken (half of it, then the connection closes) and /404."""

    daemon_threads = True

    def __init__(self) -> None:
        self.requests = 0
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Publisher

    def do_GET(self) -> None:  # noqa: N802 - http.server's name
        self.server.requests += 1
        self.send_response(404 if self.path.startswith("/404") else 200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: len(CONTENT) // 2] if self.path.startswith("/broken") else CONTENT)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Publisher() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def dump(publisher: Publisher) -> PublishedDump:
    address = f"http://127.0.0.1:{publisher.server_port}/songs.csv"
    return PublishedDump("songs", address, len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), "CC0")


def test_a_good_file_is_downloaded_once(publisher: Publisher, dump: PublishedDump, tmp_path: Path) -> None:
    """Guards against a download a run, and against a bar that ends before the file does."""
    steps: list[tuple[str, int, int | None]] = []
    path = fetch(dump, tmp_path, progress=lambda *step: steps.append(step))
    assert path == tmp_path / "songs" / "songs.csv"
    assert path.read_bytes() == CONTENT
    assert steps[0] == ("downloading songs", 0, 800_004)
    assert steps[-1] == ("downloading songs", 800_004, 800_004)
    assert fetch(dump, tmp_path) == path
    assert publisher.requests == 1


def test_a_spoilt_file_in_the_cache_is_downloaded_anew(dump: PublishedDump, tmp_path: Path) -> None:
    """Guards against a cache that is believed without a look."""
    path = fetch(dump, tmp_path)
    path.write_bytes(b"spoilt")
    assert fetch(dump, tmp_path).read_bytes() == CONTENT


def test_a_wrong_hash_names_both_and_keeps_nothing(dump: PublishedDump, tmp_path: Path) -> None:
    """Guards against a changed or forged file that is imported."""
    with pytest.raises(
        FetchError, match=f"expected sha256:{'0' * 64} but got {dump.sha256}.*in a browser.*make run INPUT="
    ):
        fetch(replace(dump, sha256="0" * 64), tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_broken_transfer_says_how_far_it_came(publisher: Publisher, dump: PublishedDump, tmp_path: Path) -> None:
    """Guards against half a file in the cache."""
    address = f"http://127.0.0.1:{publisher.server_port}/broken/songs.csv"
    with pytest.raises(FetchError, match=r"broke off after [\d,]+ of 800,004 bytes; nothing was kept.*Try again"):
        fetch(replace(dump, address=address), tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_answer_of_404_is_told(publisher: Publisher, dump: PublishedDump, tmp_path: Path) -> None:
    """Guards against an error page taken for a dump."""
    address = f"http://127.0.0.1:{publisher.server_port}/404/songs.csv"
    with pytest.raises(FetchError, match=r"404.*in a browser"):
        fetch(replace(dump, address=address), tmp_path)


def test_without_a_network_the_way_by_hand_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against a traceback for someone on a train; what was fetched before still serves."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    dump = PublishedDump("songs", f"http://127.0.0.1:{port}/songs.csv", 4, hashlib.sha256(b"a,b\n").hexdigest(), "CC0")
    with pytest.raises(FetchError, match=r"could not be reached.*browser, and then: make run INPUT=path/to/songs.csv"):
        fetch(dump, tmp_path)
    (tmp_path / "songs" / "songs.csv").write_bytes(b"a,b\n")
    assert fetch(dump, tmp_path) == tmp_path / "songs" / "songs.csv"


def test_an_unknown_name_lists_the_known_ones() -> None:
    """Guards against guessing."""
    with pytest.raises(FetchError, match="no published dump 'tidytusday'. There are: tidytuesday"):
        fetch("tidytusday")


def test_a_cache_that_cannot_be_written_is_named(dump: PublishedDump, tmp_path: Path) -> None:
    """Guards against a traceback for a folder of the wrong kind or owner."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FetchError, match="SONG_GENRES_CACHE"):
        fetch(dump, tmp_path / "file")


def test_the_cache_is_where_the_environment_says(
    dump: PublishedDump, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a variable that is documented but not read."""
    monkeypatch.setenv("SONG_GENRES_CACHE", str(tmp_path / "elsewhere"))
    assert fetch(dump) == tmp_path / "elsewhere" / "songs" / "songs.csv"


def test_the_table_names_the_real_file(tidytuesday: Path) -> None:
    """Guards against a mistyped size or hash, which no test here could download to find."""
    content = tidytuesday.read_bytes()
    dump = PUBLISHED_DUMPS["tidytuesday"]
    assert (dump.size, dump.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert dump.file_name == "spotify_songs.csv"
