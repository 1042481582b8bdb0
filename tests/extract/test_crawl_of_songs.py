"""The audio features of listed songs: who is asked, how often, and how a crawl goes on."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from extract.sandbox.faults import Fault
from extract.sandbox.server import SandboxServer, serve
from extract.settings import CrawlOptions
from extract.sources import extract, extract_songs
from tests.extract.crawl_fixtures import catalogue
from warehouse import files, raw
from warehouse.raw import Dataset

UNKNOWN = "9" * 22


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxServer]:
    """ReccoBeats, which knows seven tracks of ten; no credentials for Spotify."""
    for name in ("SPOTIFY_CLIENT_ID", "SPOTIFY_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    with serve(catalogue(), reccobeats_coverage=0.7) as server:
        monkeypatch.setenv("RECCOBEATS_ADDRESS", server.settings().reccobeats_address)
        yield server


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    """A list of every track of the catalogue, and one that nobody knows."""
    path = tmp_path / "mine.txt"
    path.write_text("\n".join([*catalogue().tracks, UNKNOWN]) + "\n")
    return path


def features(warehouse_file: Path) -> list[tuple[Any, ...]]:
    """Which tracks have audio features, or are known to have none, by whose word."""
    with duckdb.connect(str(warehouse_file), read_only=True) as connection:
        return connection.execute(
            "select track_id, source, payload is not null from raw.audio_features order by all"
        ).fetchall()


def test_reccobeats_is_asked_forty_at_a_time_and_once(
    sandbox: SandboxServer, songs: Path, warehouse_file: Path
) -> None:
    """Guards against a request for each song, and against asking again for what nobody has."""
    extraction = extract_songs(songs, warehouse_file)
    tracks = len(catalogue().tracks) + 1
    assert extraction.rows["tracks"] == extraction.rows["audio_features"] == tracks
    assert sandbox.count("audio-features", service="reccobeats") == sandbox.count() == -(-tracks // 40)
    assert 0 < sum(is_known for *_, is_known in features(warehouse_file)) < tracks
    asked = sandbox.count()
    assert extract("auto", warehouse_file).dataset == extraction.dataset
    assert extract_songs(songs, warehouse_file).rows == extraction.rows
    assert sandbox.count() == asked
    assert extraction.dataset.is_synthetic  # a server on this machine makes up how songs sound


@pytest.mark.usefixtures("sandbox")
def test_what_other_datasets_know_is_not_asked_for(songs: Path, warehouse_file: Path) -> None:
    """Guards against requests for features that are landed, and against made-up ones for real songs."""
    real, made_up, *_ = catalogue().tracks
    for name, track_id, is_synthetic in (("dump", real, False), ("made_up", made_up, True)):
        row = {"track_id": track_id, "listing_id": 1, "payload": '{"energy": 0.5}'}
        with files.connect(warehouse_file) as connection:
            tables = {table: raw.rows(table, [row]) for table in ("tracks", "audio_features")}
            raw.land(connection, Dataset(name, f"dump:{name}.csv", is_synthetic), tables)
    extraction = extract_songs(songs, warehouse_file)
    assert "Known here already, from other datasets: 1." in extraction.note
    with duckdb.connect(str(warehouse_file), read_only=True) as connection:
        known = connection.execute(
            "select track_id from raw.audio_features where dataset = 'mine' and source = 'dump:dump.csv'"
        ).fetchall()
    assert known == [(real,)]


def test_spotify_is_asked_about_the_rest_until_it_refuses(
    sandbox: SandboxServer, songs: Path, warehouse_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against songs without features that Spotify would have given, and against asking what it has closed."""
    for tier, closed in (("development", True), ("extended", False)):
        file = warehouse_file.with_name(f"{tier}.duckdb")
        with serve(catalogue(), tier=tier) as spotify:
            with_spotify(monkeypatch, spotify)
            monkeypatch.setenv("RECCOBEATS_ADDRESS", sandbox.settings().reccobeats_address)
            extract_songs(songs, file)
            known = {track_id for track_id, _, is_known in features(file) if is_known}
            there = {track_id for track_id, found in catalogue().audio_features.items() if found is not None}
            assert known < there if closed else known == there
            asked = spotify.count("audio-features")
            assert asked == 1 if closed else asked >= 1
            extract_songs(songs, file)
            assert spotify.count("audio-features") == asked


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """A year's history, which has no ids: five songs of the catalogue, one of nobody's, the last played most."""
    tracks = list(catalogue().tracks.values())[:5]
    names = [(track["artists"][0]["name"], track["name"]) for track in tracks] + [("Nobody", "Nothing")]
    plays = [
        {"endTime": f"2024-01-{day + 1:02} 10:00", "artistName": artist, "trackName": title, "msPlayed": 60_000}
        for number, (artist, title) in enumerate(names)
        for day in range(number + 1)
    ]
    path = tmp_path / "StreamingHistory_music_0.json"
    path.write_text(json.dumps(plays))
    return path


def with_spotify(monkeypatch: pytest.MonkeyPatch, spotify: SandboxServer) -> None:
    """Let the server stand in for Spotify and ReccoBeats."""
    settings = spotify.settings()
    monkeypatch.setenv("SPOTIFY_CLIENT_ID", settings.client_id)
    monkeypatch.setenv("SPOTIFY_CLIENT_SECRET", settings.client_secret)
    monkeypatch.setenv("SPOTIFY_ACCOUNTS_ADDRESS", settings.accounts_address)
    monkeypatch.setenv("SPOTIFY_API_ADDRESS", settings.api_address)
    monkeypatch.setenv("RECCOBEATS_ADDRESS", settings.reccobeats_address)


@pytest.mark.parametrize("tier", ["extended", "development"])
def test_songs_without_ids_are_looked_for_by_name(
    tier: str, history: Path, warehouse_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against searches that are made twice, in the order of the file, or for features already known."""
    with serve(catalogue(), tier=tier, reccobeats_coverage=1.0) as spotify:
        with_spotify(monkeypatch, spotify)
        suspended = extract_songs(history, warehouse_file, options=CrawlOptions(request_budget=4)).suspended
        assert suspended is not None
        searches = [seen.path for seen in spotify.seen if seen.endpoint == "search tracks"]
        assert "Nothing" in searches[0]  # which was played most
        extract_songs(history, warehouse_file)
        assert spotify.count("search tracks") == 6
        known = [is_known for *_, is_known in features(warehouse_file)]
        assert sum(known) == sum(catalogue().audio_features[key] is not None for key in list(catalogue().tracks)[:5])
        asked = spotify.count()
        extract_songs(history, warehouse_file)
        assert spotify.count() == asked
    other = warehouse_file.with_name("undisturbed.duckdb")
    with serve(catalogue(), tier=tier, reccobeats_coverage=1.0) as spotify:
        with_spotify(monkeypatch, spotify)
        extract_songs(history, other)
    assert features(warehouse_file) == features(other)


@pytest.mark.usefixtures("sandbox")
def test_songs_without_ids_are_known_by_name_from_other_datasets(history: Path, warehouse_file: Path) -> None:
    """Guards against searches for what is landed, and against silence where nothing can be looked for."""
    track = next(iter(catalogue().tracks.values()))
    rows = {
        "tracks": [{"track_id": "x" * 22, "listing_id": 1, "payload": json.dumps(track)}],
        "audio_features": [{"track_id": "x" * 22, "listing_id": 1, "payload": '{"energy": 0.5}'}],
    }
    with files.connect(warehouse_file) as connection:
        tables = {table: raw.rows(table, found) for table, found in rows.items()}
        raw.land(connection, Dataset("dump", "dump:dump.csv"), tables)
    extraction = extract_songs(history, warehouse_file)
    assert "Known here already, from other datasets: 1." in extraction.note
    assert "5 songs have no id" in extraction.note
    assert "SPOTIFY_CLIENT_ID" in extraction.note


@pytest.mark.parametrize(
    "fault", [Fault(status=500), Fault(status=404), Fault(status=200, body="<html>Log in to the network</html>")]
)
def test_what_is_there_can_be_shown_when_reccobeats_is_down(
    fault: Fault, sandbox: SandboxServer, songs: Path, warehouse_file: Path
) -> None:
    """Guards against a run that ends with nothing, and against songs that are never asked about again."""
    songs.write_text("".join(song + "\n" for song in list(catalogue().tracks)[:30]))
    sandbox.break_with(replace(fault, times=1_000))
    extraction = extract_songs(songs, warehouse_file, options=CrawlOptions(max_attempts=2, backoff_seconds=0))
    assert extraction.suspended is not None
    assert "ReccoBeats" in str(extraction.suspended)
    assert (extraction.dataset.name, extraction.rows["audio_features"]) == ("mine", 0)
    sandbox.mend()
    assert extract("auto", warehouse_file).rows["audio_features"] == 30


def test_a_day_has_a_budget_and_the_next_run_goes_on(sandbox: SandboxServer, songs: Path, warehouse_file: Path) -> None:
    """Guards against a pause of a day by Spotify, and against answers that are lost when the budget is spent."""
    suspended = extract_songs(songs, warehouse_file, options=CrawlOptions(per_day=1)).suspended
    assert suspended is not None
    assert "1 requests per day" in str(suspended)
    assert suspended.resume_at is not None
    assert (sandbox.count(), len(features(warehouse_file))) == (1, 40)
    assert extract_songs(songs, warehouse_file, options=CrawlOptions(per_day=1)).suspended
    assert sandbox.count() == 1
    extract_songs(songs, warehouse_file)
    other = warehouse_file.with_name("undisturbed.duckdb")
    extract_songs(songs, other)
    assert features(warehouse_file) == features(other)


@pytest.mark.usefixtures("sandbox")
def test_exportifys_file_of_empty_features_is_a_list_although_it_has_genres(
    tmp_path: Path, warehouse_file: Path
) -> None:
    """Guards against a file refused as a dump without features: Exportify has the columns, and nothing in them."""
    path = tmp_path / "liked.csv"
    first, second, *_ = catalogue().tracks
    path.write_text(
        "\ufeffTrack URI,Track Name,Artist Name(s),Added By,Added At,Genres,Danceability,Energy,Valence,Tempo\n"
        f'spotify:track:{first},One,"Ann;Bob",carol_l,2024-01-31T10:07:55Z,"pop,rock",,,,\n'
        f"spotify:track:{second},Two,Ann,carol_l,2024-01-31T10:07:55Z,pop,,,,\n"
    )
    extraction = extract(str(path), warehouse_file)
    assert (extraction.dataset.source, extraction.dataset.is_labelled) == ("songs:liked.csv", False)
    assert (extraction.rows["tracks"], extraction.rows["audio_features"]) == (2, 2)
