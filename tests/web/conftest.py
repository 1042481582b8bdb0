"""A small published copy with a model, and the page over it: uvicorn on a free port, as `song-genres serve` runs it."""

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import uvicorn

from tests.conftest import PATIENCE
from tests.web.published_copy import make_copy
from web.app import make_app


@contextmanager
def serving(published: Path, *, log_level: str = "critical", **options: Any) -> Iterator[str]:
    """The page over the copy at `published`; gives its address. `options` are `make_app`'s."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(make_app(published, **options), log_level=log_level, access_log=False, ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="session")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published copy of four genres, one of a hostile name; nobody writes it."""
    return make_copy(tmp_path_factory.mktemp("published"))


@pytest.fixture
def copy_of_all_inputs(tmp_path: Path) -> Path:
    """A published copy whose model reads title, release year and album beside the sound."""
    return make_copy(tmp_path, features="audio+title+year+album")


@pytest.fixture(scope="module")
def site(copy: Path) -> Iterator[str]:
    """The address of the page over that copy."""
    with serving(copy) as address:
        yield address


@pytest.fixture
def own_copy(copy: Path, tmp_path: Path) -> Path:
    """A copy of the copy, which a test may replace."""
    return Path(shutil.copy(copy, tmp_path / "song_genres.duckdb"))


def drop(address: str, name: str, content: bytes) -> dict[str, Any]:
    """Drop a file, and wait until it is scored; gives the answer, with `page` as an absolute address."""
    taken = requests.post(f"{address}/api/files", params={"name": name}, data=content, timeout=PATIENCE)
    answer: dict[str, Any] = taken.json()
    if taken.status_code != 202:
        return answer | {"status": taken.status_code}
    until = time.monotonic() + PATIENCE
    while not requests.get(f"{address}/api/files/{answer['token']}", timeout=PATIENCE).json()["is_done"]:
        assert time.monotonic() < until
        time.sleep(0.1)
    return answer | {"status": 202, "page": address + answer["page"]}
