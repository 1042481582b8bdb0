"""Random tables of known songs, in random layouts, units, spellings and containers: what is landed are the songs."""

import csv
import gzip
import io
import json
import random
import zipfile
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from extract.dumps import import_dump
from extract.song_files.layouts import contents
from warehouse.features import AUDIO_FEATURES, shares

KEYS = [("C",), ("C#", "Db", "C♯", "C#/Db"), ("D",), ("D#", "Eb", "E♭"), ("E",), ("F",), ("F#", "Gb"), ("G",),
        ("G#", "Ab"), ("A",), ("A#", "Bb"), ("B",)]  # fmt: skip
MODES = [("Minor", "minor", "min"), ("Major", "major", "maj")]
LETTERS = st.characters(categories=("Lu", "Ll", "Lo", "Nd"), include_characters=" '\"-,&.!\\")
NAMES = st.text(LETTERS, min_size=1, max_size=12).map(lambda name: "x" + name.strip())
IDS = st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", min_size=22, max_size=22)

SONG = st.fixed_dictionaries(
    {
        **dict.fromkeys(shares(), st.integers(20, 1000).map(lambda share: share / 1000)),
        "key": st.integers(0, 11),
        "loudness": st.integers(-40_000, -100).map(lambda loudness: loudness / 1000),
        "mode": st.integers(0, 1),
        "tempo": st.integers(40_000, 220_000).map(lambda tempo: tempo / 1000),
        "duration_ms": st.integers(60, 900).map(lambda seconds: seconds * 1000),
        "time_signature": st.one_of(st.none(), st.integers(1, 5)),
        "popularity": st.one_of(st.none(), st.integers(0, 100)),
        "song_name": NAMES,
        "artists": st.lists(NAMES, min_size=1, max_size=3, unique=True),
        "genre": st.sampled_from(["techno", "jazz", "R&B / soul", "Música, popular"]),
    }
)
FORM = st.fixed_dictionaries(
    {
        "artists": st.sampled_from(["one", "semicolons", "python", "json"]),
        "ids": st.sampled_from(["{}", "spotify:track:{}", "https://open.spotify.com/track/{}?si=0a"]),
        "share": st.sampled_from(["share", "percent", "sign"]),
        "duration": st.sampled_from(["ms", "s", "clock", "clock or s"]),
        "words": st.booleans(),
        "beats": st.sampled_from(["{}", "{}/4", "{}-Apr", "{}.0"]),
        "missing": st.sampled_from(["", "NA", "?", "#N/A", "-", "\\N", "null"]),
        "commas": st.booleans(),
        "encoding": st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
        "packed": st.sampled_from(["", "gz", "zip"]),
        "seed": st.integers(0, 2**32),
    }
)


def cells(song: dict[str, Any], form: dict[str, Any], draw: random.Random) -> dict[str, str]:
    """The song as the file writes it, by our names."""

    def decimal(value: float) -> str:
        text = f"{value:.10g}"
        return text.replace(".", ",") if form["commas"] else text

    found = {name: decimal(song[name]) for name in ("loudness", "tempo")}
    for name in shares():
        percent = round(song[name] * 100, 6)
        found[name] = decimal(song[name]) if form["share"] == "share" else (
            decimal(percent) + " %" * (form["share"] == "sign")
        )  # fmt: skip
    seconds = song["duration_ms"] // 1000
    said = form["duration"] if form["duration"] != "clock or s" else draw.choice(["clock", "s"])
    found["duration_ms"] = {
        "ms": f"{song['duration_ms']}", "s": f"{seconds:,}", "clock": f"{seconds // 60}:{seconds % 60:02}",
    }[said]  # fmt: skip
    found["key"] = draw.choice(KEYS[song["key"]]) if form["words"] else f"{song['key']}"
    found["mode"] = draw.choice(MODES[song["mode"]]) if form["words"] else f"{song['mode']}"
    known = song["time_signature"] is not None
    found["time_signature"] = form["beats"].format(song["time_signature"]) if known else form["missing"]
    found["popularity"] = form["missing"] if song["popularity"] is None else f"{song['popularity']}"
    found |= {
        "song_name": song["song_name"],
        "genre": song["genre"],
        "spotify_track_id": form["ids"].format(song["id"]),
    }
    found["artist_name"] = {
        "one": song["artists"][0], "semicolons": ";".join(song["artists"]), "python": repr(song["artists"]),
        "json": json.dumps(song["artists"], ensure_ascii=False),
    }[form["artists"]]  # fmt: skip
    return found


def column(name: str, form: dict[str, Any], draw: random.Random) -> str:
    """One of the names that a column of our field may have, in some spelling."""
    # `Genres` are separated by commas, which one of the genres here holds.
    names = [known for known in contents()["fields"][name]["names"] if not known.endswith("genres")]
    if name == "duration_ms":
        found = draw.choice(names) + {"ms": " (ms)", "s": draw.choice(["", " (s)"])}.get(form["duration"], "")
    else:
        # In the study's layout an artist's name is one, whatever it holds.
        found = draw.choice(names[1:] if form["artists"] == "semicolons" and name == "artist_name" else [*names, name])
    spelled = found.replace("_", draw.choice(["_", " ", "-"]))
    return draw.choice([str, str.upper, str.title])(spelled)


def write(path: Path, songs: list[dict[str, Any]], form: dict[str, Any]) -> Path:
    draw = random.Random(form["seed"])
    rows = [cells(song, form, draw) for song in songs]
    names = list(rows[0])
    draw.shuffle(names)
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";" if form["commas"] else draw.choice(",;\t|"), lineterminator="\n")
    writer.writerow([column(name, form, draw) for name in names])
    writer.writerows([row[name] for name in names] for row in rows)
    content = text.getvalue().encode(form["encoding"])
    if form["packed"] == "gz":
        content = gzip.compress(content)
    if form["packed"] == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("songs.csv", content)
    else:
        path.write_bytes(content)
    return path


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(songs=st.lists(SONG, min_size=4, max_size=9), ids=st.lists(IDS, min_size=9, max_size=9, unique=True), form=FORM)
def test_what_is_landed_are_the_songs(
    songs: list[dict[str, Any]], ids: list[str], form: dict[str, Any], tmp_path: Path
) -> None:
    """Guards against a value, a name or a row that comes out other for how its file writes it."""
    if form["share"] == "percent":  # percents of up to ten alone are refused: they may be tenths as well
        assume(all(max(song[name] for song in songs) > 0.1 for name in shares()))
    songs = [song | {"id": track_id} for song, track_id in zip(songs, ids, strict=False)]
    warehouse = tmp_path / "warehouse.duckdb"
    warehouse.unlink(missing_ok=True)
    report = import_dump(write(tmp_path / "songs.csv", songs, form), warehouse)
    assert (report.listings, report.problem_rows) == (len(songs), 0)
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        landed = connection.execute(
            """
            select genre, tracks.payload, features.payload
            from raw.tracks inner join raw.audio_features as features using (listing_id) order by listing_id
            """
        ).fetchall()
    for song, (genre, track, features) in zip(songs, landed, strict=True):
        track, features = json.loads(track), json.loads(features)
        names = song["artists"][:1] if form["artists"] == "one" else song["artists"]
        assert (track["id"], track["name"], genre) == (song["id"], song["song_name"], song["genre"])
        assert [artist["name"] for artist in track["artists"]] == names
        assert track["popularity"] == song["popularity"]
        for name in AUDIO_FEATURES:
            assert features[name] == (song[name] if song[name] is None else pytest.approx(song[name], abs=1e-9)), name
