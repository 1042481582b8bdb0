"""Fetching published dumps, from a server on 127.0.0.1 in place of the publisher's."""

import hashlib
import socket
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from extract.fetch import PUBLISHED_DUMPS, FetchError, PublishedDump, fetch
from extract.song_files import ReadingOptions
from extract.sources import extract
from tests.extract.fma_archive import fma_archive

CONTENT = b"a,b\n" + b"1,2\n" * 200_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Publisher(ThreadingHTTPServer):
    """Serves CONTENT from where it is asked to at every path but /404; below /whole, always from the beginning.

    `breaks` is after how many bytes the connection closes; `asked` are the ranges that were asked for.
    """

    daemon_threads = True

    def __init__(self) -> None:
        self.requests = 0
        self.content = CONTENT
        self.breaks: int | None = None
        self.asked: list[str | None] = []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Publisher

    def do_GET(self) -> None:  # noqa: N802 - http.server's name
        self.server.requests += 1
        wanted = self.headers["Range"]
        self.server.asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and "/whole" not in self.path else 0
        content = self.server.content[start:]
        self.send_response(404 if self.path.startswith("/404") else 206 if start else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: self.server.breaks])

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
    return PublishedDump("songs", address, len(CONTENT), f"sha256:{SHA256}", "CC0")


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
    with pytest.raises(FetchError, match=f"expected sha256:{'0' * 64} but got {SHA256}.*in a browser.*make run INPUT="):
        fetch(replace(dump, known_hash=f"sha256:{'0' * 64}"), tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_broken_transfer_goes_on_where_it_broke(publisher: Publisher, dump: PublishedDump, tmp_path: Path) -> None:
    """Guards against half a file in the cache, and against 342 MiB that begin anew each time."""
    publisher.breaks = 300_000
    with pytest.raises(FetchError, match=r"broke off after 262,144 of 800,004 bytes.*it goes on there"):
        fetch(dump, tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["songs.csv.part"]
    with pytest.raises(FetchError, match=r"broke off after 524,288 of"):
        fetch(dump, tmp_path)
    publisher.breaks = None
    steps: list[tuple[str, int, int | None]] = []
    path = fetch(dump, tmp_path, progress=lambda *step: steps.append(step))
    assert path.read_bytes() == CONTENT
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["songs.csv"]
    assert publisher.asked == [None, "bytes=262144-", "bytes=524288-"]
    assert (steps[0][1], steps[-1][1]) == (524_288, 800_004)


@pytest.mark.parametrize("part", [CONTENT[:300_000], CONTENT, CONTENT + b"more"])
def test_a_part_is_no_obstacle_to_a_server_that_cannot_go_on(
    part: bytes, publisher: Publisher, dump: PublishedDump, tmp_path: Path
) -> None:
    """Guards against a whole file behind the part of one, and against a request that no server can answer."""
    (tmp_path / "songs").mkdir()
    (tmp_path / "songs" / "songs.csv.part").write_bytes(part)
    address = f"http://127.0.0.1:{publisher.server_port}/whole/songs.csv"
    assert fetch(replace(dump, address=address), tmp_path).read_bytes() == CONTENT


def test_a_part_of_another_file_is_given_up(dump: PublishedDump, tmp_path: Path) -> None:
    """Guards against a part that spoils every download after it."""
    (tmp_path / "songs").mkdir()
    (tmp_path / "songs" / "songs.csv.part").write_bytes(b"x" * 1000)
    with pytest.raises(FetchError, match=r"is not the file that was published.*Try again"):
        fetch(dump, tmp_path)
    assert fetch(dump, tmp_path).read_bytes() == CONTENT


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
    digest = hashlib.sha256(b"a,b\n").hexdigest()
    dump = PublishedDump("songs", f"http://127.0.0.1:{port}/songs.csv", 4, f"sha256:{digest}", "CC0")
    with pytest.raises(FetchError, match=r"could not be reached.*browser, and then: make run INPUT=path/to/songs.csv"):
        fetch(dump, tmp_path)
    (tmp_path / "songs" / "songs.csv").write_bytes(b"a,b\n")
    assert fetch(dump, tmp_path) == tmp_path / "songs" / "songs.csv"


def test_an_unknown_name_lists_the_known_ones() -> None:
    """Guards against guessing."""
    with pytest.raises(FetchError, match="no published dump 'tidytusday'. There are: tidytuesday, fma"):
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
    assert (dump.size, dump.known_hash) == (len(content), f"sha256:{hashlib.sha256(content).hexdigest()}")
    assert dump.file_name == "spotify_songs.csv"


def test_fma_is_fetched_and_imported_by_its_name(
    publisher: Publisher, tmp_path: Path, warehouse_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a name that make run INPUT= and song-genres fetch do not know, and a transfer that ends a run."""
    path = fma_archive(tmp_path / "made.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("fma_metadata/features.csv", "0" * 400_000)  # which is not read
    publisher.content = path.read_bytes()
    known_hash = f"sha1:{hashlib.sha1(publisher.content).hexdigest()}"
    assert PUBLISHED_DUMPS["fma"].known_hash == "sha1:f0df49ffe5f2a6008d7dc83c6915b31835dfe733"
    address = f"http://127.0.0.1:{publisher.server_port}/fma/fma_metadata.zip"
    small = replace(PUBLISHED_DUMPS["fma"], address=address, known_hash=known_hash, size=len(publisher.content))
    monkeypatch.setitem(PUBLISHED_DUMPS, "fma", small)
    monkeypatch.setenv("SONG_GENRES_CACHE", str(tmp_path / "cache"))
    publisher.breaks = 300_000
    with pytest.raises(FetchError, match="it goes on there.*make run INPUT=path/to/fma_metadata.zip"):
        extract("fma", warehouse_file)
    publisher.breaks = None
    extraction = extract("fma", warehouse_file)
    assert (extraction.dataset.name, extraction.dataset.source) == ("fma", "dump:fma_metadata.zip")
    assert (extraction.rows["tracks"], extraction.rows["genre_tree"]) == (5, 4)
    assert extraction.imported is not None
    assert extraction.imported.layout == "FMA"
    assert "landed before" in extract("fma", warehouse_file).note
    by_all = extract("fma", warehouse_file, reading=ReadingOptions(all_genres=True))
    assert (by_all.dataset.name, by_all.rows["tracks"]) == ("fma-all-genres", 9)
    assert publisher.asked == [None, "bytes=262144-"]
