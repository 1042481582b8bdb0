"""A person's file of songs, scored: the reader of song files and the scoring put together.

Belongs here: what is between extract/ and ml/, which do not know of each other. Not here: reading (extract/song_files)
and scoring (ml/scoring.py).
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from extract.song_files import PREDICT, Container, ReadingOptions, SongFile, contained, read, standard_input
from ml.model_file import Model, load
from ml.predictions import BATCH
from ml.scoring import Scoring, Songs, Tally, absent, connect, reads_sound, score_songs, write_songs
from warehouse.files import OutputFormat
from warehouse.progress import Progress, ignore


@dataclass(frozen=True)
class FileScoring:
    """The songs of a file being scored, and the file as it was read.

    `unknown` are the columns that the model reads and of which the file has nothing.
    """

    scoring: Scoring
    file: SongFile
    unknown: list[str]


@contextmanager
def scored_file(
    model: Model,
    file: Path | Container,
    *,
    options: ReadingOptions | None = None,
    batch: int = BATCH,
    progress: Progress = ignore,
) -> Iterator[FileScoring]:
    """Read the file, and score its songs (`ml.scoring.Scoring`) within the block.

    Raises `SongFileError` (the file cannot be read, or lacks the audio features that the model reads) and `ModelError`.
    """
    purpose = replace(PREDICT, has_sound=reads_sound(model))
    container = contained(file) if isinstance(file, Path) else file
    with tempfile.TemporaryDirectory(prefix="song-genres-") as spill, connect(Path(spill)) as connection:
        found = read(connection, container, purpose, options)
        texts = {name: found.value(name) for name in found.columns}
        songs = Songs(found.name, found.source, found.types, found.columns, texts, reason="__reason")
        scoring = score_songs(model, songs, connection, batch=batch, progress=progress)
        gone = {*found.unknown, *absent(model, found.columns)}
        yield FileScoring(scoring, found, [name for name in model.columns if name in gone])


@dataclass(frozen=True)
class ScoredFile:
    """A file that was scored: by which model, how it was read, and the `first` songs where nothing is written.

    `unknown` is as in `FileScoring`.
    """

    run_id: str
    is_synthetic: bool
    tally: Tally
    file: SongFile
    first: list[dict[str, Any]]
    has_more: bool
    unknown: list[str]


def score_file(
    model_file: Path,
    file: str,
    output: str | None,
    *,
    written_as: str | None = None,
    options: ReadingOptions | None = None,
    shown: int,
    progress: Progress = ignore,
) -> ScoredFile:
    """Score the songs of `file` into `output` or, without one, the first `shown` of them.

    `-` is standard input and standard output; `written_as`, csv or jsonl, says what both are. Raises as `scored_file`.
    """
    is_json = None if written_as is None else written_as == "jsonl"
    first: list[dict[str, Any]] = []
    has_more = False
    with ExitStack() as stack:
        model = load(model_file)
        source = contained(Path(file)) if file != "-" else (
            stack.enter_context(standard_input(sys.stdin.buffer, is_json=is_json))
        )  # fmt: skip
        batch = BATCH if output else shown
        found = stack.enter_context(scored_file(model, source, options=options, batch=batch, progress=progress))
        if output is None:
            songs = found.scoring.__iter__()
            tables = list(islice(songs, 2))  # the second only says whether there are more
            songs.close()  # what was asked of DuckDB ends before its connection does
            first = tables[0].to_pylist() if tables else []
            has_more = len(tables) > 1
        elif output == "-":
            # As what came in, unless that is a file of its own: Parquet for the screen helps nobody.
            kind = "jsonl" if is_json or (is_json is None and file == "-" and source.file_format == "json") else "csv"
            write_songs(found.scoring, sys.stdout.buffer, written_as=OutputFormat(kind))
        else:
            write_songs(found.scoring, Path(output))
    return ScoredFile(model.run_id, model.is_synthetic, found.scoring, found.file, first, has_more, found.unknown)
