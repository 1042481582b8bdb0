"""The page over HTTP: search, songs, knobs, genres, the map; what is refused; and a publication between requests."""

import html
import re
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
import requests

from ml.model_file import Model, predict_probabilities
from tests.conftest import PATIENCE
from tests.web.conftest import drop, serving
from tests.web.published_copy import HOSTILE, make_copy, make_list_copy
from tests.web.test_dropped import songs_csv
from web import knobs
from web.published import Published
from web.songs import nearest


def get(address: str, path: str, **options: object) -> requests.Response:
    return requests.get(f"{address}{path}", timeout=PATIENCE, **options)  # type: ignore[arg-type]


def found(address: str, words: str) -> list[str]:
    songs = get(address, "/api/search", params={"q": words}).json()["songs"]
    return [song["song_name"] for song in songs]


@pytest.mark.parametrize("words", ["café éluard", "CAFE ELUARD", "eluard ambient", "Éluard"])
def test_a_song_is_found_in_any_case_and_accents(site: str, words: str) -> None:
    """Guards against a search that wants the title as it is spelled, or title and artist apart."""
    assert found(site, words) == ["Café Éluard"]


def test_the_songs_that_begin_with_the_words_come_first_then_the_popular(site: str) -> None:
    """Guards against a list in no order: the later songs of the made-up copy are the more popular."""
    songs = found(site, "song 9")
    assert songs[0] == "Song 95"
    assert [song.startswith("Song 9") for song in songs] == [True] * 7 + [False] * 13  # 9 and 90 to 95, then artists
    assert found(site, "g 9")[0] == "Song 95"
    assert found(site, "'; drop table x; --") == found(site, "%") == found(site, " ") == []
    assert len(found(site, "song")) == 20


def test_a_song_has_guesses_genres_features_and_neighbours(site: str) -> None:
    """Guards against a page that leaves out a part where the copy has it."""
    page = get(site, "/song/track0").text
    for heading in (
        "Café Éluard",
        "It sounds like",
        "It is listed under",
        "Its sound among songs of Ambient",
        "Nearest",
    ):
        assert heading in page
    assert page.count("<meter") == 4
    assert re.search(r"The model has (not )?learnt this", page)
    assert "Synthetic data." in page
    assert get(site, "/song/none").status_code == 404


def test_the_nearest_songs_are_by_others_unless_asked(copy: Path) -> None:
    """Guards against neighbours that are the artist's own songs, which says nothing."""
    snapshot = Published(copy).snapshot()
    sounds, _ = snapshot.sounds
    row, artist = snapshot.songs("select row, artist_name from memory.main.songs where spotify_track_id = 'track0'")[
        0
    ].values()
    artists = [song["artist_name"] for song in snapshot.songs("select artist_name from memory.main.songs order by row")]
    distances = ((sounds - sounds[row]) ** 2).sum(axis=1) ** 0.5
    order = [int(place) for place in distances.argsort(kind="stable") if place != row]
    ids = [song["spotify_track_id"] for song in snapshot.songs("select * from memory.main.songs order by row")]
    others = [place for place in order if artists[place] != artist]
    assert [song["spotify_track_id"] for song in nearest(snapshot, row)] == [ids[place] for place in others[:10]]
    theirs = nearest(snapshot, row, same_artist=True)
    assert [song["spotify_track_id"] for song in theirs] == [ids[place] for place in order[:10]]
    assert theirs[0]["distance"] == pytest.approx(float(distances[order[0]]), abs=1e-3)


def test_names_that_hold_script_are_text(site: str) -> None:
    """Guards against a title or genre that runs in the page, in HTML or in the JSON that scripts read."""
    for path in ("/song/track1", "/?q=script", "/map", "/knobs", "/genre/" + requests.utils.quote(HOSTILE, safe="")):
        page = get(site, path)
        assert page.status_code == 200, path
        assert "<script>document" not in page.text, path
        assert "</script><script>" not in page.text, path


def test_turning_a_knob_back_says_how_far_it_moved_the_first_genre(site: str) -> None:
    """Guards against a contribution of another sign or genre: it is the difference of two answers, asked here apart."""
    turned = get(site, "/api/predict", params={"loudness": -6, "energy": 0.9}).json()
    first = turned["genres"][0]
    assert {row["feature"] for row in turned["moved"]} == {"loudness", "energy"}
    without = get(site, "/api/predict", params={"energy": 0.9}).json()
    probability = {row["genre"]: row["probability"] for row in without["genres"]}[first["genre"]]
    change = next(row["change"] for row in turned["moved"] if row["feature"] == "loudness")
    assert change == pytest.approx(first["probability"] - probability)
    assert get(site, "/api/predict").json()["moved"] == []
    assert get(site, "/api/predict", params={"song": "track0"}).json()["moved"] == []


def test_a_model_that_reads_more_than_the_sound_says_what_it_was_told(copy_of_all_inputs: Path) -> None:
    """Guards against guesses from a year or a title that nobody sees, and against unknown ones that pass for known."""
    with duckdb.connect(str(copy_of_all_inputs), read_only=True) as connection:
        (year,) = connection.execute(
            "select release_year from marts.track_details where spotify_track_id = 'track3'"
        ).fetchone()  # type: ignore[misc]
    with serving(copy_of_all_inputs) as address:
        of_song = get(address, "/api/predict", params={"song": "track3"}).json()
        assert of_song["told"] == {"song_name": "Song 3", "release_year": year, "album_name": None}
        page = get(address, "/knobs", params={"song": "track3"}).text
        assert f"also reads the title (Song 3), the release year ({year}), the album (unknown here)." in page
        page = get(address, "/knobs").text
        assert "the title (unknown here), the release year (unknown here), the album (unknown here)." in page
        assert "Release year" not in page, "there is no knob for it"
        done = drop(address, "mine.csv", b"song_name,energy,loudness,valence\nSong 3,0.5,-8,0.4\n")
        assert "release_year, album_name" in get(address, done["page"].removeprefix(address)).text


def test_a_model_of_the_sound_is_told_nothing_else(site: str) -> None:
    """Guards against words on a title or a year that the model never sees."""
    assert get(site, "/api/predict", params={"song": "track3"}).json()["told"] == {}
    assert "also reads" not in get(site, "/knobs", params={"song": "track3"}).text


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "2", "much", ""])
def test_a_value_that_no_song_has_is_refused_in_a_sentence(site: str, value: str) -> None:
    """Guards against a traceback for an address that somebody typed."""
    for path in ("/api/predict", "/knobs"):
        answer = get(site, path, params={"energy": value})
        assert answer.status_code == 400
        assert "energy must be a number from 0 to 1." in answer.text


def test_a_genre_has_typical_songs_a_profile_and_what_it_is_taken_for(site: str) -> None:
    """Guards against a genre's page without its parts, and a genre that the map names but that cannot be opened."""
    page = get(site, "/genre/Jazz").text
    for heading in ("Typical songs", "Its sound", "What it is taken for", "Its held-out songs are taken for"):
        assert heading in page
    assert page.count('class="song"') == 10
    assert "/genre/Jazz" in get(site, "/map").text
    assert get(site, "/genre/jazz no").status_code == 404


def test_a_foreign_name_is_refused(site: str) -> None:
    """Guards against DNS rebinding: a page of elsewhere whose name leads here would read everything."""
    port = site.rpartition(":")[2]
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"):
        assert get(site, "/", headers={"Host": host}).status_code == 200
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "192.168.1.1", "[::1", ""):
        assert get(site, "/", headers={"Host": host}).status_code in (400, 403), host
    with serving(Path("none"), names=("localhost", "*")) as address:
        assert get(address, "/", headers={"Host": "192.168.1.1"}).status_code == 503
        assert get(address, "/", headers={"Host": "evil.example"}).status_code == 403


def test_another_site_may_not_send_anything(site: str) -> None:
    """Guards against a page of elsewhere that fills the disk, or removes what was found."""
    for headers in (
        {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://127.0.0.1:1"},
    ):  # fmt: skip
        assert requests.post(f"{site}/api/files", data=b"x", headers=headers, timeout=PATIENCE).status_code == 403
        assert requests.delete(f"{site}/api/files/x", headers=headers, timeout=PATIENCE).status_code == 403
    assert requests.delete(f"{site}/api/files/x", headers={"Origin": site}, timeout=PATIENCE).status_code == 204


def test_nothing_comes_from_elsewhere(site: str) -> None:
    """Guards against a page that asks the network for something, or that another page can frame."""
    for path in ("/", "/knobs", "/file", "/map", "/song/track0", "/genre/Jazz", "/none"):
        answer = get(site, path)
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        for address in re.findall(r'(?:src|href|action)="([^"]+)"', answer.text):
            assert address.startswith(("/", "#", "?", "data:,")) and not address.startswith("//"), address
    for path in ("/assets/../app.py", "/assets/%2e%2e%2fapp.py", "/assets/app.py"):
        assert get(site, path).status_code == 404


def test_without_a_copy_the_page_says_how_to_make_one(tmp_path: Path) -> None:
    """Guards against a server that does not start, or shows a traceback, on a fresh machine."""
    path = tmp_path / "song_genres.duckdb"
    with serving(path) as address:
        answer = get(address, "/")
        assert answer.status_code == 503
        assert "No songs are published yet" in answer.text and "<code>make run</code>" in answer.text
        assert str(tmp_path) not in answer.text
        assert get(address, "/api/search?q=x").json()["error"].startswith("No songs are published")
        path.write_bytes(b"no database")
        assert get(address, "/").status_code == 503
        path.unlink()
        duckdb.connect(str(path)).close()
        assert "has no tables of songs" in get(address, "/").text


def test_without_a_model_songs_are_shown_all_the_same(tmp_path: Path) -> None:
    """Guards against a page that needs a model where it shows none."""
    with serving(make_copy(tmp_path, with_model=False)) as address:
        assert "No guess" in get(address, "/song/track0").text
        assert "Nearest by sound" in get(address, "/song/track0").text
        for path in ("/", "/knobs", "/map", "/genre/Jazz", "/file"):
            assert get(address, path).status_code == 200, path
        assert get(address, "/api/predict").status_code == 503
        assert requests.post(f"{address}/api/files", data=b"x", timeout=PATIENCE).status_code == 503


def test_those_who_ask_at_once_get_each_their_own_answer(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against answers that are mixed up where they are computed together, and one computation for each."""
    snapshot, calls, first = Published(copy).snapshot(), list[int](), threading.Event()

    def slowly(model: Model, inputs: pd.DataFrame) -> np.ndarray:
        calls.append(len(inputs))
        assert first.wait(PATIENCE)
        return predict_probabilities(model, inputs)

    base = knobs.middle(snapshot)
    asked = [base | {"loudness": -2.0 * number} for number in range(1, 9)]
    alone = [knobs.hear(snapshot, values, base) for values in asked]
    monkeypatch.setattr("ml.model_file.predict_probabilities", slowly)
    with ThreadPoolExecutor(8) as threads:
        answers = [threads.submit(knobs.hear, snapshot, values, base) for values in asked]
        while not calls or sum(calls) // 2 + len(knobs._waiting) < 8:  # until all have asked
            pass
        first.set()
        assert [answer.result() for answer in answers] == alone
    assert sum(calls) == 16 and len(calls) <= 2


def test_a_song_and_its_knobs_have_the_set_that_holds_the_right_genre(copy: Path, site: str) -> None:
    """Guards against a set of another song, or one that the page leaves out."""
    snapshot = Published(copy).snapshot()
    (row,) = snapshot.rows("select genres from ml.genre_sets where spotify_track_id = 'track30'")
    words = html.unescape(re.search(r'<p id="set">(.*?)</p>', get(site, "/song/track30").text, re.DOTALL)[1])  # type: ignore[index]
    count = f"these {len(row['genres'])}" if len(row["genres"]) > 1 else "this one"
    assert words.strip() == f"Nine times in ten the right genre is among {count}: {', '.join(row['genres'])}."
    heard = get(site, "/api/predict", params={"song": "track30"}).json()
    assert heard["set"] == row["genres"]
    assert heard["set"] == [found["genre"] for found in heard["genres"]][: len(heard["set"])]
    assert "Nine times in ten" in get(site, "/knobs").text
    assert "on held-out songs its sets of genres hold the right one for" in get(site, "/").text
    assert "It is in the set of" in get(site, "/genre/Jazz").text


def test_a_copy_of_an_earlier_version_has_no_sets(own_copy: Path) -> None:
    """Guards against a page that breaks after an update, until the model is trained again."""
    with duckdb.connect(str(own_copy)) as connection:
        connection.execute("drop table ml.genre_sets; alter table ml.model_runs drop coverage")
        connection.execute("alter table ml.genre_scores drop coverage")
    with serving(own_copy) as address:
        for path in ("/song/track0", "/genre/Jazz", "/knobs", "/"):
            assert get(address, path).status_code == 200
        assert 'id="set"' not in get(address, "/song/track0").text


def test_an_unknown_feature_is_said_to_be_at_the_middle(own_copy: Path) -> None:
    """Guards against a knob that looks as if the song's value were known."""
    with duckdb.connect(str(own_copy)) as connection:
        connection.execute("update marts.clean_tracks set tempo = null, key = null where spotify_track_id = 'track0'")
    with serving(own_copy) as address:
        page = get(address, "/knobs", params={"song": "track0"}).text
        assert "Unknown of this song, so its knob begins at the middle of all songs: key, tempo." in page
        assert "Unknown of this song" not in get(address, "/knobs", params={"song": "track1"}).text
        assert "unknown" in get(address, "/song/track0").text


def test_a_feature_that_no_song_has_is_said_so(own_copy: Path) -> None:
    """Guards against a knob at zero that looks like the middle of all songs, as of a dump without time signatures."""
    with duckdb.connect(str(own_copy)) as connection:
        connection.execute("update marts.clean_tracks set tempo = null, key = 1 ")
    with serving(own_copy) as address:
        page = get(address, "/knobs", params={"song": "track0"}).text
        assert "Known of no song, so its knob says nothing: tempo." in page
        assert "Unknown of this song" not in page


def test_songs_without_genres_are_shown_with_those_that_anothers_model_names(tmp_path: Path) -> None:
    """Guards against a page that needs genres: links to genres that have no page, knobs without the lent model."""
    with serving(make_list_copy(tmp_path)) as address:
        assert "Among 72 songs." in get(address, "/").text
        assert found(address, "cafe") == ["Café Éluard"]
        song = get(address, "/song/track0").text
        assert "It is listed under no genre" in song and "has not learnt this one" in song
        assert song.count("<meter") == 3 and "Nine times in ten" in song
        assert "/genre/" not in song + get(address, "/knobs").text
        assert len(get(address, "/api/predict").json()["genres"]) == 3
        for path in ("/map", "/file", "/knobs?song=track0"):
            assert get(address, path).status_code == 200, path
        assert get(address, "/genre/Jazz").status_code == 404
        assert "1 song" in get(address, drop(address, "a.csv", songs_csv(["A"]))["page"].removeprefix(address)).text


def test_a_publication_is_taken_up_between_two_requests(own_copy: Path, tmp_path: Path) -> None:
    """Guards against an old copy that stays, though the file that was replaced is open still."""
    with serving(own_copy) as address:
        assert "/genre/Punk" in get(address, "/map").text
        assert found(address, "song 95") == ["Song 95"]
        (tmp_path / "new").mkdir()
        new = make_copy(tmp_path / "new", genres=["Ambient", "Jazz", "Zydeco"])
        new.replace(own_copy)
        page = get(address, "/map").text
        assert "/genre/Zydeco" in page and "/genre/Punk" not in page
        assert found(address, "song 95") == []
        assert {row["genre"] for row in get(address, "/api/predict").json()["genres"]} == {"Ambient", "Jazz", "Zydeco"}


def test_a_publication_within_a_request_is_not_seen_by_it(own_copy: Path, tmp_path: Path) -> None:
    """Guards against a page of which one half is of the old copy, and the other of the new."""
    published = Published(own_copy)
    held = published.snapshot()
    (tmp_path / "new").mkdir()
    make_copy(tmp_path / "new", genres=["Ambient", "Zydeco"]).replace(own_copy)
    later = published.snapshot()
    genres = "select distinct genre from marts.clean_tracks"
    assert "Punk" in {row["genre"] for row in held.rows(genres)}
    assert {row["genre"] for row in later.rows(genres)} == {"Ambient", "Zydeco"}
    assert set(held.model.genres) > {"Punk"} and set(later.model.genres) == {"Ambient", "Zydeco"}
    assert published.snapshot() is later


def test_many_who_ask_while_a_copy_is_opened_get_the_same_one(own_copy: Path) -> None:
    """Guards against a copy that is opened once for each who waits."""
    published, snapshots = Published(own_copy), list[object]()
    threads = [threading.Thread(target=lambda: snapshots.append(published.snapshot())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, snapshots))) == 1
    shutil.copy(own_copy, own_copy.with_suffix(".new"))
    own_copy.with_suffix(".new").replace(own_copy)
    assert published.snapshot() is not snapshots[0]
