"""A small archive in the layout of FMA's `fma_metadata.zip`, with invented songs."""

import csv
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FEATURES = (
    "acousticness", "danceability", "energy", "instrumentalness", "liveness", "speechiness", "tempo", "valence",
)  # fmt: skip
SOUND = (0.42, 0.68, 0.63, 1.06e-05, 0.18, 0.16, 165.922, 0.58)
TRACK_COLUMNS = (
    ("album", "date_released"), ("album", "id"), ("album", "information"), ("album", "title"), ("artist", "bio"),
    ("artist", "id"), ("artist", "name"), ("set", "split"), ("track", "duration"), ("track", "genre_top"),
    ("track", "genres"), ("track", "genres_all"), ("track", "license"), ("track", "number"), ("track", "title"),
)  # fmt: skip
SONGS: list[dict[str, Any]] = [
    {"id": 2, "title": "Food", "artist": "Awl", "top": "Hip-Hop", "genres": [21], "all": [21]},
    {"id": 3, "title": "No features", "artist": "Awl", "top": "Hip-Hop", "genres": [21], "all": [21]},
    {"id": 5, "title": "Nails, and “more”", "artist": "Ann; & Bob", "top": "Rock", "genres": [25], "all": [12, 25, 70]},
    {"id": 134, "title": "Both", "artist": "Cy", "top": "", "genres": [21, 25], "all": [21, 12, 25]},
    {"id": 140, "title": "", "artist": "Cy", "top": "Rock", "genres": [12], "all": [12], "album": -1, "released": ""},
    {"id": 155, "title": "Of no genre", "artist": "Dee", "top": "", "genres": [], "all": []},
]
"""Of these, the second has no features."""

GENRES = [(21, 3, 0, "Hip-Hop", 21), (12, 4, 0, "Rock", 12), (25, 3, 12, "Punk", 12), (70, 1, 25, "Oi", 12)]


def fma_archive(path: Path, songs: Sequence[dict[str, Any]] = SONGS, **members: str | None) -> Path:
    """Write the archive; `members` are the text of single members by name (`tracks`), None for one that is missing."""
    texts = {"tracks": tracks(songs), "genres": genres(), "echonest": echonest(songs), "raw_tracks": "track_id\n2\n"}
    # As published: packed with bzip2, in a folder.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("fma_metadata/README.txt", "About it")
        archive.writestr("fma_metadata/not_found.pickle", b"\x80\x03}")
        for name, text in (texts | members).items():
            if text is not None:
                archive.writestr(f"fma_metadata/{name}.csv", text)
    return path


def tracks(songs: Sequence[dict[str, Any]] = SONGS) -> str:
    """tracks.csv: two rows of names and one of the index's; texts of several lines, and one that is very long."""
    rows = [
        [
            song["id"], song.get("released", "2009-01-05 00:00:00"), song.get("album", 7), "<p>One\r\n\r\ntwo</p>",
            "Way, of life", "long " * 40_000, 9, song["artist"], "training", song.get("duration", 168), song["top"],
            song["genres"], song["all"], "Attribution", 3, song["title"],
        ]
        for song in songs
    ]  # fmt: skip
    return _text([["", *names] for names in zip(*TRACK_COLUMNS, strict=True)], len(TRACK_COLUMNS), rows)


def echonest(songs: Sequence[dict[str, Any]] = SONGS) -> str:
    """echonest.csv: three rows of names and one of the index's; metadata stand beside the features."""
    rows = [[song["id"], *song.get("sound", SOUND), "Way Of Life"] for song in songs if song["title"] != "No features"]
    kinds = ["audio_features"] * len(FEATURES) + ["metadata"]
    header = [["", *["echonest"] * len(kinds)], ["", *kinds], ["", *FEATURES, "release"]]
    return _text(header, len(kinds), rows)


def genres(rows: Sequence[Sequence[Any]] = GENRES) -> str:
    """genres.csv."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([["genre_id", "#tracks", "parent", "title", "top_level"], *rows])
    return file.getvalue()


def _text(header: Sequence[Sequence[str]], width: int, rows: Sequence[Sequence[Any]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([*header, ["track_id", *[""] * width], *rows])
    return file.getvalue()
