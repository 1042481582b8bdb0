"""A person's file of songs, scored: the reader of song files and the scoring put together.

Belongs here: what is between extract/ and ml/, which do not know of each other. Not here: reading (extract/song_files)
and scoring (ml/scoring.py).
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from extract.song_files import PREDICT, Container, ReadingOptions, SongFile, contained, read
from ml.model_file import Model
from ml.predictions import BATCH
from ml.scoring import Scoring, Songs, connect, score_songs
from warehouse.progress import Progress, ignore


@dataclass(frozen=True)
class FileScoring:
    """The songs of a file being scored, and the file as it was read."""

    scoring: Scoring
    file: SongFile


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

    Raises `SongFileError` (the file cannot be read, or lacks an audio feature) and `ModelError`.
    """
    container = contained(file) if isinstance(file, Path) else file
    with tempfile.TemporaryDirectory(prefix="song-genres-") as spill, connect(Path(spill)) as connection:
        found = read(connection, container, PREDICT, options)
        texts = {name: found.value(name) for name in found.columns}
        songs = Songs(found.name, found.source, found.types, found.columns, texts, reason="__reason")
        yield FileScoring(score_songs(model, songs, connection, batch=batch, progress=progress), found)
