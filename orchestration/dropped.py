"""A file dropped on the page, scored in a process of its own: `python -m orchestration.dropped FOLDER MODEL NAME`.

Belongs here: what the page shows of the file, as result.json, and all its songs, as scored.csv, both written into the
folder that holds the file. Not here: who may drop a file, and for how long (web/dropped.py), reading it
(extract/song_files) and scoring it (ml/scoring.py), which go as for `song-genres predict`. So a file that is made to
do harm has a process that can be stopped, and nobody else waits.
"""

import json
import os
import re
import resource
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from extract.song_files import SongFileError, contained
from ml.model_file import load
from ml.scoring import SEPARATOR
from orchestration.failures import sentence
from orchestration.readings import FileReading
from orchestration.songs import scored_file

ROWS = 200_000
SHOWN = 1_000
SET_SHOWN = 8
BATCH = 5_000
CPU_SECONDS = 600
"""More than the server waits: the end of a process whose server was killed."""
LARGEST_FILE = 2 << 30
"""Bytes of the largest file that may be written, unpacked ones among them."""

FORMULA = r"^([=+\-@\t\r\n＝＋－＠])"
"""What a spreadsheet would compute, or might: OWASP's list for CSV, with the wide signs of Chinese and Japanese."""


def main(folder: Path, model_file: Path, name: str) -> int:
    """Score `folder`/songs, which errors call `name`; 0 if all went well, and 1 with the reason in result.json."""
    with suppress(OSError):
        os.nice(10)  # pages come first
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    try:
        result, code = _scored(folder, model_file, name), 0
    except Exception as error:
        words = sentence(error) or f"{name} cannot be read: something in it is not foreseen ({type(error).__name__})."
        result, code = {"error": _without_paths(words, folder, model_file, name)}, 1
    (folder / "result.json").write_text(json.dumps(result, default=str), encoding="utf-8")
    return code


def _without_paths(words: str, folder: Path, model_file: Path, name: str) -> str:
    """The words with the file's own name for the place where we keep it, which is nobody's business."""
    words = words.replace(str(folder / "songs"), name).replace(str(folder), "the upload")
    return words.replace(str(model_file.absolute()), "the model").replace(str(model_file), "the model")


def _scored(folder: Path, model_file: Path, name: str) -> dict[str, Any]:
    model = load(model_file)
    container = contained(folder / "songs", name=name)
    with scored_file(model, container, batch=BATCH) as found:
        columns = found.file.columns
        reading = FileReading.of(found.file, unknown=found.unknown)
        if found.file.rows > ROWS:
            raise SongFileError(
                f"{name} has {found.file.rows:,} songs, and the page takes {ROWS:,} at most.\n"
                f"In the console there is no limit: song-genres predict FILE OUT.csv"
            )
        genres: Counter[str] = Counter()
        shown: list[dict[str, Any]] = []
        told, schema = found.scoring, found.scoring.schema
        header = [_plain(column) for column in schema.names]
        schema = pa.schema([field.with_name(column) for field, column in zip(schema, header, strict=True)])
        with pa_csv.CSVWriter(folder / "scored.csv", schema) as file:
            for songs in told:
                genres.update(genre for genre in songs["genre_1"].to_pylist() if genre is not None)
                shown += [_row(song, columns) for song in songs.slice(0, SHOWN - len(shown)).to_pylist()]
                file.write_table(_harmless(songs).rename_columns(header))
                print(told.songs, flush=True)
    return {
        "songs": told.songs, "genres": genres.most_common(), "shown": shown, "problem_rows": told.problem_rows,
        "problems": told.problems, "columns": reading.columns, "unknown": reading.unknown, "others": reading.others,
        "notes": reading.notes, "warnings": reading.warnings, "run_id": model.run_id,
        "is_synthetic": model.is_synthetic,
    }  # fmt: skip


def _row(song: dict[str, Any], columns: Any) -> dict[str, Any]:
    """What the table has of a song."""
    return {
        "song": song.get(columns.get("song_name", "")) or "",
        "artist": song.get(columns.get("artist_name", "")) or "",
        "guesses": [
            (song[f"genre_{rank}"], song[f"probability_{rank}"]) for rank in (1, 2, 3) if song.get(f"genre_{rank}")
        ],
        "set": song["genre_set"].split(SEPARATOR)[:SET_SHOWN] if song["genre_set"] else [],
        "set_size": song["genre_set_size"] or 0,
        "problems": song["problems"],
        "missing": song["missing_features"],
    }


def _plain(text: str) -> str:
    return re.sub(FORMULA, r"'\1", text)


def _harmless(songs: pa.Table) -> pa.Table:
    """The table with an apostrophe before each text that a spreadsheet would take for a formula."""
    for place, field in enumerate(songs.schema):
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            column = pc.replace_substring_regex(songs[field.name], pattern=FORMULA, replacement=r"'\1")
            songs = songs.set_column(place, field, column)
    return songs


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
