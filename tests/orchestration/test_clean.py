"""`song-genres clean` gives what importing and `dbt build` give, row for row."""

import csv
import gzip
import json
import subprocess
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from extract.cleaning import clean_dump
from extract.song_files import SongFileError
from orchestration import builds
from orchestration.builds import cleaning_models
from orchestration.cli import app
from tests.conftest import Build
from tests.warehouse.test_exports import assert_the_notebook_gets_the_clean_file
from warehouse import files
from warehouse.exports import STUDY_COLUMNS, copy_query, export
from warehouse.files import OutputFormat

SONG = [
    "0.5", "0.25", "3", "-6.1", "1", "1e-80", "0.1", "0.30000000000000004", "0.1", "0.123456789012345", "120", "180000",
    "4", "Björk", "Jóga", "Art Rock", "id1", "",
]  # fmt: skip


def song(**changes: str) -> str:
    return ",".join((dict(zip(STUDY_COLUMNS, SONG, strict=True)) | changes).values())


EVERY_ODDITY = "\n".join(
    [
        ",".join(STUDY_COLUMNS),
        song(),
        song(),
        song(genre="Ambient"),
        song(song_name='"another, name"'),
        song(spotify_track_id="id2", song_name='"雪 ""ice"" 🎵"'),
        song(spotify_track_id="id3", energy="loud"),
        song(spotify_track_id="id4", energy="1.5", key="12", loudness="-61"),
        song(spotify_track_id="id5", energy="NaN"),
        song(spotify_track_id="id6", energy=" NA ", valence="\\N"),
        song(spotify_track_id="id7", energy=""),
        song(spotify_track_id="id8", energy="inf", tempo="-Infinity"),
        song(spotify_track_id="id9", energy="1e999"),
        song(spotify_track_id="id10", key="4.5", mode="1.0", duration_ms="180000.5"),
        song(spotify_track_id="id11", key="4.0", duration_ms=" 180001 ", tempo="+99.5", energy=".5"),
        song(spotify_track_id="id12", key="1_0"),
        song(spotify_track_id="id13", duration_ms="99999999999999999999"),
        song(spotify_track_id="id14", tempo="9.99"),
        song(spotify_track_id="id15", time_signature="0", tempo="0"),
        song(spotify_track_id="id16", time_signature="none", popularity="n/a"),
        song(spotify_track_id="id17", popularity="101"),
        song(spotify_track_id="id18", popularity="41.0"),
        song(spotify_track_id="id19", popularity="many"),
        song(spotify_track_id=""),
        song(spotify_track_id="  "),
        song(spotify_track_id="id20", genre=""),
        song(spotify_track_id="id21", artist_name="", song_name=""),
        song(spotify_track_id="id22", song_name="NA", artist_name="  spaces  "),
        song(spotify_track_id="id23", song_name='"two\nlines"'),
        song(spotify_track_id="id24") + ",one field too many",
        "",
        song(spotify_track_id="id25", song_name='"never closed'),
        '{"id": "id26"',
        song(spotify_track_id="id27"),
        song(spotify_track_id="id28", popularity="7"),
        song(spotify_track_id="id28"),
        song(spotify_track_id="id28"),
        *(song(spotify_track_id=f"good{number}", song_name=f"song {number}") for number in range(40)),
    ]
)

LINES = [
    dict(zip(STUDY_COLUMNS, SONG, strict=True)) | {"spotify_track_id": f"line{number}", "energy": 0.125, "key": number}
    for number in range(9)
]
AS_LINES = "\n".join(
    [
        *(json.dumps(line) for line in LINES),
        json.dumps(LINES[0]),
        json.dumps(LINES[1] | {"spotify_track_id": "nested", "song_name": {"a": [1, None]}, "energy": [0.5]}),
        json.dumps(LINES[1] | {"spotify_track_id": "other types", "song_name": 7, "energy": True, "popularity": 1e400}),
        '{"spotify_track_id": "twice", "spotify_track_id": "twice"}',
        '{"id": "two", "id": "names"}',
        '{"id": "broken, but named", "name": "x", "x": 1, "x": 2}',
        "[1, 2]",
        "no JSON",
    ]
)


def assert_the_short_way_is_the_long_way(dump: Path, folder: Path, build: Build) -> int:
    """Both ways, compared to the byte; returns how many tracks are clean."""
    report = clean_dump(dump, folder / "clean.csv", cleaning_models(), rejected=folder / "rejected.csv")
    with files.connect(build(dump), read_only=True) as connection:
        export(connection, folder / "export")
        audit = connection.execute(
            "select rule, rows_removed, rows_after from marts.cleaning_audit order by step"
        ).fetchall()
        columns = "listing_id, spotify_track_id, song_name, artist_name, genre, rule, reason"
        rejected = connection.execute(f"select {columns} from marts.rejected_listings order by 1").fetchall()
        tracks = f"select {', '.join(STUDY_COLUMNS)} from marts.clean_tracks order by listing_id"
        copy_query(connection, tracks, folder / "long.csv", OutputFormat("csv"))
    assert report.audit == audit
    assert (folder / "clean.csv").read_bytes() == (folder / "long.csv").read_bytes()
    with duckdb.connect() as connection:
        found = connection.execute(
            f"select listing_id::bigint, * exclude (listing_id) from "
            f"read_csv('{folder / 'rejected.csv'}', all_varchar = true, header = true, allow_quoted_nulls = false)"
        ).fetchall()
    assert [pair for pair in zip(found, rejected, strict=True) if pair[0] != pair[1]] == []
    assert not [path for path in folder.iterdir() if path.name.startswith(".") or "unfinished" in path.name]
    return report.clean


def test_every_oddity_of_a_csv(tmp_path: Path, build: Build) -> None:
    """Guards against a second set of rules: values, rows, quotes and repeats that one way judges otherwise."""
    dump = tmp_path / "odd.csv"
    dump.write_text(EVERY_ODDITY, encoding="utf-8")
    assert assert_the_short_way_is_the_long_way(dump, tmp_path, build) == 50


def test_every_oddity_of_json_lines(tmp_path: Path, build: Build) -> None:
    """Guards against documents whose values have another type, or whose lines are none, judged otherwise."""
    dump = tmp_path / "odd.jsonl.gz"
    dump.write_bytes(gzip.compress(AS_LINES.encode()))
    assert assert_the_short_way_is_the_long_way(dump, tmp_path, build) == 9


@pytest.mark.full
def test_tidytuesday(tmp_path: Path, build: Build, tidytuesday: Path) -> None:
    """Guards against a layout, real names and missing columns that one way, or the notebook, reads otherwise."""
    assert assert_the_short_way_is_the_long_way(tidytuesday, tmp_path, build) == 28_355
    assert len(assert_the_notebook_gets_the_clean_file(tmp_path / "export")) == 32_833


@pytest.mark.full
def test_the_kaggle_layout(tmp_path: Path, build: Build, kaggle_with_ids: Path) -> None:
    """Guards against artists in one cell, and an index column without a name, read otherwise."""
    assert assert_the_short_way_is_the_long_way(kaggle_with_ids, tmp_path, build) == 17_905


def test_a_dump_that_is_mostly_unusable_is_refused_as_an_import_would(tmp_path: Path) -> None:
    """Guards against an empty file in answer to a column mapped to the wrong field, and over a good one."""
    dump, output = tmp_path / "wrong.csv", tmp_path / "clean.csv"
    dump.write_text("\n".join([",".join(STUDY_COLUMNS), song(), song(energy="loud"), song(energy="louder")]))
    output.write_text("from before")
    with pytest.raises(SongFileError, match=r"2 of 3 rows cannot be used.*(?s:.)*row 2, column energy: 'loud'"):
        clean_dump(dump, output, cleaning_models())
    assert output.read_text() == "from before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clean.csv", "wrong.csv"]


def test_the_command_leaves_the_warehouse_alone_and_prints_the_audit(
    tmp_path: Path, songs_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a database made on the way, and against rows that are taken without a word."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["clean", str(songs_csv), "out/clean.csv", "--rejected", "out/rejected.csv"])
    assert result.exit_code == 0, result.output
    assert "364" in result.output
    assert "360" in result.output
    assert "exact_repeat" in result.output
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")) == [
        "out/clean.csv", "out/rejected.csv",
    ]  # fmt: skip
    given, clean = (
        list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        for path in (songs_csv, tmp_path / "out" / "clean.csv")
    )
    assert len(clean) == 360
    for name in ("key", "mode", "duration_ms", "time_signature", "popularity"):
        assert [song[name] for song in clean] == [song[name] for song in given[:360]], "6 is not written as 6.0"
    missing = CliRunner().invoke(app, ["clean", "nowhere.csv", "clean.csv"])
    assert missing.exit_code == 1
    assert "nowhere.csv does not exist" in missing.stderr


def test_the_rules_are_compiled_anew_when_the_dbt_project_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against rules of yesterday, and against seconds of dbt for rules that are the same."""
    cleaning_models()
    calls = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(builds.subprocess, "run", run)
    cleaning_models()
    assert calls == []
    monkeypatch.setattr(builds, "newest_source", lambda: float("inf"))
    cleaning_models()
    assert [command[2] for command in calls] == ["compile"]
