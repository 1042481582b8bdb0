"""Every song file of ../shared/cases/EXPECTED.md, imported, cleaned and scored: what is right for each.

All of them hold the same invented songs, which `plain.csv` has in the study's layout: whatever the layout, the units
and the words, the values that are landed are those.
"""

import csv
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner, Result

from orchestration.cli import app
from warehouse import files
from warehouse.features import AUDIO_FEATURES, shares

MAKE_CASES = Path(__file__).parents[3] / "shared" / "cases" / "make_cases.py"
pytestmark = pytest.mark.skipif(not MAKE_CASES.exists(), reason="needs ../shared/cases/make_cases.py")

runner = CliRunner()
Songs = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cases")
    subprocess.run([sys.executable, str(MAKE_CASES), str(folder)], check=True)
    return folder


@pytest.fixture(scope="module")
def songs(cases: Path) -> Songs:
    """The songs by id, as text."""
    with (cases / "04-kaggle-zip" / "plain.csv").open(encoding="utf-8") as file:
        return {row["spotify_track_id"]: row for row in csv.DictReader(file)}


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WAREHOUSE_PATH", raising=False)


@dataclass(frozen=True)
class Case:
    """A file, and what is right for it.

    `listings` are landed, `clean` of them are clean tracks. `said` stands in what import, clean and predict say.
    `tolerance` is how far a value may be from the song's, where the file is rounded.
    """

    path: str
    listings: int = 40
    clean: int = 40
    said: tuple[str, ...] = ()
    tolerance: Mapping[str, float] = field(default_factory=dict)


GOOD = [
    Case("01-text-keys-excel-dates/features.csv"),
    Case("01-text-keys-excel-dates/features_sharp.csv"),
    Case("01-text-keys-excel-dates/features_excel.csv", said=("turned 4/4 into 4-Apr in 40 rows",)),
    Case("01-text-keys-excel-dates/only_excel_dates.csv", said=("turned 4/4 into 4-Apr in 40 rows",)),
    Case("01-text-keys-excel-dates/million_like.csv"),
    Case("02-exportify-classic/my_playlist.csv"),
    Case("03-exportify-uri-local/liked_songs.csv", clean=38),
    Case("04-kaggle-zip/archive.zip"),
    Case("04-kaggle-zip/dataset.csv.zip"),
    Case("04-kaggle-zip/dataset.csv"),
    Case("04-kaggle-zip/gzipped.csv"),
    Case("04-kaggle-zip/notgz.csv.gz"),
    Case("05-windows-1252/utf16.csv", said=("UTF-16",)),
    Case("06-decimal-commas/european.csv", said=("decimal commas",)),
    Case("06-decimal-commas/european_sep.csv", said=("decimal commas",)),
    Case("06-decimal-commas/semi_dot_sep.csv"),
    Case("07-python-list-artists/tracks_features_with_genre.csv", said=("read as lists",)),
    Case("08-units/percent.csv", said=("percents read as shares",), tolerance=dict.fromkeys(shares(), 0.00501)),
    Case("08-units/seconds.csv", said=("duration read as seconds: median",), tolerance={"duration_ms": 500}),
    Case("08-units/minutes.csv", said=("minutes and seconds",), tolerance={"duration_ms": 1000}),
    Case("09-json/songs.json"),
    Case("09-json/array_as_lines.jsonl"),
    Case("09-json/pretty.jsonl"),
    Case("09-json/api_tracks.jsonl"),
    Case("11-odd-csv/capitals.csv"),
    Case("11-odd-csv/space_after_comma.csv"),
    Case("11-odd-csv/mac_cr.csv"),
    Case("11-odd-csv/blank_first.csv"),
    Case("11-odd-csv/comment_first.csv"),
    Case("11-odd-csv/joined_with_cat.csv", said=("header",)),
    # Every eighth tempo and every sixteenth energy is missing, and every eighth duration is -1: 5 + 3 + 5 rows.
    Case("11-odd-csv/music_genre_like.csv", clean=27, said=("missing",), tolerance={"duration_ms": 1e9}),
    Case("20-ids-as-uris/mixed_ids.csv", listings=30, clean=10, said=("ids taken from URIs",)),
]


def run(*command: str) -> Result:
    result = runner.invoke(app, list(command))
    assert result.exit_code == 0, result.output
    return result


def landed() -> list[dict[str, Any]]:
    """The listings, each with its track document and audio features."""
    with files.connect(files.warehouse_path(), read_only=True) as connection:
        rows = connection.execute(
            """
            select genre, artist_name, tracks.payload, features.payload
            from raw.tracks left join raw.audio_features as features using (dataset, listing_id) order by listing_id
            """
        ).fetchall()
    return [
        {"genre": genre, "artist_name": artist, "track": json.loads(track)} | json.loads(features)
        for genre, artist, track, features in rows
    ]


def assert_values(found: Mapping[str, Any], song: Mapping[str, str], tolerance: Mapping[str, float]) -> None:
    """The values of a listing, or of a clean track, are the song's."""
    for name in AUDIO_FEATURES:
        if found[name] is not None and name in song:
            assert float(found[name]) == pytest.approx(float(song[name]), abs=tolerance.get(name, 1e-9)), name


def written(path: str) -> list[dict[str, Any]]:
    with duckdb.connect() as connection:
        table = connection.sql(f"from read_csv('{path}')").to_arrow_table()
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def words(result: Result) -> str:
    """What a command says, whatever the width of the screen."""
    return " ".join((result.output + result.stderr).split())


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.path)
def test_import(cases: Path, songs: Songs, case: Case) -> None:
    """Guards against songs that are refused, or landed with other values, for how their file writes them."""
    path = str(cases / case.path)
    looked = run("import", path, "--dry-run")
    assert not files.warehouse_path().exists()
    result = run("import", path)
    for said in case.said:
        assert said in words(result)
        assert said in words(looked)
    found = landed()
    assert len(found) == case.listings
    for listing in found:
        if listing["id"].startswith("spotify:local:"):
            continue
        song = songs[listing["id"]]
        assert (listing["track"]["name"], listing["genre"]) == (song["song_name"], song["genre"])
        assert_values(listing, song, case.tolerance)
        names = [artist["name"] for artist in listing["track"]["artists"]]
        assert names[:1] in ([song["artist_name"]], [])
    again = words(run("import", path))
    assert "was landed already; nothing changed" in again
    assert landed() == found


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.path)
def test_clean(cases: Path, songs: Songs, case: Case) -> None:
    """Guards against clean tracks that are lost, or other, for how their file writes them."""
    result = run("clean", str(cases / case.path), "clean.csv", "--rejected", "rejected.csv")
    for said in case.said:
        assert said in words(result)
    clean, rejected = written("clean.csv"), written("rejected.csv")
    assert (len(clean), len(clean) + len(rejected)) == (case.clean, case.listings)
    for track in clean:
        assert_values(track, songs[track["spotify_track_id"]], case.tolerance)


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.path)
def test_predict(cases: Path, model_path: Path, case: Case) -> None:
    """Guards against songs that can be imported and not scored."""
    result = run("predict", str(cases / case.path), "scored.csv", "--model", str(model_path))
    for said in case.said:
        if "ids" not in said:
            assert said in words(result)
    scored = written("scored.csv")
    assert len(scored) == case.listings
    with_problem = [song for song in scored if song["problems"]]
    assert len(with_problem) == (5 if "music_genre" in case.path else 0)


def test_scored_songs_are_shown_by_their_titles(cases: Path, model_path: Path) -> None:
    """Guards against a screen of "song 1" and "song 2" for a file whose titles are in a column of another name."""
    path = cases / "02-exportify-classic" / "my_playlist.csv"
    header, first, *_ = csv.reader(path.read_text(encoding="utf-8").splitlines())
    result = run("predict", str(path), "--model", str(model_path))
    assert first[header.index("Track Name")].split()[0] in result.output
    assert "song 1 " not in words(result)


def test_local_files_are_rejected_with_that_reason(cases: Path) -> None:
    """Guards against songs that vanish, or that share the id of nobody (folder 03)."""
    path = str(cases / "03-exportify-uri-local" / "liked_songs.csv")
    assert "row 4, column Track URI: a local file" in words(run("import", path))
    run("clean", path, "clean.csv", "--rejected", "rejected.csv")
    assert [(row["rule"], row["reason"]) for row in written("rejected.csv")] == [
        ("unreadable_document", "A local file, which has no id of Spotify's.")
    ] * 2


def test_artists_of_a_cell_are_split_as_the_layout_says(cases: Path) -> None:
    """Guards against an artist on both sides of a split because of a spelling (folders 02, 03, 07, 09)."""
    found = []
    for path in (
        "02-exportify-classic/my_playlist.csv", "03-exportify-uri-local/liked_songs.csv", "09-json/api_tracks.jsonl",
        "07-python-list-artists/tracks_features_with_genre.csv",
    ):  # fmt: skip
        files.warehouse_path().unlink(missing_ok=True)
        run("import", str(cases / path))
        found.append([[artist["name"] for artist in listing["track"]["artists"]] for listing in landed()])
    assert found[1:] == found[:-1]
    assert {len(names) for names in found[0]} == {1, 2}


def test_the_first_genre_of_a_cell_is_the_listings_and_the_others_are_kept(cases: Path) -> None:
    """Guards against `techno,indie techno` as a genre of its own (folder 02)."""
    path = str(cases / "02-exportify-classic" / "my_playlist.csv")
    run("import", path)
    (first, *_) = landed()
    assert first["genre"] == "techno"
    assert first["track"]["dump"]["Genres"] == "techno,indie techno"
    assert first["track"]["popularity"] is not None
    run("import", path, "--name", "all", "--all-genres")
    with files.connect(files.warehouse_path(), read_only=True) as connection:
        (rows,) = connection.execute(
            "select list((listing_id, genre) order by listing_id)[:3] from raw.tracks where dataset = 'all'"
        ).fetchall()
        assert connection.execute("select count(*) from raw.tracks where dataset = 'all'").fetchone() == (80,)
    assert rows[0] == [(1, "techno"), (2, "indie techno"), (3, "jazz")]
    run("clean", path, "clean.csv", "--rejected", "rejected.csv", "--all-genres")
    assert (len(written("clean.csv")), len(written("rejected.csv"))) == (40, 40)


def test_windows_1252(cases: Path) -> None:
    """Guards against quotation marks and dashes turned into other signs (folder 05)."""
    run("import", str(cases / "05-windows-1252" / "cp1252.csv"))
    names = [listing["track"]["name"] for listing in landed()]
    assert names[0] == "Thinkin’ ‘bout the “Tide” – Part 2 …"
    assert names[2] == "Café €5"
    for name in ("latin1 with space.csv", "latin1.csv.gz"):
        result = run("import", str(cases / "05-windows-1252" / name), "--name", name)
        assert "Windows-1252" in words(result)


def test_a_file_without_genres_is_for_predict(cases: Path, model_path: Path) -> None:
    """Guards against a refusal that offers nothing: the command that it names works (folder 07)."""
    path = cases / "07-python-list-artists" / "tracks_features.csv"
    for command in (["import", str(path)], ["clean", str(path), "clean.csv"]):
        result = runner.invoke(app, command)
        assert result.exit_code == 1
        assert f"song-genres predict {path}" in words(result)
        assert len(result.stderr.strip().splitlines()) <= 4
    run("predict", str(path), "scored.csv", "--model", str(model_path))
    assert len(written("scored.csv")) == 40


@pytest.mark.parametrize("name", ["StreamingHistory_music_0.json", "Streaming_History_Audio_2023.json"])
def test_a_listening_history_is_named(cases: Path, model_path: Path, name: str) -> None:
    """Guards against a hint about columns for a file that has no sound (folder 09)."""
    path = str(cases / "09-json" / name)
    for command in (["import", path], ["clean", path, "o.csv"], ["predict", path, "o.csv", "--model", str(model_path)]):
        result = runner.invoke(app, command)
        assert result.exit_code == 1
        assert "listening history" in result.stderr


def test_several_header_rows_are_named(cases: Path) -> None:
    """Guards against FMA's own file taken for a table with odd columns (folder 11)."""
    result = runner.invoke(app, ["import", str(cases / "11-odd-csv" / "fma_echonest.csv")])
    assert result.exit_code == 1
    assert "FMA" in words(result)


def test_what_is_missing_is_unknown_and_what_is_wrong_is_named(cases: Path) -> None:
    """Guards against `?` as text, `empty_field` as an artist, and -1 ms as a length (folder 11)."""
    path = str(cases / "11-odd-csv" / "music_genre_like.csv")
    result = words(run("import", path))
    assert "row 2, column duration_ms: '-1' is not within 0 to 86400000" in result
    found = landed()
    assert [found[0]["tempo"], found[3]["energy"], found[2]["artist_name"]] == [None] * 3
    assert found[2]["track"]["artists"] == []
    run("clean", path, "clean.csv", "--rejected", "rejected.csv")
    reasons = [row["reason"] for row in written("rejected.csv")]
    assert {reason.partition(" is ")[0] for reason in reasons} == {"Tempo", "Energy", "Duration_ms"}


def test_near_equal_genres_are_named_and_merged_only_when_asked(cases: Path) -> None:
    """Guards against one genre learnt as three, and against a merge that nobody wanted (folder 13)."""
    path = str(cases / "13-genre-spellings" / "genres.csv")
    result = words(run("import", path))
    assert "'Hip-Hop' 18, 'Hip Hop ' 17, 'hip hop' 17" in result
    assert len({listing["genre"] for listing in landed()}) == 7
    refused = runner.invoke(app, ["import", path, "--merge-genres"])
    assert refused.exit_code == 1
    assert "--name genres-2 --merge-genres" in words(refused)
    files.warehouse_path().unlink()
    assert "merged into the first" in words(run("import", path, "--merge-genres"))
    assert {listing["genre"] for listing in landed()} == {"Hip-Hop", "Children's Music", "rock, pop", "Rock"}


def test_options_are_remembered_with_the_dataset(cases: Path) -> None:
    """Guards against the same file, run or dropped again without its --map, refused or landed anew (folder 14)."""
    path = str(cases / "14-run-with-map" / "mysongs.csv")
    refused = runner.invoke(app, ["import", path])
    assert refused.exit_code == 1
    assert words(refused).endswith(f"song-genres import {path} --map genre=style")
    run("import", path, "--map", "genre=style")
    assert len(landed()) == 300
    for again in (["import", path], ["import", path, "--map", "genre=style"]):
        assert "was landed already; nothing changed" in words(run(*again))
    result = words(run("extract", "--input", path))
    assert "landed before; nothing changed" in result
    run("clean", path, "clean.csv", "--map", "genre=style")
    assert len(written("clean.csv")) == 300
