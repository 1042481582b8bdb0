"""Files dropped on the page: read as the console reads them, bounded, and gone afterwards."""

import csv
import gzip
import html
import io
import socket
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest
import requests

from orchestration import dropped
from tests.conftest import PATIENCE
from tests.web.conftest import drop, serving
from web.dropped import AT_ONCE, PREFIX, plain_name

HEADER = "song_name,artist_name,danceability,energy,loudness,valence,tempo\n"


def songs_csv(titles: list[str], *, energy: str = "0.5") -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    for title in titles:
        writer.writerow([title, "Somebody", "0.5", energy, "-8", "0.4", "120"])
    return (HEADER + out.getvalue()).encode()


@pytest.fixture
def own_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which temporary files are made meanwhile."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_file_becomes_a_table_a_chart_and_a_download(copy: Path, own_tmp: Path) -> None:
    """Guards against a result without a part, and a file that stays after it was scored, or after the server."""
    with serving(copy) as address:
        done = drop(address, "mine.csv", songs_csv([f"Title {number}" for number in range(30)]))
        page = requests.get(done["page"], timeout=PATIENCE).text
        assert "<h1>mine.csv</h1>" in page and "30 songs" in page and "Title 29" in page and 'id="counts"' in page
        answer = requests.get(f"{done['page']}/scored.csv", timeout=PATIENCE)
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert [row["song_name"] for row in rows] == [f"Title {number}" for number in range(30)]
        assert all(float(row["probability_1"]) > 0 for row in rows)
        (folder,) = own_tmp.iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
        assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == ["result.json", "scored.csv"]
        requests.delete(f"{address}/api/files/{done['token']}", timeout=PATIENCE)
        assert requests.get(done["page"], timeout=PATIENCE).status_code == 404
        assert list(folder.iterdir()) == []
        drop(address, "again.csv", songs_csv(["A"]))
    assert list(own_tmp.iterdir()) == []


def test_what_a_killed_server_left_is_removed_by_the_next(copy: Path, own_tmp: Path) -> None:
    """Guards against dropped files that lie about for ever; another server's that runs, and others' folders, stay."""
    dead, others = own_tmp / f"{PREFIX}dead", own_tmp / "song-genres-mine"
    for folder in (dead, others):
        (folder / "token").mkdir(parents=True)
        (folder / "token" / "songs").write_bytes(b"x")
    (own_tmp / f"{PREFIX}link").symlink_to(others)
    with serving(copy) as one:
        done = drop(one, "mine.csv", songs_csv(["A"]))
        with serving(copy) as two:
            drop(two, "mine.csv", songs_csv(["A"]))
            assert not dead.exists()
            assert requests.get(done["page"], timeout=PATIENCE).status_code == 200
            assert (others / "token" / "songs").exists()
    assert sorted(path.name for path in own_tmp.iterdir()) == ["song-genres-mine", f"{PREFIX}link"]


def test_each_song_has_its_set(site: str) -> None:
    """Guards against a table and a download of which only one has the set."""
    done = drop(site, "mine.csv", songs_csv(["A", "B"]))
    row = next(csv.DictReader(io.StringIO(requests.get(f"{done['page']}/scored.csv", timeout=PATIENCE).text)))
    genres = row["genre_set"].split("; ")
    assert genres[0] == row["genre_1"].removeprefix("'") and len(genres) == int(row["genre_set_size"])
    page = html.unescape(requests.get(done["page"], timeout=PATIENCE).text)
    assert "nine times in ten among" in page and f"<td>{', '.join(genres)}</td>" in page


def test_what_cannot_be_used_is_told_with_its_row(site: str) -> None:
    """Guards against a value that is scored as something else, or a file whose fault nobody learns."""
    content = songs_csv(["A", "B", "C"]) + songs_csv(["D"], energy="7")[len(HEADER) :]
    page = requests.get(drop(site, "mine.csv", content)["page"], timeout=PATIENCE).text
    assert "1 of 4 songs have a value that cannot be used" in page
    assert "row 4, column energy" in page


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("list.csv", b"track\nA\nB\n", "list.csv is a list with one column, track"),
        ("few.csv", b"song_name,tempo\nA,120\n", "few.csv: it lacks audio features"),
        ("../../etc/passwd", b"\x00\x01\x02\x03" * 100, "passwd"),
        ("C:\\Users\\me\\songs.csv", b"song_name,tempo\nA,120\n", "songs.csv: it lacks"),
        ("empty.zip", b"PK\x05\x06" + b"\x00" * 18, "empty.zip"),
    ],
)
def test_a_file_that_is_no_table_of_songs_is_told_in_the_consoles_words(
    site: str, name: str, content: bytes, words: str
) -> None:
    """Guards against a traceback, other words than the console's, and a path of the user's or of ours in them."""
    page = requests.get(drop(site, name, content)["page"], timeout=PATIENCE).text
    assert "It cannot be used." in page and words in page
    assert "Users" not in page and "etc/" not in page and tempfile.gettempdir() not in page


def test_a_zip_is_read_and_a_bomb_is_not(site: str) -> None:
    """Guards against an archive that fills the disk: 600 MB of zeros in half a megabyte."""
    packed, bomb = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("songs.csv", songs_csv(["A", "B"]))
    assert "2 songs" in requests.get(drop(site, "songs.zip", packed.getvalue())["page"], timeout=PATIENCE).text
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("songs.csv", "w") as file:
        file.write(HEADER.encode())
        for _ in range(300):
            file.write(b"0" * (2 << 20))
    page = requests.get(drop(site, "bomb.zip", bomb.getvalue())["page"], timeout=PATIENCE).text
    assert "unpacks to more than 100 times its size" in page


def test_formulas_are_no_formulas_in_the_download(site: str) -> None:
    """Guards against a spreadsheet that runs what a title says; numbers stay numbers, and <script> is text."""
    titles = ["=1+1", "+1", "-cmd", "@SUM(A1)", "\tx", "\rx", "\n=1", "＝1+1", "plain = 1", "<script>alert(1)</script>"]
    done = drop(site, "hostile.csv", songs_csv(titles))
    rows = list(
        csv.DictReader(io.StringIO(requests.get(f"{done['page']}/scored.csv", timeout=PATIENCE).text, newline=""))
    )
    assert [row["song_name"] for row in rows[:4]] == ["'=1+1", "'+1", "'-cmd", "'@SUM(A1)"]
    assert [row["song_name"] for row in rows[8:]] == titles[8:]
    assert all(row["song_name"][0] not in "=+-@\t\r\n＝" for row in rows)
    assert "<script>alert" not in requests.get(done["page"], timeout=PATIENCE).text


def test_a_column_that_is_called_like_a_formula_is_escaped_too(site: str) -> None:
    """Guards against the header, which a spreadsheet computes as well."""
    content = songs_csv(["A"]).replace(b"artist_name", b"=HYPERLINK(1)")
    header = requests.get(f"{drop(site, 'a.csv', content)['page']}/scored.csv", timeout=PATIENCE).text.splitlines()[0]
    assert "'=HYPERLINK(1)" in header


def test_what_is_too_large_is_refused(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against an upload without an end, announced or not."""
    monkeypatch.setattr("web.dropped.MAXIMUM_BYTES", 1 << 20)
    whole = songs_csv(["A"]) + b"x" * (1 << 20)
    assert drop(site, "a.csv", whole)["status"] == 413
    parts = iter([whole[: 1 << 19], whole[1 << 19 :]])
    assert requests.post(f"{site}/api/files", data=parts, timeout=PATIENCE).status_code == 413
    assert drop(site, "a.csv", b"")["error"] == "The file is empty."


def test_an_upload_that_breaks_off_leaves_nothing(
    copy: Path, own_tmp: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Guards against a traceback in the console, a part of a file that stays, and a place that stays taken."""
    with serving(copy, log_level="error") as address:
        host, port = address.removeprefix("http://").split(":")
        for _ in range(AT_ONCE + 1):
            with socket.create_connection((host, int(port))) as connection:
                request = f"POST /api/files?name=a HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 9999\r\n\r\nabc"
                connection.sendall(request.encode())
                while not list(own_tmp.glob("*/*")):  # until the server has begun to store it
                    pass
            while list(own_tmp.glob("*/*")):  # until it has noticed
                pass
        assert drop(address, "a.csv", songs_csv(["A"]))["status"] == 202
    assert capsys.readouterr().err == ""


def test_a_third_file_waits_and_a_slow_one_is_stopped(copy: Path, own_tmp: Path) -> None:
    """Guards against files that take the machine: two at once, each for so many seconds."""
    sleeper = (sys.executable, "-c", "import time; time.sleep(10000)")
    with serving(copy, scorer=sleeper, score_seconds=2) as address:
        tokens = []
        for _ in range(2):
            tokens.append(requests.post(f"{address}/api/files", data=b"x", timeout=PATIENCE).json()["token"])
        third = requests.post(f"{address}/api/files", data=b"x", timeout=PATIENCE)
        assert third.status_code == 503 and "2 files are being read already" in third.json()["error"]
        for token in tokens:
            while not requests.get(f"{address}/api/files/{token}", timeout=PATIENCE).json()["is_done"]:
                pass
            assert "took longer than 2 s" in requests.get(f"{address}/file/{token}", timeout=PATIENCE).text
        assert not [path for path in own_tmp.rglob("*") if path.is_file()]


def test_a_file_of_too_many_songs_is_refused(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against a page that scores a million songs, which is the console's work."""
    monkeypatch.setattr(dropped, "ROWS", 3)
    monkeypatch.setattr(dropped.resource, "setrlimit", lambda *_: None)
    monkeypatch.setattr(dropped.os, "nice", lambda _: None)
    (tmp_path / "songs").write_bytes(gzip.compress(songs_csv(list("ABCD"))))
    (model,) = copy.parent.rglob("model.skops")
    assert dropped.main(tmp_path, model, "four.csv.gz") == 1
    assert "four.csv.gz has 4 songs, and the page takes 3 at most" in (tmp_path / "result.json").read_text()


@pytest.mark.parametrize(
    ("name", "shown"),
    [("a/b/c.csv", "c.csv"), ("C:\\x\\y.csv", "y.csv"), ("", "The file"), ("../..", ".."), ("a\x00\n\u202eb", "ab")],
)
def test_a_name_is_no_path(name: str, shown: str) -> None:
    """Guards against a name that leads elsewhere, or hides its end."""
    assert plain_name(name) == shown
