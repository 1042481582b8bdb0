"""The page under load: how long search and sliders take for 50 clients at once, without and with a file being scored.

The file has 100,000 songs. The server has the published copy that PUBLISHED_PATH names (`make run` first), as people
have it. Each client pauses for a second between two requests, as somebody does who types or turns a knob.
"""

import csv
import io
import os
import random
import re
import statistics
import subprocess
import threading
import time
from collections import defaultdict
from urllib.parse import urlencode

import requests
from rich.console import Console
from rich.table import Table

from tests.benchmarks.measuring import BIN, PeakOfTree, gib
from warehouse.features import AUDIO_FEATURES
from warehouse.files import connect, published_path

CLIENTS, PAUSE, SONGS = 50, 1.0, 100_000
SECONDS = float(os.environ.get("PAGE_SECONDS", "60"))


def main() -> None:
    """Start the server, put the load on it, and print the table."""
    console = Console()
    with connect(published_path(), read_only=True) as connection:
        titles = connection.execute("select song_name from marts.clean_tracks using sample 2000 rows").fetchall()
        words = [title.split()[0] for (title,) in titles if title]
        columns = ["song_name", "artist_name", *AUDIO_FEATURES]
        tracks = connection.execute(f"select {', '.join(columns)} from marts.clean_tracks limit {SONGS}").fetchall()
        (held,) = connection.execute("select count(*) from marts.clean_tracks").fetchone() or (0,)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows((tracks * (SONGS // len(tracks) + 1))[:SONGS])

    started = time.perf_counter()
    command = [str(BIN / "song-genres"), "serve", "--no-browser", "--port", "0"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "PUBLISHED_PATH": str(published_path().absolute())}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            with PeakOfTree(server.pid, pause=0.1) as peak:
                address = _address(server)
                requests.get(address, timeout=60).raise_for_status()
                first_page = time.perf_counter() - started
                requests.get(f"{address}/knobs", timeout=60).raise_for_status()
                idle = _load(address, words, None)
                busy = _load(address, words, text.getvalue().encode())
        finally:
            server.terminate()
    table = Table("load", "what", "requests", "errors", "median", "p95", "longest", title=f"{held:,} songs")
    for name, (taken, _) in (("50 clients", idle), ("50 clients, and a file", busy)):
        for kind, times in sorted(taken.items()):
            good = [seconds for seconds in times if seconds is not None]
            table.add_row(
                name, kind, f"{len(times):,}", str(len(times) - len(good)),
                *(f"{seconds * 1000:.0f} ms" for seconds in (statistics.median(good), _p95(good), max(good))),
            )  # fmt: skip
    console.print(table)
    console.print(f"first page {first_page:.1f} s after the start; at most {gib(peak.bytes)}; the file: {busy[1]}")


def _address(server: "subprocess.Popen[str]") -> str:
    assert server.stdout
    for line in server.stdout:
        if found := re.search(r"http://[\d.]+:\d+", line):
            return found[0]
    raise SystemExit("The server did not start.")


def _p95(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.95)]


def _load(address: str, words: list[str], file: bytes | None) -> tuple[dict[str, list[float | None]], str]:
    """Seconds of each request by kind, None where it failed; and what became of the file."""
    taken: dict[str, list[float | None]] = defaultdict(list)
    until = time.monotonic() + SECONDS
    clients = [
        threading.Thread(target=_client, args=(address, words, number, until, taken)) for number in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    said = "none"
    if file is not None:
        started = time.monotonic()
        token = requests.post(f"{address}/api/files", params={"name": "songs.csv"}, data=file, timeout=120).json()[
            "token"
        ]
        state = {"songs": 0, "is_done": False}
        while not state["is_done"] and time.monotonic() < until + 120:
            time.sleep(1)
            state = requests.get(f"{address}/api/files/{token}", timeout=60).json()
        said = f"{state['songs']:,} songs in {time.monotonic() - started:.0f} s"
    for client in clients:
        client.join()
    return dict(taken), said


def _client(address: str, words: list[str], number: int, until: float, taken: dict[str, list[float | None]]) -> None:
    rng, session = random.Random(number), requests.Session()
    time.sleep(rng.random() * PAUSE)
    while time.monotonic() < until:
        if rng.random() < 0.5:
            kind, path = "search", "/api/search?" + urlencode({"q": rng.choice(words)[: rng.randint(1, 8)]})
        else:
            knobs = {"energy": round(rng.random(), 3), "valence": round(rng.random(), 3), "tempo": rng.randint(60, 180)}
            kind, path = "sliders", "/api/predict?" + urlencode(knobs)
        started = time.perf_counter()
        try:
            answer = session.get(address + path, timeout=60)
            taken[kind].append(time.perf_counter() - started if answer.ok else None)
        except requests.RequestException:
            taken[kind].append(None)
        time.sleep(PAUSE)


if __name__ == "__main__":
    main()
