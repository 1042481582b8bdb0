"""A listener's songs, without genres and without features: from the zip to the page, by another dataset's model."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from extract.sandbox.server import serve
from tests.end_to_end.workplace import Dbt, Workplace, catalogue, songs, write_songs

PRIVATE = ("203.0.113.7", "wanda_the_listener", "walkman_9", "T10:07", "10:07:55")


def history() -> list[dict[str, Any]]:
    """Plays of sixty songs of the sandbox, over three months."""
    return [
        {
            "ts": f"2023-0{month}-03T10:07:55Z", "ms_played": 61_000, "username": PRIVATE[1], "ip_addr": PRIVATE[0],
            "platform": PRIVATE[2], "master_metadata_track_name": track["name"],
            "master_metadata_album_artist_name": track["artists"][0]["name"],
            "spotify_track_uri": f"spotify:track:{track_id}",
        }
        for track_id, track in list(catalogue().tracks.items())[:60]
        for month in (1, 2, 3)
    ]  # fmt: skip


def test_a_zip_of_spotifys_becomes_a_page_by_the_model_of_another_dataset(
    dbt_in_process: Dbt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against lists that are learnt from, that lose songs, or that carry who listened into any file."""
    for name in ("SPOTIFY_CLIENT_ID", "SPOTIFY_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    place = Workplace(tmp_path / "place", dbt_in_process).entered(monkeypatch)
    dump = write_songs(place.folder / "first.csv", songs(["pop", "rock"]), tidytuesday=True)
    with zipfile.ZipFile(place.folder / "my_spotify_data.zip", "w") as archive:
        archive.writestr("Spotify Extended/Streaming_History_Audio_2023_1.json", json.dumps(history()))
        archive.writestr("Spotify Extended/Identity.json", json.dumps({"displayName": PRIVATE[1]}))
    before = (place.folder / "my_spotify_data.zip").read_bytes()
    place.run(str(dump))
    with serve(catalogue(), reccobeats_coverage=0.5) as sandbox:
        monkeypatch.setenv("RECCOBEATS_ADDRESS", sandbox.settings().reccobeats_address)
        place.run("my_spotify_data.zip")
        assert sandbox.count() == 2

    ((clean, rejected),) = place.read(
        "select (select count(*) from marts.clean_tracks), (select count(*) from marts.rejected_listings)"
    )
    assert clean + rejected == 60
    assert clean > 10
    assert place.read("select distinct genre from marts.clean_tracks") == [(None,)]
    assert place.read("select sum(plays), round(sum(minutes)) from marts.plays") == [(180, 183)]
    scored = "select distinct runs.dataset from ml.song_predictions inner join ml.model_runs as runs using (run_id)"
    assert place.read(scored) == [("first",)]
    assert place.read("select count(*) from ml.song_predictions where rank = 1") == [(clean,)]
    assert place.read("select count(*), any_value(dataset) from ml.genre_sets") == [(clean, "my_spotify_data")]
    assert place.read("select count(*) from ml.model_runs where dataset = 'my_spotify_data'") == [(0,)]

    page = (place.folder / "reports" / "library.html").read_text(encoding="utf-8")
    for told in (
        "Synthetic data.",
        f"{clean} of 60 songs",
        "from first",
        "Map of your songs",
        "No source has audio",
        "Nine times in ten",
    ):
        assert told in page, told
    assert (place.folder / "my_spotify_data.zip").read_bytes() == before
    for file in place.folder.rglob("*"):
        if file.is_file() and file.name != "my_spotify_data.zip":
            content = file.read_bytes()
            assert not [word for word in PRIVATE if word.encode() in content], file

    liked = [f"spotify:track:{track_id},One,Ann,1999-05-01,wanda,2024-01-31,pop,,,," for track_id in catalogue().tracks]
    header = (
        "Track URI,Track Name,Artist Name(s),Release Date,Added By,Added At,Genres,Danceability,Energy,Valence,Tempo"
    )
    (place.folder / "liked.csv").write_text("\n".join([header, *liked[:30]]) + "\n")
    with serve(catalogue()) as sandbox:
        monkeypatch.setenv("RECCOBEATS_ADDRESS", sandbox.settings().reccobeats_address)
        place.run("liked.csv")  # with dates and without genres
    page = (place.folder / "reports" / "library.html").read_text(encoding="utf-8")
    assert "the songs come without a listening history" in page

    place.run(str(dump))  # back again: the page was of other songs
    assert not (place.folder / "reports" / "library.html").exists()
    assert {genre for (genre,) in place.read("select distinct genre from marts.clean_tracks")} == {"pop", "rock"}
